"""A bar for each layer, by depth: where bars end and what stands beside them, for a template.

Where all values are small against what they could be, or lie decades apart, the scale is logarithmic,
so that they can be told from nothing and from one another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# Below this the bars of a linear scale would be a line on the floor.
_LOW = 0.1
_DECADES = 3


@dataclass(frozen=True)
class Chart:
    """Heights and ticks, as parts of a chart that is 100 wide and 100 high.

    Attributes:
        heights: of each bar, 0-100; 0 for nothing, at least 1 for anything.
        ticks: (height, text) of the lines behind them, from the top.
        is_log: whether heights are logarithms.
        step: the width that a bar has for itself.
    """

    heights: tuple[float, ...]
    ticks: tuple[tuple[float, str], ...]
    is_log: bool

    @property
    def step(self) -> float:
        """How much of the width a bar has, its gap included."""
        return 100 / max(len(self.heights), 1)


def share_chart(shares: Sequence[float]) -> Chart:
    """Return shares 0-1 as a chart up to 100 %, logarithmic where none reaches a tenth.

    Args:
        shares: one a layer.

    Returns:
        The chart.

    >>> share_chart([0.0, 0.5, 1.0]).heights
    (0.0, 50.0, 100.0)
    >>> share_chart([0.001, 0.01]).is_log
    True
    """
    if not 0 < max(shares, default=0) < _LOW:
        ticks = tuple((100.0 * part, f"{100 * part:g} %") for part in (1.0, 0.5, 0.0))
        return Chart(tuple(_seen(100 * share, share) for share in shares), ticks, is_log=False)
    return _log_chart(shares, 0, lambda power: f"{100 * 10.0**power:g} %")


def size_chart(sizes: Sequence[float]) -> Chart:
    """Return sizes of at least 0 on a logarithmic scale, three decades or as many as they span.

    Args:
        sizes: one a layer; not finite ones are drawn as 0.

    Returns:
        The chart.

    >>> size_chart([1.0, 10.0, 100.0]).ticks[0]
    (100.0, '100')
    >>> size_chart([0.0]).heights
    (0.0,)
    """
    finite = [size for size in sizes if size > 0 and math.isfinite(size)]
    top = math.ceil(math.log10(max(finite, default=1.0)) - 1e-9)
    return _log_chart(sizes, top, lambda power: f"{10.0**power:g}")


def _log_chart(values: Sequence[float], top: int, told: Callable[[int], str]) -> Chart:
    known = [value for value in values if value > 0 and math.isfinite(value)]
    low = math.floor(math.log10(min(known, default=1.0)) + 1e-9)
    floor = min(low, top - _DECADES)
    span = top - floor
    heights = tuple(
        _seen(100 * (math.log10(value) - floor) / span, value)
        if value > 0 and math.isfinite(value)
        else 0.0
        for value in values
    )
    # As many lines as can be read.
    each = max(1, math.ceil(span / 4))
    powers = range(top, floor - 1, -each)
    ticks = tuple((100 * (power - floor) / span, told(power)) for power in powers)
    return Chart(heights, ticks, is_log=True)


def _seen(height: float, value: float) -> float:
    return min(100.0, max(height, 1.0)) if value > 0 else 0.0
