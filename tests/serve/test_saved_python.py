"""The program that the app saves: it runs, and makes what was seen."""

import io
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from serve_asker import Asker

import kviz
from kviz.serve.photos import LONGEST, Photo
from kviz.serve.session import Session

pytestmark = pytest.mark.filterwarnings("ignore::kviz.KvizWarning")


@pytest.fixture
def saved(tmp_path, monkeypatch):
    """A model of any size that was read from a file, a session of photos, and what saves a program."""
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    photo = keras.Input((None, None, 3))
    maps = keras.layers.Conv2D(2, 3, activation="relu", name="conv")(photo)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    keras.Model(photo, keras.layers.Dense(3, activation="softmax")(pooled)).save("any.keras")
    sessions = []

    def save(*photos, **options):
        session = Session([kviz.load_model("any.keras")], photos)
        sessions.append(session)
        ask = Asker(session)
        options = {"methods": ["saliency"], **options}
        answer = ask("save", **{"as": "python"}, photos=[one.id for one in photos], **options)
        assert "error" not in answer.head, answer.head
        return ask, answer.arrays["file"].tobytes().decode()

    yield save
    for session in sessions:
        session.close()


def sent(name, shape=(20, 2 * LONGEST), seed=0, **options):
    """A photo that is sent, and lies in the folder, too."""
    levels = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    held = io.BytesIO()
    Image.fromarray(levels).save(held, "PNG")
    Path(name).write_bytes(held.getvalue())
    return Photo(name=name, file=held.getvalue(), **options)


def run(program, **scope):
    exec(compile(program, "saved", "exec"), scope)  # noqa: S102 - it is our own
    return scope


def carried(html):
    return re.findall(r'<script type="application/[a-z-]+" id="([^"]+)">([^<]*)<', html)


@pytest.mark.parametrize(
    "options", [{}, {"box": (10.0, 5.0, 30.0, 15.0)}, {"size": (9, 17), "fit": "stretch"}]
)
def test_the_size_that_was_seen_is_in_it(saved, options):
    photo = sent("a.png", **options)
    ask, program = saved(photo)
    seen = ask("photo", photo=photo.id).arrays["pixels"]
    np.testing.assert_array_equal(run(program)["images"][0], seen)


def test_it_says_where_photos_have_to_lie_and_what_it_wrote(saved, capsys):
    photos = [sent(name, (9, 9)) for name in ("a.png", "b.png")]
    of = {"ask": "attribution", "method": "saliency"}
    _, program = saved(*photos, Photo(name="c", levels=np.zeros((9, 9, 3), np.uint8)), of=of)
    assert program.startswith("# Run this in the folder that holds a.png and b.png.\nimport kviz\n")
    _, program = saved(photos[0], of=of)
    run(program)
    assert capsys.readouterr().out == "Wrote report.html and saliency.npz\n"
    for name in ("report.html", "saliency.npz"):
        assert Path(name).is_file()


def test_classes_options_and_a_seed_are_in_it(saved):
    """By the numbers of the app's own answer."""
    photo = sent("a.png", (20, 30), size=(12, 15))
    of = {
        "ask": "attribution", "method": "rise", "class_index": [2, 0], "seed": 7,
        "options": {"masks": 20, "cells": 4},
    }  # fmt: skip
    settings = {"class_index": [1, 2], "seed": 5, "layers": ["conv"], "methods": ["smooth_grad"]}
    ask, program = saved(photo, of=of, **settings)
    scope = run(program)
    found = kviz.load_result("rise.npz")
    answer = ask(of.pop("ask"), photo=photo.id, **of)
    np.testing.assert_allclose(found.maps[0], answer.arrays["maps"], rtol=1e-5, atol=1e-7)
    assert found.classes.tolist() == [[2, 0]]
    assert found.made_by.settings["masks"] == 20
    assert scope["images"].shape == (1, 12, 15, 3)
    page = ask("save", **{"as": "report"}, photos=[photo.id], **settings).arrays["file"]
    made = Path("report.html").read_text(encoding="utf-8")
    assert carried(made) == carried(page.tobytes().decode())


def test_several_photos_are_put_together(saved):
    photos = [
        sent("a.png", (20, 30), size=(8, 9)),
        sent("b.png", (15, 12), 1, size=(8, 9)),
        sent("c.png", (20, 30), 2, size=(8, 9), box=(1.0, 2.0, 9.5, 11.0)),
    ]
    for some in (photos[:2], photos):
        ask, program = saved(*some)
        images = run(program)["images"]
        for photo, pixels in zip(some, images, strict=True):
            np.testing.assert_array_equal(pixels, ask("photo", photo=photo.id).arrays["pixels"])
    assert (
        "kviz.load_images(['a.png', 'b.png'], network, target_size=[8, 9])" in saved(*photos[:2])[1]
    )


def test_arrays_are_read_from_their_files(saved):
    arrays = np.random.default_rng(0).integers(0, 256, (3, 9, 11, 3), np.uint8)
    np.save("some.npy", arrays)
    _, program = saved(Photo(name="some.npy[1]", array=arrays[1:2]))
    np.testing.assert_array_equal(run(program)["images"], arrays[1:2])


def test_it_is_told_of_what_was_made_in_the_app(saved):
    levels = np.zeros((9, 9, 3), np.uint8)
    assert "# these pixels were made in the app" in saved(Photo(name="a", levels=levels))[1]
    assert "# an array that the app was given" in saved(Photo(name="a", array=levels[None]))[1]
    both = saved(*(Photo(name=name, levels=levels) for name in "ab"))[1]
    assert both.count("# these pixels were made in the app") == 2


def test_what_a_grey_model_was_given_is_cut_out_again(saved, monkeypatch):
    model = keras.Sequential(
        [keras.Input((8, 9, 1)), keras.layers.Flatten(), keras.layers.Dense(2)], name="grey"
    )
    monkeypatch.setattr("kviz.load_model", lambda _: kviz.Network(model))
    photo = sent("a.png", (20, 30), box=(1.0, 2.0, 9.5, 11.0))
    ask, program = saved(photo)
    scope = run(program, model=model)
    assert scope["images"].shape == (1, 8, 9, 1)
    seen = ask("photo", photo=photo.id).arrays["pixels"]
    np.testing.assert_array_equal(np.repeat(scope["images"][0], 3, axis=-1), seen)
    assert ask("save", **{"as": "python"}, photos=[photo.id]).head["name"] == "grey.py"


@pytest.mark.parametrize(
    ("of", "words"),
    [
        ({"ask": "maps", "layer": "conv"}, "an ask for an attribution"),
        ({"ask": "attribution", "method": "rise", "options": {"size": 4}}, "no option 'size'"),
    ],
)
def test_what_could_not_run_is_not_written(saved, of, words):
    photo = sent("a.png", (20, 30))
    with pytest.raises(AssertionError, match=words):
        saved(photo, of=of)
