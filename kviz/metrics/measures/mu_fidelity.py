"""μ-fidelity: whether what a map says of some cells together is how far the score falls without them.

U. Bhatt, A. Weller, J. Moura, "Evaluating and Aggregating Feature-based Model Explanations", IJCAI
2020: the correlation over subsets S of the sum of the map over S with f(x) - f(x without S). Theirs,
and Quantus's, is Pearson's; that of ranks, which asks for no straight line, is Xplique's μ-fidelity.
All subsets are of one size. With sizes that vary, larger ones have both larger sums and larger drops,
and a map of random numbers that are all above zero would seem to know something.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz.attribution.options import option
from kviz.metrics.measures._correlation import spearman
from kviz.metrics.measures._subsets import cells_of, counted, without_subsets
from kviz.metrics.metric import Measured, Metric, On, Trial, validate_cover


@dataclass(frozen=True, kw_only=True, eq=False)
class MuFidelity(Metric):
    """μ-fidelity: whether the score falls without some cells as far as the map says that they count.

    The image is cut into a grid of cells, of which random subsets of one size are removed. A map by
    chance averages 0, one that ranks all subsets rightly gives 1.

    Paper: U. Bhatt, A. Weller, J. Moura, "Evaluating and Aggregating Feature-based Model
    Explanations", IJCAI 2020, definition 3, there with
    Pearson's correlation; with Spearman's, as here, in Xplique.

    Equation: Spearman's correlation over subsets S of the sum of the map over S with f(x) - f(x
    without S). Higher is better.

    When: Whether the map ranks parts of the image as the score does, all over the image and not at
    its top alone.

    When not: Detail finer than a cell of the grid.

    Args:
        subsets: how many, each a forward pass per image.
        cells: of the grid along each axis, at most, or a number for each; all are of one size.
        share: of the cells that a subset has; the same number in all.
        baseline: what stands where cells are removed, as `Deletion` takes it.
        on: the `"score"` that was explained, or the `"probability"` of the class.

    >>> import kviz
    >>> cat, few = "notebooks/images/cat.png", MuFidelity(subsets=8, baseline="black")
    >>> found = kviz.evaluate("models/squeezenet.keras", cat, "saliency", few, nulls=1)
    >>> bool(-1 <= found.values[0, 0, 0] <= 1)
    True
    """

    display_name: ClassVar[str] = "μ-fidelity"
    kind: ClassVar[str] = "faithfulness"
    forward_passes: ClassVar[str] = "1 + subsets"

    subsets: int = option(200, least=2)
    cells: int | tuple[int, ...] = 9
    share: float = option(0.2, above=0, below=1)
    baseline: Any = option(None, check=validate_cover)
    on: On = "score"

    def measure(self, trial: Trial) -> Measured:
        """Return correlations, as `Metric.measure`."""
        cells = cells_of(self.cells, trial.maps.shape[2:])
        counts = np.full(self.subsets, counted(self.share, cells))
        sums, falls = without_subsets(
            trial, trial.on(self.on), cells=cells, counts=counts, baseline=self.baseline
        )
        return Measured(values=np.stack([spearman(own, falls) for own in sums]))
