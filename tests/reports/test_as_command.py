"""The command that draws a figure: the command line reads the same model, photo and options from it."""

import shlex

import keras
import numpy as np
import pytest
from PIL import Image

import kviz
from kviz.cli import main
from kviz.reports.as_command import as_command


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with a model that takes any size and a photo, whose names are hard on a shell."""
    monkeypatch.chdir(tmp_path)
    photo = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(photo))
    keras.Model(photo, pooled).save("model.keras")
    (tmp_path / "model.keras").rename("--trust model.keras")
    levels = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8)
    Image.fromarray(levels).save("-a 'photo'.png")
    return tmp_path


def options_of(words):
    """Return the options that the command line reads from words."""
    name, *rest = shlex.split(words)[1:]
    command = main.get_command(None, name)
    return command.make_context(name, rest).params


def test_the_command_line_reads_what_was_asked_for():
    network = kviz.load_model("./--trust model.keras", preprocess="-1..1")
    how = {"fit": "pad", "target_size": [8, 12], "bands": [3, 1, 2]}
    images = kviz.load_images("./-a 'photo'.png", network, **how)
    made = as_command(network, {"image": images}, 1, 3)
    read = options_of(f"{made['command']} {made['photos'][0]}")
    assert (read["model"], read["images"]) == ("./--trust model.keras", ("./-a 'photo'.png",))
    assert (read["preprocess"], read["output"], read["seed"]) == ("-1..1", "1", 3)
    assert made["options"] == {"output": 1, "seed": 3}
    read = (read["fit"], list(read["target_size"]), list(read["bands"]))
    assert read == tuple(how.values())


def test_what_is_so_by_default_is_not_in_it(folder):
    (folder / "--trust model.keras").rename("my model.keras")
    network = kviz.load_model("my model.keras")
    (folder / "-a 'photo'.png").rename("photo.png")
    images = kviz.load_images("photo.png", network)
    assert as_command(network, {"image": images}) == {
        "command": "kviz attribute 'my model.keras'",
        "photos": ["photo.png"],
        "files": [],
        "options": {},
    }


def test_a_file_is_named_from_the_folder_where_the_page_is_made(folder, monkeypatch):
    (folder / "models").mkdir()
    (folder / "apart").mkdir()
    (folder / "--trust model.keras").rename("models/m.keras")
    (folder / "-a 'photo'.png").rename("photo.png")
    network = kviz.load_model(folder / "models/m.keras")
    images = kviz.load_images("photo.png", network)

    def told():
        made = as_command(network, {"image": images})
        return f"{made['command']} {made['photos'][0]}", made["files"]

    assert told() == ("kviz attribute models/m.keras photo.png", [])
    # Only one of the two lies below.
    monkeypatch.chdir("models")
    assert told() == ("kviz attribute m.keras photo.png", [["m.keras", "photo.png"]])
    monkeypatch.chdir("../apart")
    assert told() == ("kviz attribute m.keras photo.png", [["m.keras", "photo.png"]])
    # Below the root is everything: that would tell the whole path.
    monkeypatch.chdir("/")
    assert told() == ("kviz attribute m.keras photo.png", [["m.keras", "photo.png"]])


@pytest.mark.parametrize("what", ["photo", "model", "preprocess", "inputs"])
def test_where_a_file_is_missing_there_is_none(what):
    path = "./--trust model.keras"
    preprocess = keras.layers.Rescaling(2.0) if what == "preprocess" else None
    network = kviz.load_model(path, preprocess=preprocess)
    images = kviz.load_images("./-a 'photo'.png", network)
    pixels = {"image": images}
    if what == "model":
        network = kviz.Network(network.model)
    elif what == "photo":
        pixels = {"image": np.concatenate([images, images // 2])}
    elif what == "inputs":
        pixels = {"one": images, "other": images}
    assert as_command(network, pixels, seed=3) == {
        "command": None,
        "photos": [],
        "files": [],
        "options": {"seed": 3},
    }
