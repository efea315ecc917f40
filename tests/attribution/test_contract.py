"""What every attribution method keeps to, whichever are there: a new file is tested by being there."""

import json
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import get_args

import keras
import numpy as np
import pytest
from keras import layers
from quick import QUICK

import kviz
from kviz.attribution import method_class, method_named, method_names
from kviz.attribution.method import Found, Method
from kviz.attribution.methods._attention import OfAttention
from kviz.attribution.methods.smooth_grad import SmoothGrad
from kviz.attribution.options import types_of

# Options that count only with others.
WITH = {
    ("lrp", "gamma"): {"rule": "gamma"},
    ("lrp", "low"): {"first": "z_box"},
    ("lrp", "high"): {"first": "z_box"},
}
SIGNLESS = {"saliency", "square_grad", "var_grad", "eigen_cam", "score_cam", "layer_cam"}


def named(name):
    return method_named(name, **QUICK.get(name, {}))


# Those that need a net with attention.
ATTENDING = {name for name in method_names() if issubclass(method_class(name), OfAttention)}


def net(name=""):
    """Return a net that a method is for."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((16, 16, 3), name="photo")
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(6, 3, activation="relu", name="first")(x)
    if name in ATTENDING:
        x = layers.Conv2D(4, 3, strides=3, activation="relu", name="patches")(x)
        x = layers.Reshape((16, 4), name="tokens")(x)
        x = layers.MultiHeadAttention(2, 2, name="attention")(x, x)
        x = layers.GlobalAveragePooling1D(name="mean")(x)
    else:
        x = layers.Conv2D(4, 3, activation="relu", name="last")(x)
        x = layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, layers.Dense(5, activation="softmax", name="classes")(x))


@pytest.fixture(scope="module")
def nets():
    return {"": net(), **{name: net(name) for name in ATTENDING}}


@pytest.fixture
def model(request, nets):
    call = getattr(request.node, "callspec", None)
    return nets.get(call.params.get("name") if call else "", nets[""])


@pytest.fixture(scope="module")
def five():
    return np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), "uint8")


def close(left, right, tolerance=1e-4):
    scale = max(float(np.abs(right).max()), 1e-12)
    np.testing.assert_allclose(left / scale, right / scale, atol=tolerance)


@pytest.mark.some(every=4)
@pytest.mark.parametrize("name", method_names())
def test_shape_type_and_what_is_recorded(name, model, five):
    found = kviz.attribute(model, five, named(name))
    assert found.maps.shape == (5, 16, 16)
    assert found.maps.dtype == np.float32
    assert np.isfinite(found.maps).all()
    assert found.maps.any()
    assert found.scores.shape == found.classes.shape == (5,)
    best = np.array(model(five)).argmax(axis=1)
    np.testing.assert_array_equal(found.classes, best)
    assert found.method == found.made_by.settings["method"] == name
    if name in SIGNLESS:
        assert found.maps.min() >= 0


@pytest.mark.some(every=4)
@pytest.mark.parametrize("name", method_names())
def test_the_batch_does_not_matter(name, model, five):
    whole = kviz.attribute(model, five, named(name), class_index=2, batch_size=32)
    for batch_size in (1, 3):
        found = kviz.attribute(model, five, named(name), class_index=2, batch_size=batch_size)
        close(found.maps, whole.maps, 1e-4)
        close(found.scores, whole.scores)


@pytest.mark.some(every=4)
@pytest.mark.parametrize("name", method_names())
def test_a_seed_gives_the_same_again(name, model, five):
    one, two = (kviz.attribute(model, five[:2], named(name), seed=7).maps for _ in range(2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.some(every=5)
@pytest.mark.parametrize("name", method_names())
def test_what_a_result_says_can_be_given_back(name, model, five):
    found = kviz.attribute(model, five[:2], named(name), seed=3, class_index=[[1, 2]])
    settings = json.loads(json.dumps(found.made_by.settings))
    assert settings["class_index"] == [[1, 2], [1, 2]]
    assert settings["seed"] == 3
    if "layer_names" in settings:
        assert settings["layer_names"] == "last"
        assert settings.get("relu", True) is True
    # A large array is told of only.
    arrays = {key: x for key, x in QUICK.get(name, {}).items() if isinstance(x, np.ndarray)}
    again = kviz.attribute(model, five[:2], **{**settings, **arrays})
    np.testing.assert_array_equal(again.maps, found.maps)
    assert again.made_by.settings == found.made_by.settings


def test_what_a_result_says_is_resolved(model, five):
    base = kviz.attribution.GradCam(layer_names="*st", relu=False)
    noisy = SmoothGrad(base=base, samples=2, noise_level=0)
    settings = kviz.attribute(model, five[:2], noisy).made_by.settings
    layers_of = ("first", "last")
    told = {"name": "grad_cam", "layer_names": layers_of, "grid": None, "relu": False}
    assert settings["base"] == told
    assert (settings["samples"], settings["noise_level"], settings["reduce"]) == (2, 0.0, "base")
    assert all(type(index) is int for index in settings["class_index"])
    assert settings["input_name"] == "photo"
    which = {"layer_names": model.get_layer("first"), "relu": np.True_}
    settings = kviz.attribute(model, five[:2], "grad_cam", **which).made_by.settings
    assert settings["layer_names"] == "first"
    assert settings["relu"] is True
    # An image as an option is told of, not told.
    low = np.zeros((16, 16, 3), "float32")
    found = kviz.attribute(model, five[:2], "integrated_gradients", steps=1, baseline=low)
    told = found.made_by.settings["baseline"]
    assert (told["shape"], told["dtype"], len(told["sha256"])) == ((16, 16, 3), "float32", 64)


def numeric_options():
    for name in method_names():
        hints = types_of(method_class(name))
        for field in fields(method_class(name)):
            kinds = {hints[field.name], *get_args(hints[field.name])}
            if kinds & {int, float} and field.name != "layer_names":
                whole = {
                    "samples": [30, 31, 32, 33, 35],
                    "stride": [1, 2, 3, 4, 5],
                    "max_channels": [1, 2, 3, 4, 2],
                    "similar": [1, 2, 3, 4, 2],
                    "min_size": [1, 20, 2, 30, 3],
                }
                whole = whole.get(field.name, [5, 6, 7, 8, 9])
                yield name, field.name, whole if int in kinds else [0.1, 0.2, 0.3, 0.4, 0.7]


@pytest.mark.some(every=4)
@pytest.mark.parametrize(("name", "option", "values"), [*numeric_options()])
def test_another_number_is_no_other_trace(monkeypatch, name, option, values, five):
    model = net()
    traces, call = [], type(model).call
    monkeypatch.setattr(type(model), "call", lambda *a, **k: traces.append(1) or call(*a, **k))
    network, options = kviz.Network(model), {**QUICK.get(name, {}), **WITH.get((name, option), {})}
    counts, maps = [], []
    for value in values:
        maps.append(kviz.attribute(network, five[:2], name, **{**options, option: value}).maps)
        counts.append(len(traces))
    assert counts[0] > 0
    assert counts == counts[:1] * 5
    # An option that does nothing would need no other function either.
    # Behind its last layer of maps this net is linear: how many points are on the way is all one.
    linear = option == "steps" and name in ("internal_influence", "layer_integrated_gradients")
    if (name, option) != ("integrated_gradients", "tolerance") and not linear:
        assert not any(np.array_equal(one, two) for one, two in pairwise(maps))


@pytest.mark.some(every=5)
@pytest.mark.parametrize("name", method_names())
def test_round_trip(name, model, five, tmp_path):
    found = kviz.attribute(model, five[:2], named(name), names=["a.png", "b.png"])
    again = kviz.load_result(found.save(tmp_path / "found.npz")[0])
    for key in ("maps", "raw", "scores", "classes", "images"):
        np.testing.assert_array_equal(getattr(again, key), getattr(found, key))
    assert (again.method, again.class_names, again.names) == (
        found.method, found.class_names, found.names,
    )  # fmt: skip
    assert len(found.tiles(image=0)) == 3, "image, map and overlay"
    assert len(found.save(tmp_path / "pictures")) == 4


# A Sequential hands one tensor on, which attention takes twice.
@pytest.mark.some(every=5)
@pytest.mark.parametrize("name", sorted({*method_names()} - ATTENDING))
def test_a_sequential_read_from_disk_and_a_nested_model(name, five, tmp_path):
    inner = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Rescaling(1 / 255),
         layers.Conv2D(6, 3, activation="relu", name="conv")], name="inner"
    )  # fmt: skip
    model = keras.Sequential()
    model.add(inner)
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(3, name="logits"))
    model.build((None, 16, 16, 3))
    model.save(tmp_path / "model.keras")
    network = kviz.load_model(tmp_path / "model.keras")
    found = kviz.attribute(network, five[:2], named(name))
    assert found.maps.shape == (2, 16, 16)
    assert found.maps.any()


@pytest.mark.some(every=5)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("name", method_names())
def test_a_score_that_is_not_finite_is_said(name, five, bad):
    model = net(name)
    bias = np.zeros(5)
    bias[2] = bad
    model.layers[-1].bias.assign(bias)
    with pytest.raises(kviz.ImageError, match=r"^The score of image 0 is not finite"):
        kviz.attribute(model, five[:2], named(name), class_index=2)


@pytest.mark.some(every=5)
@pytest.mark.parametrize("name", method_names())
def test_a_model_that_was_built_for_two_images(name, model, five):
    fixed = keras.models.clone_model(model, input_tensors=keras.Input(batch_shape=(2, 16, 16, 3)))
    fixed.set_weights(model.get_weights())
    found = kviz.attribute(fixed, five, named(name), class_index=2)
    close(found.maps, kviz.attribute(model, five, named(name), class_index=2).maps, 1e-4)


@pytest.mark.parametrize("name", method_names())
def test_each_method_explains_itself(name):
    method = type(named(name))
    assert len(__import__(method.__module__, fromlist=["_"]).__doc__.split()) > 8


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m, x: kviz.attribute(m, x, "grad_cm"), kviz.OptionError, "'grad_cam'"),
        (lambda m, x: kviz.attribute(m, x, "saliency", steps=3), kviz.OptionError, "'reduce'"),
        (lambda m, x: kviz.attribute(m, x, class_index=9), kviz.OptionError, "0 to 4"),
        (lambda m, x: kviz.attribute(m, x, class_index=[1, 2]), kviz.OptionError, "each of"),
        (lambda m, x: kviz.attribute(m, x, resize="cubic"), kviz.OptionError, "bilinear"),
        (lambda m, x: kviz.attribute(m, x, layer_names="mean"), kviz.LayerError, "no spatial"),
        (lambda m, x: kviz.attribute(m, x, layer_names="lost"), kviz.LayerError, "'last'"),
        (lambda m, x: kviz.attribute(m, x, score=7), kviz.OptionError, "function"),
        (lambda m, x: kviz.attribute(m, x, score=lambda y: y), kviz.OptionError, r"\(N,\)"),
        (lambda m, x: kviz.attribute(m, x, input_name="q"), kviz.OptionError, "'photo'"),
    ],
)
def test_bad_input_is_one_sentence(call, error, message, model, five):
    with pytest.raises(error, match=message) as caught:
        call(model, five)
    assert type(caught.value) is error
    assert len(str(caught.value)) <= 300


def test_seeds_share_no_noise(model, five):
    """A seed that only counts on would give 3 of 4 copies of an image to the next seed too."""
    drawn = {}

    @dataclass(frozen=True, kw_only=True)
    class Keeping(Method):
        def maps(self, request):
            drawn.setdefault(seed, []).append(np.array(request.images))
            (scores, classes), gradient = request.passes.gradient(request.pixels, request.target)
            return Found(maps=gradient, scores=scores, classes=classes)

    for seed in (0, 1):
        kviz.attribute(model, five[:1], SmoothGrad(base=Keeping(), samples=4), seed=seed)
    one, two = (np.concatenate(drawn[seed]) for seed in (0, 1))
    assert len(one) == len(two) == 4
    assert not any(np.allclose(a, b, atol=1) for a in one for b in two)


@pytest.mark.parametrize("method", ["grad_cam", "eigen_cam", "ablation_cam"])
def test_a_layer_itself_says_where(method, model, five):
    layer = model.get_layer("last")
    by_layer, by_name = (
        kviz.attribute(model, five, method, layer_names=which) for which in (layer, "last")
    )
    np.testing.assert_array_equal(by_layer.maps, by_name.maps)


def test_a_folder_is_not_called_like_a_picture(model, five, tmp_path):
    with pytest.raises(kviz.OutputError, match="a folder of pictures"):
        kviz.attribute(model, five[:1], "saliency").save(tmp_path / "map.png")
    assert not list(tmp_path.iterdir())
