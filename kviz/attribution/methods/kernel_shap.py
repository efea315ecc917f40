"""Kernel SHAP: Shapley values as the solution of a weighted linear regression.

S. Lundberg, S.-I. Lee, "A Unified Approach to Interpreting Model Predictions", NIPS 2017, theorem 2:
the values v that minimise the sum over coalitions S of (n - 1) / (C(n, |S|) |S| (n - |S|)) *
(Y(S) - Y(baseline) - sum of v over S) ** 2, where all of v sum to Y(x) - Y(baseline).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any, ClassVar

import numpy as np

from kviz._types import Array
from kviz.attribution.method import Found, Method, Request
from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.methods._superpixels import (
    coalition_scores,
    gaps_from,
    library,
    players,
    segmented,
    spread,
    validate_superpixels,
)
from kviz.attribution.methods.shapley import subsets
from kviz.attribution.options import option
from kviz.engine.backend import tf
from kviz.errors import OptionError
from kviz.option_values import validate_baseline, validate_segments


@dataclass(frozen=True, kw_only=True, eq=False)
class KernelShap(Method):
    """Kernel SHAP: Shapley values of superpixels, as the solution of a weighted linear regression.

    Exact where all coalitions fit into `samples`; otherwise coalitions are drawn by the kernel's
    weights, each with its complement. The segments' values add up to Y(x) - Y(baseline): the result's
    `gaps` say how nearly. It needs the extra `superpixels`.

    Paper: S. Lundberg, S.-I. Lee, "A Unified Approach to Interpreting Model Predictions", NIPS
    2017.

    Equation: The v that minimise the sum over coalitions S of (n - 1) / (C(n, |S|) |S| (n - |S|)) *
    (Y(S) - Y(baseline) - sum of v over S)^2, and sum to Y(x) - Y(baseline).

    When: Models without useful gradients: evidence by superpixels that adds up to the score's
    difference to the baseline.

    When not: Fine detail; in a hurry. The answer depends on the superpixels and on what covers
    them.

    Args:
        segments: about how many superpixels (SLIC) per image, or an integer array of a map's size. Of a
            vector, by default each feature is one.
        samples: coalitions per image, at least as many as segments and two.
        baseline: what replaces those who have not joined, as `Occlusion` takes it.

    >>> KernelShap(samples=2000).segments
    50
    """

    display_name: ClassVar[str] = "Kernel SHAP"
    kind: ClassVar[str] = "perturbation"
    forward_passes: ClassVar[str] = "1 + samples"
    backward_passes: ClassVar[str] = "0"
    extra: ClassVar[str] = "superpixels"

    layer_sized: ClassVar[bool] = True
    fixed_target: ClassVar[bool] = True

    segments: Any = option(50, check=validate_segments)
    samples: int = option(1000, least=2)
    baseline: Any = option("black", check=validate_baseline)

    def validate_installed(self, rank: int) -> None:
        """Import scikit-learn and what finds superpixels, as `Method.validate_installed`."""
        library("sklearn.linear_model", self.display_name)
        validate_superpixels(self.segments, rank, self.display_name)

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the input's size, as `Method.maps`."""
        self.validate_installed(request.images.ndim)
        labels = segmented(self.segments, request, self.display_name)
        counts = players(labels)
        if max(counts) + 2 > self.samples and 2 ** max(counts) > self.samples:
            raise OptionError(
                f"{self.samples} samples are too few for {max(counts)} segments. Take at least "
                f"{max(counts) + 2}, better several times as many, or fewer segments."
            )
        drawn = [
            self._coalitions(count, (request.seed, request.first + place))
            for place, count in enumerate(counts)
        ]
        longest = max(len(coalitions) for coalitions, _ in drawn)
        # Images with fewer segments can have fewer coalitions: what is added has no weight.
        taken = [np.resize(coalitions, (longest, coalitions.shape[1])) for coalitions, _ in drawn]
        weights = [np.pad(weight, (0, longest - len(weight))) for _, weight in drawn]
        scores, classes = request.scores()
        worth = coalition_scores(request, labels, taken, baseline_of(self.baseline, request))
        values = [_solved(*parts) for parts in zip(taken, weights, worth, strict=True)]
        gaps = gaps_from(values, scores, worth[:, 0])
        return Found(maps=spread(values, labels), scores=scores, classes=classes, gaps=gaps)

    def _coalitions(self, count: int, seed: tuple[int, int]) -> tuple[Array, Array]:
        """Return coalitions, the empty and the full one first, and each one's weight."""
        ends = np.array([[False] * count, [True] * count])
        if 2**count <= self.samples:
            proper = subsets(count)[1:-1]
            sizes = proper.sum(1)
            weights = [(count - 1) / (comb(count, s) * s * (count - s)) for s in sizes.tolist()]
            return np.concatenate([ends, proper]), np.array([0, 0, *weights])
        first, second = tf.random.split(seed, 2)
        half = self.samples // 2
        sizes = np.arange(1, count)
        shares = np.cumsum(1 / (sizes * (count - sizes)))
        draw = tf.random.stateless_uniform([half], first).numpy() * shares[-1]
        chosen = sizes[np.searchsorted(shares, draw).clip(max=count - 2)]
        order = tf.random.stateless_uniform([half, count], second).numpy().argsort(axis=1)
        proper = order.argsort(axis=1) < chosen[:, None]
        both = np.stack([proper, ~proper], axis=1).reshape(-1, count)[: self.samples - 2]
        return np.concatenate([ends, both]), np.array([0, 0, *np.ones(len(both))])


def _solved(coalitions: Array, weights: Array, worth: Array) -> Array:
    """Return the values that sum to what the full coalition gains over the empty one."""
    gain = worth[1] - worth[0]
    count = coalitions.shape[1]
    sizes = coalitions.mean(axis=1)
    if not weights.any():
        return np.full(count, gain / count)
    # Values less their mean sum to 0: so does the shortest solution for rows less their mean.
    fit = library("sklearn.linear_model", KernelShap.display_name).LinearRegression(
        fit_intercept=False
    )
    fit.fit(coalitions - sizes[:, None], worth - worth[0] - sizes * gain, sample_weight=weights)
    return np.asarray(fit.coef_ + gain / count)
