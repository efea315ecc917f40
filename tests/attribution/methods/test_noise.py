"""SmoothGrad and its kin over every kind of base, against NumPy's statistics of the base's own maps."""

from dataclasses import dataclass, field

import keras
import numpy as np
import pytest
from keras import layers

import kviz
from kviz.attribution import Gradient, method_named

STATISTICS = {
    "smooth_grad": lambda maps: maps.mean(1),
    "square_grad": lambda maps: (maps**2).mean(1),
    "var_grad": lambda maps: maps.var(1),
}


def net():
    keras.utils.set_random_seed(0)
    dense = layers.Dense(3, kernel_initializer="ones")
    return keras.Sequential(
        [
            keras.Input((16, 12, 3)),
            layers.Conv2D(4, 3, padding="same", activation="relu", name="first"),
            layers.MaxPooling2D(4, name="pool"),
            layers.GlobalAveragePooling2D(),
            dense,
        ]
    )


@pytest.fixture(scope="module")
def network():
    return kviz.Network(net())


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).uniform(0, 255, (2, 16, 12, 3)).astype("float32")


@dataclass(frozen=True, kw_only=True)
class Keeping(kviz.attribution.GradCam):
    """Grad-CAM, and the images that it was asked for."""

    seen: list = field(default_factory=list)

    def maps(self, request):
        self.seen.append(np.array(request.images))
        return super().maps(request)


@pytest.mark.parametrize("method", STATISTICS)
def test_over_a_cam_it_is_a_map_of_the_layers_size(network, images, method):
    base = Keeping(relu=False)
    options = {"samples": 20, "noise_level": 0.3, "class_index": 1}
    found = kviz.attribute(network, images, method, base=base, **options)
    assert found.maps.shape == (2, 16, 12)
    copies = np.concatenate(base.seen)
    plain = kviz.attribute(network, copies, "grad_cam", relu=False, class_index=1, resize=None)
    expected = STATISTICS[method](plain.maps.reshape(2, 20, 4, 3).astype("float64"))
    np.testing.assert_allclose(found.raw, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("base", ["grad_cam", "occlusion", "score_cam", "guided_grad_cam", "lrp"])
def test_without_noise_it_is_its_base(network, images, base):
    asked = {"class_index": 0}
    found = kviz.attribute(
        network, images, "smooth_grad", base=base, samples=2, noise_level=0, **asked
    )
    plain = kviz.attribute(network, images, base, **asked)
    assert plain.maps.any()
    np.testing.assert_allclose(found.maps, plain.maps, rtol=1e-4, atol=1e-5 * plain.maps.max())
    np.testing.assert_allclose(found.raw, plain.raw, rtol=1e-4, atol=1e-5 * plain.maps.max())


def test_noise_over_noise_over_a_cam(network, images):
    inner = method_named("smooth_grad", base="grad_cam", samples=2, noise_level=0)
    asked = {"class_index": 0, "samples": 2, "noise_level": 0}
    found = kviz.attribute(network, images, "smooth_grad", base=inner, **asked)
    plain = kviz.attribute(network, images, "grad_cam", class_index=0)
    np.testing.assert_allclose(found.maps, plain.maps, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("reduce", ["sum", "max_abs", None])
def test_the_base_says_what_is_made_of_the_channels(network, images, reduce):
    asked = {"samples": 2, "noise_level": 0, "class_index": 0}
    plain = kviz.attribute(network, images, "gradient", reduce=reduce, class_index=0)
    base = Gradient(reduce=reduce)
    for method in (base, method_named("smooth_grad", base=base, samples=1, noise_level=0)):
        found = kviz.attribute(network, images, "smooth_grad", base=method, **asked)
        np.testing.assert_allclose(found.maps, plain.maps, rtol=1e-4, atol=1e-7)
    # Unless it is said here.
    found = kviz.attribute(network, images, "smooth_grad", base=base, reduce="sum", **asked)
    total = kviz.attribute(network, images, "gradient", class_index=0)
    np.testing.assert_allclose(found.maps, total.maps, rtol=1e-4, atol=1e-7)


def test_nothing_varies_on_a_linear_net():
    keras.utils.set_random_seed(1)
    steps = [layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3)]
    linear = keras.Sequential([keras.Input((9, 9, 3)), *steps])
    images = np.random.default_rng(1).uniform(0, 255, (3, 9, 9, 3)).astype("float32")
    found = kviz.attribute(linear, images, "var_grad", class_index=1, samples=21, batch_size=4)
    assert not found.raw.any()
    assert "zero everywhere" in found.notes[-1]


@pytest.mark.some(every=2)
@pytest.mark.parametrize("batch_size", [2, 5, 16])
def test_a_variance_that_is_small_beside_its_mean(batch_size):
    """Squares about 0 less the squared mean have no digits here: 1e-5 against 1e8."""
    weights = np.random.default_rng(2).uniform(1, 2, (6, 1))
    inputs = keras.Input((6,))
    # d/dx of (1e4 x + sum of w x^2 / 2) is 1e4 + w x.
    outputs = 1e4 * keras.ops.sum(inputs, 1, keepdims=True)
    outputs += keras.ops.matmul(keras.ops.square(inputs), keras.ops.convert_to_tensor(weights / 2))
    model = keras.Model(inputs, outputs)
    images = np.random.default_rng(3).uniform(0, 1, (2, 6)).astype("float32")
    seen = []

    @dataclass(frozen=True, kw_only=True)
    class Slope(Gradient):
        def maps(self, request):
            seen.append(np.array(request.images))
            return super().maps(request)

    asked = {"class_index": 0, "samples": 30, "noise_level": 0.5, "batch_size": batch_size}
    found = kviz.attribute(model, images, "var_grad", base=Slope(), **asked)
    noisy = np.concatenate(seen).reshape(2, 30, 6).astype("float64")
    np.testing.assert_allclose(found.raw, (weights[:, 0] * noisy).var(1), rtol=0.02)
    inside = kviz.attribute(model, images, "var_grad", **asked)
    np.testing.assert_allclose(inside.raw, found.raw, rtol=1e-4)
