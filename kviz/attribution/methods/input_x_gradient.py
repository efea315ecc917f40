"""Input x gradient: each pixel times the score's gradient to it.

A. Shrikumar et al., "Not Just a Black Box", 2016. For a net of linear layers and ReLUs without biases
its sum is the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.method import Method, Reduce
from kviz.engine.passes import Passes


@dataclass(frozen=True, kw_only=True)
class InputXGradient(Method):
    """Each pixel times the score's gradient to it, signed.

    For a net of linear layers and ReLUs without biases its sum is the score: the result's `gaps` say
    how far from it the sum is.

    Paper: A. Shrikumar et al., "Not Just a Black Box", 2016.

    Equation: x * dY / dx.

    When: Signed evidence in each pixel at the price of one backward pass.

    When not: Dark images, since a black pixel always gets 0; saturated scores. Take
    `integrated_gradients`.

    Args:
        reduce: `"sum"` of the channels, `"max_abs"`: the channel's value that is furthest from 0, or
            None to keep them.

    >>> InputXGradient().reduce
    'sum'
    """

    display_name: ClassVar[str] = "Input × gradient"
    kind: ClassVar[str] = "gradient"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "1"
    sums_to_score: ClassVar[bool] = True

    reduce: Reduce = "sum"

    def traced(self, passes: Passes, arguments: Sequence[Any]) -> Any:
        """Return `(N, …, channels)`, as `Method.traced`."""
        value, gradient = passes.differentiated(arguments)
        return value, arguments[passes.place] * gradient
