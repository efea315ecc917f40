"""Metrics that explain anew: by a pencil, by hand, by captum, and with models that cannot be copied.

captum's `sensitivity_max` was asked about the same net with the same noise, and what it said is frozen
in `tests/referee/captum_sensitivity.npz`. Where PyTorch and captum are installed it is asked again, and
has to say what is frozen; `python tests/metrics/test_again.py` freezes it anew.
"""

import threading
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from pencil_nets import linear, pixels

import kviz
from kviz.metrics import (
    AverageStability,
    EfficientParameterRandomization,
    MaxSensitivity,
    ParameterRandomization,
    RandomLogit,
)
from kviz.metrics.measures._noisy import NOISE
from kviz.metrics.measures._ssim import ssim
from kviz.metrics.metric import random_of

FROZEN = Path(__file__).parents[1] / "referee/captum_sensitivity.npz"
LIVE = all(find_spec(name) is not None for name in ("torch", "captum"))
SAMPLES, RADIUS = 6, 0.1


def noisy(images, samples, radius, span=(0, 255)):
    """Return the images as the metric changes them, `(samples, N, …)`."""
    found = []
    for image in images:
        random, most = random_of(image, 0, NOISE), radius * (image.max() - image.min())
        noise = [random.uniform(-most, most, image.shape) for _ in range(samples)]
        found.append(np.clip(image + np.array(noise), *span))
    return np.stack(found, axis=1)


def ranked(rows):
    return rows.argsort(axis=-1).argsort(axis=-1)


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(5)
    return keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Rescaling(1 / 255),
         layers.Conv2D(6, 3, strides=2, activation="relu", name="first"),
         layers.Conv2D(6, 3, activation="relu", name="second"), layers.Flatten(),
         layers.Dense(4, name="classes")]
    )  # fmt: skip


@pytest.fixture(scope="module")
def three():
    return np.random.default_rng(0).integers(1, 256, (3, 16, 16, 3), "uint8")


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("smooth_grad", {"samples": 3}), ("rise", {"masks": 8}), ("kernel_shap", {"samples": 50}),
        ("expected_gradients", {"samples": 3}), ("grad_cam", {"resize": "aligned"}),
        ("grad_cam", {"resize": "nearest"}), ("gradient", {"reduce": None}),
    ],
)  # fmt: skip
def test_of_the_same_the_same_is_made(small, three, method, options):
    """With the seed, size and chunk of its own: noise of nothing moves nothing."""
    found = kviz.attribute(small, three, method, seed=3, **options)
    still = MaxSensitivity(samples=1, radius=1e-30)
    judged = kviz.evaluate(small, three, found, still, nulls=1, batch_size=2, seed=1)
    np.testing.assert_allclose(judged.values, 0, atol=1e-5)
    np.testing.assert_allclose(judged.null_values, 0, atol=1e-5)


def test_a_linear_net_s_gradient_does_not_move_and_its_products_move_as_the_noise_does():
    weights, images = np.random.default_rng(1).normal(size=(6, 6)), pixels(3, 6)
    metrics = [
        MaxSensitivity(samples=4), AverageStability(samples=4),
        AverageStability(samples=4, distance="spearman"),
    ]  # fmt: skip
    methods = ["gradient", "input_x_gradient"]
    found = kviz.evaluate(linear(weights), images, methods, metrics, nulls=20)
    np.testing.assert_array_equal(found.values[:, 0], 0)
    parts = (weights * images[..., 0]).reshape(3, -1)
    moved = (weights * noisy(images, 4, 0.02)[..., 0]).reshape(4, 3, -1)
    by = np.linalg.norm(moved - parts, axis=2) / np.linalg.norm(parts, axis=1)
    np.testing.assert_allclose(found.values[0, 1], by.max(axis=0), rtol=1e-4)
    np.testing.assert_allclose(found.values[1, 1], by.mean(axis=0), rtol=1e-4)
    turned = [
        np.mean([1 - np.corrcoef(ranked(row[n]), ranked(parts[n]))[0, 1] for row in moved])
        for n in range(3)
    ]
    np.testing.assert_allclose(found.values[2, 1], turned, atol=1e-6)
    for place in range(3):
        chance = found.chance(place, 1)
        # What knows nothing stands still, and what is drawn anew has nothing in common.
        assert (chance["centre"] == 0).all()
        assert (chance["another photo"] == 0).all()
        np.testing.assert_allclose(chance["inverted"][0], found.values[place, 1])
        assert (chance["edges"] > 0).all()
        assert found.rank(place, 1) is None
    # Of uniform numbers: the root of 1/6 by 1/3.
    assert found.chance(1, 1)["random"].mean() == pytest.approx(0.5**0.5, abs=0.03)
    assert found.chance(2, 1)["random"].mean() == pytest.approx(1, abs=0.05)


def test_noise_is_a_share_of_the_image_s_range_and_stays_on_its_scale():
    images = np.array([0, 255], "float32")[np.random.default_rng(0).integers(0, 2, (1, 6, 6, 1))]
    products = kviz.evaluate(
        linear(np.ones((6, 6))), images, "input_x_gradient", MaxSensitivity(samples=3, radius=0.2)
    )
    moved = np.linalg.norm((noisy(images, 3, 0.2) - images).reshape(3, -1), axis=1).max()
    assert products.values[0, 0, 0] == pytest.approx(moved / np.linalg.norm(images), rel=1e-5)
    # A signal has no scale to stay on.
    signal = np.random.default_rng(0).normal(size=(1, 8, 2)).astype("float32")
    model = keras.Sequential([keras.Input((8, 2)), layers.Flatten(), layers.Dense(1)])
    kernel = model.layers[-1].get_weights()[0].reshape(8, 2)
    found = kviz.evaluate(model, signal, "input_x_gradient", MaxSensitivity(samples=3, radius=1.0))
    moved = (kernel * (noisy(signal, 3, 1.0, (-np.inf, np.inf)) - signal)[:, 0]).sum(axis=-1)
    by = np.linalg.norm(moved, axis=1).max() / np.linalg.norm((kernel * signal[0]).sum(axis=-1))
    assert found.values[0, 0, 0] == pytest.approx(by, rel=1e-4)


def test_a_map_of_nothing_moves_by_its_distance(small, three):
    found = kviz.attribute(small, three, "gradient")
    empty = kviz.evaluate(
        small, three,
        type(found)(**{**vars(found), "maps": np.zeros_like(found.maps)}),
        [MaxSensitivity(samples=1), AverageStability(samples=1, distance="spearman")],
    )  # fmt: skip
    norms = np.linalg.norm(found.maps.reshape(3, -1), axis=1)
    np.testing.assert_allclose(empty.values[0, 0], norms, rtol=0.5)
    np.testing.assert_array_equal(empty.values[1, 0], 1)
    # Ranks of what does not vary: the same as before all the same.
    even = linear(np.ones((6, 6)))
    ranks = AverageStability(samples=1, distance="spearman")
    assert kviz.evaluate(even, pixels(1, 6), "gradient", ranks, nulls=1).values == 0


def test_whole_numbers_that_are_no_pixels_get_no_noise():
    words = keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            layers.Embedding(9, 4),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    with pytest.raises(kviz.OptionError, match="whole numbers that are no pixels: int32") as caught:
        kviz.evaluate(words, np.ones((1, 5), "int32"), "occlusion", "max_sensitivity")
    assert len(str(caught.value)) <= 300


# What captum is asked about.

SHAPES = {"one": (3, 3, 3, 5), "one bias": (5,), "two": (500, 4), "two bias": (4,)}


def captum_net():
    random = np.random.default_rng(4)
    weights = {name: random.normal(size=shape) * 0.3 for name, shape in SHAPES.items()}
    return weights, random.uniform(20, 230, (2, 12, 12, 3))


def captum_says():
    """Return `sensitivity_max` of the gradient and of its product with the input."""
    import torch
    from captum.attr import InputXGradient, Saliency
    from captum.metrics import sensitivity_max

    weights, images = captum_net()

    def of(x):
        return torch.tensor(np.moveaxis(x, -1, 1).copy())

    kernel = torch.tensor(weights["one"].transpose(3, 2, 0, 1).copy())

    class Net(torch.nn.Module):
        def forward(self, x):
            x = torch.nn.functional.conv2d(x / 255, kernel, torch.tensor(weights["one bias"]))
            x = torch.nn.functional.softplus(x).permute(0, 2, 3, 1).reshape(len(x), -1)
            return x @ torch.tensor(weights["two"]) + torch.tensor(weights["two bias"])

    # Theirs come one image after another, each with all its noise.
    changed = of(noisy(images, SAMPLES, RADIUS).swapaxes(0, 1).reshape(-1, 12, 12, 3))
    found = {}
    for name, maps in (("saliency", Saliency(Net())), ("input_x_gradient", InputXGradient(Net()))):

        def summed(x, target, maps=maps, **options):
            # kviz looks at one map, not at one for each colour.
            found = maps.attribute(*x if isinstance(x, tuple) else (x,), target=target, **options)
            return (found.sum(dim=1),)

        options = {"abs": False} if name == "saliency" else {}
        found[name] = sensitivity_max(
            summed, of(images), lambda _: changed, n_perturb_samples=SAMPLES,
            target=torch.tensor([1, 3]), **options,
        ).numpy()  # fmt: skip
    return found


def test_max_sensitivity_is_captum_s():
    weights, images = captum_net()
    with np.load(FROZEN) as held:
        said = dict(held)
    if LIVE:
        for name, now in captum_says().items():
            np.testing.assert_allclose(said[name], now, rtol=1e-9)
    inputs = keras.Input((12, 12, 3), dtype="float64")
    x = layers.Conv2D(5, 3, activation="softplus", dtype="float64")(inputs / 255)
    x = layers.Dense(4, dtype="float64")(layers.Flatten(dtype="float64")(x))
    model = keras.Model(inputs, x)
    model.set_weights(list(weights.values()))
    metric = MaxSensitivity(samples=SAMPLES, radius=RADIUS)
    methods = ["gradient", "input_x_gradient"]
    found = kviz.evaluate(model, images, methods, metric, class_index=[1, 3])
    expected = np.stack([said["saliency"], said["input_x_gradient"]])
    assert (expected > 0.001).all()
    # What a map has is single precision.
    np.testing.assert_allclose(found.values[0], expected, rtol=2e-6)


@pytest.fixture(scope="module")
def five_classes():
    weights = np.random.default_rng(1).normal(size=(8, 8, 5))
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(5)])
    model.layers[-1].set_weights([weights.reshape(64, 5), np.zeros(5)])
    return model, weights


@pytest.mark.parametrize("similarity", ["spearman", "ssim"])
def test_random_logit_is_the_similarity_to_any_other_class_s_map(five_classes, similarity):
    model, weights = five_classes
    images, metric = pixels(3, 8), RandomLogit(similarity=similarity)
    rows = np.moveaxis(weights, -1, 0)
    if similarity == "ssim":
        table = np.stack([ssim(rows, np.broadcast_to(row, rows.shape)) for row in rows])
    else:
        table = np.corrcoef(ranked(rows.reshape(5, -1)))
    others = set()
    for seed in range(12):
        found = kviz.evaluate(
            model, images, "gradient", metric, class_index=[2, 0, 4], seed=seed, nulls=1
        )
        for image, own in enumerate((2, 0, 4)):
            away = np.abs(table[own] - found.values[0, 0, image])
            assert away.min() < 1e-5
            others.add((own, int(away.argmin())))
        # Of another photo a linear net's gradient is that of its own class.
        assert found.better == ("near 0",)
    assert others == {(own, other) for own in (2, 0, 4) for other in range(5) if other != own}
    inverted = found.chance(0, 0)["inverted"][0]
    if similarity == "spearman":
        np.testing.assert_allclose(inverted, -found.values[0, 0], atol=1e-9)
        absolute = kviz.evaluate(
            model, images, "gradient", RandomLogit(absolute=True), class_index=[2, 0, 4], seed=11
        )
        assert not np.allclose(absolute.values, found.values)


@pytest.mark.parametrize("units", [1, None])
def test_random_logit_needs_another_class(units):
    last = [layers.Dense(1, activation="sigmoid")] if units else []
    model = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Flatten(), *(last or [layers.Dense(3)])]
    )
    score = None if units else lambda outputs: outputs[:, 0]
    with pytest.raises(kviz.OptionError, match="random_logit explains another class") as caught:
        kviz.evaluate(model, pixels(1, 8), "gradient", "random_logit", score=score)
    assert len(str(caught.value)) <= 300


def test_random_logit_of_a_class_map_stays_at_its_places():
    """d's score is looked at where c was explained, though d is predicted nowhere."""
    kernel = np.random.default_rng(0).normal(size=(1, 1, 3, 4))
    kernel[..., 2:] = -abs(kernel[..., 2:])
    model = keras.Sequential([keras.Input((6, 6, 3)), layers.Conv2D(4, 1, use_bias=False)])
    model.layers[-1].set_weights([kernel])
    image = np.random.default_rng(1).integers(1, 256, (1, 6, 6, 3), "uint8")
    logits = image.astype("float64") @ kernel[0, 0]
    own = (logits.argmax(-1) == 1)[0]
    assert own.any()
    assert not own.all()
    found = kviz.evaluate(model, image, "gradient", RandomLogit(), class_index=1, nulls=1)
    # Each place of c has the same gradient, its channels added up, and all others have none.
    signs = np.sign(kernel[0, 0].sum(axis=0))
    assert abs(found.values[0, 0, 0]) == pytest.approx(1)
    assert np.sign(found.values[0, 0, 0]) in signs[1] * signs[[0, 2, 3]]


def test_the_rise_of_complexity_by_hand(small, three):
    found = kviz.attribute(small, three, "gradient", class_index=2)
    metric = EfficientParameterRandomization(bins=30)
    judged = kviz.evaluate(small, three, found, metric, seed=3, batch_size=2)
    copied, random = keras.models.clone_model(small), np.random.default_rng(3)
    copied.set_weights(small.get_weights())
    for layer in reversed(copied.layers):
        layer.set_weights(
            [random.permutation(x.reshape(-1)).reshape(x.shape) for x in layer.get_weights()]
        )
    again = kviz.attribute(copied, three, "gradient", class_index=2).maps

    def entropies(maps):
        shares = [np.histogram(one, bins=30)[0] / one.size for one in maps.astype("float64")]
        return np.array([-sum(p * np.log(p) for p in each if p) for each in shares])

    before, after = entropies(found.maps), entropies(again)
    np.testing.assert_allclose(judged.values[0, 0], (after - before) / before, atol=1e-6)
    assert np.isnan(judged.null_values).all()
    assert judged.better == ("higher",)
    assert judged.rank(0, 0) is None


TRACES = []


class Sealed(layers.Layer):
    """A layer that can be neither saved nor copied, and counts how often it is traced."""

    def __init__(self, **options):
        super().__init__(**options)
        self.lock = threading.Lock()

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), name="scale", initializer="uniform")

    def call(self, x):
        TRACES.append(self)
        return keras.ops.tanh(self.scale * x)


class Whole(keras.Model):
    """A subclassed model with a weight of its own, and a layer that it calls twice."""

    def __init__(self):
        super().__init__(name="whole")
        self.twice = layers.Conv2D(3, 3, padding="same", activation="tanh", name="twice")
        self.mean, self.last = layers.GlobalAveragePooling2D(), layers.Dense(3, name="last")

    def build(self, _):
        self.token = self.add_weight(shape=(3,), name="token", initializer="uniform")

    def call(self, x):
        return self.last(self.mean(self.twice(self.twice(x / 255)) * (1 + self.token)))


def outputs():
    photo = keras.Input((16, 16, 3))
    flat = layers.Flatten()(layers.Conv2D(4, 3, activation="relu", name="trunk")(photo / 255))
    return keras.Model(photo, [layers.Dense(3, name=name)(flat) for name in ("one", "two")])


def nested():
    inner = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Conv2D(4, 3, name="conv")], name="inner"
    )
    return keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Rescaling(1 / 255), inner, Sealed(name="sealed"),
         layers.BatchNormalization(name="equal"), layers.Flatten(), layers.Dense(3, name="last")]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "options", "points"),
    [
        (nested, {}, ("last", "sealed", "inner/conv")),
        (Whole, {}, ("last", "twice#2", "whole")),
        (outputs, {"output": "one"}, ("one", "trunk")),
        (outputs, {"output": "two"}, ("two", "trunk")),
    ],
)
def test_what_counts_is_shuffled_whatever_the_model_is(three, make, options, points):
    """Layers within others, called twice, of one output of two; that no copy can be made of."""
    keras.utils.set_random_seed(0)
    found = kviz.evaluate(
        make(), three, "gradient", ParameterRandomization(layers="independent"), nulls=1, **options
    )
    assert found.curve_points["0"] == points
    # Each of them alone changes the map.
    assert (found.curves["0"] < 0.999).all()


def test_shuffled_weights_need_no_new_traces(three):
    keras.utils.set_random_seed(0)
    model = nested()
    counts = []
    for batch_size in (3, 1):
        TRACES.clear()
        metrics = [ParameterRandomization(), EfficientParameterRandomization()]
        kviz.evaluate(model, three, "gradient", metrics, nulls=1, batch_size=batch_size)
        counts.append(len(TRACES))
    # For which weights count, and for the maps: however many chunks, layers and metrics there are.
    assert counts[1] == 2


def test_a_score_without_weights_and_weights_that_take_too_much(three):
    photo = keras.Input((16, 16, 3))
    without = keras.Model(photo, layers.GlobalAveragePooling2D()(photo))
    with pytest.raises(kviz.OptionError, match="depends on no weights") as caught:
        kviz.evaluate(without, three, "gradient", "parameter_randomization")
    assert len(str(caught.value)) <= 300
    large = keras.Sequential([photo, layers.Flatten(), layers.Dense(9_000), layers.Dense(3)])
    network = kviz.Network(large, max_memory="20MB")
    with pytest.raises(kviz.ModelError, match=r"about \d+ MB of memory.*20 MB are allowed"):
        kviz.evaluate(network, three, "gradient", "parameter_randomization", nulls=1)


def test_a_method_that_was_given_is_known_whatever_its_options_are(small, three):
    """Of an array a result keeps the hash alone."""
    method = kviz.attribution.IntegratedGradients(baseline=np.full((16, 16, 3), 7.0), steps=4)
    found = kviz.evaluate(small, three, method, MaxSensitivity(samples=1), nulls=1)
    assert (found.values > 0).all()
    loaded = kviz.attribute(small, three, method)
    assert np.isnan(kviz.evaluate(small, three, loaded, MaxSensitivity(samples=1)).values).all()


if __name__ == "__main__":
    np.savez_compressed(FROZEN, **captum_says())
