"""The Python that makes a page: it runs, and makes the same page."""

import re

import keras
import numpy as np
import pytest
from PIL import Image

import kviz
from kviz.reports.as_python import as_python
from kviz.reports.report import report


def net():
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            keras.layers.Conv2D(4, 3, name="c"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def test_run_again_it_makes_the_same_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net().save("model.keras")
    photo = np.random.default_rng(0).integers(0, 256, (9, 16, 3), np.uint8)
    Image.fromarray(photo).save("photo.png")
    network = kviz.load_model("model.keras", preprocess="0..1")
    images = kviz.load_images("photo.png", network, fit="pad")
    made = kviz.report(network, images, class_index=2, quick=True, layer_names="c", seed=4)
    lines = made.facts()["python"]
    exec("\n".join(lines), {})  # noqa: S102 - it is to be run
    again = (tmp_path / "report.html").read_text(encoding="utf-8")
    held = {name: text for name, text in carried(made.html) if name != "told"}
    assert held == {name: text for name, text in carried(again) if name != "told"}
    assert "    quick=True," in lines
    assert "    methods=['grad_cam', 'saliency']," in lines
    assert "    class_index=2," in lines
    assert not any("batch_size" in line for line in lines)


def carried(html):
    return re.findall(r'<script type="application/[a-z-]+" id="([^"]+)">([^<]*)<', html)


@pytest.mark.parametrize(
    ("layer_names", "written"),
    [(["a", "b"], "['a', 'b']"), (keras.layers.Conv2D, "'Conv2D'"), (("c",), "['c']"), (3, "3")],
)
def test_what_was_in_memory_only_is_named(layer_names, written):
    pixels = {"image": np.zeros((2, 12, 12, 3), np.uint8)}
    settings = {"layer_names": layer_names, "seed": 0, "no_option": 1}
    lines = as_python(report, kviz.Network(net()), pixels, settings)
    assert "network = kviz.Network(model)  # model: your keras.Model" in lines
    assert "images = ...  # your arrays: 2 × 12 × 12 × 3" in lines
    assert lines[-2:] == [f"    layer_names={written},", ")"]
