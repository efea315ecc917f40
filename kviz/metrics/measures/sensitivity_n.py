"""Sensitivity-n: for subsets of each size, whether what a map says of one is how far the score falls.

M. Ancona, E. Ceolini, C. Öztireli, M. Gross, "Towards better understanding of gradient-based
attribution methods for Deep Neural Networks", ICLR 2018, section 4. A method has the property for n if
all sums over n features are the falls of the score without them; how near it comes is a correlation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz.attribution.options import option
from kviz.metrics.measures._correlation import pearson
from kviz.metrics.measures._subsets import cells_of, counted, without_subsets
from kviz.metrics.metric import Measured, Metric, On, Trial, validate_cover


@dataclass(frozen=True, kw_only=True, eq=False)
class SensitivityN(Metric):
    """Sensitivity-n: whether the score falls without n cells as far as the map says, for each n.

    A method that says what each cell adds of itself has 1 at a small n; where the curve falls, cells
    count together. Of integrated gradients in a linear net it is 1 for every n.

    Paper: M. Ancona, E. Ceolini, C. Öztireli, M. Gross, "Towards better understanding of
    gradient-based attribution methods for Deep Neural Networks", ICLR 2018, section 4.

    Equation: Pearson's correlation over subsets S of n cells of the sum of the map over S with
    f(x) - f(x without S), and the mean over n. Higher is better.

    When: Methods that say how much each part adds: up to how many parts together that holds.

    When not: Maps that only rank parts; in a hurry.

    Args:
        points: how many n, each by the same factor larger than the one before, whole numbers.
        share: of the cells that the largest n is; the smallest is one.
        subsets: how many for each n, each a forward pass per image.
        cells: of the grid along each axis, at most, or a number for each; all are of one size. In the
            paper a cell is a pixel.
        baseline: what stands where cells are removed, as `Deletion` takes it.
        on: the `"score"` that was explained, or the `"probability"` of the class.

    >>> import kviz
    >>> cat, few = "notebooks/images/cat.png", SensitivityN(points=2, subsets=4, baseline="black")
    >>> kviz.evaluate("models/squeezenet.keras", cat, "saliency", few, nulls=1).curve_at["0"].tolist()
    [1.0, 65.0]
    """

    display_name: ClassVar[str] = "Sensitivity-n"
    kind: ClassVar[str] = "faithfulness"
    forward_passes: ClassVar[str] = "1 + points * subsets"
    across: ClassVar[str] = "cells removed"
    up: ClassVar[str] = "correlation"

    points: int = 6
    share: float = option(0.8, above=0, below=1)
    subsets: int = option(100, least=2)
    cells: int | tuple[int, ...] = 9
    baseline: Any = option(None, check=validate_cover)
    on: On = "score"

    def measure(self, trial: Trial) -> Measured:
        """Return mean correlations and those for each n, as `Metric.measure`."""
        cells = cells_of(self.cells, trial.maps.shape[2:])
        most = counted(self.share, cells)
        # From the largest on, so that one point is that.
        at = np.unique(np.round(np.geomspace(most, 1, self.points)).astype(int))
        counts = at.repeat(self.subsets)
        sums, falls = without_subsets(
            trial, trial.on(self.on), cells=cells, counts=counts, baseline=self.baseline
        )
        falls = np.broadcast_to(falls, sums.shape)
        rows = (each.reshape(-1, self.subsets) for each in (sums, falls))
        curves = pearson(*rows).reshape(*sums.shape[:2], len(at))
        return Measured(values=curves.mean(axis=-1), curves=curves, at=at.astype(float))
