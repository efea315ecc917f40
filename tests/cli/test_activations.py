"""kviz activations: pictures, numbers or a page."""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import CAT, COFFEE, MODEL, files, fine
from PIL import Image

import kviz


def test_pictures(run, tmp_path):
    out = fine(run("activations", MODEL, CAT, "--layers", "conv1", "--layers", "pool*"))
    lines = out.splitlines()
    assert lines[0] == "Feature maps"
    assert lines[2].split()[:2] == ["conv1", "Conv2D"]
    assert lines[2].endswith("  0 %")
    assert lines[-1] == "Wrote 4 files to maps"
    assert files(tmp_path) == [f"maps/00{n}_{name}.png" for n, name in
                               enumerate(["conv1", "pool1", "pool3", "pool5"], 1)]  # fmt: skip


def test_every_conv_and_pooling_layer_by_default(run, tmp_path):
    assert fine(run("activations", MODEL, CAT)).endswith("\nWrote 29 files to maps\n")
    assert len(files(tmp_path)) == 29


def test_one_picture(run):
    out = fine(run("activations", MODEL, CAT, "--layers", "conv1"))
    assert out.endswith("\nWrote maps/001_conv1.png\n")


def test_json(run, tmp_path):
    command = ("activations", MODEL, CAT, "--layers", "conv10", "--out", "o", "--json")
    found = json.loads(fine(run(*command)))
    assert found["files"] == ["o/001_conv10.png"]
    (layer,) = found["layers"]
    assert layer["path"] == "conv10"
    assert layer["kind"] == "Conv2D"
    assert layer["shape"] == [13, 13, 1000]
    (image,) = layer["images"]
    assert image["min"] < 0 < image["max"]
    assert (image["empty_share"], image["empty_channels"]) == (0, [])
    assert files(tmp_path) == ["o/001_conv10.png"]


def test_numbers(run, tmp_path, squeezenet, cat):
    expected = kviz.activations(squeezenet, cat, "conv1")["conv1"]
    for out, form, file in (
        ("a.npz", (), "a.npz"),
        ("b", ("--format", "npz"), "b/activations.npz"),
        ("c.npz", ("--format", "npz"), "c.npz"),
    ):
        command = ("activations", MODEL, CAT, "--layers", "conv1", "--out", out, *form)
        assert fine(run(*command)).endswith(f"\nWrote {file}\n")
        np.testing.assert_array_equal(kviz.load_result(file)["conv1"], expected)
    assert files(tmp_path) == ["a.npz", "b/activations.npz", "c.npz"]


@pytest.mark.parametrize(
    ("out", "form", "file"),
    [("page.html", (), "page.html"), ("p", ("--format", "html"), "p/activations.html")],
)
def test_page(run, out, form, file):
    command = ("activations", MODEL, CAT, "--layers", "pool*", "--out", out, *form)
    assert fine(run(*command)).endswith(f"\nWrote {file}\n")
    page = Path(file).read_text(encoding="utf-8")
    assert page.count("<img ") == 3
    assert "cat.png" in page


def test_several_images_give_a_folder_each(run, tmp_path):
    out = fine(run("activations", MODEL, CAT, COFFEE, "--layers", "conv1", "--layers", "pool1"))
    found = files(tmp_path)
    assert len(found) == 4
    assert len({name.rsplit("/", 1)[0] for name in found}) == 2
    assert found[0].startswith("maps/001_cat-png")
    assert found[2].startswith("maps/002_coffee-png")
    assert out.endswith("\nWrote 4 files to maps\n")


def test_drawing_options_reach_the_picture(run, squeezenet, cat):
    drawing = ("--columns", 20, "--cmap", "gray", "--scale", "layer", "--sort", "mean")
    fine(run("activations", MODEL, CAT, "--layers", "pool5", *drawing))
    maps = kviz.activations(squeezenet, cat, "pool5", names=["cat.png"])
    tile = maps.tiles(columns=20, cmap="gray", scale="layer", sort="mean")[0]
    with Image.open("maps/001_pool5.png") as image:
        assert image.text["Title"] == tile.title
        # The last colour is that of the gaps.
        assert image.getpalette()[: 3 * 254] == [level for level in range(254) for _ in "rgb"]
        zoom = image.width // tile.levels.shape[1]
        levels = np.where(tile.gaps, 255, np.minimum(tile.levels, 254))
        assert (np.asarray(image)[::-zoom, ::zoom][: len(levels)] == levels[::-1]).all()
    fine(run("activations", MODEL, CAT, "--layers", "pool5", "--channel", 7, "--show-image"))
    with Image.open("maps/001_pool5.png") as image:
        assert "channel 7" in image.text["Title"]
        assert image.mode == "RGB"


def test_what_was_in_the_folder_stays(run, tmp_path):
    (tmp_path / "maps").mkdir()
    (tmp_path / "maps/mine.txt").write_text("mine")
    fine(run("activations", MODEL, CAT, "--layers", "conv1"))
    assert files(tmp_path) == ["maps/001_conv1.png", "maps/mine.txt"]
