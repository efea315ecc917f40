"""Infidelity: how far what a map says of a perturbation is from how far the score falls with it.

C.-K. Yeh, C.-Y. Hsieh, A. S. Suggala, D. I. Inouye, P. Ravikumar, "On the (In)fidelity and Sensitivity
of Explanations", NeurIPS 2019. Their perturbations I are two kinds of thing. Where a part of the image
gives way to a baseline, a map is to say what the part adds: it is summed over it. Noise asks for
slopes: each is multiplied by its pixel's noise, which is the same in all channels, as maps are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from kviz._types import Array
from kviz.attribution.method import Request
from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.options import option
from kviz.engine.backend import tf
from kviz.metrics.measures._subsets import cells_of, counted, drawing, falls, without_subsets
from kviz.metrics.metric import Measured, Metric, On, Trial, validate_cover
from kviz.results.evaluation import Better

# What random numbers are drawn for.
SQUARES, SLOPES = 4, 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Infidelity(Metric):
    """Infidelity: how far what a map says of perturbations is from how far the score falls with them.

    Maps that say what each pixel adds (`integrated_gradients`, `input_x_gradient`, `shapley`) are for
    `"square"` and `"subset"`, slopes (`gradient`) for `"noise"`.

    Paper: C.-K. Yeh, C.-Y. Hsieh, A. S. Suggala, D. I. Inouye, P. Ravikumar, "On the (In)fidelity and
    Sensitivity of Explanations", NeurIPS 2019, definition 2.1; the best scale is their section 5's.

    Equation: the mean over perturbations I of (b I·map - (f(x) - f(x - I)))², where b is 1, or the best
    scale E[I·map (f(x) - f(x - I))] / E[(I·map)²], 0 where this is below it. Lower is better.

    When: Signed maps whose values claim how far the score falls.

    When not: Maps that only rank pixels, such as class activation maps: take `deletion` or
    `mu_fidelity`.

    Args:
        perturbation: `"square"`: a square of pixels gives way to the baseline, of any size up to
            `largest`, anywhere; `"subset"`: as many cells of a grid as `share` says; `"noise"`:
            Gaussian noise is taken away, whatever the baseline.
        samples: how many perturbations, each a forward pass per image.
        largest: the largest square's side, as a share of the image's shorter one.
        cells: of the grid along each axis, at most, or a number for each; all are of one size.
        share: of the cells that a subset has.
        noise: its deviation, as a share of the image's range of values.
        scaled: whether the map's scale does not count, since most methods' means nothing: each map is
            taken at its best one. A map that points the wrong way is taken as none.
        baseline: what stands where pixels are removed, as `Deletion` takes it.
        on: the `"score"` that was explained, or the `"probability"` of the class.

    >>> import kviz
    >>> cat, few = "notebooks/images/cat.png", Infidelity(samples=4, perturbation="noise")
    >>> kviz.evaluate("models/squeezenet.keras", cat, "gradient", few, nulls=1).measures()
    ['infidelity']
    """

    display_name: ClassVar[str] = "Infidelity"
    kind: ClassVar[str] = "faithfulness"
    forward_passes: ClassVar[str] = "1 + samples"

    perturbation: Literal["square", "subset", "noise"] = "square"
    samples: int = option(200, least=2)
    largest: float = option(0.35, above=0, below=1)
    cells: int | tuple[int, ...] = 9
    share: float = option(0.2, above=0, below=1)
    noise: float = option(0.1, above=0)
    scaled: bool = True
    baseline: Any = option(None, check=validate_cover)
    on: On = "score"

    @property
    def better(self) -> Better:
        """Which values are the better ones, as `Metric.better`."""
        return "lower"

    @property
    def takes_baselines(self) -> bool:
        """Whether it is measured with each baseline, as `Metric.takes_baselines`."""
        return self.perturbation != "noise" and super().takes_baselines

    def measure(self, trial: Trial) -> Measured:
        """Return mean squares, as `Metric.measure`."""
        kinds = {"square": self._squares, "subset": self._subsets, "noise": self._slopes}
        said, falls = kinds[self.perturbation](trial, trial.on(self.on))
        if self.scaled:
            squares = (said**2).sum(axis=-1, keepdims=True)
            products = (said * falls).sum(axis=-1, keepdims=True)
            best = np.divide(products, squares, out=np.zeros(squares.shape), where=squares > 0)
            said = best.clip(min=0) * said
        return Measured(values=((said - falls) ** 2).mean(axis=-1))

    def _subsets(self, trial: Trial, request: Request) -> tuple[Array, Array]:
        cells = cells_of(self.cells, trial.maps.shape[2:])
        counts = np.full(self.samples, counted(self.share, cells))
        return without_subsets(trial, request, cells=cells, counts=counts, baseline=self.baseline)

    def _squares(self, trial: Trial, request: Request) -> tuple[Array, Array]:
        maps, size = trial.maps, trial.maps.shape[2:]
        said = np.empty((*maps.shape[:2], self.samples))
        draw = drawing(trial, SQUARES)
        most = max(1, math.floor(self.largest * min(size)))

        def drawn(rows: Array, samples: Array) -> list[Array]:
            corners = np.empty((len(rows), len(size)), np.int32)
            sides = np.empty(len(rows), np.int32)
            for at, (row, sample) in enumerate(zip(rows, samples, strict=True)):
                random = draw(row, sample)
                sides[at] = random.integers(1, most, endpoint=True)
                corners[at] = random.integers(0, np.array(size) - sides[at], endpoint=True)
                inside = tuple(slice(corner, corner + sides[at]) for corner in corners[at])
                said[:, row, sample] = maps[:, row][(slice(None), *inside)].sum(
                    axis=tuple(range(1, len(size) + 1))
                )
            return [corners, sides]

        low = baseline_of("black" if self.baseline is None else self.baseline, request)
        return said, falls(request, f"squares {len(size)}", _outside, self.samples, drawn, low)

    def _slopes(self, trial: Trial, request: Request) -> tuple[Array, Array]:
        maps, images = trial.maps, np.asarray(request.images)
        said = np.empty((*maps.shape[:2], self.samples))
        draw = drawing(trial, SLOPES)
        spread = self.noise * np.ptp(images.reshape(len(images), -1), axis=1)

        def drawn(rows: Array, samples: Array) -> list[Array]:
            noise = np.empty((len(rows), *maps.shape[2:]), np.float32)
            for own, row, sample in zip(noise, rows, samples, strict=True):
                own[:] = draw(row, sample).standard_normal(own.shape)
                said[:, row, sample] = spread[row] * np.tensordot(maps[:, row], own, own.ndim)
            return [noise]

        # What is kept is 1 - noise of (x - low), and x - low is the noise's deviation everywhere.
        low = images - spread.reshape(-1, *[1] * (images.ndim - 1))
        low = tf.convert_to_tensor(low.astype(images.dtype))
        return said, falls(request, "slopes", _less, self.samples, drawn, low)


def _outside(rows: Any, size: Any, corners: Any, sides: Any) -> Any:  # noqa: ARG001
    """Return 0 in squares with corners `(B, axes)` and sides `(B,)`, else 1: `(B, *size)`."""
    axes = int(size.shape[0])
    inside = tf.ones([tf.shape(sides)[0], *[1] * axes], tf.bool)
    for axis in range(axes):
        away = tf.range(size[axis]) - corners[:, axis, None]
        within = (away >= 0) & (away < sides[:, None])
        inside &= tf.reshape(within, [-1, *[size[axis] if a == axis else 1 for a in range(axes)]])
    return 1 - tf.cast(inside, tf.float32)


def _less(rows: Any, size: Any, noise: Any) -> Any:  # noqa: ARG001
    return 1 - noise
