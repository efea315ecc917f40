"""Pictures that come as numbers, of TIFF and DICOM: levels of grey or colours, or bands as they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from kviz.formats.bounds import validate_sides, validate_working
from kviz.formats.fitting import Wanted, fitted_array
from kviz.formats.levels import Span, ceiling_of, levels_of, over_white
from kviz.formats.pillow import validate_bands
from kviz.formats.tiff import Tiff

Array = npt.NDArray[Any]


def is_needed(tiff: Tiff) -> bool:
    """Return whether Pillow does not read a TIFF as it is, or takes more memory for it."""
    odd = tiff.bits not in (1, 2, 4, 8) or tiff.kind != "u"
    odd = odd or tiff.is_one_piece or tiff.samples > 4
    return odd or (tiff.samples > tiff.colours and not tiff.has_alpha)


def picture(pixels: Array, wanted: Wanted, name: str, turn: int = 1) -> Array:
    """Return levels `(H, W, bands)` of the wanted size, with the bands that are wanted."""
    if not wanted.shows_colours:
        pixels = pixels[..., validate_bands(pixels.shape[2], wanted, name)]
    return fitted_array(pixels, wanted, turn)


def read_tiff(tiff: Tiff, wanted: Wanted, name: str) -> Array:
    """Return a TIFF of many bits or bands, of the wanted size and bands, upright.

    Grey and RGB become levels, by their bits. What else it holds is taken as it is: bytes as levels,
    other numbers as float32.

    Raises:
        ImageError: if it is too large, broken, holds what is not finite, or not the bands wanted.
    """
    validate_sides(name, tiff.width, tiff.height)
    turn = tiff.orientation if 1 <= tiff.orientation <= 8 else 1
    is_picture = tiff.colours > 0 and (
        wanted.shows_colours or (wanted.bands is None and wanted.channels == 4 and tiff.has_alpha)
    )
    if is_picture:
        return fitted_array(_levels(tiff, wanted, name), wanted, turn)
    taken = validate_bands(tiff.samples, wanted, name)
    is_bytes = tiff.kind == "u" and tiff.bits <= 8
    pixels = tiff.width * tiff.height
    validate_working(name, pixels * (len(taken) + 1) * (1 if is_bytes else 4))
    values = np.empty((tiff.height, tiff.width, len(taken)), np.uint8 if is_bytes else np.float32)
    span = Span(name)
    for start, rows in tiff.rows(taken):
        span.sees(rows)
        values[start : start + len(rows)] = rows
    return fitted_array(values, wanted, turn)


def _levels(tiff: Tiff, wanted: Wanted, name: str) -> Array:
    """Return grey or RGB levels; alpha is laid under, or kept for a model of four channels."""
    keeps = tiff.has_alpha and not wanted.shows_colours
    bands = tuple(range(tiff.colours + tiff.has_alpha))
    made = tiff.colours + keeps
    validate_working(name, tiff.width * tiff.height * (made + 1))
    ceiling = ceiling_of(
        (rows for _, rows in tiff.rows(bands[: tiff.colours])), tiff.kind, tiff.bits, name
    )
    out = np.empty((tiff.height, tiff.width, made), np.uint8)
    for start, rows in tiff.rows(bands):
        levels = levels_of(rows, ceiling)
        colours = levels[..., : tiff.colours]
        if tiff.photometric == 0:
            colours = 255 - colours
        if tiff.has_alpha and not keeps:
            alpha = levels[..., -1]
            if tiff.extra[0] == 1:  # colours are multiplied by alpha already
                colours = np.minimum(colours.astype(np.uint16) + (255 - alpha)[..., None], 255)
            else:
                colours = over_white(colours, alpha)
        elif keeps:
            colours = np.concatenate([colours, levels[..., -1:]], axis=2)
        out[start : start + len(rows)] = colours
    return out
