"""Efficient parameter randomisation: how much more complex a map gets when the weights are shuffled.

A. Hedström, L. Weber, S. Lapuschkin, M. Höhne, "Sanity Checks Revisited: An Exploration to Repair the
Model Parameter Randomisation Test", 2024 (eMPRT). No two maps are compared, so that noise in a map does
not count for a change. The paper draws the weights anew from an initializer; here each weight's own
numbers are shuffled, which keeps their scale, so that values are not the paper's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from kviz._types import Array
from kviz.attribution.options import option
from kviz.metrics.measures._shuffled import shuffled
from kviz.metrics.metric import Measured, Metric, Trial


@dataclass(frozen=True, kw_only=True, eq=False)
class EfficientParameterRandomization(Metric):
    """Efficient parameter randomisation: by how much the map's complexity rises when all is shuffled.

    A map that does not follow the weights gives 0, whatever it shows, so that there is nothing else to
    compare with; the paper's claim is that a map that follows them is less orderly without what was
    learned. The weights are shuffled and not, as in the paper, initialised anew: a saved model need not
    name its initializers. It is one number of each map's histogram, which a single pixel far from the
    others moves.

    Paper: A. Hedström, L. Weber, S. Lapuschkin, M. Höhne, "Sanity Checks Revisited: An Exploration to
    Repair the Model Parameter Randomisation Test", 2024.

    Equation: (H(M') - H(M)) / H(M), where H is the entropy of a map's histogram, and M' the map of the
    network whose weights are all shuffled; of a map whose entropy is 0 the rise itself. Higher is
    better.

    When: A quick test whether a map depends on what the model has learned: the method once more,
    with all weights shuffled.

    When not: Comparing methods closely: it is one number of a histogram. Take
    `parameter_randomization`.

    Args:
        bins: of the histogram, from the map's lowest value to its highest.

    >>> import kviz
    >>> found = kviz.evaluate(
    ...     "models/fashion_cnn.keras", "notebooks/images/fashion/8_bag.png", "gradient",
    ...     EfficientParameterRandomization(), nulls=1)
    >>> bool(found.values[0, 0, 0] != 0), found.rank(0, 0)
    (True, None)
    """

    display_name: ClassVar[str] = "Efficient parameter randomisation"
    kind: ClassVar[str] = "randomisation"
    forward_passes: ClassVar[str] = "0"
    maps_again: ClassVar[str] = "1"
    needs_method: ClassVar[bool] = True
    has_nulls: ClassVar[bool] = False

    bins: int = option(100, least=2)

    def measure(self, trial: Trial) -> Measured:
        """Return relative rises, as `Metric.measure`."""
        if trial.again is None:
            raise ValueError("A map has to be made again.")
        *_, (_, weights) = shuffled(trial)
        before, after = (
            np.array([_entropy(one, self.bins) for one in maps])
            for maps in (trial.maps[0], trial.again(weights=weights))
        )
        return Measured(values=((after - before) / np.where(before == 0, 1, before))[None])


def _entropy(values: Array, bins: int) -> float:
    """Return the entropy of a histogram, in natural units.

    >>> round(_entropy(np.arange(4.0), 4), 4)
    1.3863
    """
    counts = np.histogram(values, bins)[0]
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
