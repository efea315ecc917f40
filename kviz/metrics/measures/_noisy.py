"""What metrics of stability share: how far maps move when the image moves a little."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np

from kviz._types import Array
from kviz.arrays import is_picture, pixel_span
from kviz.errors import OptionError
from kviz.metrics.measures._alike import rank_correlation
from kviz.metrics.metric import Trial

# What random numbers are drawn for.
NOISE = 10

Distance = Literal["l2", "spearman"]


def moves(trial: Trial, samples: int, radius: float, distance: Distance = "l2") -> Array:
    """Return how far each map is from those of the image with noise.

    A null moves as what makes it does: random numbers are drawn anew, the edges are those of the image
    with noise, and the middle stays.

    Args:
        trial: the images and maps.
        samples: how often noise is drawn.
        radius: of the noise, a share of each image's range.
        distance: `"l2"`, the norm of the difference by the map's own, where that is not 0; or
            `"spearman"`, one less the correlation of ranks.

    Returns:
        Float64 `(samples, maps, N)`.

    Raises:
        OptionError: if the input is of whole numbers that are no pixels.
    """
    if trial.again is None:
        raise ValueError("A map has to be made again.")
    before = trial.maps.reshape(*trial.maps.shape[:2], -1)
    found = np.empty((samples, *before.shape[:2]))
    for own, images in zip(found, noisy(trial, samples, radius), strict=True):
        after = trial.again.beside_nulls(images).reshape(before.shape)
        if distance == "l2":
            norms = np.linalg.norm(before, axis=2)
            own[:] = np.linalg.norm(after - before, axis=2) / np.where(norms == 0, 1, norms)
        else:
            same = (after == before).all(axis=2)
            ranked = np.stack([rank_correlation(*pair) for pair in zip(before, after, strict=True)])
            own[:] = np.where(same, 0, 1 - ranked)
    return found


def noisy(trial: Trial, samples: int, radius: float) -> Iterator[Array]:
    """Give the images with noise `(N, …)`, so often; arguments as `moves` takes them."""
    passes = trial.request.passes
    kind = passes.specs[passes.input_name].dtype
    if not kind.is_floating:
        raise OptionError(
            "A little noise is added to the input, which takes whole numbers that are no pixels: "
            f"{kind.name}. Choose another metric."
        )
    images = np.asarray(trial.request.images, np.float64)
    axes = tuple(range(1, images.ndim))
    width = radius * (images.max(axis=axes) - images.min(axis=axes))
    spans = [pixel_span(image) if is_picture(images) else (-np.inf, np.inf) for image in images]
    randoms = list(trial.randoms(NOISE))
    for _ in range(samples):
        yield np.stack(
            [
                np.clip(image + random.uniform(-most, most, image.shape), *span)
                for image, random, most, span in zip(images, randoms, width, spans, strict=True)
            ]
        )
