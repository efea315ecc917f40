"""The script that makes what is seen, of a model that takes any size: it names the size seen."""

import io

import keras
import numpy as np
import pytest
from PIL import Image

import kviz
from kviz.serve.kept import Kept
from kviz.serve.photos import LONGEST, Photo
from kviz.serve.python import python_for
from kviz.serve.side import Side


@pytest.mark.parametrize("box", [None, (10.0, 5.0, 30.0, 15.0)])
def test_the_size_that_was_seen_is_in_the_script(box, tmp_path, monkeypatch):
    photo = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(photo))
    side = Side(kviz.Network(keras.Model(photo, pooled)), 0, Kept(10**8), Kept(10**8))
    levels = np.random.default_rng(0).integers(0, 256, (20, 2 * LONGEST, 3), np.uint8)
    held = io.BytesIO()
    Image.fromarray(levels).save(held, "PNG")
    (tmp_path / "a.png").write_bytes(held.getvalue())
    given = Photo(name="a.png", file=held.getvalue(), box=box)
    script = python_for(side, [given], {})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kviz.load_model", lambda _: side.network)
    seen = []
    monkeypatch.setattr("kviz.report", lambda _, images, *__, **___: seen.append(images))
    exec(compile(script, "saved", "exec"), {})  # noqa: S102 - it is our own
    np.testing.assert_array_equal(seen[0], side.fitted(given).pixels)
