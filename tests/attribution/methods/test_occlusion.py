"""Occlusion: numbers of captum, PAIR and xplique, and what must hold of any window."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.attribution import attribute
from kviz.errors import OptionError


def first(outputs):
    return outputs[:, 0]


def multilayer():
    """Return captum's BasicModel_MultiLayer: x(3) -> ones, [-10,1,1,1] -> ReLU -> ones, [-1,1]."""
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, kernel_initializer="ones", activation="relu"),
            layers.Dense(2, kernel_initializer="ones"),
        ]
    )
    model.layers[0].bias.assign([-10, 1, 1, 1])
    model.layers[1].bias.assign([-1, 1])
    return model


def convolution(inputs):
    """Return captum's BasicModel_ConvNet_One_Conv on a tensor (4, 4, 1)."""
    conv = layers.Conv2D(2, 3, kernel_initializer="ones", activation="relu")
    x = layers.Flatten()(conv(inputs))
    dense = layers.Dense(4, use_bias=False, activation="relu")
    outputs = dense(x)
    conv.bias.assign([-50, -75])
    dense.kernel.assign(np.repeat([[1], [1], [1], [-1], [1], [-1], [1], [-1]], 4, axis=1))
    return outputs


def total(factor=3.0, shape=(5, 5, 1)):
    inputs = keras.Input(shape)
    axes = tuple(range(1, len(shape) + 1))
    return keras.Model(inputs, factor * keras.ops.sum(inputs, axes))


def scored(shape=(12, 10, 3), seed=1):
    """Return a small random convnet."""
    keras.utils.set_random_seed(seed)
    conv = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}[len(shape) - 1]
    return keras.Sequential(
        [keras.Input(shape), conv(4, 3, activation="relu"), layers.Flatten(), layers.Dense(3)]
    )


def photos(count, shape=(12, 10, 3)):
    return np.random.default_rng(0).uniform(0, 255, (count, *shape)).astype("float32")


def test_captum_ablation_of_features():
    # captum@faac080 tests/attr/test_occlusion.py::test_simple_input
    x = np.array([[20, 50, 30]], "float32")
    found = attribute(multilayer(), x, "occlusion", window=1, score=first)
    np.testing.assert_allclose(found.maps, [[80, 200, 120]], atol=1e-4)


def test_captum_one_window_over_all_of_an_image_with_two_inputs():
    # captum@faac080 tests/attr/test_occlusion.py::test_simple_multi_input_conv
    one, two = keras.Input((4, 4, 1), name="one"), keras.Input((4, 4, 1), name="two")
    model = keras.Model([one, two], convolution(layers.Add()([one, two])))
    images = {
        "one": np.arange(16, dtype="float32").reshape(1, 4, 4, 1),
        "two": np.ones((1, 4, 4, 1), "float32"),
    }
    found = attribute(model, images, "occlusion", window=4, class_index=0, input_name="one")
    np.testing.assert_allclose(found.maps, np.full((1, 4, 4), 67), atol=1e-4)


def test_captum_each_of_two_inputs():
    # captum@faac080 tests/attr/test_occlusion.py::test_simple_multi_input
    a, b = keras.Input((1,), name="a"), keras.Input((1,), name="b")
    relu = keras.ops.relu
    model = keras.Model([a, b], relu(relu(a - 1) - relu(b)))
    images = {"a": np.array([[-10], [3]], "float32"), "b": np.array([[-5], [1]], "float32")}
    for name, expected in (("a", [[0], [1]]), ("b", [[0], [-1]])):
        found = attribute(model, images, "occlusion", input_name=name, score=first)
        np.testing.assert_allclose(found.maps, expected, atol=1e-4)


def test_pair_overlaps_summed():
    # PAIR-code/saliency@7b72b67 saliency/core/occlusion_test.py
    x = np.zeros((1, 5, 5, 1), "float32")
    x[0, 1, 1] = x[0, 3, 3] = 1
    found = attribute(total(), x, "occlusion", window=3, stride=1, overlap="sum", score=lambda y: y)
    expected = [
        [3, 6, 6, 3, 0],
        [6, 15, 18, 12, 3],
        [6, 18, 24, 18, 6],
        [3, 12, 18, 15, 6],
        [0, 3, 6, 6, 3],
    ]
    np.testing.assert_allclose(found.maps[0], expected, atol=1e-2)


def test_xplique_score_less_the_occluded_score():
    # deel-ai/xplique@0c90fa4 test_occlusion.py::test_delta_computation: a score of 1, and of
    # 1, 0, 10 and -1 with each of four pixels occluded.
    inputs = keras.Input((2, 2, 1))
    weights = np.array([0, 1, -9, 2], "float32").reshape(2, 2, 1)
    model = keras.Model(inputs, keras.ops.sum(inputs * weights, (1, 2)) + 7)
    x = np.ones((1, 2, 2, 1), "float32")
    found = attribute(model, x, "occlusion", window=1, score=first)
    np.testing.assert_allclose(found.maps.ravel(), [0, 1, -9, 2], atol=1e-5)


@pytest.mark.some(every=2)
@pytest.mark.parametrize(
    ("shape", "window", "stride"),
    [
        ((7,), 3, 2),
        ((9, 2), 4, 3),
        ((12, 10, 3), (5, 4), (3, 2)),
        ((12, 10, 3), 40, None),
        ((5, 6, 4, 1), 3, 2),
    ],
)
@pytest.mark.parametrize("overlap", ["mean", "sum"])
def test_every_window_by_hand(shape, window, stride, overlap):
    model = total(2.0, shape) if len(shape) == 1 else scored(shape)
    x = photos(2, shape)
    score = (lambda y: y) if len(shape) == 1 else first
    network = kviz.network.loading.as_network(model)
    found = attribute(
        network, x, "occlusion", window=window, stride=stride, overlap=overlap, score=score
    )
    size = shape if len(shape) == 1 else shape[:-1]
    axes = []
    for axis, side in enumerate(size):
        long = min(window[axis] if isinstance(window, tuple) else window, side)
        step = (stride[axis] if isinstance(stride, tuple) else stride) or max(1, long // 2)
        starts = [0]
        while starts[-1] + long < side:
            starts.append(starts[-1] + step)
        axes.append([slice(s, s + long) for s in starts])
    maps, times = np.zeros((2, *size)), np.zeros(size)

    def answer(images):
        return np.asarray(memoryview(score(network(images))))

    for grid in np.ndindex(*[len(a) for a in axes]):
        box = tuple(a[i] for a, i in zip(axes, grid, strict=True))
        covered = x.copy()
        covered[(slice(None), *box)] = 0
        fall = answer(x) - answer(covered)
        maps[(slice(None), *box)] += fall.reshape(2, *[1] * len(size))
        times[box] += 1
    assert times.min() >= 1
    expected = maps / times if overlap == "mean" else maps
    assert found.maps.shape == (2, *size)
    np.testing.assert_allclose(found.maps, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_what_covers():
    x = photos(1)
    model = total(1.0, (12, 10, 3))
    fill = {"white": 255, "grey": 127.5, 9: 9, "mean": x.mean((1, 2)), "black": 0}
    for baseline, value in fill.items():
        found = attribute(model, x, "occlusion", window=1, baseline=baseline, score=lambda y: y)
        np.testing.assert_allclose(found.maps[0], (x[0] - value).sum(-1), atol=0.02)
    own = photos(3)[2]
    found = attribute(model, x, "occlusion", window=1, baseline=own, score=lambda y: y)
    np.testing.assert_allclose(found.maps[0], (x[0] - own).sum(-1), atol=0.02)


def test_batches_and_traces():
    network, x = kviz.network.network.Network(scored()), photos(5)
    options = {"method": "occlusion", "window": 4, "stride": 3}
    whole = attribute(network, x, batch_size=32, **options)
    traces = len(network.engine.functions)
    for batch_size in (1, 3):
        found = attribute(network, x, batch_size=batch_size, **options)
        np.testing.assert_allclose(found.maps, whole.maps, rtol=1e-4, atol=1e-3)
    singles = [attribute(network, x[i : i + 1], **options).maps[0] for i in range(5)]
    np.testing.assert_allclose(singles, whole.maps, rtol=1e-4, atol=1e-3)
    attribute(network, x, "occlusion", window=6, baseline="mean", class_index=2)
    assert len(network.engine.functions) == traces


def test_a_model_built_for_a_fixed_batch():
    inputs = keras.Input(batch_shape=(4, 6, 6, 1))
    model = keras.Model(inputs, keras.ops.sum(inputs, (1, 2)))
    x = photos(5, (6, 6, 1))
    found = attribute(model, x, "occlusion", window=1, score=first)
    np.testing.assert_allclose(found.maps, x[..., 0], atol=0.01)


def test_several_classes():
    x = photos(2)
    options = {"method": "occlusion", "window": 4}
    found = attribute(scored(), x, class_index=[[0, 2]], **options)
    assert found.maps.shape == (2, 2, 12, 10)
    np.testing.assert_allclose(
        found.maps[:, 1],
        attribute(scored(), x, class_index=2, **options).maps,
        rtol=1e-4,
        atol=1e-3,
    )


def test_the_cats_face():
    found = attribute("models/squeezenet.keras", "notebooks/images/cat.png", "occlusion")
    positive = np.maximum(found.maps[0], 0)
    # The eyes, the nose and what is between: 45 % of the photo.
    face = positive[60:200, 25:195].sum() / positive.sum()
    assert face > 0.6
    y, x = np.unravel_index(positive.argmax(), positive.shape)
    assert 60 < y < 200
    assert 25 < x < 195


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"window": 0}, "window takes a whole number from 1, or one for each axis. Received: 0"),
        ({"window": 2.5}, "window takes a whole number from 1"),
        ({"stride": (1, 0)}, "stride takes a whole number from 1"),
        ({"window": (3, 3, 3)}, r"window takes a number or 2 of them here"),
        ({"window": 2, "stride": 3}, "leaves pixels uncovered"),
        ({"overlap": "max"}, "overlap"),
        ({"baseline": "gray"}, "baseline"),
        ({"baseline": np.zeros((3, 3))}, "baseline as an array has the shape of one image"),
    ],
)
def test_what_it_refuses(options, said):
    with pytest.raises(OptionError, match=said):
        attribute(scored(), photos(1), "occlusion", **options)
