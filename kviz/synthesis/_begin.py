"""What the verbs share that begin with noise: the image's size, a pass a batch, a seed an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kviz._checks import validate_int
from kviz._types import Array, Progress
from kviz.engine.passes import Score
from kviz.errors import OptionError
from kviz.images import validate_size
from kviz.inputs import passes_for
from kviz.network.network import Network
from kviz.synthesis._ascent import Ascent, Climbed, climb, joined
from kviz.synthesis._parametrizations import (
    Colours,
    Fourier,
    Maco,
    Parametrization,
    Pixels,
    colours_of,
)

NAMES = ("pixel", "fourier", "maco")


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
    name: str, size: tuple[int, int], statistics: Any, network: Network
) -> Parametrization:
    """Return a parametrization by its name.

    Args:
        name: `"pixel"`, `"fourier"` or `"maco"`.
        size: height and width.
        statistics: photos `(N, H, W, channels)` whose colours count, or None for ImageNet's.
        network: the network.
    """
    if name == "pixel":
        return Pixels()
    if statistics is None:
        colours = Colours()
    else:
        photos = np.asarray(statistics, float)
        if photos.ndim != 4 or photos.shape[-1] != network.channels:
            raise OptionError(
                f"statistics takes photos (N, H, W, {network.channels}). Received: {photos.shape}"
            )
        colours = colours_of(photos)
    return Fourier(size, colours) if name == "fourier" else Maco(size, colours)


def begun(
    network: Network,
    score: Score,
    ascent: Ascent,
    target: Array,
    size: tuple[int, int],
    *,
    steps: int,
    batch_size: int,
    seed: Sequence[int],
    contrast: float = 1.0,
    params: Array | None = None,
    film: bool = False,
    progress: Progress | None = None,
) -> Climbed:
    """Go up for each target, a batch at a time, from noise unless parameters are given.

    Args:
        network: the network.
        score: what grows.
        ascent: the pieces.
        target: int32 `(N,)`.
        size: height and width of what the parametrization makes.
        steps: how many.
        batch_size: images in flight at once.
        seed: whole numbers; each image's own place is put behind.
        contrast: of the noise.
        params: to begin with, `(N, …)`.
        film: whether to keep frames.
        progress: called with (steps done, steps in all).
    """
    validate_int("steps", steps)
    validate_int("seed", seed[0], 0)
    channels = network.channels or 3
    name, *_ = network.pixels(np.zeros((1, *size, channels)))
    parts: list[Climbed] = []
    counts = []
    blank = {name: np.zeros((len(target), *size, channels), np.float32)}
    chunks = list(network.engine.chunks(blank, batch_size))
    total = len(chunks) * steps
    for start, stop, chunk in chunks:
        places = np.arange(start, start + len(chunk[0])).clip(max=stop - 1)
        seeds = np.array([(*seed, int(place)) for place in places])
        passes = passes_for(network, score, blank, name)
        done = len(parts) * steps
        if params is None:
            first = ascent.parametrization.start(seeds, size, channels, contrast)
        else:
            first = params[places]
        went = climb(
            passes, ascent, chunk, target[places], first, steps=steps, seed=int(seed[0]), film=film,
            progress=progress and (lambda now, _: progress(done + now, total)),  # noqa: B023
        )  # fmt: skip
        parts.append(went)
        counts.append(stop - start)
        if went.stopped:
            break
    return joined(parts, counts)
