"""Grey levels against the script that everyone copies, written out here as the referee."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from properties import FINITE, FLOATS, maps, tried

from kviz.arrays import (
    as_bytes,
    empty_channels,
    is_picture,
    photo_of,
    pixel_span,
    standardised,
    stretched,
)
from kviz.tiles import mosaic


def copied_script(layer_activation):
    """F. Chollet, "Deep Learning with Python": one layer's maps as its grid of images."""
    images_per_row = 16
    size_y, size_x, n_features = layer_activation.shape
    n_rows = n_features // images_per_row
    display_grid = np.zeros(((size_y + 1) * n_rows - 1, images_per_row * (size_x + 1) - 1))
    for row in range(n_rows):
        for col in range(images_per_row):
            channel_image = layer_activation[:, :, row * images_per_row + col].copy()
            if channel_image.sum() != 0:
                channel_image -= channel_image.mean()
                channel_image /= channel_image.std()
                channel_image *= 64
                channel_image += 128
            channel_image = np.clip(channel_image, 0, 255).astype("uint8")
            display_grid[
                row * (size_y + 1) : (row + 1) * size_y + row,
                col * (size_x + 1) : (col + 1) * size_x + col,
            ] = channel_image
    return display_grid


def relu_like(shape, dtype="float32", seed=0):
    """Maps as ReLU gives them: half of the values zero, one channel zero everywhere."""
    rng = np.random.default_rng(seed)
    maps = np.maximum(rng.normal(size=shape) * rng.uniform(0.01, 100, shape[-1]), 0)
    maps[..., shape[-1] // 2] = 0
    return maps.astype(dtype)


def furthest(maps, script_maps=None):
    ours = mosaic(standardised(maps), columns=16)
    return np.abs(ours - copied_script(maps if script_maps is None else script_maps)).max()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape", [(113, 113, 64), (13, 13, 256), (7, 5, 16), (1, 300, 32), (64, 1, 16), (2, 1, 1024)]
)
def test_equals_the_copied_script_within_one_level(shape, dtype):
    assert furthest(relu_like(shape, dtype)) <= 1


@pytest.mark.parametrize("seed", range(5))
def test_float64_equals_the_copied_script_nearly_everywhere(seed):
    maps = relu_like((56, 56, 32), "float64", seed)
    differs = mosaic(standardised(maps)) != copied_script(maps)
    # Rounding alone, just at a whole number, may tip a level.
    assert differs.mean() < 1e-4


@pytest.mark.parametrize("offset", [-1e4, 10, 1e3, 1e4])
@pytest.mark.parametrize("shape", [(113, 113, 16), (500, 500, 16)])
def test_large_offsets_lose_no_level(shape, offset):
    noise = np.random.default_rng(1).normal(size=shape)
    maps = (noise + offset).astype("float32")
    assert furthest(maps) <= 1
    assert furthest(maps, maps.astype("float64")) <= 1


def test_an_offset_where_float32_is_coarse_is_no_worse_than_the_script():
    maps = (np.random.default_rng(1).normal(size=(500, 500, 16)) + 1e5).astype("float32")
    assert furthest(maps, maps.astype("float64")) <= 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [0.1, -0.1, 1e-20, 1e20, 3.0, 1 / 3, 255.0, 12345.678])
def test_a_constant_channel_is_128_everywhere_though_rounding_blurs_its_mean(value, dtype):
    levels = standardised(np.full((100, 100, 3), value, dtype))
    assert (levels == 128).all()


def test_one_pixel_off_a_constant_is_seen():
    maps = np.full((100, 100, 1), 0.1, "float32")
    maps[3, 4] = 0.2
    levels = standardised(maps)[0]
    assert levels[3, 4] == 255
    assert (np.delete(levels.ravel(), 304) == 127).all()


def test_a_zero_channel_stays_exactly_zero_beside_others():
    maps = relu_like((20, 20, 9))
    levels = standardised(maps)
    assert not levels[4].any()
    assert all(levels[channel].any() for channel in range(9) if channel != 4)
    assert not standardised(np.full((3, 3, 2), -0.0, "float32")).any()


def test_a_channel_whose_sum_is_zero_is_not_taken_for_an_empty_one():
    maps = np.array([[[1.0], [-1.0]]])
    assert standardised(maps).tolist() == [[[192, 64]]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_input_is_not_changed(dtype):
    maps = relu_like((9, 9, 20), dtype)
    before = maps.copy()
    maps.flags.writeable = False
    standardised(maps)
    np.testing.assert_array_equal(maps, before)


def test_views_that_are_not_contiguous_and_half_precision():
    maps = relu_like((12, 10, 16))
    np.testing.assert_array_equal(
        standardised(maps[::2, ::-1, ::3]), standardised(maps[::2, ::-1, ::3].copy())
    )
    half = maps.astype("float16")
    found = standardised(half).astype(int)
    assert np.abs(found - standardised(half.astype("float32"))).max() <= 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_neither_warns_nor_touches_other_channels(bad):
    maps = relu_like((6, 6, 4))
    expected = standardised(maps)
    maps[2, 3, 1] = bad
    levels = standardised(maps)
    np.testing.assert_array_equal(levels[[0, 2, 3]], expected[[0, 2, 3]])
    standardised(np.full((3, 3, 2), bad, "float32"))


@pytest.mark.parametrize("scale", [1e-45, 1e-38, 1e-30, 1e-23, 1e30, 1.5e38])
def test_values_whose_squares_leave_float32_do_not_warn(scale):
    levels = standardised(np.array([[[1.0], [2.0]]], "float32") * np.float32(scale))
    assert levels.shape == (1, 1, 2)


@pytest.mark.parametrize("channels", [1, 3, 15, 17, 50, 1000])
def test_no_channel_is_lost_where_the_count_is_no_multiple_of_16(channels):
    maps = np.random.default_rng(2).normal(size=(4, 5, channels)).astype("float32")
    grid = mosaic(standardised(maps), columns=16)
    rows = -(-channels // 16)
    assert grid.shape == (rows * 5 - 1, 16 * 6 - 1)
    for channel in range(channels):
        row, column = divmod(channel, 16)
        panel = grid[row * 5 : row * 5 + 4, column * 6 : column * 6 + 5]
        np.testing.assert_array_equal(panel, standardised(maps[..., [channel]])[0])


def test_stretched_maps_the_limits_to_black_and_white_and_clips():
    values = np.array([-9.0, 1.0, 2.0, 3.0, 99.0])
    assert stretched(values, 1, 3).tolist() == [0, 0, 128, 255, 255]
    assert stretched(values, 1, 3).dtype == np.uint8
    assert values.tolist() == [-9.0, 1.0, 2.0, 3.0, 99.0]


def test_stretched_is_symmetric_for_symmetric_limits():
    values = np.linspace(-2, 2, 1001)
    total = stretched(values, -2, 2).astype(int) + stretched(-values, -2, 2)
    assert np.abs(total - 255).max() <= 1
    assert stretched(np.zeros(1), -2, 2)[0] == 128


@pytest.mark.parametrize(
    ("values", "low", "high", "levels"),
    [
        ([5, 5], 5, 5, [128, 128]),
        ([1, 2], 3, 1, [128, 128]),
        ([np.nan, 1], 0, 1, [0, 255]),
        ([np.inf, -np.inf], 0, 1, [255, 0]),
        ([1, 2], np.nan, np.nan, [128, 128]),
        ([1, 2], 0, np.inf, [0, 0]),
        ([0, 5e-324], 0, 5e-324, [0, 255]),
    ],
)
def test_stretched_of_odd_values_neither_warns_nor_fails(values, low, high, levels):
    assert stretched(np.array(values, float), low, high).tolist() == levels


def test_empty_channels_counts_each_image_by_itself():
    maps = np.zeros((2, 3, 3, 4), "float32")
    maps[0, 1, 1, 2] = -1e-30
    maps[1, ..., 0] = 1
    assert empty_channels(maps).tolist() == [
        [True, True, False, True],
        [False, True, True, True],
    ]
    assert empty_channels(maps[:, 0]).shape == (2, 4)
    assert empty_channels(maps[:, None]).shape == (2, 4)


@tried
@given(values=maps(FLOATS))
def test_any_maps_have_levels_and_are_left_as_they_are(values):
    before = values.copy()
    levels = standardised(values)
    assert levels.shape == (values.shape[2], *values.shape[:2])
    assert levels.dtype == np.uint8
    np.testing.assert_array_equal(values, before)
    for channel, drawn in zip(np.moveaxis(values, -1, 0), levels, strict=True):
        if (channel == channel.flat[0]).all() and np.isfinite(channel.flat[0]):
            assert (drawn == (128 if channel.flat[0] else 0)).all()


# Between the roundings of the smallest and of the largest numbers.
PLAIN = st.floats(-1e6, 1e6, width=32).filter(lambda value: value == 0 or abs(value) > 1e-3)


@tried
@given(values=maps(PLAIN, least=2))
def test_levels_are_the_formulas_to_one(values):
    wide = values.astype(np.longdouble)
    for channel, drawn in zip(np.moveaxis(wide, -1, 0), standardised(values), strict=True):
        deviation = channel.std()
        if deviation <= 1e-4 * np.abs(channel).max():
            continue  # what differs by its last digits only is flat
        exact = np.clip((channel - channel.mean()) / deviation * 64 + 128, 0, 255)
        assert np.abs(drawn - np.trunc(exact)).max() <= 1


@tried
@given(
    values=hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=5), elements=FLOATS),
    low=FINITE, high=FINITE,
)  # fmt: skip
@example(np.array([-1, 0, 1], "float32"), -3.4e38, 3.4e38)
@example(np.array([0, 1e-45], "float32"), 0.0, 1e-45)
def test_any_values_are_stretched_in_their_order(values, low, high):
    levels = stretched(values, low, high)
    assert levels.shape == values.shape
    if not low < high:
        assert (levels == 128).all()
        return
    assert (levels[values <= low] == 0).all()
    assert (levels[values >= high] == 255).all()
    finite = np.sort(values[np.isfinite(values)], axis=None)
    assert (np.diff(stretched(finite, low, high).astype(int)) >= 0).all()


@tried
@given(pixels=hnp.arrays(np.float32, (2, 3), elements=FLOATS))
def test_any_pixels_are_bytes(pixels):
    levels = as_bytes(pixels)
    inside = (pixels >= 0) & (pixels <= 255)
    assert np.abs(levels[inside] - pixels[inside]).max(initial=0) <= 0.5
    assert (levels[pixels < 0] == 0).all()
    assert (levels[pixels > 255] == 255).all()
    assert (levels[np.isnan(pixels)] == 0).all()


@pytest.mark.parametrize(
    ("values", "span"),
    [
        ([0.0, 0.0], (0, 1)), ([0.2, 1.0], (0, 1)), ([-1.0, -1.0], (-1, 1)), ([-0.5, 0.5], (-1, 1)),
        ([0.0, 1.5], (0, 255)), ([-120.0, 150.0], (-120, 150)), ([0.0, 4095.0], (0, 4095)),
    ],
)  # fmt: skip
def test_the_usual_scale_that_holds_all_pixels(values, span):
    assert pixel_span(np.array(values)) == span


@pytest.mark.parametrize("kind", ["uint8", "int32", "int64"])
def test_whole_numbers_are_levels(kind):
    assert pixel_span(np.array([0, 1], kind)) == (0, 255)
    assert photo_of(np.full((1, 1, 3), 1, kind)).tolist() == [[[1, 1, 1]]]
    assert pixel_span(np.array([0, 1000], "int32")) == (0, 1000)


def test_photos_of_every_shape_are_rgb():
    grey = np.arange(6, dtype=np.uint8).reshape(2, 3)
    for photo in (grey[..., None], np.stack([grey] * 3, -1)):
        np.testing.assert_array_equal(photo_of(photo), np.stack([grey] * 3, -1))
    assert photo_of(np.zeros((1, 1, 1), "float32")).max() == 0
    assert photo_of(np.full((1, 1, 1), 51.0), (0, 255)).max() == 51


@pytest.mark.parametrize(
    ("shape", "pictured"),
    [
        ((1, 8, 8, 1), True), ((1, 8, 8, 3), True), ((1, 8, 8, 4), False), ((2, 28, 28), False),
        ((2, 1000, 2), False), ((2, 1000, 12), False), ((2, 9), False), ((1, 4, 8, 8, 1), False),
    ],
)  # fmt: skip
def test_what_is_a_picture(shape, pictured):
    assert is_picture(np.zeros(shape)) == pictured
    assert not is_picture(None)
