"""What the verbs share: the image's size, colours, a pass a batch, a seed an image."""

from __future__ import annotations

from typing import Any

import numpy as np

from kviz._caller import spelled
from kviz._checks import sanitise
from kviz._types import Array
from kviz.engine.passes import Passes, Score
from kviz.errors import OptionError
from kviz.images import is_small, validate_size
from kviz.look import takes_bytes
from kviz.network.network import Network
from kviz.synthesis._ascent import Ascent, Climbed, Run, climb, joined
from kviz.synthesis._parametrizations import (
    Fourier,
    Maco,
    Parametrization,
    Pixels,
    colours_of,
    usual_colours,
)

NAMES = ("pixel", "fourier", "maco")


def validate_photos(statistics: Any, target_size: Any) -> Array | None:
    """Return photos whose colours count, float32, checked as far as that needs no model.

    Args:
        statistics: photos `(N, H, W, channels)` in 0-255, or None.
        target_size: as `image_size` takes it.

    Raises:
        OptionError: if one of them is not what it takes.
    """
    if target_size is not None:
        validate_size(target_size, (None, None))
    if statistics is None:
        return None
    try:
        photos = np.asarray(statistics, np.float32)
    except (TypeError, ValueError):
        photos = np.zeros(0, np.float32)
    if photos.ndim == 4 and photos.size and is_small(np.asarray(statistics)):
        raise OptionError(
            f"{spelled('statistics')} takes photos in 0-255. Received: values up to {photos.max():g}"
        )
    if photos.ndim != 4 or not photos.size or not (photos.min() >= 0 and photos.max() <= 255):
        raise OptionError(
            f"{spelled('statistics')} takes photos (N, H, W, channels) in 0-255. "
            f"Received: {sanitise(getattr(statistics, 'shape', repr(statistics)))}"
        )
    return photos


def image_size(network: Network, target_size: Any) -> tuple[int, int]:
    """Return the height and width of the images to make.

    Args:
        network: the network.
        target_size: a pair or a number; None for the model's own, or 224 where that is free.

    Raises:
        OptionError: if it does not fit the model, or the model takes no photo.
    """
    shapes = network.input_shapes
    if shapes is not None and [len(shape) for shape in shapes] != [4]:
        raise OptionError(
            "This verb makes images for models that take one photo, (N, H, W, channels)."
        )
    own = network.image_size
    if target_size is None:
        return own[0] or 224, own[1] or 224
    return validate_size(target_size, own)


def parametrized(
    name: str, size: tuple[int, int], photos: Array | None, channels: int
) -> Parametrization:
    """Return a parametrization by its name.

    Args:
        name: `"pixel"`, `"fourier"` or `"maco"`.
        size: height and width.
        photos: those whose colours count, or None for ImageNet's.
        channels: of the images to make.
    """
    if photos is not None and photos.shape[-1] != channels:
        raise OptionError(
            f"{spelled('statistics')} takes photos (N, H, W, {channels}) for this model. "
            f"Received: {photos.shape}"
        )
    if name == "pixel":
        return Pixels()
    colours = usual_colours(channels) if photos is None else colours_of(photos)
    return Fourier(size, colours) if name == "fourier" else Maco(size, colours)


def blank_specs(network: Network, size: tuple[int, int]) -> dict[str, Any]:
    """Return what functions are compiled for that take images to be made, as `Network.specs`."""
    return network.specs(network.pixels(np.zeros((1, *size, network.channels or 3), np.float32)))


def notes_of_range(network: Network, size: tuple[int, int]) -> list[str]:
    """Return what is to be said where it is not known that a model takes pixels 0-255.

    Args:
        network: the network.
        size: height and width.
    """
    blank = network.pixels(np.zeros((1, *size, network.channels or 3), np.float32))
    if network.preprocess is not None or takes_bytes(network, blank, next(iter(blank))):
        return []
    return [
        f"Made of pixels 0-255; where the model takes other values, {spelled('preprocess')} says how."
    ]


def begun(
    network: Network,
    score: Score,
    ascent: Ascent,
    target: Array,
    size: tuple[int, int],
    run: Run,
    *,
    attempt: int | None = None,
    params: Array | None = None,
) -> Climbed:
    """Go up for each target, a batch at a time, from noise unless parameters are given.

    Args:
        network: the network.
        score: what grows.
        ascent: the pieces.
        target: int32 `(N,)`.
        size: height and width of what the parametrization makes.
        run: how far; each image's own place is put behind the seed.
        attempt: which one it is, where there are several: of other noise, of four times the contrast.
        params: to begin with, `(N, …)`.
    """
    channels = network.channels or 3
    name, *_ = network.pixels(np.zeros((1, *size, channels), np.float32))
    blank = {name: np.zeros((len(target), *size, channels), np.float32)}
    passes = Passes(network.engine, score, blank, name)
    seed = (run.seed,) if attempt is None else (run.seed, attempt)
    parts: list[Climbed] = []
    counts = []
    chunks = list(network.engine.chunks(blank, run.batch_size))
    for start, stop, chunk in chunks:
        places = np.arange(start, start + len(chunk[0])).clip(max=stop - 1)
        if params is None:
            seeds = [(*seed, int(place)) for place in places]
            contrast = 4.0 ** (attempt or 0)
            first = ascent.parametrization.start(seeds, size, channels, contrast)
        else:
            first = params[places]
        went = climb(
            passes, ascent, chunk, target[places], first, run.part(len(parts), len(chunks))
        )
        parts.append(went)
        counts.append(stop - start)
        if went.stopped:
            break
    return joined(parts, counts)
