"""LIME: a linear model of the score near the image, with segments as its features.

M. Ribeiro, S. Singh, C. Guestrin, "Why Should I Trust You?", KDD 2016: the coefficients of the ridge
regression of Y(z) on z, where each segment is kept (1) or replaced (0) at random; a sample's weight is
sqrt(exp(-distance(z, all kept) ** 2 / width ** 2)), as the authors' package has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, ClassVar, Literal

import numpy as np

from kviz._types import Array
from kviz.attribution.method import Found, Method, Request
from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.methods._superpixels import (
    coalition_scores,
    library,
    players,
    segmented,
    spread,
    validate_superpixels,
)
from kviz.attribution.options import option
from kviz.engine.backend import tf
from kviz.option_values import validate_baseline_or_segment, validate_segments


def _means(image: Array, segments: Array) -> Array:
    """Return an image whose pixels have their segment's mean colour."""
    flat = segments.reshape(-1)
    sizes = np.bincount(flat)[:, None]
    colours = image.reshape(len(flat), -1).T
    sums = np.stack([np.bincount(flat, weights=colour) for colour in colours], axis=1)
    return (sums / sizes)[flat].reshape(image.shape).astype(image.dtype)


@dataclass(frozen=True, kw_only=True, eq=False)
class Lime(Method):
    """LIME: a linear model of the score near the image, with superpixels as its features.

    As the authors' program has it, but for superpixels: SLIC's, not those of quickshift. It needs
    the extra `superpixels`.

    Paper: M. Ribeiro, S. Singh, C. Guestrin, "Why Should I Trust You?", KDD 2016.

    Equation: The coefficients of the ridge regression of Y(z) on z, where each segment is kept (1)
    or replaced (0) at random; a sample's weight is sqrt(exp(-distance(z, all kept)^2 / width^2)).

    When: Models without useful gradients: which superpixels a linear model of the score needs
    nearby.

    When not: Values that have to repeat or to add up: they depend on the superpixels, the samples
    and the width. Take `kernel_shap`.

    Args:
        segments: about how many superpixels (SLIC) per image, or an integer array of a map's size. Of a
            vector, by default each feature is one.
        samples: perturbed images, the first of which is the image itself.
        baseline: what replaces a segment: `"segment"`, its own mean colour, or of a vector, of which
            each feature would be its own mean, 0; or as `Occlusion` takes it.
        distance: `"cosine"`, or `"euclidean"`: the root of the number of segments replaced.
        width: of the kernel; by default .25 for cosine, and .75 times the root of the number of
            segments for euclidean.
        alpha: the ridge's penalty.

    >>> Lime(segments=30).distance
    'cosine'
    """

    display_name: ClassVar[str] = "LIME"
    kind: ClassVar[str] = "perturbation"
    forward_passes: ClassVar[str] = "1 + samples"
    backward_passes: ClassVar[str] = "0"
    extra: ClassVar[str] = "superpixels"

    layer_sized: ClassVar[bool] = True
    fixed_target: ClassVar[bool] = True

    segments: Any = option(50, check=validate_segments)
    samples: int = option(1000, least=2)
    baseline: Any = option("segment", check=validate_baseline_or_segment)
    distance: Literal["cosine", "euclidean"] = "cosine"
    width: float | None = option(None, above=0)
    alpha: float = option(1.0, least=0)

    def validate_installed(self, rank: int) -> None:
        """Import scikit-learn and what finds superpixels, as `Method.validate_installed`."""
        library("sklearn.linear_model", self.display_name)
        validate_superpixels(self.segments, rank, self.display_name)

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the input's size, as `Method.maps`."""
        self.validate_installed(request.images.ndim)
        labels = segmented(self.segments, request, self.display_name)
        taken = [
            self._kept(count, (request.seed, request.first + place))
            for place, count in enumerate(players(labels))
        ]
        scores, classes = request.scores()
        worth = coalition_scores(request, labels, taken, self._hidden(request, labels))
        values = [self._solved(kept, row) for kept, row in zip(taken, worth, strict=True)]
        return Found(maps=spread(values, labels), scores=scores, classes=classes)

    def _hidden(self, request: Request, labels: Array) -> Any:
        """Return what replaces the segments of each image."""
        if not isinstance(self.baseline, str) or self.baseline != "segment":
            return baseline_of(self.baseline, request)
        if request.images.ndim == 2:
            return baseline_of("black", request)
        pairs = zip(np.asarray(request.images), labels, strict=True)
        return tf.constant(np.stack([_means(image, segments) for image, segments in pairs]))

    def _kept(self, count: int, seed: tuple[int, int]) -> Array:
        kept: Array = tf.random.stateless_uniform([self.samples, count], seed).numpy() < 0.5
        kept[0] = True
        return kept

    def _solved(self, kept: Array, worth: Array) -> Array:
        count = kept.shape[1]
        share = kept.mean(axis=1)
        if self.distance == "cosine":
            square, width = (1 - np.sqrt(share)) ** 2, self.width or 0.25
        else:
            square, width = count * (1 - share), self.width or 0.75 * sqrt(count)
        weights = np.sqrt(np.exp(-square / width**2))
        fit = library("sklearn.linear_model", self.display_name).Ridge(alpha=self.alpha)
        fit.fit(kept.astype(np.float64), worth, sample_weight=weights)
        return np.asarray(fit.coef_)
