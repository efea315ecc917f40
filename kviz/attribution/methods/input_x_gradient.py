"""Input x gradient: each pixel times the score's gradient to it.

A. Shrikumar et al., "Not Just a Black Box", 2016. For a net of linear layers and ReLUs without biases
its sum is the score.
"""

from __future__ import annotations

from dataclasses import dataclass

from kviz.attribution.method import Found, Method, Reduce, Request


@dataclass(frozen=True, kw_only=True)
class InputXGradient(Method):
    """The pixels times the gradient of the score, signed.

    Args:
        reduce: `"sum"` of the channels, `"max_abs"` or None to keep them.

    >>> InputXGradient().reduce
    'sum'
    """

    reduce: Reduce = "sum"

    def maps(self, request: Request) -> Found:
        """Return `(N, …, channels)`, as `Method.maps`."""
        (scores, classes), gradient = request.passes.gradient(request.pixels, request.target)
        return Found(maps=request.images * gradient, scores=scores, classes=classes)
