"""How values of each channel are spread: counts between edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from kviz._checks import shown
from kviz._types import Array
from kviz.attribution.options import option
from kviz.dataset.reductions.kinds.extremes import Extremes
from kviz.dataset.reductions.look import Look
from kviz.dataset.reductions.reduction import Reduction
from kviz.engine.backend import tf
from kviz.errors import OptionError
from kviz.results.statistic import Statistic


def _validate_edges(name: str, value: Any) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        edges = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        edges = np.zeros(0)
    if (
        edges.ndim != 1
        or len(edges) < 2
        or not np.isfinite(edges).all()
        or (np.diff(edges) <= 0).any()
    ):
        raise OptionError(
            f"{name} takes two or more finite numbers, each above the one before. "
            f"Received: {shown(value)}"
        )
    return tuple(edges.tolist())


@dataclass(frozen=True, kw_only=True)
class Histogram(Reduction):
    """Counts of a channel's values between edges, exact, what lies outside counted apart.

    A bin holds its lower edge and not its upper one, except the last, which holds both, as NumPy has
    it. Where neither edges nor a range are given, the range is a layer's own, from a first pass.

    Attributes:
        bins: how many bins of equal width.
        low: where they begin, None for the layer's smallest value.
        high: where they end, None for its largest.
        edges: where all of them begin, and the last one's end, in place of the others.

    >>> histogram = Histogram(edges=(0, 1, 2))
    >>> state = histogram.update({}, np.array([[[0.0], [1.0]], [[2.0], [6.0]]]), rows=[0, 1])
    >>> found = histogram.result(state)
    >>> found.counts.tolist(), found.above.tolist()
    ([[1, 2]], [1])
    """

    main: ClassVar[str] = "bins"

    bins: int = option(64, least=1)
    low: float | None = None
    high: float | None = None
    edges: tuple[float, ...] | None = option(None, check=_validate_edges)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise OptionError(
                f"histogram takes a high above its low. Received: {self.low:g} and {self.high:g}"
            )

    def first(self) -> Reduction | None:
        """Return what finds the range, where it is not given."""
        given = self.edges is not None or (self.low is not None and self.high is not None)
        return None if given else Extremes()

    def after(self, found: Statistic) -> Histogram:
        """Return this histogram with the range that a first pass found.

        Args:
            found: what `extremes` found of the same layer.
        """
        finite = [side[np.isfinite(side)] for side in (found.min, found.max)]
        low = self.low if self.low is not None else float(finite[0].min(initial=np.inf))
        high = self.high if self.high is not None else float(finite[1].max(initial=-np.inf))
        if not np.isfinite([low, high]).all():
            low, high = 0.0, 1.0
        # As NumPy has it where all values are one.
        return (
            replace(self, low=low, high=high)
            if low < high
            else replace(self, low=low - 0.5, high=low + 0.5)
        )

    @property
    def all_edges(self) -> Array:
        """Where all bins begin, and the last one's end: float64 `(bins + 1,)`.

        Raises:
            OptionError: if the range is not known yet.
        """
        if self.edges is not None:
            return np.array(self.edges)
        if self.low is None or self.high is None:
            raise OptionError(
                "histogram needs its edges, its low and high, or a first pass that finds them."
            )
        return np.linspace(self.low, self.high, self.bins + 1)

    def batch(self, look: Look) -> dict[str, Any]:
        """Return a batch's own state, as `Reduction` says."""
        # A value has reached an edge if it has reached the next number of its own precision.
        edges = _rounded_up(self.all_edges, look.maps.dtype.as_numpy_dtype)
        bins = len(edges) - 1
        # The last edge itself is inside; what is not finite gets a bin of its own.
        edges[-1] = _next_above(self.all_edges[-1], edges.dtype)
        values = tf.reshape(look.maps, (-1, look.channels))
        place = tf.searchsorted(edges, tf.reshape(values, (-1,)), side="right")
        place = tf.where(tf.math.is_finite(values), tf.reshape(place, tf.shape(values)), bins + 2)
        place += tf.range(look.channels)[None] * (bins + 3)
        counts = tf.math.bincount(tf.reshape(place, (-1,)), minlength=look.channels * (bins + 3))
        counts = tf.cast(tf.reshape(counts, (-1, bins + 3)), tf.int64)
        return {
            "below": counts[:, 0],
            "counts": counts[:, 1 : bins + 1],
            "above": counts[:, bins + 1],
            "not_finite": counts[:, bins + 2],
        }

    def result(self, state: Mapping[str, Array]) -> Statistic:
        """Return counts `(channels, bins)`, and those below the first edge and above the last."""
        # The one that is drawn comes first, whatever order a state has.
        names = ("counts", "below", "above", "not_finite")
        axes: dict[str, tuple[str, ...]] = dict.fromkeys(names, ("channel",))
        return Statistic(
            {**{name: state[name] for name in names}, "edges": self.all_edges},
            {**axes, "counts": ("channel", "bin"), "edges": ("edge",)},
            {"bins": len(self.all_edges) - 1},
            "histogram",
        )


def _rounded_up(edges: Array, dtype: Any) -> Array:
    """Return the smallest numbers of a precision that are not below."""
    near = edges.astype(dtype)
    return np.where(near < edges, np.nextafter(near, dtype(np.inf)), near)


def _next_above(edge: float, dtype: Any) -> Any:
    """Return the smallest number of a precision that is above."""
    near = dtype.type(edge)
    return near if near > edge else np.nextafter(near, dtype.type(np.inf))
