"""--dry-run: passes as they are counted when the command runs, and nothing written."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from commands import files, fine
from keras import layers
from PIL import Image

from kviz.cli import main

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
    draw = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(draw.integers(0, 256, (16, 16, 3), "uint8")).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize(
    "words",
    [
        ("activations", "a.png", "b.png"),
        ("attribute", "a.png", "b.png"),
        ("attribute", "a.png", "--method", "score_cam", "--layers", "maps", "--class", 1),
        ("attribute", "a.png", "--method", "rise", "--set", "masks=9"),
        ("attribute", "a.png", "--method", "occlusion", "--class", 0, "--class", 2),
    ],
)
def test_passes_are_those_that_the_command_makes(counted, words):
    verb, *more = words
    before = files(counted)
    told = json.loads(fine(run(verb, "m.keras", *more, "--batch-size", 1, "--dry-run", "--json")))
    assert files(counted) == before
    SEEN.clear()
    fine(run(verb, "m.keras", *more, "--batch-size", 1))
    assert sum(SEEN) == sum(work["forward"] for work in told["work"])
    assert told["seconds"] > 0
    assert told["seconds_per_batch"]["forward"] > 0


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
    ],
)
def test_an_ascent_takes_no_more_than_was_said(counted, words):
    verb, *more = words
    told = json.loads(fine(run(verb, "m.keras", *more, "--dry-run", "--json")))
    assert files(counted) == ["a.png", "b.png", "m.keras"]
    SEEN.clear()
    assert run(verb, "m.keras", *more).exit_code == 0
    (work,) = told["work"]
    assert work["forward"] / 4 <= sum(SEEN) <= work["forward"]
    assert work["at_most"]


def test_it_is_told_in_words_and_what_is_not_known_is_not_said(counted):
    said = fine(run("attribute", "m.keras", "a.png", "--method", "shapley", "--dry-run"))
    assert "Passes   shapley: not known before" in said
    assert "Time" not in said
    said = fine(run("filter-patterns", "m.keras", "--layers", "maps", "--dry-run"))
    assert "6 filters, and more for those that stay silent: 606 forward, 600 backward" in said
    assert "Time     about" in said
    assert "Writes   nothing now; else png to patterns" in said
    assert files(counted) == ["a.png", "b.png", "m.keras"]
