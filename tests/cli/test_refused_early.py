"""What cannot work is said before TensorFlow is imported, which takes seconds."""

import subprocess
import sys

from commands import CAT, MODEL, ROOT

# The words of each command, and a part of what is said.
REFUSED = [
    ("report lost.keras CAT", "There is no file lost.keras"),
    ("report MODEL lost.png", "There is no file lost.png"),
    ("report MODEL CAT --out page.txt", "--out takes a file ending in .html"),
    ("report MODEL CAT --out no/such/page.html", "Make no/such first"),
    ("report MODEL CAT --method grad_cm", "Did you mean 'grad_cam'"),
    ("report MODEL CAT --max-mb 0", "--max-mb"),
    ("report MODEL CAT --max-memory 8XB", "--max-memory takes a size such as 8GB"),
    ("report MODEL", "Give IMAGE..."),
    ("attribute MODEL CAT --method ocludsion", "Did you mean 'occlusion'"),
    ("attribute MODEL CAT --method road", "'road'. It is a metric, which kviz evaluate takes."),
    ("evaluate MODEL CAT --metric rise", "'rise'. It is a method, which kviz attribute takes."),
    ("attribute MODEL CAT --method zzz", "There is: 'ablation_cam', 'attention_rollout', 'cam', "),
    ("run attribute MODEL . --out o --method zzz", " more; kviz methods lists them."),
    ("evaluate MODEL CAT --metric zzz", " more; kviz evaluate --list lists them."),
    ("attribute MODEL CAT --set steps=3", "grad_cam has no option 'steps'"),
    ("attribute MODEL CAT --method rise --layers conv1", "rise has no option '--layers'"),
    ("attribute MODEL CAT --method rise --set masks=few", "masks takes a whole number from 1"),
    ("attribute MODEL CAT --method rise --set p=1", "p takes a number between 0 and 1"),
    ("attribute MODEL CAT --method occlusion --set baseline=grye", "baseline takes one of 'black'"),
    ("attribute MODEL CAT --method saliency --set reduce=max", "one of 'max_abs', 'sum', None"),
    ("attribute MODEL CAT --method smooth_grad --set base=gradent", "Did you mean 'gradient'"),
    ("attribute MODEL CAT --alpha 2", "--alpha"),
    ("attribute MODEL CAT --cmap virdis", "Did you mean 'viridis'"),
    ("attribute MODEL CAT --preprocess vgg61", "'vgg16'?"),
    ("predict MODEL CAT --preprocess 1..0", "module or a range such as '0..1'. Received"),
    ("activations MODEL CAT --cmap virdis", "Did you mean 'viridis'"),
    ("attribute MODEL CAT --format npz --out x.html", "contradict each other"),
    ("evaluate MODEL CAT --metric delet", "Did you mean 'deletion'"),
    ("evaluate MODEL CAT --baseline grey2", "--baseline takes one of 'black'"),
    ("evaluate MODEL CAT --regions lost.json", "There is no file or folder lost.json"),
    ("activations MODEL CAT --columns 0", "--columns"),
    ("predict MODEL CAT --top 0", "--top"),
    ("predict MODEL CAT --device tpu", "--device takes cpu, gpu or gpu:0"),
    ("fool MODEL CAT", "fool needs --class"),
    ("fool MODEL CAT --away --random-start", "--random-start needs --max-norm"),
    ("class-image MODEL", "--class"),
    ("class-image MODEL --class 1 --colours-of lost.png", "lost.png"),
    ("filter-patterns MODEL --layers a --steps 0", "--steps"),
    ("deep-dream MODEL CAT --octave-scale 1", "--octave-scale"),
    ("run predict MODEL lost --out store", "There is no file or folder lost"),
    ("run attribute MODEL FOLDER --out store --method grad_cm", "Did you mean 'grad_cam'"),
    ("run attribute MODEL FOLDER --out store --set steps=3", "grad_cam has no option 'steps'"),
    ("run attribute MODEL FOLDER --out store --set relu=3", "relu takes True or False"),
    ("run predict MODEL FOLDER --out store --preprocess vgg61", "'vgg16'?"),
    ("run evaluate MODEL FOLDER --out store --metric delet", "Did you mean 'deletion'"),
    ("convert MODEL", "NEW.keras"),
]


def test_options_that_cannot_work_are_refused_before_tensorflow_is_imported(tmp_path):
    real = {"MODEL": MODEL, "CAT": CAT, "FOLDER": str(ROOT / "notebooks/images")}
    commands = [([real.get(w, w) for w in words.split()], part) for words, part in REFUSED]
    code = f"""
import sys
from click.testing import CliRunner
from kviz.cli import main
for words, part in {commands!r}:
    done = CliRunner().invoke(main, words)
    assert done.exit_code in (1, 2), (words, done.output)
    assert part in done.stderr, (words, done.stderr)
    assert done.stdout == "", words
    loaded = {{"tensorflow", "keras"}} & set(sys.modules)
    assert not loaded, (words, loaded)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert not list(tmp_path.iterdir())
