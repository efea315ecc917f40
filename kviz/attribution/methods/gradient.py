"""Gradient: d score / d pixel, with its sign."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.method import Method, Reduce
from kviz.engine.passes import Passes


@dataclass(frozen=True, kw_only=True)
class Gradient(Method):
    """The gradient of the score with respect to each pixel, signed: per unit of a pixel 0-255.

    Paper: K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks", 2013.

    Equation: dY / dx.

    When: How the score reacts to a small change of each pixel, with the sign; as the base of
    `smooth_grad`.

    When not: Seeing where the object is: the map is noisy, and a saturated score has hardly any
    gradient.

    Args:
        reduce: `"sum"` of the channels, `"max_abs"`: the channel's value that is furthest from 0, or
            None to keep them.

    >>> Gradient().reduce
    'sum'
    """

    display_name: ClassVar[str] = "Gradient"
    kind: ClassVar[str] = "gradient"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "1"

    reduce: Reduce = "sum"

    def traced(self, passes: Passes, arguments: Sequence[Any]) -> Any:
        """Return `(N, …, channels)`, as `Method.traced`."""
        return passes.differentiated(arguments)
