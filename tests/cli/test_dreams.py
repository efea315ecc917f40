"""The commands that dream, on a small model."""

import json

import pytest
from click.testing import CliRunner
from PIL import Image

from kviz.cli import main


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.some(every=2)
@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize(
    ("words", "folder", "film"),
    [
        (("fool", "m.keras", "p.png", "--class", 1), "fooled", "fool"),
        (("fool", "m.keras", "p.png", "--away"), "fooled", "fool"),
        (("class-image", "m.keras", "--class", 1, "--class", 2), "class_images", "class_image"),
        (("filter-patterns", "m.keras", "--layers", "conv"), "patterns", "filter_patterns"),
        (
            ("deep-dream", "m.keras", "p.png", "--layers", "conv", "--octaves", 1),
            "dreams",
            "deep_dream",
        ),
    ],
)
def test_pictures_numbers_and_an_animation(workplace, words, folder, film):
    done = run(*words, "--steps", 3, "--gif", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert f"{folder}/{film}.gif" in told["files"]
    for file in told["files"]:
        with Image.open(workplace / file) as picture:
            assert picture.size[0] >= 16
    assert len(told["images"]) >= 1
    done = run(*words, "--steps", 3, "--out", "all.npz", "--gif")
    assert done.exit_code == 0, done.output
    assert (workplace / "all.npz").exists()
    assert (workplace / "all.gif").exists()
    assert "Wrote 2 files" in done.stdout


@pytest.mark.some(every=2)
@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("fool", "m.keras", "p.png"), 2, "needs --class"),
        (("fool", "m.keras", "p.png", "--class", 7), 1, "0 to 2"),
        (("fool", "m.keras", "p.png", "--class", 1, "--random-start"), 2, "needs --max-norm"),
        (("fool", "m.keras", "p.png", "--class", 1, "--max-norm", -1), 2, "x>0"),
        (("fool", "m.keras", "lost.png", "--class", 1), 1, "lost.png"),
        (("class-image", "m.keras", "--class", "cat"), 1, "no class names"),
        (("class-image", "m.keras"), 2, "--class"),
        (("class-image", "m.keras", "--class", 1, "--target-size", 9, 9), 1, "16 x 16"),
        (("filter-patterns", "m.keras", "--layers", "cnov"), 1, "'conv'"),
        (("filter-patterns", "m.keras", "--layers", "conv", "--filter", 4), 1, "0 to 3"),
        (("deep-dream", "m.keras", "p.png", "--octave-scale", 1), 2, "x>1"),
    ],
)
def test_bad_input_is_one_line(workplace, words, code, said):
    done = run(*words)
    assert done.exit_code == code
    assert said in done.output
    assert "Traceback" not in done.output
    assert sorted(path.name for path in workplace.iterdir()) == ["m.keras", "p.png"]
