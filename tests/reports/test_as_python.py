"""The program that makes a page: it runs, and makes the same page."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import kviz
from kviz.reports.as_python import Read, as_python, reads_of
from kviz.reports.report import report


def net(size=12):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((size, size, 3)),
            keras.layers.Conv2D(4, 3, name="c"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def photo(path, seed=0):
    levels = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), np.uint8)
    Image.fromarray(levels).save(path)


def carried(html):
    return re.findall(r'<script type="application/[a-z-]+" id="([^"]+)">([^<]*)<', html)


def run(lines):
    exec("\n".join(lines), {})  # noqa: S102 - it is to be run


def assert_runs_again(made, folder):
    """Assert that a report's program makes the same page, and return the program."""
    lines = made.facts()["python"]
    run(lines)
    again = (folder / "report.html").read_text(encoding="utf-8")
    assert carried(again) == carried(made.html)
    return "\n".join(lines)


def test_run_again_it_makes_the_same_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net().save("model.keras")
    photo("photo.png")
    network = kviz.load_model("model.keras", preprocess="0..1")
    images = kviz.load_images("photo.png", network, fit="pad")
    made = kviz.report(network, images, class_index=2, quick=True, layer_names="c", seed=4)
    program = assert_runs_again(made, tmp_path)
    assert "kviz.load_model('model.keras', preprocess='0..1')" in program
    for written in ("quick=True", "methods=['grad_cam', 'saliency']", "class_index=2", "seed=4"):
        assert f"    {written},\n" in program
    assert "batch_size" not in program
    assert "target_size" not in program
    assert " names" not in program


def test_a_size_that_was_asked_for_is_asked_for_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net(None).save("model.keras")
    photo("one.png")
    photo("two.png", seed=1)
    network = kviz.load_model("model.keras")
    names = ["one.png", "two.png"]
    images = kviz.load_images(names, network, target_size=(10, 14))
    made = kviz.report(network, images, names=names, quick=True, methods=["saliency"])
    program = assert_runs_again(made, tmp_path)
    assert "kviz.load_images(['one.png', 'two.png'], network, target_size=[10, 14])" in program
    own = kviz.load_images("one.png", network)
    made = kviz.report(network, own, quick=True, methods=[])
    assert "target_size" not in assert_runs_again(made, tmp_path)


def test_bands_that_were_asked_for_are_asked_for_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo("photo.png")
    network = kviz.Network(net())
    images = kviz.load_images("photo.png", network, bands=[3, 1, 2])
    (read,) = reads_of({"image": images}, network)
    scope = {"kviz": kviz, "network": network}
    exec("\n".join(read.lines("images")), scope)  # noqa: S102 - it is to be run
    np.testing.assert_array_equal(scope["images"], images)
    assert not np.array_equal(images, kviz.load_images("photo.png", network))
    # Where one of several is from no file, none is read.
    more = np.concatenate([images, 255 - images])
    assert reads_of({"image": more}, network) == "2 × 12 × 12 × 3"


@pytest.mark.parametrize(
    ("layer_names", "written"),
    [(["a", "b"], "['a', 'b']"), (keras.layers.Conv2D, "'Conv2D'"), (("c",), "['c']"), (3, "3")],
)
def test_what_was_in_memory_only_is_named(layer_names, written):
    network = kviz.Network(net())
    images = reads_of({"image": np.zeros((2, 12, 12, 3), np.uint8)}, network)
    settings = {"layer_names": layer_names, "seed": 0, "no_option": 1}
    lines = as_python(report, network, images, settings)
    assert "network = kviz.Network(model)  # model: your keras.Model" in lines
    assert "images = ...  # your arrays: 2 × 12 × 12 × 3" in lines
    assert lines[-2:] == [
        f"kviz.report(network, images, 'report.html', layer_names={written})",
        "print('Wrote report.html')",
    ]


def test_it_is_run_where_the_page_was_made(tmp_path, monkeypatch, capsys):
    """Files below that folder are read and written there; of others the name alone is told."""
    for folder in ("work/models", "work/photos", "work/out", "apart"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    net().save("models/model.keras")
    photo("photos/photo.png")
    network = kviz.load_model(tmp_path / "work/models/model.keras")
    images = kviz.load_images("photos/photo.png", network)
    path = Path("out/my page.html")
    made = kviz.report(network, images, path, quick=True, methods=["saliency"])
    program = "\n".join(made.facts()["python"])
    for file in ("models/model.keras", "photos/photo.png", "out/my page.html"):
        assert repr(file) in program
    first = path.read_text(encoding="utf-8")
    path.unlink()
    run(made.facts()["python"])
    assert carried(path.read_text(encoding="utf-8")) == carried(first)
    assert capsys.readouterr().out.splitlines()[-1] == "Wrote out/my page.html"
    monkeypatch.chdir(tmp_path / "apart")
    again = kviz.report(network, images, tmp_path / "my page.html", quick=True, methods=[])
    program = "\n".join(again.facts()["python"])
    for file in ("model.keras", "photo.png", "my page.html"):
        assert repr(file) in program
    assert str(tmp_path) not in program
    assert str(tmp_path) not in again.html


def test_a_function_of_ones_own_is_named():
    network = kviz.Network(net(), preprocess=lambda pixels: pixels)
    lines = as_python(report, network, "1 × 12", {})
    loading, _, needed = lines[2].partition("  # ")
    assert loading == "network = kviz.Network(model, preprocess=preprocess)"
    assert needed == "model: your keras.Model, preprocess: your function"


def test_many_photos_stand_on_lines_of_their_own():
    names = [f"a photo with a rather long name, {place}.png" for place in range(9)]
    lines = as_python(report, kviz.Network(net()), [Read(name) for name in names], {"names": names})
    compile("\n".join(lines), "program", "exec")
    assert max(map(len, lines)) < 100
    assert lines.count(f"        '{names[-1]}',") == 2
