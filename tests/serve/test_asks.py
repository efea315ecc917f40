"""What each ask answers, beside what the model gives when it is called some other way."""

import io
import json
import math
import re
from importlib.util import find_spec
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image
from serve_asker import Asker

import kviz
from kviz.errors import OptionError
from kviz.extras import install_command
from kviz.formats.fitting import box_of
from kviz.reports import blobs
from kviz.reports.parts import Parts
from kviz.serve.ask import ask_named
from kviz.serve.asks.save import _of_classes
from kviz.serve.index import _layers, index_page
from kviz.serve.session import Session
from kviz.web.packing import quantised

pytestmark = pytest.mark.filterwarnings("ignore::kviz.KvizWarning")


@pytest.fixture
def pixels(small, file, tmp_path):
    """What load_images makes of the shared photo."""
    path = tmp_path / "first.png"
    path.write_bytes(file(5).tobytes())
    return kviz.load_images(path, small)


def layer_output(small, path, pixels):
    """Return a layer's output by a functional model, as people write it."""
    inner = keras.Model(small.model.input, small.model.get_layer(path).output)
    return np.asarray(inner(pixels.astype("float32")))


# --- photo ---


def test_a_photo_is_seen_as_load_images_reads_it_and_answered_as_the_model_answers(
    shared, pixels, small
):
    ask, photo = shared
    answer = ask("photo", photo=photo)
    np.testing.assert_array_equal(answer.arrays["pixels"], pixels[0])
    scores = np.asarray(small.model(pixels.astype("float32")))[0]
    np.testing.assert_allclose(answer.arrays["scores"], scores, atol=1e-6)
    head = answer.head
    assert head["original"] == {"width": 40, "height": 30}
    assert head["box"] == list(box_of((40, 30), (12, 16), "crop"))
    order = np.argsort(-scores).tolist()
    assert [one["class_index"] for one in head["predictions"]["classes"]] == order
    assert head["answer"]["sentence"].startswith(("cat", "dog", "owl"))
    assert "first.png" in answer.arrays["card"].tobytes().decode()
    assert answer.arrays["original"].shape == (30, 40, 3)


def test_the_same_photo_has_the_same_id(shared, file):
    ask, photo = shared
    assert ask.photo(file(5), name="first.png") == photo
    assert ask.photo(file(6), name="first.png") != photo
    assert ask.photo(file(5), name="first.png", fit="pad") != photo


def test_a_box_is_cut_out_and_stretched(shared, file):
    ask, photo = shared
    box = [3.0, 4.5, 30.0, 29.0]
    answer = ask("photo", photo=photo, box=box)
    whole = Image.open(io.BytesIO(file(5).tobytes()))
    wanted = whole.resize((12, 16), Image.Resampling.BICUBIC, box=box)
    np.testing.assert_array_equal(answer.arrays["pixels"], np.asarray(wanted))
    assert answer.head["box"] == box
    # And back to the whole of it.
    again = ask("photo", photo=answer.head["photo"], fit="crop")
    assert again.head["box"] == list(box_of((40, 30), (12, 16), "crop"))


def test_the_box_that_is_told_is_the_one_that_is_seen(shared):
    ask, photo = shared
    seen = ask("photo", photo=photo)
    again = ask("photo", photo=photo, box=seen.head["box"])
    np.testing.assert_array_equal(again.arrays["pixels"], seen.arrays["pixels"])


def test_pixels_of_a_canvas_are_seen_as_they_are_where_they_fit(shared):
    ask, _ = shared
    levels = np.random.default_rng(1).integers(0, 256, (16, 12, 3), np.uint8)
    np.testing.assert_array_equal(ask("photo", {"pixels": levels}).arrays["pixels"], levels)
    clear = np.dstack([levels, np.zeros((16, 12), np.uint8)])
    assert (ask("photo", {"pixels": clear}).arrays["pixels"] == 255).all()
    whole = np.dstack([levels, np.full((16, 12), 255, np.uint8)])
    np.testing.assert_array_equal(ask("photo", {"pixels": whole}).arrays["pixels"], levels)


@pytest.mark.parametrize(
    ("options", "arrays", "words"),
    [
        ({}, {}, "one array, file or pixels"),
        ({}, {"file": np.zeros(3, np.float32)}, "file is uint8"),
        ({}, {"pixels": np.zeros((3, 3), np.uint8)}, "pixels is uint8"),
        ({}, {"pixels": np.zeros((0, 3, 3), np.uint8)}, "pixels is uint8"),
        ({}, {"file": np.zeros(9, np.uint8)}, "is not an image"),
        ({}, {"file": np.zeros(0, np.uint8)}, "is empty"),
        ({"box": [0, 0, 3]}, {}, "box takes left"),
        ({"box": [0, 0, "a", 3]}, {}, "box takes left"),
        ({"fit": "cover"}, {}, "fit takes one of"),
        ({"size": [3]}, {}, "size takes a height"),
        ({"name": 3}, {}, "name takes a text"),
        ({"nope": 3}, {}, "no option 'nope'"),
        ({"photo": "0" * 32}, {}, "no longer kept"),
    ],
)
def test_what_is_no_photo_is_said_in_a_sentence(shared, options, arrays, words):
    ask, _ = shared
    assert words in ask("photo", arrays, **options).head["error"]


@pytest.mark.parametrize("box", [[0, 0, 41, 30], [-1, 0, 9, 9], [5, 5, 5, 9], [9, 9, 5, 5]])
def test_a_box_lies_within_the_photo(shared, box):
    ask, photo = shared
    assert "within 40 × 30" in ask("photo", photo=photo, box=box).head["error"]


def test_a_box_of_a_model_that_takes_any_size_lies_within_the_photo_and_may_be_small(file):
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((None, None, 3)), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    )
    session = Session([kviz.Network(model)])
    ask = Asker(session)
    photo = ask.photo(file(5))
    empty = ask("photo", photo=photo, box=[3, 3, 3, 3]).head
    assert (empty["code"], "within 40 × 30" in empty["error"]) == ("option", True)
    small = ask("photo", photo=photo, box=[3, 3, 3.2, 3.4]).head
    assert (small["width"], small["height"]) == (1, 1)
    session.close()


def test_a_picture_that_unpacks_to_far_more_is_refused(shared):
    """By its header, before anything is unpacked."""
    import struct
    import zlib

    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(10_000_000), 9)) + chunk(b"IEND", b"")
    bomb = np.frombuffer(b"\x89PNG\r\n\x1a\n" + header + body, np.uint8)
    ask, _ = shared
    answer = ask("photo", {"file": bomb})
    assert answer.head["code"] == "cannot"
    assert "megapixels" in answer.head["error"]


# --- inside ---


@pytest.mark.parametrize("path", ["conv", "depth", "largest", "groups"])
def test_maps_are_those_of_the_layer_as_the_report_packs_them(shared, small, pixels, path):
    ask, photo = shared
    answer = ask("maps", photo=photo, layer=path)
    (maps,) = layer_output(small, path, pixels)
    wanted, data = quantised(maps).bytes(), answer.arrays["maps"].tobytes()
    # A zero can have a sign, which nobody sees.
    numbers = 16 * maps.shape[-1]
    for part, kind in ((slice(numbers), "<f4"), (slice(numbers, None), np.uint8)):
        np.testing.assert_array_equal(
            np.frombuffer(data[part], kind), np.frombuffer(wanted[part], kind)
        )
    head = answer.head
    assert (head["height"], head["width"], head["channels"]) == maps.shape
    np.testing.assert_allclose([head["low"], head["high"]], [[maps.min()], [maps.max()]], rtol=1e-6)


def test_of_a_layer_the_page_is_told_the_same_before_it_has_maps(session, file):
    ask = Asker(session)
    page = session.call(lambda: index_page(session)).result()
    (text,) = re.findall(r'<script type="application/json" id="told">(.*?)</script>', page)
    told = {layer["path"]: layer for layer in json.loads(text)["layers"]}
    photo = ask.photo(file())
    for path, before in told.items():
        now = ask("maps", photo=photo, layer=path).head
        filled = {"low", "high", "empty", "bad"}
        assert not any(before[key] for key in filled)
        asked_of = {"kernels", "patch"}
        assert before.keys() - asked_of <= now.keys()
        for key in before.keys() - filled - asked_of:
            assert now[key] == before[key], (path, key)
    assert {path for path, one in told.items() if one["kernels"]} == {
        "conv", "depth", "apart", "wide", "groups",
    }  # fmt: skip
    worked_out = {one["path"] for one in ask("hello").head["models"][0]["layers"] if one["patch"]}
    assert {path for path, one in told.items() if one["patch"]} == worked_out


def test_of_a_layer_with_channels_first_the_page_is_told_height_and_width():
    model = keras.Sequential(
        [keras.Input((3, 9, 12)), keras.layers.Conv2D(4, 2, data_format="channels_first", name="c")]
    )
    table = kviz.Network(model).layers
    (told,) = _layers(SimpleNamespace(table=table, has_maps=lambda info: info.path == "c"))
    assert (told["height"], told["width"], told["channels"]) == (8, 11, 4)


def test_layers_without_maps_and_unknown_ones_are_said(shared):
    ask, photo = shared
    assert "no maps" in ask("maps", photo=photo, layer="answer").head["error"]
    assert "calls no layer 'nope'" in ask("maps", photo=photo, layer="nope").head["error"]
    assert "takes a layer's path" in ask("maps", photo=photo, layer=[]).head["error"]
    assert ask("maps", photo="nope", layer="conv").head["code"] == "gone"


def test_kernels_are_packed_as_the_report_packs_them(shared, small):
    ask, _ = shared
    answer = ask("kernels", layer="conv")
    parts = Parts(network=small, names=(), layers=small.layers, weights=kviz.weights(small, "conv"))
    (wanted,) = blobs.kernels(parts, bytes)
    assert answer.arrays["kernels"].tobytes() == wanted.text
    assert answer.head["filters"] == 6
    assert ask("kernels", layer="largest").head["code"] == "cannot"


def test_weights_are_mean_gradients_of_the_logit(shared, small, pixels):
    import tensorflow as tf

    ask, photo = shared
    answer = ask("weights", photo=photo, layer="wide", class_index=[2, 0])
    inner = keras.Model(
        small.model.input,
        [small.model.get_layer("wide").output, small.model.get_layer("all").output],
    )
    with tf.GradientTape(persistent=True) as tape:
        maps, flat = inner(pixels.astype("float32"))
        dense = small.model.get_layer("answer")
        logits = flat @ dense.kernel + dense.bias
        chosen = [logits[0, 2], logits[0, 0]]
    slopes = [np.asarray(tape.gradient(one, maps))[0].mean(axis=(0, 1)) for one in chosen]
    np.testing.assert_allclose(answer.arrays["weights"], slopes, atol=1e-7)
    assert [one["index"] for one in answer.head["classes"]] == [2, 0]


ACTIVATIONS = {"relu": lambda x: max(x, 0.0), "tanh": math.tanh, "linear": float}


@pytest.mark.parametrize("path", ["conv", "depth", "apart", "wide", "groups", "largest", "mean"])
def test_a_value_is_what_its_kernel_makes_of_its_patch(shared, small, pixels, path):
    """The sum is NumPy's, the value that it has to come to the model's."""
    ask, photo = shared
    (maps,) = layer_output(small, path, pixels)
    height, width, channels = maps.shape
    rng = np.random.default_rng(0)
    places = {(0, 0), (height - 1, width - 1)} | {
        (int(rng.integers(height)), int(rng.integers(width))) for _ in range(4)
    }
    for row, column in places:
        channel = int(rng.integers(channels))
        answer = ask("patch", photo=photo, layer=path, channel=channel, row=row, column=column)
        head, patch, kernel = answer.head, answer.arrays["patch"], answer.arrays["kernel"]
        assert head["output"] == pytest.approx(maps[row, column, channel], abs=1e-6)
        assert ACTIVATIONS[head["activation"]](head["value"]) == pytest.approx(
            head["output"], rel=1e-5, abs=1e-5
        )
        assert head["value"] == pytest.approx(head["sum"] + head["bias"])
        assert (patch.astype(float) * kernel).sum() == pytest.approx(head["sum"], abs=1e-5)
        assert sum(part for _, part in head["parts"]) == pytest.approx(head["sum"], abs=1e-5)
        assert patch.shape == kernel.shape == (*head["kernel_size"], len(head["channels"]))


def test_what_a_value_reads_stands_where_it_is_said_to_stand(shared, small, pixels):
    ask, photo = shared
    head = ask("patch", photo=photo, layer="wide", channel=0, row=0, column=1).head
    assert head["input"] == "apart"
    assert (head["rows"], head["columns"]) == ([-2, 0, 2], [-1, 1, 3])
    answer = ask("patch", photo=photo, layer="conv", channel=2, row=3, column=2)
    (read,) = layer_output(small, "scale", pixels)
    rows, columns = answer.head["rows"], answer.head["columns"]
    np.testing.assert_array_equal(answer.arrays["patch"], read[np.ix_(rows, columns)])
    assert answer.head["field"] == {"top": 6.0, "left": 4.0, "height": 3, "width": 3}
    # Outside of the image there is nothing.
    corner = ask("patch", photo=photo, layer="wide", channel=0, row=0, column=0)
    assert not corner.arrays["patch"][0].any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layer": "scale"}, "Worked out are convolutions"),
        ({"layer": "conv", "row": 8}, "The map has 6 channels of 8 × 6"),
        ({"layer": "conv", "channel": 6}, "The map has 6 channels"),
        ({"layer": "conv", "row": -1}, "row takes a whole number from 0"),
        ({"layer": "conv", "column": 1.5}, "column takes a whole number"),
    ],
)
def test_a_value_that_is_not_there_is_said(shared, options, words):
    ask, photo = shared
    place = {"channel": 0, "row": 0, "column": 0}
    assert words in ask("patch", photo=photo, **{**place, **options}).head["error"]


# --- why ---


def test_an_attribution_is_the_verbs(shared, small, pixels):
    ask, photo = shared
    answer = ask("attribution", photo=photo, method="grad_cam", options={"layer_names": "conv"})
    scores = kviz.predict(small, pixels).scores[0]
    best = np.argsort(-scores)[:2].tolist()
    found = kviz.attribute(small, pixels, "grad_cam", class_index=[best], layer_names="conv")
    np.testing.assert_array_equal(answer.arrays["maps"], found.maps[0])
    assert [one["index"] for one in answer.head["classes"]] == best
    assert [one["rival"] for one in answer.head["classes"]] == [False, True]
    assert answer.head["answer"]["where_method"] == "grad_cam"


def test_classes_are_those_that_are_asked_for(shared):
    ask, photo = shared
    one = ask("attribution", photo=photo, method="saliency", class_index="owl")
    assert one.head["classes"][0]["name"] == "owl"
    assert one.head["classes"][1]["rival"]
    several = ask("attribution", photo=photo, method="saliency", class_index=[0, "owl"])
    assert [each["index"] for each in several.head["classes"]] == [0, 2]
    assert "answer" not in several.head


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"method": "nope"}, "option"),
        ({"method": 3}, "option"),
        ({"method": "saliency", "class_index": "mouse"}, "option"),
        ({"method": "saliency", "class_index": [[1]]}, "option"),
        ({"method": "saliency", "class_index": 3}, "option"),
        ({"method": "saliency", "options": {"steps": 3}}, "option"),
        ({"method": "saliency", "options": []}, "option"),
        ({"method": "saliency", "seed": -1}, "option"),
        ({"method": "attention_rollout"}, "cannot"),
    ],
)
def test_what_cannot_be_explained_is_said(shared, options, code):
    ask, photo = shared
    assert ask("attribution", photo=photo, **options).head["code"] == code


# --- dreams ---


def test_a_pattern_arrives_step_by_step(shared, small):
    ask, _ = shared
    ask.progress.clear()
    answer = ask("pattern", layer="conv", channel=2, seed=4, steps=6)
    wanted = kviz.filter_patterns(small, "conv", [2], seed=4, steps=6)
    np.testing.assert_array_equal(answer.arrays["picture"], wanted.pixels[0])
    assert len(answer.head["scores"]) == 7
    pictures = [one for one in ask.progress if one.arrays]
    assert len(pictures) >= 6
    assert pictures[0].arrays["picture"].shape == (16, 12, 3)
    assert (pictures[0].arrays["picture"] != pictures[4].arrays["picture"]).any()
    assert all(one.head["progress"][1] == 6 for one in pictures)


@pytest.mark.slow
def test_a_class_image_is_the_verbs(shared, small):
    ask, _ = shared
    answer = ask("class_image", class_index="owl", steps=3, seed=1)
    wanted = kviz.class_image(small, "owl", steps=3, seed=1)
    np.testing.assert_array_equal(answer.arrays["picture"], wanted.pixels[0])
    assert answer.head["class_index"] == 2


@pytest.mark.slow
def test_a_fooling_photo_fools_when_it_is_asked_about(shared, small, pixels):
    ask, photo = shared
    worst = int(kviz.predict(small, pixels).scores[0].argmin())
    answer = ask("fool", photo=photo, class_index=worst, steps=200)
    assert answer.head["arrived"]
    again = ask("photo", photo=answer.head["photo"])
    assert again.head["predictions"]["classes"][0]["class_index"] == worst
    np.testing.assert_array_equal(again.arrays["pixels"], answer.arrays["picture"])
    changed = answer.arrays["picture"].astype(int) - pixels[0]
    assert answer.head["max_change"] == np.abs(changed).max()
    np.testing.assert_array_equal(np.abs(answer.arrays["change"]), np.abs(changed).max(axis=-1))
    bounded = ask("fool", photo=photo, class_index=worst, epsilon=2, steps=3)
    assert bounded.head["max_change"] <= 2


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("pattern", {"layer": "conv", "channel": 6}),
        ("pattern", {"layer": "conv", "channel": 0, "steps": 10**6}),
        ("pattern", {"layer": "conv", "channel": 0, "steps": 0}),
        ("pattern", {"layer": "conv"}),
        ("class_image", {"class_index": "mouse"}),
        ("class_image", {"class_index": None}),
        ("fool", {"class_index": 1, "epsilon": 0}),
        ("fool", {"class_index": 1, "epsilon": "all"}),
    ],
)
def test_what_cannot_be_dreamt_is_said(shared, name, options):
    ask, photo = shared
    more = {"photo": photo} if name == "fool" else {}
    assert ask(name, **more, **options).head["code"] == "option"


@pytest.mark.parametrize("name", ["pattern", "class_image", "fool"])
def test_what_is_dreamt_has_a_last_step(name):
    needed = {"pattern": {"layer": "conv", "channel": 0}, "fool": {"photo": "a", "class_index": 1}}
    options = needed.get(name, {"class_index": 1})
    assert ask_named(name, {**options, "steps": 2048}).steps == 2048
    with pytest.raises(OptionError, match=r"^steps takes at most 2048\. Received: 2049$"):
        ask_named(name, {**options, "steps": 2049})
    for few in (0, True, 1.5):
        with pytest.raises(OptionError, match=r"^steps takes a whole number from 1\. Received"):
            ask_named(name, {**options, "steps": few})


# --- hello, saving ---


def test_hello_tells_what_can_be_asked(shared):
    ask, photo = shared
    head = ask("hello").head
    (model,) = head["models"]
    assert head["photos"] == [photo]
    assert model["class_names"] == ["cat", "dog", "owl"]
    for layer in model["layers"]:
        asked = {key: layer[key] for key in ("maps", "patch", "kernels")}
        if layer["path"] == "photo":
            continue
        answer = ask("maps", photo=photo, layer=layer["path"])
        assert ("error" not in answer.head) == asked["maps"], layer["path"]
        answer = ask("patch", photo=photo, layer=layer["path"], channel=0, row=0, column=0)
        assert ("error" not in answer.head) == asked["patch"], layer["path"]
        if asked["kernels"]:
            assert "error" not in ask("kernels", layer=layer["path"]).head
    slow = {one["name"]: one["slow"] for one in model["methods"]}
    # One pass and one back, two of each; hundreds; and how many, only the net decides.
    few, many = ("grad_cam", "guided_grad_cam"), ("occlusion", "integrated_gradients", "score_cam")
    assert {name: slow[name] for name in (*few, *many)} == {
        **dict.fromkeys(few, False),
        **dict.fromkeys(many, True),
    }
    missing = {one["name"]: one["missing"] for one in model["methods"]}
    assert missing["grad_cam"] is None
    there = all(map(find_spec, ("skimage", "sklearn")))
    for name in ("kernel_shap", "lime", "xrai"):
        assert missing[name] == (None if there else install_command("superpixels"))
    assert head["asks"]["pattern"] == {"slow": True}


def test_a_picture_is_saved(shared, small, pixels):
    ask, photo = shared
    of = {"ask": "maps", "layer": "conv", "channel": 3}
    answer = ask("save", **{"as": "png"}, photos=[photo], of=of)
    from kviz.draw.tile_png import tile_png

    (tile,) = kviz.activations(small, pixels, "conv", names=["first.png"]).tiles(channel=3)
    assert answer.arrays["file"].tobytes() == tile_png(tile)
    of = {"ask": "attribution", "method": "saliency"}
    answer = ask("save", **{"as": "png"}, photos=[photo], of=of)
    assert Image.open(io.BytesIO(answer.arrays["file"].tobytes())).format == "PNG"


def test_a_figure_is_saved_of_what_is_looked_at(shared, small, pixels, monkeypatch):
    ask, photo = shared
    drawn = []
    write = kviz.draw.figures.write_figure
    monkeypatch.setattr(
        "kviz.serve.asks.save.write_figure",
        lambda figure, path: (drawn.append(figure), write(figure, path)),
    )

    def some(*methods):
        return [{"ask": "attribution", "method": one} for one in methods]

    gradient, saliency = some("gradient", "saliency")
    for of, classes in (
        (gradient, 1),
        (gradient, [2, 0]),
        ([gradient, saliency], [0]),
        ([gradient, saliency, *some("input_x_gradient", "grad_cam")], [0]),
        (saliency, None),
    ):
        answer = ask("save", **{"as": "pdf"}, photos=[photo], of=of, class_index=classes)
        assert (answer.head["name"], answer.head["type"]) == ("first.pdf", "application/pdf")
        assert answer.arrays["file"].tobytes().startswith(b"%PDF")
        # As kviz draws it.
        wanted = classes if isinstance(classes, list) else [classes]
        if classes is None:
            wanted = np.argsort(-kviz.predict(small, pixels).scores[0])[:2].tolist()
        found = [
            kviz.attribute(small, pixels, one["method"], class_index=[wanted], names=["first.png"])
            for one in (of if isinstance(of, list) else [of])
        ]
        own = (found[0] if len(found) == 1 else kviz.compare(found)).plot()
        assert titles(drawn.pop()) == titles(own)


@pytest.mark.parametrize(
    ("method", "has"), [("integrated_gradients", "gaps"), ("grad_cam", "negative")]
)
def test_of_what_was_found_some_classes_are_what_is_found_for_them(small, pixels, method, has):
    found = kviz.attribute(small, pixels, method, class_index=[[0, 2, 1]])
    own = kviz.attribute(small, pixels, method, class_index=[[1, 0]])
    some = _of_classes(found, [2, 0])
    assert getattr(own, has) is not None
    assert some.class_names == own.class_names
    for name in ("maps", "raw", "scores", "classes", has):
        np.testing.assert_allclose(getattr(some, name), getattr(own, name), atol=1e-6)


def titles(figure):
    return [axes.get_title(loc="left") or axes.get_title() for axes in figure.axes]


@pytest.mark.parametrize(
    "options",
    [
        {"as": "pdf"},
        {"as": "pdf", "of": {"ask": "maps", "layer": "conv"}},
        {
            "as": "pdf",
            "of": [{"ask": "attribution", "method": "gradient"}, {"ask": "maps", "layer": "conv"}],
        },
        {"as": "pdf", "of": [{"ask": "attribution", "method": "gradient"}] * 5},
        {"as": "png"},
        {"as": "png", "of": {"ask": "hello"}},
        {"as": "png", "of": {"ask": "save", "as": "png", "photos": []}},
        {"as": "png", "of": 3},
        {"as": "exe"},
        {"as": "report", "methods": ["nope"]},
        {"as": "report", "photos": []},
        {"as": "report", "photos": ["0"] * 40},
        {"as": "report", "path": "x.html"},
    ],
)
def test_what_cannot_be_saved_is_said(shared, options):
    ask, photo = shared
    answer = ask("save", **{"photos": [photo], **options})
    assert answer.head["code"] in ("option", "gone", "cannot")
