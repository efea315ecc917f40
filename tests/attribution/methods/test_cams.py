"""Class activation maps by hand in NumPy: the net's gradients are the weights of its last layer."""

import keras
import numpy as np
import pytest
from keras import layers

import kviz

CLASS = 1


@pytest.fixture(scope="module")
def net():
    keras.utils.set_random_seed(5)
    inputs = keras.Input((6, 6, 3))
    conv = layers.Conv2D(
        5, 3, activation="leaky_relu", bias_initializer="random_normal", name="maps"
    )
    # A scale at which the softmax over channels of Score-CAM is neither flat nor all of one.
    dense = layers.Dense(3, kernel_initializer=keras.initializers.RandomNormal(stddev=1.5, seed=2))
    model = keras.Model(inputs, dense(layers.Flatten()(conv(inputs))))
    kernel, bias = conv.get_weights()
    # A channel that is the same everywhere.
    kernel[..., 4], bias[4] = 0, 0.7
    conv.set_weights([kernel, bias])
    return model


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(2).normal(0.5, 1, (3, 6, 6, 3)).astype("float32")


@pytest.fixture(scope="module")
def maps(net, images):
    """Return the layer's maps, convolved by hand."""
    kernel, bias = (np.array(weight, "float64") for weight in net.get_layer("maps").weights)
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(1, 2))
    z = np.einsum("nhwcij,ijck->nhwk", windows, kernel) + bias
    return np.where(z > 0, z, 0.2 * z)


@pytest.fixture(scope="module")
def gradients(net):
    return np.array(net.layers[-1].kernel, "float64")[:, CLASS].reshape(1, 4, 4, 5)


def found(net, images, method, **options):
    options = {"class_index": CLASS, "resize": None, "relu": False, **options}
    return kviz.attribute(net, images, method, layer_names="maps", **options).maps


def close(actual, expected):
    size = np.abs(expected).max()
    assert size > 0
    np.testing.assert_allclose(actual / size, expected / size, atol=2e-5)


def test_grad_cam(net, images, maps, gradients):
    expected = (maps * gradients.mean((1, 2), keepdims=True)).sum(-1)
    close(found(net, images, "grad_cam"), expected)
    close(found(net, images, "grad_cam", relu=True), expected.clip(0))


def test_xgrad_cam(net, images, maps, gradients):
    weights = (maps * gradients).sum((1, 2)) / maps.sum((1, 2))
    close(found(net, images, "xgrad_cam"), np.einsum("nhwk,nk->nhw", maps, weights))


@pytest.mark.parametrize("formula", ["common", "paper"])
def test_grad_cam_plus_plus(net, images, maps, gradients, formula):
    total = maps.sum((1, 2), keepdims=True)
    alphas = gradients**2 / (2 * gradients**2 + total * gradients**3)
    positive = gradients.clip(0)
    if formula == "paper":
        alphas = np.where(gradients > 0, alphas, 0)
        alphas = alphas / alphas.sum((1, 2), keepdims=True)
    weights = (alphas * positive).sum((1, 2))
    expected = np.einsum("nhwk,nk->nhw", maps, weights)
    close(found(net, images, "grad_cam_plus_plus", formula=formula), expected)


def test_eigen_cam(net, images, maps):
    expected = []
    for one in maps.reshape(3, 16, 5):
        # The first direction, as the eigenvector of A^T A of the largest eigenvalue.
        values, vectors = np.linalg.eigh(one.T @ one)
        along = one @ vectors[:, values.argmax()]
        expected.append(along * np.sign(along.sum()))
    close(found(net, images, "eigen_cam"), np.reshape(expected, (3, 4, 4)))


def enlarged(grid, size):
    """Return `(H, W)` brought to a square size bilinearly, pixels' centres at half numbers."""
    for axis in (0, 1):
        length = grid.shape[axis]
        at = ((np.arange(size) + 0.5) * length / size - 0.5).clip(0, length - 1)
        low = np.floor(at).astype(int)
        high = (low + 1).clip(max=length - 1)
        share = (at - low)[:, None] if axis == 0 else at - low
        grid = grid.take(low, axis) * (1 - share) + grid.take(high, axis) * share
    return grid


def seen_through(net, image, own, channels, black=0.0):
    """Return Score-CAM's scores of an image, seen through channels `(4, 4)` of a layer."""
    scores = []
    for channel in channels:
        mask = enlarged(own[..., channel], 6)
        width = np.ptp(mask)
        mask = (mask - mask.min()) / width if width > 1e-6 else np.zeros((6, 6))
        seen = black + (image - black) * mask[..., None]
        scores.append(float(np.array(net(seen[None]))[0, CLASS]))
    return np.array(scores)


@pytest.mark.parametrize("black", [0.0, 0.4])
def test_score_cam(net, images, maps, black):
    expected = []
    for image, own in zip(images, maps, strict=True):
        scores = seen_through(net, image, own, range(5), black)
        weights = np.exp(scores) / np.exp(scores).sum()
        assert 0.25 < weights.max() < 0.98, "neither flat nor all of one channel"
        expected.append(own @ weights)
    close(found(net, images, "score_cam", baseline=black), np.array(expected))


@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_score_cam_of_the_channels_that_vary_most(net, images, maps, count):
    expected = []
    for image, own in zip(images, maps, strict=True):
        most = np.argsort(own.std((0, 1)))[::-1][:count]
        scores = seen_through(net, image, own, most)
        expected.append(own[..., most] @ (np.exp(scores) / np.exp(scores).sum()))
    for batch_size in (32, 2):
        given = found(net, images, "score_cam", max_channels=count, batch_size=batch_size)
        close(given, np.array(expected))


def test_guided_grad_cam_is_the_product_of_the_two(net, images):
    inputs = keras.Input((6, 6, 3))
    model = keras.Model(inputs, keras.ops.relu(net(inputs)) * np.array([1.0, 2.0, 3.0]))
    options = {"class_index": CLASS, "reduce": None}
    product = kviz.attribute(model, images, "guided_grad_cam", layer_names="*/maps", **options)
    guided = kviz.attribute(model, images, "guided_backprop", **options)
    cam = kviz.attribute(model, images, "grad_cam", layer_names="*/maps", class_index=CLASS)
    wide = np.stack([enlarged(grid, 6) for grid in cam.raw])
    close(product.maps, guided.maps * wide[..., None])
    assert np.abs(product.maps - guided.maps).max() > 0.1 * np.abs(guided.maps).max()
    assert product.made_by.settings["layer_names"].endswith("/maps")


def test_a_head_of_one_position_is_no_layer_of_maps():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="last")(inputs)
    x = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(x)
    x = layers.Conv2D(3, 1, name="head")(x)
    model = keras.Model(inputs, layers.Flatten()(x))
    photo = np.random.default_rng(0).normal(size=(1, 8, 8, 3))
    result = kviz.attribute(model, photo, "grad_cam", resize=None)
    assert result.maps.shape == (1, 6, 6)
    assert result.made_by.settings["layer_names"] == "last"


def test_a_photo_is_looked_at_before_what_comes_first():
    keras.utils.set_random_seed(0)
    facts, photo = keras.Input((4,), name="facts"), keras.Input((8, 8, 3), name="photo")
    x = layers.Flatten()(layers.Conv2D(4, 3)(photo))
    model = keras.Model([facts, photo], layers.Dense(3)(layers.Concatenate()([facts, x])))
    given = {"facts": np.ones((1, 4)), "photo": np.ones((1, 8, 8, 3))}
    result = kviz.attribute(model, given, "gradient", class_index=0)
    assert result.maps.shape == (1, 8, 8)
    assert result.made_by.settings["input_name"] == "photo"


def test_max_abs_keeps_the_sign_of_what_is_furthest_from_zero():
    inputs = keras.Input((2, 2, 3))
    model = keras.Model(inputs, layers.Dense(1, use_bias=False)(layers.Flatten()(inputs)))
    kernel = np.array([[1, -3, 2], [-1, -2, 0], [4, 1, -3], [0, 0, -5]], "float32")
    model.layers[-1].kernel.assign(kernel.reshape(-1, 1))
    result = kviz.attribute(
        model, np.ones((1, 2, 2, 3)), "gradient", reduce="max_abs", class_index=0
    )
    np.testing.assert_array_equal(result.maps[0], [[-3, -2], [4, -5]])


@pytest.mark.parametrize("relu", [True, False])
def test_several_layers_fused_are_the_mean_of_each_one_scaled(images, relu):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 1, activation="relu", name="wide")(inputs)
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="small")(x)
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))
    # Nothing decides in the last one.
    given = np.concatenate([images, np.zeros_like(images[:1])])
    options = {"class_index": CLASS, "resize": None, "relu": relu}
    one, two = (
        kviz.attribute(model, given, "grad_cam", layer_names=name, **options).maps
        for name in ("wide", "small")
    )
    fused = kviz.attribute(model, given, "grad_cam", layer_names=["wide", "small"], **options)
    expected = [
        (grid / (np.abs(grid).max() or 1) + enlarged(low / (np.abs(low).max() or 1), 6)) / 2
        for grid, low in zip(one, two, strict=True)
    ]
    close(fused.maps, np.array(expected))
    assert fused.made_by.settings["layer_names"] == ("wide", "small")


@pytest.mark.parametrize("relu", [True, False])
def test_layer_cam_fuses_as_its_paper_does(images, relu):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 1, activation="tanh", name="wide")(inputs)
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="tanh", name="small")(x)
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)))
    options = {"class_index": CLASS, "resize": None, "relu": relu}
    one, two = (
        kviz.attribute(model, images, "layer_cam", layer_names=name, **options).maps
        for name in ("wide", "small")
    )
    fused = kviz.attribute(model, images, "layer_cam", layer_names=["wide", "small"], **options)
    expected = [
        np.maximum(
            np.tanh(2 * grid / np.abs(grid).max()),
            enlarged(np.tanh(2 * low / np.abs(low).max()), 6),
        )
        for grid, low in zip(one, two, strict=True)
    ]
    close(fused.maps, np.array(expected))


def test_xgrad_cam_of_a_map_that_sums_to_nothing():
    inputs = keras.Input((2, 2, 1))
    maps = layers.Conv2D(2, 1, use_bias=False, name="maps")(inputs)
    model = keras.Model(inputs, layers.Dense(1, use_bias=False)(layers.Flatten()(maps)))
    model.set_weights([np.array([[[[1.0, 2.0]]]]), np.arange(8.0)[:, None]])
    image = np.array([1, -1, 2, -2], "float32").reshape(1, 2, 2, 1)
    result = kviz.attribute(model, image, "xgrad_cam", layer_names="maps", class_index=0)
    assert not result.maps.any()


def spread(values, size, axis):
    """Return values between the centres of their cells, along one axis, as NumPy interpolates."""
    cells = values.shape[axis]
    places = (np.arange(size) + 0.5) * cells / size - 0.5
    return np.apply_along_axis(lambda line: np.interp(places, np.arange(cells), line), axis, values)


AXES = {
    1: (layers.Conv1D, layers.MaxPooling1D, layers.GlobalAveragePooling1D, (12,)),
    2: (layers.Conv2D, layers.MaxPooling2D, layers.GlobalAveragePooling2D, (12, 8)),
    3: (layers.Conv3D, layers.MaxPooling3D, layers.GlobalAveragePooling3D, (8, 6, 4)),
}


def net_of(axes, dtype="float32", channels=2):
    convolution, pooling, average, size = AXES[axes]
    keras.utils.set_random_seed(axes)
    return keras.Sequential(
        [
            keras.Input((*size, channels), dtype=dtype),
            convolution(3, 3, padding="same", activation="relu", name="first"),
            pooling(2, name="pool"),
            convolution(4, 3, padding="same", activation="relu", name="second"),
            average(),
            layers.Dense(3),
        ]
    )


@pytest.mark.some(every=2)
@pytest.mark.parametrize("axes", AXES)
class TestAxes:
    """Signals, pictures and volumes: maps of a layer's size come to the input's."""

    @pytest.fixture
    def given(self, axes):
        size = AXES[axes][3]
        return net_of(axes), np.random.default_rng(axes).random((2, *size, 2)).astype("float32")

    def test_maps_get_the_inputs_size(self, axes, given):
        model, inputs = given
        found = kviz.attribute(model, inputs, "grad_cam", relu=False, class_index=1)
        assert found.raw.shape == (2, *(n // 2 for n in AXES[axes][3]))
        expected = found.raw
        for axis, size in enumerate(AXES[axes][3], 1):
            expected = spread(expected, size, axis)
        np.testing.assert_allclose(found.maps, expected, rtol=1e-4, atol=1e-6)
        nearest = kviz.attribute(
            model, inputs, "grad_cam", relu=False, class_index=1, resize="nearest"
        )
        doubled = found.raw
        for axis in range(1, axes + 1):
            doubled = doubled.repeat(2, axis)
        np.testing.assert_allclose(nearest.maps, doubled)
        assert kviz.attribute(model, inputs, resize=None).maps.shape == found.raw.shape

    def test_guided_grad_cam(self, given):
        model, inputs = given
        asked = {"class_index": 1}
        guided = kviz.attribute(model, inputs, "guided_backprop", reduce=None, **asked)
        cam = kviz.attribute(model, inputs, "grad_cam", **asked)
        found = kviz.attribute(model, inputs, "guided_grad_cam", reduce=None, **asked)
        np.testing.assert_allclose(
            found.maps, guided.maps * cam.maps[..., None], rtol=1e-4, atol=1e-7
        )

    def test_guided_grad_cam_with_the_nearest_cell(self, axes, given):
        model, inputs = given
        asked = {"class_index": 1, "reduce": None}
        guided = kviz.attribute(model, inputs, "guided_backprop", **asked)
        wide = kviz.attribute(model, inputs, "grad_cam", class_index=1).raw
        for axis in range(1, axes + 1):
            wide = wide.repeat(2, axis)
        found = kviz.attribute(model, inputs, "guided_grad_cam", interpolation="nearest", **asked)
        assert found.maps.any()
        np.testing.assert_allclose(found.maps, guided.maps * wide[..., None], rtol=1e-4, atol=1e-7)

    def test_cam(self, axes, given):
        model, inputs = given
        maps = np.array(keras.Model(model.inputs[0], model.get_layer("second").output)(inputs))
        kernel = np.array(model.layers[-1].kernel, "float64")
        asked = {"class_index": [1, 2], "relu": False}
        found = kviz.attribute(model, inputs, "cam", **asked)
        expected = np.stack([maps[0] @ kernel[:, 1], maps[1] @ kernel[:, 2]])
        close(found.raw, expected)
        for axis, size in enumerate(AXES[axes][3], 1):
            expected = spread(expected, size, axis)
        close(found.maps, expected)
        # The map's mean is the score less the bias, which is 0.
        means = found.raw.mean(tuple(range(1, axes + 1)))
        np.testing.assert_allclose(means, found.scores, rtol=1e-4)
        # Without a dense layer behind the average.
        bare = keras.Model(model.inputs[0], model.layers[-2].output)
        alone = kviz.attribute(bare, inputs, "cam", **asked)
        close(alone.raw, np.stack([maps[0, ..., 1], maps[1, ..., 2]]))

    def test_score_cam(self, axes, given):
        model, inputs = given
        maps = np.array(keras.Model(model.inputs[0], model.get_layer("pool").output)(inputs))
        found = kviz.attribute(
            model, inputs, "score_cam", layer_names="pool", relu=False, class_index=1, resize=None
        )
        expected = []
        for image, own in zip(inputs, maps, strict=True):
            masks = np.moveaxis(own, -1, 0)
            for axis, size in enumerate(AXES[axes][3], 1):
                masks = spread(masks, size, axis)
            space = tuple(range(1, axes + 1))
            low, high = masks.min(space, keepdims=True), masks.max(space, keepdims=True)
            masks = (masks - low) / np.where(high > low, high - low, 1)
            scores = np.array(model(image * masks[..., None]))[:, 1].astype("float64")
            expected.append(own @ (np.exp(scores) / np.exp(scores).sum()))
        close(found.maps, np.array(expected))

    def test_layers_fused(self, axes, given):
        model, inputs = given
        asked = {"class_index": 1, "resize": None, "relu": False}
        found = kviz.attribute(model, inputs, layer_names=["second", "first"], **asked)
        parts = []
        for name in ("first", "second"):
            raw = kviz.attribute(model, inputs, layer_names=name, **asked).maps
            part = raw / np.abs(raw).max(tuple(range(1, axes + 1)), keepdims=True)
            for axis, size in enumerate(AXES[axes][3], 1):
                part = spread(part, size, axis)
            parts.append(part)
        np.testing.assert_allclose(found.maps, np.mean(parts, axis=0), rtol=1e-3, atol=1e-5)


def test_eigen_cam_in_double_precision():
    single, double = net_of(2), None
    with_float64 = keras.dtype_policies.DTypePolicy("float64")
    double = keras.Sequential(
        [keras.Input((12, 8, 2), dtype="float64")]
        + [
            type(layer).from_config({**layer.get_config(), "dtype": with_float64})
            for layer in single.layers
        ]
    )
    double.set_weights(single.get_weights())
    inputs = np.random.default_rng(0).random((2, 12, 8, 2))
    for method in ("eigen_cam", "guided_grad_cam", "grad_cam"):
        one, other = (
            kviz.attribute(net, inputs, method, class_index=0) for net in (single, double)
        )
        np.testing.assert_allclose(one.maps, other.maps, rtol=1e-3, atol=1e-4)


def test_score_cam_of_pixels_that_are_whole_numbers():
    keras.utils.set_random_seed(0)
    steps = [
        layers.Rescaling(1 / 255),
        layers.Conv2D(4, 3, activation="relu", name="maps"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3),
    ]
    whole = keras.Sequential([keras.Input((8, 8, 3), dtype="uint8"), *steps])
    real = keras.Sequential([keras.Input((8, 8, 3)), *steps])
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), "uint8")
    one, other = (kviz.attribute(net, images, "score_cam", class_index=0) for net in (whole, real))
    assert other.maps.any()
    # A masked pixel loses what is behind its point.
    np.testing.assert_allclose(one.maps, other.maps, rtol=0.02, atol=1e-3)
