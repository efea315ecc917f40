"""Gradient: d score / d pixel, with its sign."""

from __future__ import annotations

from dataclasses import dataclass

from kviz.attribution.method import Found, Method, Reduce, Request


@dataclass(frozen=True, kw_only=True)
class Gradient(Method):
    """The gradient of the score with respect to each pixel, signed: per unit of a pixel 0-255.

    Args:
        reduce: `"sum"` of the channels, `"max_abs"` or None to keep them.

    >>> Gradient().reduce
    'sum'
    """

    reduce: Reduce = "sum"

    def maps(self, request: Request) -> Found:
        """Return `(N, …, channels)`, as `Method.maps`."""
        (scores, classes), gradient = request.passes.gradient(request.pixels, request.target)
        return Found(maps=gradient, scores=scores, classes=classes)
