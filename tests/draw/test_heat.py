"""Maps as colours, by plain formulas: scales, signs, opacity, and how each rank of input looks."""

import numpy as np
import pytest

from kviz.arrays import stretched
from kviz.draw.charts import Bars, Signal
from kviz.draw.colours import palette
from kviz.draw.heat import Caption, Heat, Seen, enlarged, heat, kind_of, laid_over
from kviz.errors import OptionError
from kviz.tiles import NEUTRAL

RNG = np.random.default_rng(0)
WORDS = Caption("Saliency · cat", "cat.png · score 1", "Saliency for cat on cat.png: ")


def drawn(values, pixels=None, names=(), span=(0, 255), **options):
    seen = Seen(pixels, span, names)
    return heat(np.asarray(values, "float32"), WORDS, Heat(**options), seen)


def photo(*shape):
    return RNG.integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize(
    ("sign", "taken"),
    [
        ("all", lambda x: x),
        ("positive", lambda x: np.where(x > 0, x, 0)),
        ("negative", lambda x: np.where(x < 0, -x, 0)),
        ("absolute", np.abs),
    ],
)
def test_signs(sign, taken):
    values = RNG.normal(size=(20, 30)).astype("float32")
    (tile,) = drawn(values, sign=sign)
    kept = taken(values)
    peak = np.percentile(np.abs(kept), 99)
    low = -peak if sign == "all" else 0
    assert tile.limits == pytest.approx((low, peak))
    np.testing.assert_array_equal(tile.levels, stretched(kept, *tile.limits))
    assert tile.cmap == ("bwr" if sign == "all" else "viridis")
    said = {
        "all": "· colours",
        "positive": "positive values only",
        "absolute": "the size of values",
    }
    assert said.get(sign, "size of negative values only") in tile.detail


def test_colour_map_and_percentile():
    values = np.arange(1000.0).reshape(20, 50)
    (tile,) = drawn(values, cmap="magma", percentile=50)
    assert (tile.cmap, tile.limits) == ("magma", (0, np.percentile(values, 50)))
    assert "50th percentile" in tile.detail
    (tile,) = drawn(values, percentile=100)
    assert tile.limits == (0, 999)
    assert "percentile" not in tile.detail


def test_what_counts_most_is_seen_through_the_map_over_it():
    pixels, values = photo(6, 7, 3), RNG.random((6, 7))
    _, over = drawn(values, pixels)
    strongest = np.unravel_index(values.argmax(), values.shape)
    grey = pixels[strongest] @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(
        over.levels[strongest], 0.2 * grey + 0.8 * palette("viridis")[255], atol=0.51
    )
    assert over.detail.endswith(", faint where it is small, at most 80 % opaque")


def test_opacity_is_alike_everywhere_where_it_is_asked_for():
    pixels, values = photo(6, 7, 3), RNG.random((6, 7))
    _, over = drawn(values, pixels, alpha=0.25)
    colours = palette("viridis")[stretched(values, 0, np.percentile(values, 99))]
    grey = pixels @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(over.levels, 0.75 * grey[..., None] + 0.25 * colours, atol=0.51)
    assert "faint" not in over.detail
    assert "opaque" not in over.detail
    (_, none), (_, whole) = drawn(values, pixels, alpha=0), drawn(values, pixels, alpha=1)
    np.testing.assert_allclose(none.levels, np.repeat(grey[..., None], 3, 2), atol=0.51)
    np.testing.assert_array_equal(whole.levels, colours)


@pytest.mark.parametrize(
    "options",
    [
        {"sign": "both"}, {"alpha": 1.5}, {"alpha": -0.1}, {"alpha": "x"}, {"percentile": 0},
        {"percentile": 101}, {"percentile": np.nan}, {"cmap": "nope"}, {"cmap": ""},
    ],
)  # fmt: skip
def test_bad_options_are_said_plainly(options):
    with pytest.raises(OptionError, match=r"Received|There is no colour map"):
        Heat(**options)


def test_what_is_zero_says_why_in_place():
    words = Caption("Grad-CAM · coat", "coat.png", "Grad-CAM: ", "negative everywhere: relu=False")
    tiles = heat(np.zeros((4, 4)), words, Heat(), Seen(photo(4, 4, 3), (0, 255)))
    for tile in tiles:
        assert tile.detail == "coat.png · negative everywhere: relu=False"
        assert tile.alt == "Grad-CAM: nothing, negative everywhere: relu=False."
        assert tile.limits is None
    (tile,) = drawn(-np.ones((3, 3)), sign="positive")
    assert "no value is positive" in tile.detail


@pytest.mark.parametrize(
    ("shape", "rank", "kind"),
    [
        ((8, 8, 3), 2, "photo"), ((28, 28), 2, "photo"), ((28, 28, 1), 2, "photo"),
        ((8, 8, 3), 3, "channels"),
        ((100, 2), 1, "signal"), ((100, 2), 2, "signal"), ((4, 8, 8, 1), 3, "slices"),
        ((4, 8, 8, 3), 3, "frames"), ((4, 8, 8, 1), 4, "channels"), ((9,), 1, "table"),
        (None, 1, "signal"), (None, 2, "photo"), (None, 3, "channels"),
    ],
)  # fmt: skip
def test_how_each_rank_is_drawn(shape, rank, kind):
    assert kind_of(shape, rank) == kind


def test_a_signal_of_many_channels_that_were_kept_is_a_plane():
    values = RNG.random((14, 15))
    (tile,) = drawn(values, RNG.random((14, 15)))
    assert tile.levels.shape == (14, 15)
    assert tile.chart is None


def test_a_signal_has_its_line_over_its_heat():
    pixels, values = RNG.normal(size=(50, 1)).astype("float32"), RNG.normal(size=50)
    (tile,) = drawn(values, pixels)
    assert isinstance(tile.chart, Signal)
    np.testing.assert_array_equal(tile.chart.values, pixels)
    peak = np.percentile(np.abs(values.astype("float32")), 99)
    colours = palette("bwr")[stretched(values.astype("float32"), -peak, peak)] / 255
    np.testing.assert_array_equal(tile.chart.heat[:, 0, :3], colours)
    np.testing.assert_allclose(
        tile.chart.heat[:, 0, 3], np.minimum(np.abs(values) / peak, 1), rtol=1e-5
    )
    assert tile.limits == pytest.approx((-peak, peak))
    (kept,) = drawn(RNG.normal(size=(50, 2)), RNG.normal(size=(50, 2)))
    assert kept.chart.heat.shape == (50, 2, 4)
    (many,) = drawn(values, RNG.normal(size=(50, 300)))
    assert many.chart.values is None
    assert many.chart.length == 50


@pytest.mark.parametrize("channels", [1, 3])
def test_slices_and_frames(channels):
    pixels, values = photo(4, 8, 10, channels), RNG.random((4, 8, 10)).astype("float32")
    (tile,) = drawn(values, pixels)
    peak = np.percentile(values, 99)
    colours = palette("viridis")[stretched(values, 0, peak)]
    if channels == 1:  # the slice, and beside it its heat
        first = tile.levels[:8, :10], tile.levels[:8, 11:21]
        second = tile.levels[:8, 24:34], tile.levels[:8, 35:45]
        gap = tile.levels[:8, 10]
        below = colours
    else:  # the frame, and below it its heat over it
        first = tile.levels[:8, :10], tile.levels[9:17, :10]
        second = tile.levels[:8, 13:23], tile.levels[9:17, 13:23]
        gap = tile.levels[8, :10]
        share = 0.8 * np.minimum(values / peak, 1)
        below = np.stack([laid_over(*one) for one in zip(pixels, colours, share, strict=True)])
    assert (gap == NEUTRAL).all()
    for place, (above, under) in enumerate((first, second)):
        np.testing.assert_array_equal(above, np.broadcast_to(pixels[place], (8, 10, 3)))
        np.testing.assert_allclose(under, below[place], atol=1)
    assert tile.limits == pytest.approx((0, peak))


def test_of_many_slices_some_are_drawn_and_it_says_so():
    pixels, values = photo(100, 3, 3, 1), np.arange(900.0).reshape(100, 3, 3)
    (tile,) = drawn(values, pixels)
    assert "32 of 100" in tile.detail
    np.testing.assert_array_equal(tile.levels[:3, :3, 0], pixels[0, ..., 0])
    (alone,) = drawn(values, photo(50, 6, 6, 1))
    assert "slice by slice" in alone.detail


def test_channels_that_were_kept_have_a_panel_each_and_volumes_a_row():
    (tile,) = drawn(RNG.random((6, 7, 5)), photo(6, 7, 5))
    assert tile.levels.shape == (6, 5 * 8 - 1)
    assert "a panel each channel" in tile.detail
    values = RNG.random((4, 6, 7, 2)).astype("float32")
    (tile,) = drawn(values, photo(4, 6, 7, 2))
    assert tile.levels.shape == (2 * 7 - 1, 4 * 8 - 1)
    panel = stretched(values[3, ..., 1], 0, np.percentile(values, 99))
    np.testing.assert_array_equal(tile.levels[7:, 24:], panel)


def test_features_are_bars_the_largest_first():
    values = np.array([1.0, -3, 0, 2])
    (tile,) = drawn(values, np.array([10.0, 20, 30, 40]), ("a", "b", "c", "d"))
    assert isinstance(tile.chart, Bars)
    assert tile.chart.values.tolist() == [-3, 2, 1, 0]
    assert tile.chart.names == ["b = 20", "d = 40", "a = 10", "c = 30"]
    assert tile.limits is None
    (tile,) = drawn(values, np.arange(4.0))
    assert tile.chart.names[0] == "feature 1 = 1"
    (tile,) = drawn(np.arange(60.0), np.zeros(60))
    assert len(tile.chart.values) == 24
    assert "the 24 largest of 60" in tile.detail
    (tile,) = drawn(np.arange(1000.0), np.zeros(1000))
    assert isinstance(tile.chart, Signal), "so many are no table"
    with pytest.raises(OptionError, match=r"a name for each of 4 features\. Received: 1"):
        drawn(values, np.zeros(4), ("a",))


def test_a_map_is_enlarged_about_the_middles_of_its_cells():
    values = np.array([[0.0, 10], [20, 30]])
    same = enlarged(values, (0, 0, 2, 2), (2, 2))
    np.testing.assert_allclose(same, values)
    large = enlarged(values, (10, 0, 14, 4), (4, 20))
    assert np.isnan(large[:, :10]).all()
    assert np.isnan(large[:, 14:]).all()
    across = np.array([0, 0.25, 0.75, 1]) * 10
    np.testing.assert_allclose(large[:, 10:14], across + 2 * across[:, None])
    wider = enlarged(values, (-1, -1, 3, 3), (2, 2))  # borders of a photo that was padded
    np.testing.assert_allclose(wider, [[7.5, 12.5], [17.5, 22.5]])
