"""Colours of a tile, against Matplotlib's own."""

import matplotlib as mpl
import numpy as np
import pytest
from draw_tiles import noise, tile

from kviz.draw.colours import coloured, palette
from kviz.errors import OptionError


@pytest.mark.parametrize("cmap", ["viridis", "bwr", "gray", "tab10"])
def test_palette_is_matplotlibs(cmap):
    colours = np.rint(mpl.colormaps[cmap](np.linspace(0, 1, 256))[:, :3] * 255)
    np.testing.assert_array_equal(palette(cmap), colours)
    with pytest.raises(ValueError, match="read-only"):
        palette(cmap)[0] = 0


@pytest.mark.parametrize("cmap", ["viridi", "", "a\nb", "x" * 5000])
def test_an_unknown_colour_map_is_said_so(cmap):
    with pytest.raises(OptionError, match="There is no colour map") as caught:
        palette(cmap)
    assert "\n" not in str(caught.value)


def test_near_colour_maps_are_named():
    with pytest.raises(OptionError, match="'viridis'"):
        palette("viridi")


def test_coloured():
    levels = noise(5, 6)
    np.testing.assert_array_equal(coloured(tile(levels)), palette("viridis")[levels])
    rgb = noise(5, 6, 3)
    np.testing.assert_array_equal(coloured(tile(rgb)), rgb)
