"""What the averages share: a class's probability, and what is left of it where the map hides things."""

from __future__ import annotations

from typing import Any

import numpy as np

from kviz._types import Array
from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.methods._perturb import perturbed_scores
from kviz.engine.backend import tf
from kviz.errors import OptionError
from kviz.metrics.metric import Trial

# How far rounding takes a probability beyond 1.
NEAR = 1e-5
# What is no rise, but rounding.
ROUNDING = 1e-6


def probabilities(trial: Trial, name: str, baseline: Any) -> tuple[Array, Array]:
    """Return probabilities of images, and of them as far as their maps let them through.

    What a map has above 0 is scaled to 0-1 by its smallest and largest value; one that is the same
    everywhere, which says nothing, lets nothing through.

    Args:
        trial: the images and maps.
        name: the metric, for the error.
        baseline: what stands where nothing is let through; None for black.

    Returns:
        Float64 `(N,)` and `(maps, N)`.

    Raises:
        OptionError: if the model gives no probabilities.
    """
    request = trial.on("probability")
    before = request.scores()[0].numpy().astype(np.float64)
    if (before < -NEAR).any() or (before > 1 + NEAR).any():
        raise OptionError(
            f"{name} takes a class's probability, from 0 to 1. "
            f"Received: {float(before[np.abs(before - 0.5).argmax()]):.4g}"
        )
    shares = _scaled(trial.maps).swapaxes(0, 1).astype(np.float32)

    def drawn(_: Array, samples: Array) -> list[Array]:
        return [samples.astype(np.int32)]

    low = baseline_of("black" if baseline is None else baseline, request)
    after, _ = perturbed_scores(
        request, "masked", _shares, len(trial.maps), drawn, low, shared=[shares]
    )
    return before, after.T


def _scaled(maps: Array) -> Array:
    # Evidence against the class, and what counts for nothing, is to stay hidden.
    axes, maps = tuple(range(2, maps.ndim)), maps.clip(min=0)
    low, high = maps.min(axis=axes, keepdims=True), maps.max(axis=axes, keepdims=True)
    scaled: Array = (maps - low) / np.where(high > low, high - low, 1)
    return scaled


def _shares(rows: Any, size: Any, shares: Any, which: Any) -> Any:  # noqa: ARG001
    """Return the shares `(N, maps, *size)` of rows."""
    return tf.gather_nd(shares, tf.stack([rows, which], axis=1))
