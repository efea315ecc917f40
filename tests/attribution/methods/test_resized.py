"""Cells lie where their layer looks: dots planted in images, found again in the maps."""

import itertools
from fractions import Fraction

import keras
import numpy as np
import pytest
from keras import layers
from refusals import refused

import kviz
from kviz.attribution.methods._resized import aligned
from kviz.engine.receptive_fields import ReceptiveField


def tent(kind, size, **options):
    """Return a convolution of one channel that answers most strongly to what is in its middle."""
    one = np.array([1.0])
    for _ in range(size - 1):
        one = np.convolve(one, [0.5, 0.5])
    axes = {layers.Conv1D: 1, layers.Conv2D: 2, layers.Conv3D: 3}[kind]
    kernel = one
    for _ in range(axes - 1):
        kernel = np.multiply.outer(kernel, one)
    made = kind(1, size, use_bias=False, **options)
    # Only its shape is another one than Keras's own.
    made.kernel_initializer = lambda shape, dtype=None: keras.ops.convert_to_tensor(
        kernel.reshape(shape), dtype
    )
    return made


def total(outputs):
    axes = list(range(1, len(outputs.shape)))
    return keras.ops.sum(outputs, axis=axes)


def shown_at(model, dot, sizes, resize="aligned"):
    """Return where the map of a dot is largest, the middle of it where that is a plateau."""
    images = np.zeros((1, *sizes, 1), "float32")
    images[(0, *dot, 0)] = 200
    found = kviz.attribute(model, images, "hires_cam", score=total, resize=resize)
    assert found.maps.shape == (1, *sizes)
    places = np.argwhere(found.maps[0] > found.maps[0].max() * (1 - 1e-5))
    return (places.min(0) + places.max(0)) / 2


@pytest.mark.some(every=3)
@pytest.mark.parametrize(
    ("size", "strides", "padding", "dilation"),
    [
        (size, strides, padding, dilation)
        for size, strides, padding, dilation in itertools.product(
            (1, 2, 3, 5), (1, 2, 3), ("valid", "same"), (1, 2)
        )
        # Keras has no strides and dilation at once; a dot that no cell sees is in no map.
        if size >= strides and (dilation == 1 or strides == 1)
    ],
)
@pytest.mark.parametrize("length", [40, 41])
def test_a_dot_is_where_it_was_planted(size, strides, padding, dilation, length):
    options = {"strides": strides, "padding": padding, "dilation_rate": dilation}
    model = keras.Sequential(
        [keras.Input((length, length, 1)), *[tent(layers.Conv2D, size, **options) for _ in "ab"]]
    )
    for dot in ((18, 21), (20, 19)):
        assert np.abs(shown_at(model, dot, (length, length)) - dot).max() <= strides**2 / 2


def test_five_strides_of_two():
    kernel = np.zeros((3, 3, 1, 1))
    kernel[1, 1] = 1
    convolutions = [
        layers.Conv2D(1, 3, strides=2, padding="same", use_bias=False) for _ in range(5)
    ]
    model = keras.Sequential([keras.Input((224, 224, 1)), *convolutions])
    for layer in convolutions:
        layer.set_weights([kernel])
    assert shown_at(model, (127, 127), (224, 224)).tolist() == [127, 127]
    # As if cells lay evenly: half a cell, 16 pixels, away.
    assert shown_at(model, (127, 127), (224, 224), "bilinear").tolist() == [111.5, 111.5]


def test_what_the_model_leaves_free_is_taken_from_the_images():
    """With `same` padding the cells of an odd size lie elsewhere than those of an even one."""
    model = keras.Sequential(
        [
            keras.Input((None, None, 1)),
            *[tent(layers.Conv2D, 3, strides=2, padding="same") for _ in range(3)],
        ]
    )
    for length in (56, 57, 58, 59):
        dot = (24, 31)
        assert np.abs(shown_at(model, dot, (length, length)) - dot).max() <= 4


def test_a_causal_signal_is_not_shown_too_late():
    convolutions = [tent(layers.Conv1D, 5, padding="causal", dilation_rate=d) for d in (1, 2, 4)]
    model = keras.Sequential([keras.Input((100, 1)), *convolutions])
    assert shown_at(model, (40,), (100,)).tolist() == [40]
    assert shown_at(model, (40,), (100,), "bilinear").tolist() == [54]


def test_a_volume():
    model = keras.Sequential(
        [keras.Input((20, 24, 28, 1)), tent(layers.Conv3D, 3, strides=2, padding="same")]
    )
    assert np.abs(shown_at(model, (9, 12, 15), (20, 24, 28)) - (9, 12, 15)).max() <= 1


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_behind_what_makes_maps_larger(interpolation):
    model = keras.Sequential(
        [
            keras.Input((48, 48, 1)),
            tent(layers.Conv2D, 4, strides=4),
            layers.UpSampling2D(2, interpolation=interpolation),
        ]
    )
    assert np.abs(shown_at(model, (21, 26), (48, 48)) - (21, 26)).max() <= 1


@pytest.mark.parametrize(("size", "strides"), [(2, 2), (3, 2), (4, 2), (5, 3), (3, 1)])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_behind_a_transposed_convolution(size, strides, padding):
    up = layers.Conv2DTranspose(1, size, strides=strides, padding=padding, use_bias=False)
    model = keras.Sequential([keras.Input((48, 48, 1)), tent(layers.Conv2D, 4, strides=4), up])
    row = np.array([1.0])
    for _ in range(size - 1):
        row = np.convolve(row, [0.5, 0.5])
    up.set_weights([np.multiply.outer(row, row).reshape(size, size, 1, 1)])
    assert np.abs(shown_at(model, (21, 26), (48, 48)) - (21, 26)).max() <= 4


def test_a_layer_whose_cells_lie_nowhere():
    x = inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(2, 3, name="flipped")(keras.ops.flip(x, axis=1))
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(x))
    images = np.ones((1, 8, 8, 1))
    with refused("for 'flipped' .* is not known. Choose 'bilinear'", kviz.errors.OptionError):
        kviz.attribute(model, images, resize="aligned")


def test_cam_is_aligned_where_a_layer_made_its_maps():
    x = inputs = keras.Input((32, 32, 1))
    x = layers.Conv2D(3, 4, strides=4, name="conv")(x)
    pooled = layers.GlobalAveragePooling2D()
    model = keras.Model(inputs, layers.Dense(2)(pooled(x)))
    images = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 1))
    found = kviz.attribute(model, images, "cam", relu=False, resize="aligned")
    assert found.layers == ("conv",)
    # Before the first cell's middle there is nothing to go between.
    np.testing.assert_allclose(found.maps[0, 0, 0], found.raw[0, 0, 0], rtol=1e-5)
    bare = keras.Model(inputs, layers.Dense(2)(pooled(keras.ops.relu(x))))
    with refused("the maps are no layer's output. Choose 'bilinear'", kviz.errors.OptionError):
        kviz.attribute(bare, images, "cam", resize="aligned")


def test_of_more_cells_than_pixels_each_pixel_has_the_mean_of_its_own():
    field = ReceptiveField(
        size=(3,), stride=(Fraction(1, 2),), offset=(0,), centre=(Fraction(-1, 4),)
    )
    cells = np.random.default_rng(0).random((2, 12))
    found = aligned(cells, (6,), field)
    # Cells 2 p and 2 p + 1 lie a quarter before and behind pixel p.
    np.testing.assert_allclose(found, cells.reshape(2, 6, 2).mean(-1))
