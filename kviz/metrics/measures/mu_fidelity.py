"""μ-fidelity: whether what a map says of some cells together is how far the score falls without them.

U. Bhatt, A. Weller, J. Moura, "Evaluating and Aggregating Feature-based Model Explanations", IJCAI
2020: the correlation over subsets S of the sum of the map over S with f(x) - f(x without S). All
subsets are of one size. With sizes that vary, larger ones have both larger sums and larger drops, and
a map of random numbers that are all above zero would seem to know something.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz._types import Array
from kviz.attribution.methods._baselines import baseline_of
from kviz.attribution.methods._perturb import each_axis, perturbed_scores
from kviz.attribution.options import option
from kviz.engine.backend import tf
from kviz.metrics.measures._correlation import spearman
from kviz.metrics.metric import Measured, Metric, On, Trial, validate_cover

# What random numbers are drawn for.
SUBSETS = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class MuFidelity(Metric):
    """μ-fidelity: whether the score falls without some cells as far as the map says that they count.

    The image is cut into a grid of cells, of which random subsets of one size are removed. A map by
    chance averages 0, one that ranks all subsets rightly gives 1.

    Paper: U. Bhatt, A. Weller, J. Moura, "Evaluating and Aggregating Feature-based Model
    Explanations", IJCAI 2020, definition 2.

    Equation: Spearman's correlation over subsets S of the sum of the map over S with f(x) - f(x
    without S). Higher is better.

    Args:
        subsets: how many, each a forward pass an image.
        cells: of the grid along each axis, or a number for each; at most a cell a pixel.
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

    subsets: int = option(200, least=2)
    cells: int | tuple[int, ...] = 9
    share: float = option(0.2, above=0, below=1)
    baseline: Any = option(None, check=validate_cover)
    on: On = "score"

    def measure(self, trial: Trial) -> Measured:
        """Return correlations, as `Metric.measure`."""
        request, size = trial.on(self.on), trial.maps.shape[2:]
        cells = each_axis("cells", self.cells, len(size))
        cells = tuple(min(pair) for pair in zip(cells, size, strict=True))
        number = math.prod(cells)
        removed = min(max(1, round(self.share * number)), max(1, number - 1))
        subsets = np.stack(
            [
                random.random((self.subsets, number)).argpartition(removed - 1)[:, :removed]
                for random in trial.randoms(SUBSETS)
            ]
        )
        chosen = np.zeros((*subsets.shape[:2], number), bool)
        np.put_along_axis(chosen, subsets, True, axis=2)

        def drawn(rows: Array, samples: Array) -> list[Array]:
            return [~chosen[rows, samples].reshape(-1, *cells)]

        low = baseline_of("black" if self.baseline is None else self.baseline, request)
        seen, _ = perturbed_scores(request, f"cells {len(size)}", _cells, self.subsets, drawn, low)
        drops = request.scores()[0].numpy().astype(np.float64)[:, None] - seen
        sums = _cell_sums(trial.maps, cells)
        values = [
            spearman((chosen @ own[..., None])[..., 0], drops)
            for own in sums.reshape(*sums.shape[:2], -1)
        ]
        return Measured(values=np.stack(values))


def _cell_of(side: int, cells: int) -> Array:
    """Return the cell of each pixel along an axis."""
    return np.arange(side) * cells // side


def _cell_sums(maps: Array, cells: tuple[int, ...]) -> Array:
    """Return the sums of maps `(…, *size)` over each cell."""
    for axis, (side, count) in enumerate(zip(maps.shape[2:], cells, strict=True), 2):
        first = np.searchsorted(_cell_of(side, count), np.arange(count))
        maps = np.add.reduceat(maps, first, axis=axis)
    return maps


def _cells(rows: Any, size: Any, grids: Any) -> Any:  # noqa: ARG001
    """Return grids `(B, *cells)` enlarged to `(B, *size)`, each pixel as its cell has it."""
    kept = tf.cast(grids, tf.float32)
    for axis in range(int(size.shape[0])):
        count = tf.shape(grids)[axis + 1]
        kept = tf.gather(kept, tf.range(size[axis]) * count // size[axis], axis=axis + 1)
    return kept
