"""XRAI: regions of the image, ranked by how much integrated gradients they hold.

A. Kapishnikov et al., "XRAI: Better Attributions Through Regions", ICCV 2019: of overlapping regions,
those of segmentations at several scales, the one is taken next whose new pixels have the largest mean
attribution, which these pixels then keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz._checks import sanitise
from kviz._types import Array
from kviz.attribution.method import Found, Method, Request
from kviz.attribution.methods._perturb import spatial
from kviz.attribution.methods._superpixels import library
from kviz.attribution.methods.integrated_gradients import IntegratedGradients
from kviz.attribution.options import option
from kviz.errors import OptionError
from kviz.option_values import validate_baseline_or_none, validate_segments

# The authors' settings, for images brought to this size and to -1..1.
SIDE, SCALES, SIGMA, LEAST, REACH = 224, (50, 100, 150, 250, 500, 1200), 0.8, 150, 5


def _segments(name: str, value: Any) -> Any:
    if value is None:
        return None
    given = validate_segments(name, value) if isinstance(value, list | tuple | np.ndarray) else None
    if not isinstance(given, np.ndarray):
        raise OptionError(
            f"{name} takes an integer array or None. Received: {sanitise(repr(value))}"
        )
    return given


@dataclass(frozen=True, kw_only=True, eq=False)
class Xrai(Method):
    """XRAI: regions of the image, ranked by how much integrated gradients they hold.

    Of a pixel's channels the largest counts, as in the authors' program. It needs
    the extra `superpixels`, unless regions are given.

    Paper: A. Kapishnikov et al., "XRAI: Better Attributions Through Regions", ICCV 2019.

    Equation: The mean of integrated gradients over the pixels that a region adds to those of the
    regions taken before; the next region is the one where it is largest.

    When: Whole regions in the order of their importance, for a figure that people read at once.

    When not: Signs; single pixels; objects that the segmentation cuts wrongly.

    Args:
        segments: an integer array of a map's size, or several of them `(scales, …)`: the regions of
            each. By default Felzenszwalb's at six scales, each region widened by five pixels.
        baseline: of integrated gradients, as `IntegratedGradients` takes it; by default the mean over
            black and white, as in the paper.
        steps: points on the way from each baseline.
        min_size: leave out what adds fewer pixels; by default a thousandth of the image's. Pixels that
            no region takes have the mean of theirs.

    >>> Xrai(steps=32).baseline is None
    True
    """

    display_name: ClassVar[str] = "XRAI"
    kind: ClassVar[str] = "path integral"
    forward_passes: ClassVar[str] = "2 * (2 + steps)"
    backward_passes: ClassVar[str] = "2 * steps"
    extra: ClassVar[str] = "superpixels"

    layer_sized: ClassVar[bool] = True
    fixed_target: ClassVar[bool] = True

    segments: Any = option(None, check=_segments)
    baseline: Any = option(None, check=validate_baseline_or_none)
    steps: int = 64
    min_size: int | None = None

    def validate_installed(self, rank: int) -> None:
        """Import what finds regions, as `Method.validate_installed`."""
        if self.segments is None and rank == 4:
            library("skimage.segmentation", self.display_name)

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the input's size, as `Method.maps`."""
        size = spatial(request)
        regions = self._given(size)
        least = self.min_size or max(1, int(np.prod(size)) // 1000)
        baselines = ("black", "white") if self.baseline is None else (self.baseline,)
        found = [
            IntegratedGradients(baseline=low, steps=self.steps).maps(request) for low in baselines
        ]
        values = np.mean([np.asarray(one.maps, np.float64) for one in found], axis=0)
        if values.ndim > len(size) + 1:
            values = values.max(-1)
        images = np.asarray(request.images, np.float64)
        maps = [
            _ranked(value, _regions(image) if regions is None else regions, least)
            for value, image in zip(values, images, strict=True)
        ]
        return Found(
            maps=np.array(maps, np.float32), scores=found[0].scores, classes=found[0].classes
        )

    def _given(self, size: tuple[int, ...]) -> Array | None:
        """Return the regions that were given, bool `(regions, …)`, None where they are made."""
        if self.segments is None:
            if len(size) != 2:
                raise OptionError("xrai finds regions of pictures only; give segments for others.")
            self.validate_installed(len(size) + 2)
            return None
        given = np.asarray(self.segments)
        if given.shape[-len(size) :] != size or given.ndim > len(size) + 1:
            raise OptionError(
                f"segments has the size of a map, {size}, and before it at most one axis of scales. "
                f"Received: {given.shape}"
            )
        return _unpacked(given.reshape(-1, *size))


def _unpacked(scales: Array) -> Array:
    """Return the regions of several segmentations, bool `(regions, …)`."""
    ones = [1] * (scales.ndim - 1)
    return np.concatenate([scale == np.unique(scale).reshape(-1, *ones) for scale in scales])


def _regions(image: Array) -> Array:
    """Return the regions of an image `(H, W, channels)` at several scales, bool `(regions, H, W)`."""
    transform, morphology, segmentation = (
        library(f"skimage.{name}", Xrai.display_name)
        for name in ("transform", "morphology", "segmentation")
    )
    felzenszwalb = segmentation.felzenszwalb
    if image.shape[-1] != 3:
        # It knows grey and colours.
        image = image.mean(-1, keepdims=True)
    low, high = image.min(), image.max()
    unit = 2 * (image - low) / (high - low if high > low else 1) - 1
    small = transform.resize(
        unit, (SIDE, SIDE), order=3, mode="constant", preserve_range=True, anti_aliasing=True
    )
    scales = []
    for scale in SCALES:
        labels = felzenszwalb(small, scale=scale, sigma=SIGMA, min_size=LEAST, channel_axis=-1)
        scales.append(
            transform.resize(
                labels, image.shape[:2], order=0, mode="constant",
                preserve_range=True, anti_aliasing=False,
            ).astype(int)
        )  # fmt: skip
    wider = morphology.disk(REACH)
    return np.stack(
        [morphology.dilation(one, footprint=wider) for one in _unpacked(np.stack(scales))]
    )


def _ranked(values: Array, regions: Array, least: int) -> Array:
    """Return the mean that each pixel's region had when it was taken.

    Args:
        values: attributions `(…)`.
        regions: bool `(regions, …)`.
        least: how many pixels a region has to add.
    """
    flat, members = values.reshape(-1), regions.reshape(len(regions), -1)
    result = np.empty_like(flat)
    free = np.ones(len(flat), bool)
    # What is left of each region; what is taken leaves all of them once.
    counts, sums = members.sum(1), members @ flat
    while (counts >= least).any():
        means = np.where(counts >= least, sums / np.maximum(counts, 1), -np.inf)
        new = np.flatnonzero(members[means.argmax()] & free)
        result[new] = flat[new].mean()
        free[new] = False
        gone = members[:, new]
        counts, sums = counts - gone.sum(1), sums - gone @ flat[new]
    if free.any():
        result[free] = flat[free].mean()
    return result.reshape(values.shape)
