"""ROAD: the probability as pixels are replaced by what their neighbours say of them, and noise.

Y. Rong, T. Leemann, V. Borisov, G. Kasneci, E. Kasneci, "A Consistent and Efficient Evaluation Strategy
for Attribution Methods", ICML 2022. A black patch is something that a network can see; a patch that
continues its surroundings hides what was there and adds nothing. Each missing pixel is the weighted
mean of its neighbours, missing ones among them, which is one sparse system of equations an image.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from importlib import import_module
from typing import ClassVar, Literal

import numpy as np

from kviz._types import Array
from kviz.attribution.methods._copies import copies
from kviz.attribution.options import option
from kviz.engine.backend import tf
from kviz.errors import OptionError
from kviz.extras import installed
from kviz.metrics.measures._ranked import ranks_of
from kviz.metrics.metric import Measured, Metric, On, Trial, random_of
from kviz.results.evaluation import Better

# What random numbers are drawn for.
NOISE = 3
DIRECT, DIAGONAL = 1 / 6, 1 / 12
NEIGHBOURS = tuple(
    (down, across, DIAGONAL if down and across else DIRECT)
    for down, across in itertools.product((-1, 0, 1), repeat=2)
    if down or across
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Road(Metric):
    """ROAD: how the probability falls as pixels are replaced by what their neighbours say of them.

    It asks SciPy for its sparse solver, which the extra `metrics` brings.

    Paper: Y. Rong, T. Leemann, V. Borisov, G. Kasneci, E. Kasneci, "A Consistent and Efficient
    Evaluation Strategy for Attribution Methods", ICML 2022.

    Equation: the mean over k of the probability without the share k of the pixels, each of which is
    1/6 of its direct neighbours and 1/12 of its diagonal ones, and noise. Lower is better when the
    pixels that count most go first (`"morf"`), higher when those that count least do (`"lerf"`).

    When: As `deletion`, with pixels replaced by what their neighbours suggest, which disturbs a
    model less than black.

    When not: In a hurry: a system of equations is solved for every share of every image.

    Args:
        order: `"morf"`: the largest values first; `"lerf"`: the smallest.
        steps: how many shares, equally far from each other, from above 0 to below 1: with 9 every
            tenth.
        noise: its deviation, as a share of the image's range of values; the authors' is 0.01 on the
            scale of their normalised images, whatever an image's range.
        on: `"probability"` of the class, or the `"score"` that was explained.

    >>> import kviz
    >>> cat, half = "notebooks/images/cat.png", Road(steps=1)
    >>> kviz.evaluate("models/squeezenet.keras", cat, "saliency", half, nulls=1).better
    ('lower',)
    """

    display_name: ClassVar[str] = "ROAD"
    kind: ClassVar[str] = "faithfulness"
    forward_passes: ClassVar[str] = "0"
    map_passes: ClassVar[str] = "steps"
    across: ClassVar[str] = "share of the pixels replaced"
    up: ClassVar[str] = "probability"

    order: Literal["morf", "lerf"] = "morf"
    steps: int = 9
    noise: float = option(0.01, least=0)
    on: On = "probability"

    @property
    def better(self) -> Better:
        """Which values are the better ones, as `Metric.better`."""
        return "lower" if self.order == "morf" else "higher"

    def validate_installed(self) -> None:
        """Import SciPy, as `Metric.validate_installed`."""
        installed("scipy", "road", "metrics")

    def measure(self, trial: Trial) -> Measured:
        """Return means and curves, as `Metric.measure`."""
        request, size = trial.on(self.on), trial.maps.shape[2:]
        if len(size) != 2:
            raise OptionError(
                "road is for images (N, H, W, channels) only: pixels have neighbours."
            )
        images = np.asarray(request.images)
        pixels, many = math.prod(size), len(trial.maps)
        at = np.arange(1, self.steps + 1) / (self.steps + 1)
        if pixels < 2:
            raise OptionError(
                "road replaces pixels by their neighbours, and the images have one each."
            )
        self.validate_installed()
        # One is left that the others are told by.
        counts = np.minimum(np.round(at * pixels).astype(int), pixels - 1)
        ranks = ranks_of(trial)
        ranks = ranks if self.order == "morf" else pixels - 1 - ranks
        scores = np.empty((len(images), many * self.steps))
        for rows, samples, owners in copies(request, many * self.steps):
            which, step = np.divmod(samples, self.steps)
            replaced = [
                self._replaced(images[row], ranks[one, row] < counts[place], request.seed)
                for row, one, place in zip(rows, which, step, strict=True)
            ]
            inputs = [np.asarray(tf.gather(array, rows)) for array in request.pixels]
            inputs[request.passes.place] = np.stack(replaced).astype(images.dtype)
            found = request.passes.scores(inputs, tf.gather(request.target, rows))[0].numpy()
            real = owners >= 0
            scores[rows[real], samples[real]] = found[real]
        curves = scores.reshape(-1, many, self.steps).swapaxes(0, 1)
        return Measured(values=curves.mean(axis=-1), curves=curves, at=at)

    def _replaced(self, image: Array, missing: Array, seed: int) -> Array:
        """Return an image in which the missing pixels are what their neighbours say, and noise."""
        found = imputed(image.astype(np.float64), missing)
        spread = self.noise * float(np.ptp(image))
        noise = spread * random_of(image, seed, NOISE).standard_normal(image.shape)
        return np.where(missing[..., None], found + noise, found)


def imputed(image: Array, missing: Array) -> Array:
    """Return an image in which each missing pixel is the weighted mean of its neighbours.

    Args:
        image: float64 `(H, W, channels)`.
        missing: bool `(H, W)`.

    >>> row = np.array([[[0.0], [5.0], [2.0]]])
    >>> imputed(row, np.array([[False, True, False]]))[0, 1].tolist()
    [1.0]
    """
    sparse, linalg = (import_module(f"scipy.{name}") for name in ("sparse", "sparse.linalg"))
    height, width = missing.shape
    ys, xs = np.nonzero(missing)
    place = np.full(missing.shape, -1)
    place[ys, xs] = np.arange(len(ys))
    weights, known = np.zeros(len(ys)), np.zeros((len(ys), image.shape[2]))
    entries = []
    for down, across, weight in NEIGHBOURS:
        y, x = ys + down, xs + across
        inside = np.flatnonzero((y >= 0) & (y < height) & (x >= 0) & (x < width))
        weights[inside] += weight
        there = place[y[inside], x[inside]]
        seen, unseen = inside[there < 0], inside[there >= 0]
        known[seen] += weight * image[y[seen], x[seen]]
        entries.append((unseen, there[there >= 0], np.full(len(unseen), -weight)))
    rows, columns, values = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    own = np.arange(len(ys))
    system = sparse.csc_matrix(
        (np.append(values, weights), (np.append(rows, own), np.append(columns, own))),
        shape=(len(ys), len(ys)),
    )
    found = image.copy()
    if len(ys):
        # This order, for symmetric systems, fills in less.
        solved = linalg.splu(
            system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0, options={"SymmetricMode": True}
        )
        found[ys, xs] = solved.solve(known)
    return found
