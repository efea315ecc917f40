"""Every method on every head and every kind of input: right, or refused in one sentence.

The referee of each is the same net in single precision, on real numbers, that ends in linear scores,
and a score that the test writes out in full. In a usual run each method meets one input, each input
and each head several methods; `pytest -m slow tests/attribution/test_table.py` has them all.
"""

import itertools
from dataclasses import fields
from functools import cache

import keras
import numpy as np
import pytest
from keras import layers, ops
from quick import QUICK

import kviz
from kviz.attribution import method_class, method_named, method_names

HEADS = (
    "softmax layer", "softmax argument", "logits", "unit", "labels", "regression", "class map",
    "unit map", "two outputs",
)  # fmt: skip
INPUTS = (
    "2-D", "grey", "1-D", "3-D", "tokens", "two photos", "photo and vector", "uint8", "float64",
    "mixed_float16", "mixed_bfloat16",
)  # fmt: skip
ACTIVATIONS = {
    "softmax argument": "softmax", "unit": "sigmoid", "labels": "sigmoid", "class map": "softmax",
    "unit map": "sigmoid", "two outputs": "softmax",
}  # fmt: skip
POLICIES = ("float64", "mixed_float16", "mixed_bfloat16")
SHAPES = {"grey": (12, 12), "1-D": (24, 3), "3-D": (6, 6, 6, 2)}
POOLINGS = (
    layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D,
)  # fmt: skip
# Which class is explained, where there are several.
CLASS = 1


def convolution(axes, channels, size, **options):
    kind = (layers.Conv1D, layers.Conv2D, layers.Conv3D)[axes - 1]
    return kind(channels, size, padding="same", **options)


def trunk(x, kind):
    """Return maps of an input, and how many axes they have."""
    axes = {"1-D": 1, "3-D": 3}.get(kind, 2)
    if kind == "grey":
        x = layers.Reshape((12, 12, 1), name="with_channels")(x)
    if kind == "tokens":
        x = layers.Conv2D(4, 3, strides=3, name="patches")(x)
        x = layers.Reshape((16, 4), name="tokens")(x)
        x = layers.Add(name="mixed")([x, layers.MultiHeadAttention(2, 2, name="attention")(x, x)])
        return layers.Dense(4, activation="relu", name="last")(x), 2
    x = convolution(axes, 4, 3, activation="relu", name="first")(x)
    return convolution(axes, 4, 3, activation="relu", name="last")(x), axes


def net(head, kind, *, linear):
    """Return a net; `linear` leaves out what makes probabilities, and whole numbers."""
    whole = kind == "uint8" and not linear
    shape = SHAPES.get(kind, (12, 12, 3))
    inputs = [keras.Input(shape, name="photo", dtype="uint8" if whole else None)]
    x, axes = trunk(layers.Rescaling(1 / 255)(inputs[0]), kind)
    if kind == "two photos":
        inputs.append(keras.Input(shape, name="other"))
        other = layers.Rescaling(1 / 255)(inputs[1])
        x = layers.Add(name="both")([x, layers.Conv2D(4, 3, padding="same", name="beside")(other)])
    if kind == "photo and vector":
        inputs.append(keras.Input((4,), name="vector"))
        gate = layers.Reshape((1, 1, 4), name="gates")(layers.Dense(4, name="gate")(inputs[1]))
        x = layers.Multiply(name="gated")([x, gate])
    activation = ACTIVATIONS.get(head)
    activation = None if linear else activation
    classes = 1 if head in ("unit", "regression", "unit map") else 3
    if head.endswith("map"):
        if kind == "tokens":
            x = layers.Reshape((4, 4, 4), name="grid")(x)
        x = convolution(axes, classes, 1, activation=activation, name="scores")(x)
    else:
        x = POOLINGS[len(x.shape) - 3]()(x)
        boxes = layers.Dense(4, name="boxes")(x) if head == "two outputs" else None
        x = layers.Dense(classes, activation=activation, name="scores")(x)
        if head == "softmax layer" and not linear:
            x = layers.Softmax(name="probabilities")(x)
        if head == "two outputs" and not linear:
            x = {"boxes": boxes, "classes": x}
    return keras.Model(inputs, x)


@cache
def pair(head, kind):
    """Return a net, its twin, images, and the twin's score as a function of its outputs."""
    keras.utils.set_random_seed(5)
    twin = net(head, kind, linear=True)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(kind if kind in POLICIES else before)
    try:
        model = net(head, kind, linear=False)
    finally:
        keras.config.set_dtype_policy(before)
    random = np.random.default_rng(3)
    for weight in twin.weights:
        weight.assign(random.normal(0.05, 0.5, weight.shape))
    for weight in model.weights:
        same = [w for w in twin.weights if w.path == weight.path]
        weight.assign(same[0].numpy() if same else weight.numpy())
    images = [
        random.integers(0, 256, (1, *x.shape[1:])).astype(
            "uint8" if len(x.shape) > 2 else "float32"
        )
        for x in twin.inputs
    ]
    given = images if len(images) > 1 else images[0]
    answer = np.asarray(twin([image.astype("float32") for image in images], training=False))
    if head == "class map":
        index = np.bincount(answer.argmax(-1).ravel()).argmax()
        mask = answer.argmax(-1) == index
    elif head == "unit map":
        index, mask = 1, answer[..., 0] > 0
        if not mask.any():
            index, mask = 0, ~mask
    else:
        index, mask = None if head == "regression" else CLASS, None

    def score(outputs):
        if mask is None:
            return outputs[:, CLASS if classes(head) == 3 else 0]
        if head == "unit map":
            maps = outputs[..., 0] if index else -outputs[..., 0]
        else:
            maps = outputs[..., index]
        weights = mask / mask.sum()
        return ops.sum(maps * weights, axis=tuple(range(1, len(maps.shape))))

    return model, twin, given, index, score


def classes(head):
    return 1 if head in ("unit", "regression", "unit map") else 3


def named(method, kind, **more):
    options = {**QUICK.get(method, {}), **more}
    if "segments" in options:
        first = pair("logits", kind)[0].inputs[0].shape[1:]
        rows = np.indices(first if kind == "grey" else first[:-1])[0]
        options["segments"] = rows // (len(rows) // 4)
    if "relu" in (field.name for field in fields(method_class(method))):
        # What speaks against the class is looked at too.
        options["relu"] = False
    return method_named(method, **options)


# What a method is not for: its name, a head or a kind of input, words of what it says.
REFUSED = [
    *(
        (method, kind, "No self-attention")
        for method in ("attention_rollout", "chefer")
        for kind in INPUTS
        if kind != "tokens"
    ),
    *(("cam", head, "cam needs a net that ends in") for head in ("class map", "unit map")),
    *(
        (method, head, words)
        for method, words in (
            ("finer_cam", "finer_cam needs classes to compare"),
            ("loss_gradient", "A loss needs classes"),
        )
        for head in ("regression", "class map", "unit map")
    ),
]


def refusal(method, head, kind):
    """Return what is said where a method is not for a head or an input, None where it works."""
    return next(
        (words for name, what, words in REFUSED if name == method and what in (head, kind)), None
    )


def check(method, head, kind):
    model, twin, images, index, score = pair(head, kind)
    if expected := refusal(method, head, kind):
        with pytest.raises(kviz.KvizError, match=expected):
            kviz.attribute(model, images, named(method, kind), class_index=index, seed=1)
        return
    found = kviz.attribute(model, images, named(method, kind), class_index=index, seed=1)
    size = model.inputs[0].shape[1:] if kind == "grey" else model.inputs[0].shape[1:-1]
    assert found.maps.shape == (1, *size)
    assert found.maps.dtype == np.float32
    assert np.isfinite(found.maps).all()
    if method in OF_A_CLASS:
        return
    # Of a class map another layer is looked at than of any other score.
    path = found.made_by.settings.get("layer_names")
    same = {"layer_names": path} if path else {}
    right = kviz.attribute(twin, images, named(method, kind, **same), score=score, seed=1)
    np.testing.assert_allclose(found.scores, right.scores, rtol=1e-4, atol=1e-5)
    scale = max(np.abs(right.maps).max(), 1e-9)
    np.testing.assert_allclose(found.maps / scale, right.maps / scale, atol=2e-3)


# What these explain is no score that could be written out as a function of the outputs.
OF_A_CLASS = {"cam", "finer_cam", "loss_gradient"}


def every_two():
    """Return cases in which every two of method, head and input meet."""
    methods = method_names()
    cases = []
    for (m, method), (k, kind) in itertools.product(enumerate(methods), enumerate(INPUTS)):
        cases.append((method, HEADS[(m + k) % len(HEADS)], kind))
    met = {(method, head) for method, head, _ in cases} | {(head, kind) for _, head, kind in cases}
    lacking = [pair for pair in itertools.product(methods, HEADS) if pair not in met]
    cases += [(method, head, INPUTS[0]) for method, head in lacking]
    lacking = [pair for pair in itertools.product(HEADS, INPUTS) if pair not in met]
    return cases + [("gradient", head, kind) for head, kind in lacking]


def quick():
    """Return the part of these cases that a usual run has time for: each method once."""
    places = {kind: place for place, kind in enumerate(INPUTS)}
    methods = {method: place for place, method in enumerate(method_names())}
    return [
        case for case in every_two() if (methods[case[0]] + 3 * places[case[2]]) % len(INPUTS) == 0
    ]


SOON = quick()


@pytest.mark.parametrize(
    ("method", "head", "kind"),
    [pytest.param(*case, marks=[] if case in SOON else pytest.mark.slow) for case in every_two()],
)
def test_every_two(method, head, kind):
    check(method, head, kind)


@pytest.mark.slow
@pytest.mark.parametrize("method", method_names())
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", INPUTS)
def test_all(method, head, kind):
    check(method, head, kind)


def test_everything_is_in_a_usual_run():
    methods, heads, kinds = map(set, zip(*SOON, strict=True))
    assert set(map(method_class, methods)) == set(map(method_class, method_names()))
    assert heads == set(HEADS)
    assert kinds == set(INPUTS)
