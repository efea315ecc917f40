"""Tiles that the tests of drawing share, and words that a stranger may have written on them."""

import io

import numpy as np
from PIL import Image

from kviz.draw.tile_png import tile_png
from kviz.tiles import Tile

RNG = np.random.default_rng(0)
HOSTILE = [
    "a\nb",
    "a\u202egnp.exe",
    "<img src=x onerror=alert(1)>",
    "\x00\x1b[31m",
    "\ud800",
    "{{7*7}}",
]


def tile(levels, title="conv1 · 4 channels", detail="Conv2D", alt="Four panels.", **options):
    return Tile(np.asarray(levels, np.uint8), title, detail, alt, **options)


def noise(*shape):
    return RNG.integers(0, 256, shape, np.uint8)


def opened(made):
    image = Image.open(io.BytesIO(tile_png(made)))
    image.load()
    return image
