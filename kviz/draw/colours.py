"""The colours of a tile: a colour map's, a class's, and the tile's own picture in RGB."""

from __future__ import annotations

import functools

import numpy as np

from kviz._checks import sanitise, suggest
from kviz.arrays import Levels
from kviz.errors import OptionError
from kviz.tiles import NEUTRAL, Tile


@functools.cache
def palette(cmap: str) -> Levels:
    """Return the 256 colours of a Matplotlib colour map.

    Args:
        cmap: a name that Matplotlib knows.

    Returns:
        uint8 array `(256, 3)`.

    Raises:
        OptionError: if there is no colour map of that name.

    >>> palette("viridis")[0].tolist()
    [68, 1, 84]
    """
    import matplotlib

    if cmap not in matplotlib.colormaps:
        raise OptionError(
            f"There is no colour map {sanitise(cmap)!r}. "
            f"{suggest(str(cmap), list(matplotlib.colormaps))}"
        )
    colours = matplotlib.colormaps[cmap].resampled(256)(np.arange(256))
    result: Levels = np.rint(colours[:, :3] * 255).astype(np.uint8)
    result.flags.writeable = False
    return result


@functools.cache
def class_colours() -> Levels:
    """Return colours to tell classes apart, the first ten the most: uint8 `(60, 3)`.

    >>> class_colours()[1].tolist()
    [255, 127, 14]
    """
    import matplotlib

    first, *others = (
        matplotlib.colormaps[name](np.arange(20))[:, :3] for name in ("tab20", "tab20b", "tab20c")
    )
    # Matplotlib's own ten, and then their light sisters.
    order = np.concatenate([first[::2], first[1::2], *others])
    colours: Levels = np.rint(255 * order).astype(np.uint8)
    colours.flags.writeable = False
    return colours


def coloured(tile: Tile) -> Levels:
    """Return a tile's picture in RGB.

    Args:
        tile: the tile.

    Returns:
        uint8 array `(H, W, 3)`.

    >>> coloured(Tile(np.zeros((1, 1), np.uint8), "", "", "")).tolist()
    [[[68, 1, 84]]]
    """
    if tile.levels.ndim == 3 and tile.gaps is None:
        return tile.levels
    picture = tile.levels.copy() if tile.levels.ndim == 3 else palette(tile.cmap)[tile.levels]
    if tile.gaps is not None:
        picture[tile.gaps] = NEUTRAL
    return picture
