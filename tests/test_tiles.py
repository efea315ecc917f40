"""The grid of panels against a plain double loop."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from properties import tried

from kviz.errors import OptionError
from kviz.tiles import Tile, mosaic


def plain(panels, columns, gap, fill):
    count, height, width, *colours = panels.shape
    rows = -(-count // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, *colours)
    grid = np.full(shape, fill, panels.dtype)
    for index in range(count):
        top = index // columns * (height + gap)
        left = index % columns * (width + gap)
        for y in range(height):
            for x in range(width):
                grid[top + y, left + x] = panels[index, y, x]
    return grid


@pytest.mark.parametrize("colours", [(), (3,)])
@pytest.mark.parametrize("gap", [0, 1, 3])
@pytest.mark.parametrize("columns", [1, 2, 5, 6, 16])
@pytest.mark.parametrize("size", [(4, 3), (1, 1), (1, 7)])
def test_equals_a_double_loop(size, columns, gap, colours):
    panels = np.random.default_rng(0).integers(1, 256, (5, *size, *colours), np.uint8)
    for fill in (0, 200):
        grid = mosaic(panels, columns, gap, fill)
        np.testing.assert_array_equal(grid, plain(panels, columns, gap, fill))
        assert grid.dtype == np.uint8


def test_sixteen_columns_and_one_dark_pixel_between_by_default():
    grid = mosaic(np.full((17, 2, 2), 9, np.uint8))
    assert grid.shape == (5, 47)
    assert not grid[2].any()
    assert not grid[:, 2].any()
    assert not grid[3:, 3:].any()


def test_other_types_of_number_are_kept():
    assert mosaic(np.ones((2, 2, 2), "float32"), 2).dtype == np.float32


def test_the_panels_are_not_changed():
    panels = np.ones((3, 2, 2), np.uint8)
    panels.flags.writeable = False
    mosaic(panels, 2, fill=7)[...] = 5
    assert (panels == 1).all()


def test_a_numpy_number_of_columns():
    assert mosaic(np.ones((3, 2, 2)), np.int64(3)).shape == (2, 8)


@pytest.mark.parametrize("columns", [0, -1, 2.0, 1.5, "4", None, float("nan")])
def test_a_bad_number_of_columns_is_said_so(columns):
    with pytest.raises(OptionError, match=r"columns takes a whole number from 1. Received: "):
        mosaic(np.ones((3, 2, 2)), columns)


def test_a_tile_is_frozen():
    tile = Tile(np.zeros((1, 1), np.uint8), "title", "detail", "alt")
    with pytest.raises(FrozenInstanceError):
        tile.title = "other"
    assert (tile.cmap, tile.limits) == ("viridis", None)


PANELS = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=3, max_dims=3, max_side=7)
    | hnp.array_shapes(min_dims=3, max_dims=3, max_side=5).map(lambda shape: (*shape, 3)),
)


@tried
@given(panels=PANELS, columns=st.integers(1, 9), gap=st.integers(0, 3), fill=st.integers(0, 255))
def test_every_panel_is_in_its_place_and_all_else_is_filled(panels, columns, gap, fill):
    count, height, width, *_ = panels.shape
    grid = mosaic(panels, columns, gap, fill)
    rows = -(-count // columns)
    expected = (rows * (height + gap) - gap, columns * (width + gap) - gap, *panels.shape[3:])
    assert grid.shape == expected
    assert grid.dtype == panels.dtype
    rest = np.ones(grid.shape, bool)
    for place, panel in enumerate(panels):
        top, left = place // columns * (height + gap), place % columns * (width + gap)
        np.testing.assert_array_equal(grid[top : top + height, left : left + width], panel)
        rest[top : top + height, left : left + width] = False
    assert (grid[rest] == fill).all()
