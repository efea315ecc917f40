"""Parameter randomisation: how much of a map is left when the network has forgotten what it learned.

J. Adebayo, J. Gilmer, M. Muelly, I. Goodfellow, M. Hardt, B. Kim, "Sanity Checks for Saliency Maps",
NeurIPS 2018. A map that stays as it was does not show what the network learned. Each weight's numbers
are shuffled, so that their scale stays as it was and no variance becomes negative; the paper draws them
anew from the initializer, which a saved model need not name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from kviz._types import Array
from kviz.metrics.measures._alike import Similarity, alike, compared
from kviz.metrics.measures._shuffled import shuffled
from kviz.metrics.metric import Measured, Metric, Trial
from kviz.results.evaluation import Better


@dataclass(frozen=True, kw_only=True, eq=False)
class ParameterRandomization(Metric):
    """Parameter randomisation: how much of a map is left when the weights are shuffled.

    The caller's model stays as it is: shuffled numbers stand in for its weights. Only layers that the
    score depends on are shuffled, and none whose numbers are all equal. The null maps stay as they are:
    what they share with the maps of shuffled networks, such as edges, is shown by looking at the photo
    alone.

    Paper: J. Adebayo, J. Gilmer, M. Muelly, I. Goodfellow, M. Hardt, B. Kim, "Sanity Checks for
    Saliency Maps", NeurIPS 2018.

    Equation: the mean over the layers l, from the last one down, of |s(l)|, where s(l) is the
    similarity of the map with the one that the network gives whose layers down to l are shuffled: what
    is left of a map inverted is left all the same, and +0.5 and -0.5 are not 0 together. The curve is
    s, with its sign. The nearer 0, the better; chance gives more than 0: little where a map is of many
    pixels, as the random null maps show, and a good deal where it is of few cells, as the nulls of
    centre and edges can. A map that does not vary, such as one of which ReLU left nothing, is like no
    other.

    When: Whether a map depends on what the model has learned, layer by layer: the sanity check of
    the literature.

    When not: Whether a map shows the right place: one may pass and still be wrong.

    Args:
        layers: `"cascading"`: each with all behind it; `"independent"`: each alone.
        similarity: `"spearman"`, the correlation of ranks, or `"ssim"`, structural similarity.
        absolute: whether the maps' absolute values are compared.

    >>> import kviz
    >>> found = kviz.evaluate(
    ...     "models/fashion_cnn.keras", "notebooks/images/fashion/8_bag.png", "grad_cam",
    ...     ParameterRandomization(), nulls=1)
    >>> bool(found.values[0, 0, 0] < 1), found.curve_points["0"][0]
    (True, 'classes')
    """

    display_name: ClassVar[str] = "Parameter randomisation"
    kind: ClassVar[str] = "randomisation"
    forward_passes: ClassVar[str] = "0"
    maps_again: ClassVar[str] = "layers_with_weights"
    across: ClassVar[str] = "layers shuffled, from the last one down"
    up: ClassVar[str] = "similarity"
    needs_method: ClassVar[bool] = True

    layers: Literal["cascading", "independent"] = "cascading"
    similarity: Similarity = "spearman"
    absolute: bool = False

    @property
    def better(self) -> Better:
        """Which values are the better ones, as `Metric.better`."""
        return "near 0"

    def measure(self, trial: Trial) -> Measured:
        """Return mean absolute similarities and those at each layer, as `Metric.measure`."""
        if trial.again is None:
            raise ValueError("A map has to be made again.")
        before = [compared(maps, self.similarity, absolute=self.absolute) for maps in trial.maps]
        curves, points = [], []
        for path, weights in shuffled(trial, alone=self.layers == "independent"):
            again = compared(trial.again(weights=weights), self.similarity, absolute=self.absolute)
            curves.append([alike(maps, again, self.similarity) for maps in before])
            points.append(path)
        found: Array = np.moveaxis(np.array(curves), 0, -1)
        at = np.arange(1.0, len(points) + 1)
        return Measured(
            values=np.abs(found).mean(axis=-1), curves=found, at=at, points=tuple(points)
        )
