"""Attributions against finite differences, against each other, and on every kind of model."""

from dataclasses import dataclass, field, replace
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import kviz
from kviz.attribution import attribute
from kviz.attribution.methods import integrated_gradients
from kviz.scores import ClassScore


def first(outputs):
    return outputs[:, 0]


def photos(count, shape=(12, 10, 3), top=255):
    return np.random.default_rng(0).uniform(0, top, (count, *shape)).astype("float32")


def convnet(shape=(12, 10, 3), seed=1, *, last=None, as_layer=None, bias=True, classes=3):
    """Return conv -> conv -> global average -> dense, with pixels 0-255 brought to 0-1."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input(shape)
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(6, 3, activation="relu", name="one")(x)
    x = layers.Conv2D(5, 3, activation="relu", name="two")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    x = layers.Dense(classes, activation=last, use_bias=bias, name="dense")(x)
    if as_layer:
        x = as_layer(x)
    model = keras.Model(inputs, x)
    # Logits some way apart, and biases that count.
    kernel = model.get_layer("dense").kernel
    kernel.assign(8 * kernel)
    if bias:
        model.get_layer("dense").bias.assign(np.linspace(-0.5, 0.7, classes))
    return model


def close(actual, expected, relative=1e-5):
    """Compare by the largest difference, relative to the largest value, which must not be 0."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape
    size = np.abs(expected).max()
    assert size > 0
    assert np.abs(actual - expected).max() <= relative * size


# Finite differences.


@pytest.fixture(scope="module")
def smooth():
    keras.utils.set_random_seed(3)
    double = {"dtype": "float64"}
    inputs = keras.Input((6, 5, 2), **double)
    x = layers.Conv2D(3, 3, activation="tanh", name="one", **double)(inputs)
    x = layers.Conv2D(4, 2, activation="softplus", name="two", **double)(x)
    x = layers.Flatten(name="flat", **double)(x)
    x = layers.Dense(3, bias_initializer="random_normal", name="dense", **double)(x)
    return keras.Model(inputs, layers.Softmax(name="softmax", **double)(x))


def differences(function, x, step=1e-4):
    """Return the central differences of a function of `(N, …)` at one array."""
    moves = step * np.eye(x.size).reshape(-1, *x.shape)
    values = np.array(function(np.concatenate([x + moves, x - moves])))
    return ((values[: x.size] - values[x.size :]) / (2 * step)).reshape(x.shape)


def logits_of(model, start=None):
    begin = model.inputs[0] if start is None else model.get_layer(start).output
    return keras.Model(begin, model.get_layer("dense").output)


@pytest.mark.parametrize("index", [None, 0, 2])
def test_pixel_gradients_are_finite_differences(smooth, index):
    x = photos(2, (6, 5, 2), 1).astype("float64")
    logits = logits_of(smooth)
    classes = np.array(logits(x)).argmax(1) if index is None else [index, index]

    def loss(pixels, which):
        return tf.nn.sparse_softmax_cross_entropy_with_logits([which] * len(pixels), logits(pixels))

    slopes = np.stack(
        [
            differences(lambda p, c=c: logits(p)[:, c], one)
            for one, c in zip(x, classes, strict=True)
        ]
    )
    steeper = np.stack(
        [differences(partial(loss, which=c), one) for one, c in zip(x, classes, strict=True)]
    )
    expected = {
        "gradient": slopes.sum(-1),
        "saliency": np.abs(slopes).max(-1),
        "loss_gradient": steeper.sum(-1),
        "input_x_gradient": (x * slopes).sum(-1),
    }
    for method, maps in expected.items():
        found = attribute(smooth, x, method, class_index=index)
        assert found.classes.tolist() == list(classes)
        close(found.maps, maps, 1e-6)
    close(attribute(smooth, x, "gradient", class_index=index, reduce=None).maps, slopes, 1e-6)
    scores = np.array(logits(x))[[0, 1], classes]
    close(attribute(smooth, x, "gradient", class_index=index).scores, scores, 1e-6)
    losses = [-loss(one[None], c)[0] for one, c in zip(x, classes, strict=True)]
    close(attribute(smooth, x, "loss_gradient", class_index=index).scores, losses, 1e-6)


@pytest.mark.parametrize("layer", ["one", "two"])
def test_layer_gradients_are_finite_differences(smooth, layer):
    x = photos(2, (6, 5, 2), 1).astype("float64")
    maps = np.array(keras.Model(smooth.inputs[0], smooth.get_layer(layer).output)(x))
    head = logits_of(smooth, layer)
    slopes = np.stack([differences(lambda m: head(m)[:, 1], one) for one in maps])
    options = {"layer_names": layer, "relu": False, "resize": None, "class_index": 1}
    close(attribute(smooth, x, "hires_cam", **options).maps, (maps * slopes).sum(-1), 1e-6)
    means = slopes.mean((1, 2), keepdims=True)
    close(attribute(smooth, x, "grad_cam", **options).maps, (maps * means).sum(-1), 1e-6)
    positive = np.maximum(slopes, 0)
    close(attribute(smooth, x, "layer_cam", **options).maps, (maps * positive).sum(-1), 1e-6)


# Integrated gradients.


def recomputed_gap(network, images, found, index):
    rise = found.scores - attribute(network, 0 * images, "gradient", class_index=index).scores
    return np.abs(found.raw.sum((1, 2, 3)) - rise) / np.abs(rise)


@pytest.mark.slow
# A loop in bare TensorFlow over 64 midpoints has a gap of .00529 too: it is the rule's own error.
@pytest.mark.some(every=3)
@pytest.mark.parametrize(
    ("rule", "steps", "most"),
    [("gauss_legendre", 64, 5e-3), ("midpoint", 64, 6e-3), ("midpoint", 128, 5e-3)],
)
def test_completeness_on_the_real_network(squeezenet, cat, rule, steps, most):
    found = attribute(squeezenet, cat, "integrated_gradients", rule=rule, steps=steps)
    assert found.gaps.shape == (1,)
    assert found.gaps[0] < most
    again = recomputed_gap(squeezenet, cat, found, int(found.classes[0]))
    np.testing.assert_allclose(found.gaps, again, atol=1e-4)


# Three Gauss-Legendre points meet .02 by luck, so that it would have nothing to refine.
@pytest.mark.some(every=2)
@pytest.mark.parametrize(("rule", "tolerance"), [("gauss_legendre", 1e-2), ("midpoint", 2e-2)])
def test_tolerance_refines_until_it_is_met(squeezenet, cat, rule, tolerance):
    options = {"method": "integrated_gradients", "rule": rule, "steps": 3}
    rough = attribute(squeezenet, cat, **options)
    assert rough.gaps[0] > tolerance
    fine = attribute(squeezenet, cat, tolerance=tolerance, **options)
    assert fine.gaps[0] <= tolerance
    again = recomputed_gap(squeezenet, cat, fine, int(fine.classes[0]))
    np.testing.assert_allclose(fine.gaps, again, atol=1e-4)


@pytest.mark.some(every=2)
@pytest.mark.parametrize("rule", ["gauss_legendre", "midpoint"])
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_exact_on_a_linear_net(rule, steps):
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [keras.Input((6, 5, 2)), layers.Conv2D(3, 3), layers.Flatten(), layers.Dense(2)]
    )
    x = photos(2, (6, 5, 2))
    found = attribute(
        model, x, "integrated_gradients", steps=steps, rule=rule, baseline=9, class_index=1
    )
    slope = attribute(model, x, "gradient", reduce=None, class_index=1).maps
    close(found.maps, ((x - 9) * slope).sum(-1))
    assert found.gaps.max() < 1e-5


def test_midpoints_are_used_again(monkeypatch):
    points, path = [], integrated_gradients._path

    def counted(request, baseline, where, weights):
        points.extend(where)
        return path(request, baseline, where, weights)

    monkeypatch.setattr(integrated_gradients, "_path", counted)
    options = {"method": "integrated_gradients", "rule": "midpoint"}
    network, x = kviz.Network(convnet()), photos(2)
    # No gap is below 0, so that it goes on until the next would be over 1,024 steps.
    refined = attribute(network, x, steps=200, tolerance=1e-30, **options)
    assert len(points) == len(set(np.round(points, 9))) == 600
    direct = attribute(network, x, steps=600, **options)
    close(refined.maps, direct.maps)
    np.testing.assert_allclose(refined.gaps, direct.gaps, atol=1e-5)


# Scores before softmax and sigmoid.


@pytest.mark.some(every=3)
@pytest.mark.parametrize("name", ["softmax", "sigmoid", "log_softmax"])
@pytest.mark.parametrize("method", ["saliency", "loss_gradient", "grad_cam"])
def test_scores_are_unnormalised_wherever_the_activation_is(name, method):
    plain = attribute(convnet(), photos(2), method)
    if (name, method) == ("sigmoid", "loss_gradient"):
        # Labels that are independent have a loss each: its gradient is (probability - 1) times z's.
        plain = attribute(convnet(), photos(2), "gradient")
        chance = 1 / (1 + np.exp(-plain.scores))
        plain = replace(plain, scores=np.log(chance), maps=(chance - 1)[:, None, None] * plain.maps)
    as_operation = getattr(keras.ops, name)
    for kind in (
        {"last": name},
        {"as_layer": layers.Activation(name)},
        {"as_layer": as_operation},
    ):
        found = attribute(convnet(**kind), photos(2), method)
        close(found.maps, plain.maps)
        close(found.scores, plain.scores)
        assert found.classes.tolist() == plain.classes.tolist()
    # A probability's own gradient is another.
    model = convnet(last=name)
    chosen = int(plain.classes[0])
    other = attribute(model, photos(2), "saliency", score=lambda y: y[:, chosen])
    raw = attribute(model, photos(2), "saliency", class_index=chosen)
    assert np.abs(other.maps - raw.maps).max() > 1e-3 * raw.maps.max()


def test_one_sigmoid_unit():
    plain = attribute(convnet(classes=1), photos(2), "gradient", class_index=0)
    assert plain.class_names == ("output 0", "output 0")
    for kind in ({"last": "sigmoid"}, {"as_layer": layers.Activation("sigmoid")}):
        for index, sign in ((1, 1), (-1, 1), (0, -1)):
            found = attribute(convnet(classes=1, **kind), photos(2), "gradient", class_index=index)
            close(found.maps, sign * plain.maps)
            assert found.classes.tolist() == [int(sign > 0)] * 2
        found = attribute(convnet(classes=1, **kind), photos(2), "gradient")
        assert found.classes.tolist() == (plain.scores > 0).astype(int).tolist()


@pytest.mark.some(every=2)
@pytest.mark.parametrize("last", [None, "sigmoid"])
def test_two_names_for_one_unit(last):
    model, x = convnet(classes=1, last=last), photos(2)
    # Without names a linear one is a value.
    unit = attribute(model, x, "gradient", class_index=0 if last is None else 1)
    network = kviz.Network(model, class_names=["cat", "dog"])
    for method in ("gradient", "cam", "integrated_gradients"):
        options = {"relu": False} if method == "cam" else {}
        dog, cat, best = (
            attribute(network, x, method, class_index=index, **options)
            for index in ("dog", "cat", None)
        )
        assert dog.class_names == ("dog", "dog")
        close(dog.scores, unit.scores)
        close(cat.scores, -unit.scores)
        close(cat.maps, -dog.maps)
        assert best.class_names == tuple("dog" if s > 0 else "cat" for s in unit.scores)
        assert (best.scores > 0).all()
        if method == "gradient":
            close(dog.maps, unit.maps)
    # The loss's gradient is (probability - label) times the unit's.
    chance = 1 / (1 + np.exp(-unit.scores))[:, None, None]
    for index, label in (("dog", 1), ("cat", 0)):
        found = attribute(network, x, "loss_gradient", class_index=index)
        close(found.maps, (chance - label) * unit.maps)
    predicted = attribute(network, x, "loss_gradient")
    assert predicted.class_names == best.class_names
    close(predicted.maps, (chance - (chance > 0.5)) * unit.maps)


# Methods against each other.


def test_after_a_global_average_the_maps_are_one():
    model, x = convnet(), photos(2)
    options = {"relu": False, "resize": None, "class_index": 1}
    cam = attribute(model, x, "cam", **options).maps
    maps = kviz.activations(model, x, "two")["two"]
    np.testing.assert_allclose(
        cam, maps @ np.array(model.get_layer("dense").kernel)[:, 1], rtol=1e-4, atol=1e-5
    )
    grad_cam = attribute(model, x, "grad_cam", **options)
    assert grad_cam.maps.shape == (2, 8, 6)
    close(grad_cam.maps, cam / (8 * 6))
    close(attribute(model, x, "hires_cam", **options).maps, grad_cam.maps)
    # CAM's mean is the score less the bias.
    bias = float(np.array(model.get_layer("dense").bias)[1])
    close(cam.mean((1, 2)) + bias, grad_cam.scores)
    positive = attribute(model, x, "grad_cam", resize=None, class_index=1).maps
    close(positive, np.maximum(grad_cam.maps, 0))


@pytest.mark.parametrize("pooled", [True, False], ids=["average", "flat"])
def test_hires_cam_sums_to_the_score_less_the_bias(pooled):
    """Of the last layer before a dense one; Grad-CAM's does only where all places weigh alike."""
    keras.utils.set_random_seed(6)
    whole = layers.GlobalAveragePooling2D() if pooled else layers.Flatten()
    model = keras.Sequential(
        [keras.Input((9, 8, 3)), layers.Conv2D(5, 3, activation="relu"), whole,
         layers.Dense(3, bias_initializer="random_normal")]
    )  # fmt: skip
    bias, options = np.array(model.layers[-1].bias), {"relu": False, "resize": None}
    for index in range(3):
        found = attribute(model, photos(3, (9, 8, 3), 1), "hires_cam", class_index=index, **options)
        close(found.maps.sum((1, 2)), found.scores - bias[index])
        other = attribute(model, photos(3, (9, 8, 3), 1), "grad_cam", class_index=index, **options)
        gaps = np.abs(other.maps.sum((1, 2)) - (other.scores - bias[index]))
        assert (gaps < 1e-5 if pooled else gaps > 1e-2).all()


# Axioms: L. S. Shapley, "A Value for n-Person Games", 1953; M. Sundararajan et al., 2017, section 4.


@pytest.fixture(scope="module")
def game():
    """Return a net of 3 x 3 pixels of which 1 and 7 play the same role, and 4 is not looked at."""
    keras.utils.set_random_seed(4)
    model = keras.Sequential(
        [keras.Input((3, 3, 1)), layers.Flatten(), layers.Dense(12, activation="tanh"),
         layers.Dense(6, activation="tanh"), layers.Dense(2)]
    )  # fmt: skip
    kernel = np.array(model.layers[1].kernel)
    kernel[7], kernel[4] = kernel[1], 0
    model.layers[1].kernel.assign(kernel)
    model.layers[1].bias.assign(np.linspace(-1, 1, 12))
    return model


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("shapley", {}),
        ("kernel_shap", {"samples": 600}),
        ("deep_shap", {"references": np.zeros((1, 3, 3, 1))}),
        ("deep_lift", {}),
        ("integrated_gradients", {"steps": 32}),
        ("expected_gradients", {"references": np.zeros((1, 3, 3, 1)), "samples": 7}),
    ],
)
def test_a_dummy_gets_nothing_and_equal_players_get_the_same(game, method, options):
    x = photos(4, (3, 3, 1), 2)
    x[:, 2, 1] = x[:, 0, 1]
    found = attribute(game, x, method, class_index=1, **options).maps.reshape(4, 9)
    scale = np.abs(found).max()
    np.testing.assert_allclose(found[:, 4], 0, atol=1e-6 * scale)
    np.testing.assert_allclose(found[:, 7], found[:, 1], atol=1e-5 * scale)
    # Others, in this game of interactions, get what no other one gets.
    apart = np.abs(found[:, 1:] - found[:, :1])
    assert (apart > 1e-3 * scale).all()


def test_ablation_cam_by_hand():
    model, x = convnet(bias=False), photos(3)
    found = attribute(model, x, "ablation_cam", relu=False, resize=None, class_index=2)
    maps = kviz.activations(model, x, "two")["two"]
    shares = maps.mean((1, 2)) * np.array(model.get_layer("dense").kernel)[:, 2]
    weights = shares / shares.sum(1, keepdims=True)
    close(found.scores, shares.sum(1))
    close(found.maps, (maps * weights[:, None, None]).sum(-1), 1e-4)
    small = attribute(
        model, x, "ablation_cam", relu=False, resize=None, class_index=2, batch_size=2
    )
    close(small.maps, found.maps)


@pytest.mark.parametrize("sign", [1, -1])
def test_ablation_cam_of_a_score_below_0_is_turned_round_as_in_its_paper(sign):
    """One map speaks for the class, the other against it; the score is 3 - 1 or 1 - 3."""
    inputs = keras.Input((2, 2, 2))
    maps = layers.Conv2D(2, 1, use_bias=False, name="maps")(inputs)
    pooled = layers.GlobalAveragePooling2D()(maps)
    model = keras.Model(inputs, layers.Dense(1, use_bias=False)(pooled))
    model.set_weights([np.eye(2).reshape(1, 1, 2, 2), np.array([[1.0], [-1.0]])])
    image = np.zeros((1, 2, 2, 2), "float32")
    image[0, 0, 0, 0], image[0, 1, 1, 1] = (12, 4) if sign > 0 else (4, 12)
    found = attribute(
        model, image, "ablation_cam", layer_names="maps", class_index=0, resize=None, relu=False
    )
    assert found.scores[0] == 2 * sign
    first, second = image[0, 0, 0, 0], image[0, 1, 1, 1]
    expected = np.array([[first * first / 4, 0], [0, -second * second / 4]]) / (2 * sign)
    np.testing.assert_allclose(found.maps[0], expected, rtol=1e-5)


def test_noise_statistics_agree():
    options = {"samples": 7, "noise_level": 0.2, "reduce": None, "seed": 5}
    network, x = kviz.Network(convnet()), photos(2)
    mean, square, variance = (
        attribute(network, x, method, **options).maps
        for method in ("smooth_grad", "square_grad", "var_grad")
    )
    close(variance, square - mean**2, 1e-4)
    other = attribute(network, x, "smooth_grad", **{**options, "seed": 50}).maps
    assert np.abs(other - mean).max() > 0.01 * np.abs(mean).max()


@dataclass(frozen=True, kw_only=True)
class Seen(kviz.attribution.Gradient):
    """The gradient, and the images that it was asked for."""

    images: list = field(default_factory=list)

    def maps(self, request):
        self.images.append(np.array(request.images))
        return super().maps(request)


def test_noise_is_a_share_of_each_images_range():
    # Narrow and far from 0; wide.
    x = np.stack([200 + photos(1, top=10)[0], photos(1)[0]])
    base = Seen()
    attribute(convnet(), x, "smooth_grad", base=base, samples=20, noise_level=0.2, class_index=0)
    seen = np.concatenate(base.images).reshape(2, 20, -1)
    noise = seen - x.reshape(2, 1, -1)
    np.testing.assert_allclose(noise.std((1, 2)), 0.2 * np.ptp(x, (1, 2, 3)), rtol=0.05)
    assert np.abs(noise.mean((1, 2))).max() < 0.05 * noise.std()


@pytest.mark.some(every=2)
@pytest.mark.parametrize("base", ["gradient", "saliency", "guided_backprop", "input_x_gradient"])
def test_without_noise_it_is_its_base(base):
    network, x = kviz.Network(convnet()), photos(2)
    method = kviz.attribution.method_named(base)
    options = {"reduce": None, "samples": 3, "noise_level": 0, "base": method}
    plain = attribute(network, x, base, reduce=None)
    found = attribute(network, x, "smooth_grad", **options)
    close(found.maps, plain.maps)
    close(found.scores, plain.scores)
    close(attribute(network, x, "square_grad", **options).maps, plain.maps**2)
    assert np.abs(attribute(network, x, "var_grad", **options).maps).max() < 1e-5


# ReLU.


class Activated(layers.Layer):
    """A layer that calls a function of its own."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


def rectified(how):
    """Return one net whose ReLU is written in several ways; its weights are the same."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    after = {
        "layer": lambda x: layers.ReLU()(x),
        "activation": lambda x: layers.Activation("relu")(x),
        "operation": keras.ops.relu,
        "function": keras.activations.relu,
        "tensorflow": lambda x: Activated(lambda y: tf.nn.relu(y))(x),
        "backend": lambda x: Activated(keras.ops.nn.relu)(x),
    }.get(how, lambda x: x)
    own = "relu" if how in ("argument", "nested", "twice") else None
    kernels = {"kernel_initializer": keras.initializers.RandomNormal(seed=4)}
    x = after(layers.Conv2D(4, 3, activation=own, **kernels)(inputs))
    x = after(layers.Conv2D(4, 3, activation=own, **kernels)(x))
    model = keras.Model(inputs, x)
    for _ in range({"nested": 1, "twice": 2}.get(how, 0)):
        inputs = keras.Input((8, 8, 3))
        model = keras.Model(inputs, model(inputs))
    return keras.Sequential(
        [model, layers.Flatten(), layers.Dense(3, kernel_initializer=keras.initializers.Ones())]
    )


@pytest.mark.slow
@pytest.mark.some(every=2)
@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet"])
def test_relu_in_every_way_that_it_is_written(method):
    x = photos(2, (8, 8, 3)) - 128
    expected = attribute(rectified("argument"), x, method, class_index=0).maps
    plain = attribute(rectified("argument"), x, "gradient", class_index=0).maps
    assert np.abs(expected - plain).max() > 0.1 * np.abs(plain).max()
    ways = ("layer", "activation", "operation", "function", "tensorflow", "backend", "nested")
    for how in (*ways, "twice"):
        close(attribute(rectified(how), x, method, class_index=0).maps, expected)


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet"])
def test_without_relu_they_are_refused(method, smooth):
    before = tf.nn.relu, tf.nn.relu6
    with pytest.raises(kviz.LayerError, match=f"no ReLU whose gradient {method} could change"):
        attribute(smooth, photos(1, (6, 5, 2)), method)
    assert (tf.nn.relu, tf.nn.relu6) == before


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet"])
def test_relu_is_itself_again(method):
    before = tf.nn.relu, tf.nn.relu6
    network, x = kviz.Network(convnet()), photos(2)
    plain = attribute(network, x, "gradient").maps
    changed = attribute(network, x, method).maps
    assert (tf.nn.relu, tf.nn.relu6) == before
    assert np.abs(changed - plain).max() > 1e-3 * np.abs(plain).max()
    np.testing.assert_array_equal(attribute(network, x, "gradient").maps, plain)

    def fails(_):
        raise ValueError("own trouble")

    with pytest.raises(kviz.OptionError, match="given as score= fails: own trouble"):
        attribute(network, x, method, score=fails)
    assert (tf.nn.relu, tf.nn.relu6) == before


def test_relu6_is_shut_above_six():
    inputs = keras.Input((3, 1))
    model = keras.Model(inputs, keras.ops.sum(keras.ops.relu6(inputs), (1, 2)))
    x = np.array([-1, 3, 9], "float32").reshape(1, 3, 1)
    options = {"score": lambda outputs: outputs}
    assert attribute(model, x, "guided_backprop", **options).maps.tolist() == [[0, 1, 0]]
    assert attribute(model, x, "deconvnet", **options).maps.tolist() == [[1, 1, 1]]


# Kinds of models and of classes.

FIVE = ("saliency", "grad_cam", "integrated_gradients", "guided_backprop", "ablation_cam")


@pytest.mark.some(every=2)
@pytest.mark.parametrize("method", FIVE)
def test_a_frozen_model(method):
    model, x = convnet(), photos(2)
    expected = attribute(kviz.Network(model), x, method).maps
    model.trainable = False
    close(attribute(kviz.Network(model), x, method).maps, expected)


@pytest.mark.some(every=2)
@pytest.mark.parametrize("method", FIVE)
def test_half_precision(method):
    expected = attribute(convnet(), photos(2), method)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = convnet()
    finally:
        keras.config.set_dtype_policy("float32")
    found = attribute(model, photos(2), method, class_index=expected.classes.tolist())
    assert model.get_layer("one").compute_dtype == "float16"
    assert np.isfinite(found.maps).all()
    assert found.maps.dtype == np.float32
    # Such a model rounds its pixels to half precision, which turns a ReLU here and there on the way.
    close(found.maps, expected.maps, 5e-2)


@pytest.mark.some(every=2)
@pytest.mark.parametrize("method", FIVE)
def test_several_classes_are_those_one_at_a_time(method):
    network, x = kviz.Network(convnet(), class_names=["Cat", "dog", "owl"]), photos(3)
    several = attribute(network, x, method, class_index=[[2, 0]])
    assert several.maps.shape == (3, 2, 12, 10)
    assert several.classes.tolist() == [[2, 0]] * 3
    for place, index in enumerate((2, 0)):
        one = attribute(network, x, method, class_index=index)
        close(several.maps[:, place], one.maps)
        close(several.scores[:, place], one.scores)
    each = attribute(network, x, method, class_index=["owl", 0, "cat"], batch_size=2)
    assert each.classes.tolist() == [2, 0, 0]
    assert each.class_names == ("owl", "Cat", "Cat")
    for place, column in enumerate((0, 1, 1)):
        close(each.maps[place], several.maps[place, column])
    array = attribute(network, x, method, class_index=np.array([[2, 0]]))
    np.testing.assert_array_equal(array.maps, several.maps)
    mixed = attribute(network, x, method, class_index=[[2, 0], ["cat", "owl"], [0, 0]])
    close(mixed.maps[1], several.maps[1, ::-1])
    assert mixed.maps.shape == (3, 2, 12, 10)


@pytest.mark.parametrize(
    "index", [3, -4, "cow", [0, 1], [[0], [1, 2], [0]], [], [[]], 1.5, [0.5] * 3]
)
def test_classes_that_are_not_there(index):
    network = kviz.Network(convnet(), class_names=["cat", "dog", "owl"])
    with pytest.raises(kviz.OptionError):
        attribute(network, photos(3), "saliency", class_index=index)


@pytest.mark.some(every=2)
@pytest.mark.parametrize("method", ["gradient", "integrated_gradients", "guided_backprop"])
def test_two_inputs(method):
    keras.utils.set_random_seed(1)
    photo, mask = keras.Input((8, 8, 3), name="photo"), keras.Input((8, 8, 1), name="mask")
    scale = layers.Rescaling(1 / 255)
    conv = layers.Conv2D(4, 3, activation="relu", name="conv")
    x = conv(layers.Multiply()([scale(photo), mask]))
    model = keras.Model([photo, mask], layers.Dense(3)(layers.Flatten()(x)))
    images = {"photo": photos(2, (8, 8, 3)), "mask": photos(2, (8, 8, 1), 1)}
    default = attribute(model, images, method, class_index=0)
    named = attribute(model, images, method, class_index=0, input_name="photo")
    np.testing.assert_array_equal(default.maps, named.maps)
    other = attribute(model, images, method, class_index=0, input_name="mask")
    assert default.raw.shape == (2, 8, 8, 3)
    assert other.raw.shape == (2, 8, 8, 1)
    # Mask and photo meet in a product, so that each one times its gradient is the same.
    if method == "gradient":
        close(
            (default.raw * images["photo"]).sum(-1),
            (other.raw * images["mask"])[..., 0],
        )
    # With the other at 0 there is nothing that could matter.
    black = attribute(
        model, images | {"mask": 0 * images["mask"]}, "gradient", class_index=0, input_name="photo"
    )
    assert not black.maps.any()
    assert black.notes[-1].startswith("Gradient found no evidence: the map is zero everywhere for ")
    cam = attribute(model, images, "grad_cam", class_index=0, resize=None)
    assert cam.maps.shape == (2, 6, 6)
    with pytest.raises(kviz.OptionError, match="'photo'"):
        attribute(model, images, method, input_name="phot")


class Subclassed(keras.Model):
    """What `convnet` is, written as a class."""

    def __init__(self, source):
        super().__init__()
        self.scale = layers.Rescaling(1 / 255)
        self.one = layers.Conv2D(6, 3, activation="relu", name="one")
        self.two = layers.Conv2D(5, 3, activation="relu", name="two")
        self.dense = layers.Dense(3, name="dense")
        self(photos(1))
        self.set_weights(source.get_weights())

    def call(self, inputs):
        x = self.two(self.one(self.scale(inputs)))
        return self.dense(keras.ops.mean(x, (1, 2)))


@pytest.mark.some(every=2)
@pytest.mark.parametrize("method", FIVE)
def test_a_subclassed_model(method):
    source, x = convnet(), photos(2)
    model = Subclassed(source)
    expected = attribute(source, x, method)
    found = attribute(model, x, method)
    close(found.maps, expected.maps)
    assert found.classes.tolist() == expected.classes.tolist()
    if method == "grad_cam":
        options = {"layer_names": "one", "resize": None}
        expected = attribute(source, x, method, **options).maps
        close(attribute(model, x, method, **options).maps, expected)


@pytest.mark.slow
def test_a_saved_network_inside_another(tmp_path):
    keras.utils.set_random_seed(1)
    x = photo = keras.Input((64, 64, 3))
    for place, filters in enumerate((8, 8, 12)):
        x = layers.DepthwiseConv2D(3, strides=2, padding="same", name=f"depthwise_{place}")(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU(6.0, name=f"depthwise_{place}_relu")(x)
        x = layers.ReLU(6.0, name=f"relu_{place}")(
            layers.Conv2D(filters, 1, strides=1 + place // 2)(x)
        )
    inner = keras.Model(photo, x, name="inner")
    inputs = keras.Input((64, 64, 3))
    x = layers.GlobalAveragePooling2D()(inner(layers.Rescaling(1 / 127.5, -1)(inputs)))
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(x))
    model.save(tmp_path / "model.keras")
    network = kviz.load_model(tmp_path / "model.keras")
    x = photos(1, (64, 64, 3))
    path = "inner/relu_1"
    found = attribute(network, x, "grad_cam", layer_names=path, relu=False, resize=None)
    assert found.maps.shape == (1, 16, 16)
    assert np.isfinite(found.maps).all()
    assert found.maps.any()
    assert attribute(network, x, "grad_cam", layer_names=path).maps.shape == (1, 64, 64)
    # By default the last of all: the same map as the file's own model has.
    last = attribute(network, x, "grad_cam", relu=False, resize=None)
    assert last.maps.shape == (1, 4, 4)
    close(attribute(model, x, "grad_cam", relu=False, resize=None).maps, last.maps, 1e-4)
    named = attribute(network, x, "grad_cam", relu=False, resize=None, layer_names="inner/relu_2")
    close(named.maps, last.maps)
    guided = attribute(network, x, "guided_backprop").maps
    assert np.abs(guided - attribute(network, x, "gradient").maps).max() > 0


def segmenting(last=None):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 9, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(5, 3, padding="same", activation="relu", name="conv")(x)
    return keras.Model(inputs, layers.Conv2D(4, 1, activation=last, name="classes")(x))


def test_semantic_segmentation():
    model, x = segmenting(), photos(2, (8, 9, 3))
    outputs = np.array(model(x))
    best = outputs.argmax(-1)
    index = int(best[0, 0, 0])
    found = attribute(model, x, "gradient", class_index=index)
    assert found.maps.shape == (2, 8, 9)
    expected = [
        outputs[n, ..., index][best[n] == index].mean() if (best[n] == index).any() else 0
        for n in range(2)
    ]
    close(found.scores, expected)
    softmax = attribute(segmenting("softmax"), x, "gradient", class_index=index)
    close(softmax.maps, found.maps)
    predicted = attribute(model, x, "grad_cam", resize=None, layer_names="conv")
    assert predicted.maps.shape == (2, 8, 9)
    most = [np.bincount(one.reshape(-1), minlength=4).argmax() for one in best]
    assert predicted.classes.tolist() == most
    # A mask over one place: only its 3 x 3 pixels matter, and a wide layer's own class map there.
    mask = np.zeros((8, 9), bool)
    mask[4, 5] = True
    narrow = attribute(model, x, "gradient", class_index=2, score=ClassScore(mask=mask))
    close(narrow.scores, outputs[:, 4, 5, 2])
    around = np.zeros((8, 9), bool)
    around[3:6, 4:7] = True
    assert narrow.maps[:, around].any()
    assert not narrow.maps[:, ~around].any()


# Traces.


@pytest.mark.some(every=3)
@pytest.mark.parametrize(
    ("method", "options", "other"),
    [
        ("gradient", {}, {}),
        ("saliency", {}, {}),
        ("loss_gradient", {}, {}),
        ("grad_cam", {"layer_names": "one"}, {"relu": False}),
        ("hires_cam", {}, {"relu": False}),
        ("cam", {}, {"relu": False}),
        ("guided_backprop", {}, {}),
        ("deconvnet", {}, {}),
        ("guided_grad_cam", {}, {}),
        ("integrated_gradients", {"steps": 3}, {"steps": 5, "baseline": "white"}),
        ("smooth_grad", {"samples": 3}, {"samples": 4, "noise_level": 0.3}),
        ("ablation_cam", {}, {"relu": False}),
        ("score_cam", {}, {"relu": False}),
    ],
)
def test_nothing_is_traced_twice(monkeypatch, method, options, other):
    model, traces = convnet(), []
    network = kviz.Network(model)
    call = type(model).call
    monkeypatch.setattr(type(model), "call", lambda *a, **k: traces.append(1) or call(*a, **k))
    attribute(network, photos(2), method, **options)
    before = len(traces)
    assert before > 0
    for count, batch_size, index in ((5, 2, 1), (3, 32, 2), (1, 1, [0]), (4, 3, [[0, 1]])):
        attribute(
            network, photos(count), method, batch_size=batch_size, class_index=index, **options
        )
    attribute(network, photos(2).astype("uint8"), method, class_index=2, **{**options, **other})
    assert len(traces) == before
    # Another layer or score is another function.
    attribute(network, photos(2), "gradient", score=first)
    assert len(traces) > before


@pytest.mark.some(every=2)
@pytest.mark.parametrize("method", FIVE)
def test_results_do_not_depend_on_the_batch(method):
    network, x = kviz.Network(convnet()), photos(5)
    whole = attribute(network, x, method)
    for batch_size in (1, 2, 5):
        close(attribute(network, x, method, batch_size=batch_size).maps, whole.maps)
