"""A command in an empty folder, and models for it."""

import keras
import pytest
from click.testing import CliRunner
from commands import MODEL, NAMES

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
