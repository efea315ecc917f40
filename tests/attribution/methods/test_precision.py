"""Every method on nets of double and half precision, against itself in single precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from quick import QUICK

import kviz
from kviz.attribution import method_class, method_named, method_names
from kviz.attribution.methods._attention import OfAttention

NAMES = [name for name in method_names() if not issubclass(method_class(name), OfAttention)]
# What the input is of, what the layers are of, and how far maps may be off.
# Double and mixed precision are kinds of test_table.py; so the others have a run of their own.
KINDS = [
    ("float16", "float16", 0.01),
    *(
        pytest.param(*kind, marks=pytest.mark.slow)
        for kind in (
            ("float64", "float64", 1e-4),
            ("float32", "float64", 1e-4),
            ("float64", "float32", 1e-4),
            ("float32", "float16", 0.01),
            ("float32", "bfloat16", 0.1),
            ("float32", "mixed_float16", 0.01),
            ("float32", "mixed_bfloat16", 0.1),
        )
    ),
]


def net(entered, dtype):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((16, 16, 3), dtype=entered)
    x = layers.Rescaling(1 / 255, dtype=dtype)(inputs)
    x = layers.Conv2D(6, 3, activation="relu", name="first", dtype=dtype)(x)
    x = layers.Conv2D(4, 3, activation="relu", name="last", dtype=dtype)(x)
    x = layers.GlobalAveragePooling2D(dtype=dtype)(x)
    return keras.Model(inputs, layers.Dense(3, dtype=dtype)(x))


@pytest.fixture(scope="module")
def nets():
    """Return a function of a kind that gives its net and the same one in single precision."""
    made = {}

    def of(entered, dtype):
        if (entered, dtype) not in made:
            model = made[entered, dtype] = net(entered, dtype)
            weights = [np.array(weight, "float32") for weight in net("float32", "float32").weights]
            # Whatever the seed, the last class wants more of every map.
            weights[-2][:, 2] = 1
            for variable, weight in zip(model.weights, weights, strict=True):
                # What each of the kinds holds exactly.
                variable.assign(tf.cast(tf.cast(weight, "bfloat16"), variable.dtype))
        return made[entered, dtype]

    # What noise is drawn depends on what the input is of.
    return lambda entered, dtype: (
        of(entered, dtype),
        of("float64" if entered == "float64" else "float32", "float32"),
    )


@pytest.mark.some(every=4)
@pytest.mark.parametrize(("entered", "dtype", "most"), KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_every_method(nets, name, entered, dtype, most):
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3)).astype("float32")
    options = {"class_index": 2, **QUICK.get(name, {})}
    found, single = (
        kviz.attribute(model, images, name, **options) for model in nets(entered, dtype)
    )
    if entered == "float16" and "noise_level" in found.made_by.settings:
        # The net rounds what is noisy before it looks: a ReLU or two is on the other side.
        most = 0.3
    assert found.maps.dtype == np.float32
    assert single.maps.any()
    np.testing.assert_allclose(found.maps, single.maps, atol=most * np.abs(single.maps).max())


def test_options_of_double_precision():
    """A baseline that is an array is cast to what the pixels are."""
    images = np.random.default_rng(0).uniform(0, 255, (1, 16, 16, 3))
    for entered in ("float32", "float64"):
        model = net(entered, "float64")
        method = method_named("integrated_gradients", steps=16, baseline=np.ones((16, 16, 3)))
        assert kviz.attribute(model, images, method, class_index=0).gaps[0] < 0.05
