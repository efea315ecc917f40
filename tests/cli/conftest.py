"""A command in an empty folder, and models for it."""

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from commands import MODEL, NAMES
from keras import layers
from PIL import Image

import kviz
from kviz.cli import main


@pytest.fixture(autouse=True)
def _process_as_before(monkeypatch):
    """The command sets these for a process of its own."""
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture
def run(squeezenet, monkeypatch, tmp_path):
    """Run a command in an empty folder; the real model is read once for all tests."""
    load = kviz.load_model

    def once(model, **options):
        return (
            squeezenet if model == MODEL and not any(options.values()) else load(model, **options)
        )

    monkeypatch.setattr("kviz.network.loading.load_model", once)
    monkeypatch.chdir(tmp_path)
    return lambda *command: CliRunner().invoke(main, [str(part) for part in command])


@pytest.fixture(scope="session")
def odd_model(tmp_path_factory):
    """A small model whose layers have names that terminals and pages could take for more."""
    path = tmp_path_factory.mktemp("odd") / "odd.keras"
    x = inputs = keras.Input((8, 8, 3))
    for name in NAMES:
        x = keras.layers.Conv2D(2, 3, padding="same", name=name)(x)
    keras.Model(inputs, x).save(path)
    return path


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with a small model, `m.keras`, and a photo for it, `p.png`."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Rescaling(1 / 255),
         layers.Conv2D(4, 3, activation="relu", name="conv"), layers.GlobalAveragePooling2D(),
         layers.Dense(3, activation="softmax")]
    )  # fmt: skip
    model.save(tmp_path / "m.keras")
    photo = np.random.default_rng(0).integers(0, 256, (16, 16, 3), "uint8")
    Image.fromarray(photo).save(tmp_path / "p.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path
