"""--dry-run: passes as they are counted when the command runs, and nothing written."""

import json
import re
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from commands import files, fine
from keras import layers
from needed import need_package
from PIL import Image

from kviz.cli import main
from kviz.shelf import METHODS

SEEN: list[int] = []


@keras.saving.register_keras_serializable(package="dry_run")
class Counted(layers.Layer):
    """Counts the images that pass, and changes nothing."""

    def call(self, x):
        def told(images):
            SEEN.append(int(images))
            return np.float32(0)

        zero = tf.numpy_function(told, [tf.shape(x)[0]], tf.float32, stateful=False)
        zero.set_shape([])
        return x + zero


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """A folder with a model that counts, and two photos."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3))
    x = Counted()(layers.Rescaling(1 / 255)(inputs))
    x = layers.Conv2D(6, 3, activation="relu", name="maps")(x)
    outputs = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    keras.Model(inputs, outputs).save(tmp_path / "m.keras")
    (tmp_path / "m.class_names.json").write_text('["a", "b", "c"]')
    draw = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(draw.integers(0, 256, (16, 16, 3), "uint8")).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("sklearn.linear_model", ("attribute", "a.png", "--method", "lime")),
        ("skimage.segmentation", ("attribute", "a.png", "--method", "kernel_shap")),
        ("skimage.segmentation", ("attribute", "a.png", "--method", "xrai")),
        (
            "skimage.segmentation",
            ("attribute", "a.png", "--method", "shapley", "--set", "segments=4"),
        ),
        ("scipy", ("evaluate", "a.png", "--metric", "road")),
        ("sklearn.linear_model", ("run attribute", ".", "--method", "lime", "--out", "found")),
        ("tensorstore", ("run predict", ".", "--out", "found")),
        ("ray.data", ("run predict", ".", "--out", "found", "--engine", "ray")),
    ],
)
@pytest.mark.usefixtures("counted")
def test_what_stops_for_a_missing_extra_is_refused_as_it_would_be(monkeypatch, missing, words):
    verb, *more = words
    typed = (*verb.split(), "m.keras", *more)
    monkeypatch.setitem(sys.modules, missing, None)
    said = [run(*typed, *dry) for dry in ((), ("--dry-run",))]
    assert [one.exit_code for one in said] == [said[0].exit_code] * 2
    assert said[0].exit_code > 0
    told = [one.stderr.strip().splitlines()[-1] for one in said]
    assert told[0] == told[1]
    assert re.search("not installed|does not import", told[1])


@pytest.mark.parametrize(
    "words",
    [
        ("activations", "a.png", "b.png"),
        ("attribute", "a.png", "b.png"),
        ("attribute", "a.png", "--method", "score_cam", "--layers", "maps", "--class", 1),
        (
            "attribute",
            "a.png",
            "--method",
            "score_cam",
            "--layers",
            "maps",
            "--class",
            1,
            "--set",
            "max_channels=2",
        ),
        ("attribute", "a.png", "--method", "rise", "--set", "masks=9"),
        ("attribute", "a.png", "--method", "occlusion", "--class", 0, "--class", 2),
        ("evaluate", "a.png"),
        (
            "evaluate",
            "a.png",
            "b.png",
            "--method",
            "score_cam",
            "--method",
            "saliency",
            "--metric",
            "deletion",
            "--metric",
            "max_sensitivity",
            "--metric",
            "mu_fidelity",
            "--nulls",
            2,
        ),
        (
            "evaluate",
            "a.png",
            "a.png",
            "--class",
            1,
            "--metric",
            "completeness",
            "--metric",
            "efficient_parameter_randomization",
            "--metric",
            "infidelity",
            "--metric",
            "average_drop",
            "--method",
            "grad_cam",
            "--method",
            "integrated_gradients",
            "--baseline",
            "grey",
        ),
        ("report", "a.png", "b.png", "--quick"),
        ("report", "a.png", "--quick", "--method", "rise", "--class", 2, "--layers", "maps"),
        ("report", "a.png", "--quick", "--class", 0, "--class", 2),
    ],
)
def test_passes_are_those_that_the_command_makes(counted, words):
    verb, *more = words
    before = files(counted)
    told = json.loads(fine(run(verb, "m.keras", *more, "--batch-size", 1, "--dry-run", "--json")))
    assert files(counted) == before
    SEEN.clear()
    assert run(verb, "m.keras", *more, "--batch-size", 1).exit_code == 0
    assert sum(SEEN) == sum(work["forward"] for work in told["work"])
    assert told["seconds"] > 0
    assert told["seconds_per_batch"]["forward"] > 0


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(("size", "seconds"), [(1, 2 * 2 + 2 * 3), (2, 2 + 3), (9, 2 + 3)])
def test_seconds_are_those_of_as_many_batches_as_the_passes_fill(monkeypatch, size, seconds):
    # A batch forward, then one forward and backward.
    times = iter([2.0, 5.0])
    monkeypatch.setattr("kviz.cli.plan._timed", lambda _: next(times))
    words = ("a.png", "b.png", "--class", 1, "--batch-size", size, "--dry-run", "--json")
    told = json.loads(fine(run("attribute", "m.keras", *words)))
    assert told["batch"] == min(size, 2)
    assert told["seconds_per_batch"] == {"forward": 2, "backward": 3}
    assert told["seconds"] == seconds


@pytest.mark.parametrize(
    "words",
    [
        ("class-image", "--class", 1, "--steps", 8),
        pytest.param(("fool", "a.png", "--class", 1, "--steps", 5), marks=pytest.mark.slow),
        pytest.param(
            ("fool", "a.png", "--away", "--steps", 5, "--max-norm", 3, "--max-norm", 9),
            marks=pytest.mark.slow,
        ),
        pytest.param(("deep-dream", "a.png", "--steps", 5), marks=pytest.mark.slow),
        pytest.param(("report", "a.png"), marks=pytest.mark.slow),
    ],
)
def test_an_ascent_takes_no_more_than_was_said(counted, words):
    verb, *more = words
    told = json.loads(fine(run(verb, "m.keras", *more, "--dry-run", "--json")))
    assert files(counted) == ["a.png", "b.png", "m.class_names.json", "m.keras"]
    SEEN.clear()
    assert run(verb, "m.keras", *more).exit_code == 0
    most = sum(work["forward"] for work in told["work"])
    assert most / 4 <= sum(SEEN) <= most
    assert any(work["at_most"] for work in told["work"])


RUNS = [
    ("predict",),
    ("predict", "--batch-size", 2, "--shard-size", 3, "--shard", "2/2"),
    ("predict", "--batch-size", 2, "--shard-size", 2, "--shard", "1/2"),
    ("activations", "--pooling", "avg"),
    ("activations", "--statistic", "histogram"),
    ("attribute",),
    ("attribute", "--method", "rise", "--set", "masks=5"),
    ("attribute", "--method", "rise", "--set", "masks=5", "--class", 1, "--statistic", "histogram"),
    ("evaluate", "--method", "saliency", "--batch-size", 2),
]


@pytest.mark.parametrize("words", RUNS)
def test_passes_over_a_data_set_are_those_that_it_makes(counted, words):
    need_package("tensorstore", "store")
    need_package("pyarrow", "store")
    verb, *more = words
    (counted / "photos").mkdir()
    for place, name in enumerate(("a.png", "b.png") * 3):
        levels = np.asarray(Image.open(name)) // (1 + place)
        Image.fromarray(levels).save(counted / f"photos/{place}.png")
    run_it = ("run", verb, "m.keras", "photos", "--out", "store", *more)
    told = json.loads(fine(run(*run_it, "--dry-run", "--json")))
    assert not (counted / "store").exists()
    SEEN.clear()
    fine(run(*run_it))
    assert sum(SEEN) == sum(work["forward"] for work in told["work"])
    if "--shard" not in words:
        assert told["images"]["count"] == 6
        return
    numbers = {"2/2": (3, 1, 2), "1/2": (4, 2, 2)}[words[-1]]
    assert tuple(told["images"].values()) == numbers
    told = json.loads(fine(run(*run_it[:-2], "--resume", "--dry-run", "--json")))
    left = {"2/2": (3, 1, 2), "1/2": (2, 1, 1)}[words[-1]]
    assert tuple(told["images"].values()) == left
    said = fine(run(*run_it, "--dry-run"))
    count, shards, batches = numbers
    assert f"Images   {count} in {shards} shard{'s' * (shards > 1)}, {batches} batches\n" in said
    assert "Time     computing about" in said


def test_it_is_told_in_words_and_what_is_not_known_is_not_said(counted):
    said = fine(run("attribute", "m.keras", "a.png", "--method", "shapley", "--dry-run"))
    assert "Passes   shapley: not known\n" in said
    assert "Time" not in said
    for words in (
        ("evaluate", "m.keras", "a.png", "--metric", "parameter_randomization"),
        ("attribute", "m.keras", "a.png", "--certify"),
        ("report", "m.keras", "a.png", "--quick", "--certify"),
    ):
        said = fine(run(*words, "--dry-run"))
        assert ": not known\n" in said
        assert "Time" not in said
    said = fine(run("attribute", "m.keras", "a.png", "--method", "rise", "--dry-run"))
    assert f"Passes   rise: {METHODS.card('rise').cost}\n" in said
    assert "Passes   the predicted class: 1 forward\n" in said
    said = fine(run("attribute", "m.keras", "a.png", "--method", "lime", "--dry-run"))
    assert "Passes   lime: at most " in said
    assert "Time     computing at most " in said
    said = fine(run("filter-patterns", "m.keras", "--layers", "maps", "--dry-run"))
    assert re.search(r"\d m?s; loading, compiling and drawing take some seconds more \(", said)
    assert "6 filters, and more for those that stay silent: 606 forward, 600 backward" in said
    assert "Time     computing about" in said
    assert "Writes   nothing now; else png to patterns" in said
    assert files(counted) == ["a.png", "b.png", "m.class_names.json", "m.keras"]
