"""Saliency: how much a small change of a pixel changes the score.

K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks", 2013, section 3.1: the
largest absolute gradient over the channels.
"""

from __future__ import annotations

from dataclasses import dataclass

from kviz.attribution.method import Found, Method, Reduce, Request
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class Saliency(Method):
    """The absolute gradient of the score with respect to each pixel.

    Args:
        reduce: `"max_abs"` takes the largest channel, as the paper; `"sum"` adds them; None keeps
            them.

    >>> Saliency().reduce
    'max_abs'
    """

    reduce: Reduce = "max_abs"

    def maps(self, request: Request) -> Found:
        """Return `(N, …, channels)`, 0 or more, as `Method.maps`."""
        (scores, classes), gradient = request.passes.gradient(request.pixels, request.target)
        return Found(maps=tf.abs(gradient), scores=scores, classes=classes)
