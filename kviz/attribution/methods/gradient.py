"""Gradient: d score / d pixel, with its sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kviz.attribution.method import Found, Method, Reduce, Request


@dataclass(frozen=True, kw_only=True)
class Gradient(Method):
    """The gradient of the score with respect to each pixel, signed: per unit of a pixel 0-255.

    Paper: K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks", 2013.

    Equation: dY / dx.

    Args:
        reduce: `"sum"` of the channels, `"max_abs"`: the channel's value that is furthest from 0, or
            None to keep them.

    >>> Gradient().reduce
    'sum'
    """

    display_name: ClassVar[str] = "Gradient"

    reduce: Reduce = "sum"

    def maps(self, request: Request) -> Found:
        """Return `(N, …, channels)`, as `Method.maps`."""
        (scores, classes), gradient = request.passes.gradient(request.pixels, request.target)
        return Found(maps=gradient, scores=scores, classes=classes)
