"""Frames: pictures in their places, charts on their axes."""

import math
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from properties import tried

from kviz.draw.fonts import font_of
from kviz.draw.frames import (
    COLOURS,
    HEADER,
    Cell,
    Chart,
    Column,
    axis,
    charted,
    cut,
    drawn,
    fitted,
    layout,
)


def colour(*rgb, size=(8, 8)):
    return np.broadcast_to(np.array(rgb, "uint8"), (*size, 3))


def columns(count, rows):
    return [
        Column(f"c{number}", "", [Cell(colour(250, 20 * number, 10 * row)) for row in range(rows)])
        for number in range(count)
    ]


@pytest.mark.parametrize(("count", "rows", "charts"), [(1, 1, 1), (5, 3, 2), (9, 1, 3), (7, 8, 1)])
def test_every_picture_is_there_whole_and_none_covers_another(count, rows, charts):
    made = columns(count, rows)
    place = layout(made, charts, "small print")
    frame = drawn(place, "epoch 1", "net", made)
    assert frame.shape == (place.size[1], place.size[0], 3)
    for number in range(count):
        for row in range(rows):
            same = (frame == (250, 20 * number, 10 * row)).all(-1)
            down, across = np.nonzero(same)
            assert same.sum() == place.cell**2
            assert np.ptp(down) == np.ptp(across) == place.cell - 1
    assert (frame[0] == 255).all()


def test_few_columns_are_large_and_many_fill_several_bands():
    assert layout(columns(2, 1), 1, "").bands == 1
    many = layout(columns(9, 1), 1, "")
    assert many.bands > 1
    assert many.cell > 150


def lined(low, high, log, last=10, **lines):
    return Chart("loss", lines, low, high, log, 0, last)


def ink(chart, which=0):
    """Return the places of a line's colour below the chart's title, from its bottom left corner."""
    place = layout([], 1, "")
    frame = charted(drawn(place, "", "", []), place, [chart])
    # The title has the line's colour too.
    frame = frame[HEADER + 24 : HEADER + 160]
    near = np.abs(frame.astype(int) - COLOURS[which]).sum(-1) < 30
    down, across = np.nonzero(near)
    return across, down


def test_a_line_goes_where_its_values_are():
    across, down = ink(lined(0, 1, False, training={1: 1.0, 10: 0.0}))
    rising, _ = np.polyfit(across, down, 1)
    # 130 pixels down along 9 tenths of 238 pixels.
    assert rising == pytest.approx(130 / (0.9 * 238), rel=0.05)
    straight = ink(lined(0.01, 100, True, training={0: 100.0, 5: 1.0, 10: 0.01}))
    slope, start = np.polyfit(*straight, 1)
    assert np.abs(straight[0] * slope + start - straight[1]).max() < 8


def test_values_that_are_not_finite_are_left_out_and_said():
    lines = {"training": {1: 0.5, 2: math.nan, 3: math.inf}}
    assert len(ink(lined(0, 1, False, **lines))[0])
    ink(lined(0, 1, False, training={1: math.nan}))
    ink(lined(1, 100, True, training={1: 0.0, 2: -1.0, 3: 5.0}))


def test_validation_has_a_line_of_its_own():
    chart = lined(0, 1, False, training={1: 0.2, 9: 0.2}, validation={1: 0.8, 9: 0.8})
    assert ink(chart, 1)[1].mean() < ink(chart, 0)[1].mean()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], (0, 1, False)),
        ([math.nan, math.inf], (0, 1, False)),
        ([0.0], (0, 1, False)),
        ([1.0, 0.4], (0, 1, False)),
        ([2.3, 0.5], (0, 5, False)),
        ([1001.0], (0, 2000, False)),
        ([-3.0, -0.2], (-5, 0, False)),
        ([-1.0, 40.0], (-1, 50, False)),
        ([1e-5, 3.0], (1e-5, 10, True)),
        ([0.0, 3.0], (0, 5, False)),
        ([1e-320, 1e-319], None),
        ([5e-324], (0, 1e-323, False)),
        ([1.7e308], (0, sys.float_info.max, False)),
    ],
)
def test_axes_hold_their_values(values, expected):
    low, high, log = axis(values)
    if expected is not None:
        assert (low, high, log) == pytest.approx(expected)
    assert low < high
    assert all(low <= value <= high for value in values if math.isfinite(value))


NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from(
    [
        5e-324,
        -5e-324,
        1e-310,
        sys.float_info.max,
        -sys.float_info.max,
        sys.float_info.min,
        0.0,
        -0.0,
    ]
)


@tried
@given(values=st.lists(NUMBERS, max_size=6))
@example([5e-324])
@example([-5e-324, 5e-324])
@example([sys.float_info.max])
@example([5e-324, sys.float_info.max])
@example([-sys.float_info.max, sys.float_info.max])
@example([math.nan, math.inf, -math.inf])
@example([])
def test_any_values_have_an_axis_that_holds_them_and_a_chart(values):
    low, high, log = axis(values)
    assert -math.inf < low < high < math.inf
    assert low > 0 or not log
    for value in filter(math.isfinite, values):
        # The top is a round number, and a last digit more does not make it the next one.
        assert low * (1 + 2e-9) <= value <= high * (1 + 2e-9) or low <= value <= high
    place = layout([], 1, "")
    lines = {"training": dict(enumerate(values))}
    chart = Chart("loss", lines, low, high, log, 0, max(len(values), 1))
    assert charted(drawn(place, "", "", []), place, [chart]).shape


def test_values_at_both_ends_of_all_numbers_have_their_places():
    most = sys.float_info.max
    low, high, log = axis([-most, most])
    across, down = ink(lined(low, high, log, training={0: -most, 5: 0.0, 10: most}))
    slope, start = np.polyfit(across, down, 1)
    assert slope < -0.4
    assert np.abs(across * slope + start - down).max() < 8


def test_a_picture_fits_its_box_and_its_pixels_stay_sharp():
    checks = (np.indices((5, 9)).sum(0) % 2 * 255).astype("uint8")[..., None].repeat(3, -1)
    grown = fitted(checks, 90, 90)
    assert grown.shape == (50, 90, 3)
    np.testing.assert_array_equal(grown, checks.repeat(10, 0).repeat(10, 1))
    assert fitted(np.zeros((400, 30, 3), "uint8"), 100, 100).shape == (100, 8, 3)
    assert fitted(np.zeros((1, 5000, 3), "uint8"), 100, 100).shape == (1, 100, 3)


@pytest.mark.parametrize(
    "text", ["", "short", "a name so long that no column has room for it", "W" * 999]
)
def test_text_is_cut_to_its_width(text):
    short = cut(text, 13, 120)
    assert font_of(13).getlength(short) <= 120
    assert short == text or short.endswith("…")
