"""Saliency: how much a small change of a pixel changes the score.

K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks", 2013, section 3.1: the
largest absolute gradient over the channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kviz.attribution.method import Found, Method, Reduce, Request
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class Saliency(Method):
    """Saliency: how much a small change of a pixel changes the score.

    Paper: K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks", 2013,
    section 3.1.

    Equation: |dY / dx|, the largest of the channels.

    Args:
        reduce: `"max_abs"` takes the largest channel, as the paper; `"sum"` adds them; None keeps
            them.

    >>> import kviz
    >>> cat = "notebooks/images/cat.png"
    >>> kviz.attribute("models/squeezenet.keras", cat, "saliency", class_index="tabby").class_names
    ('tabby',)
    """

    display_name: ClassVar[str] = "Saliency"

    reduce: Reduce = "max_abs"

    def maps(self, request: Request) -> Found:
        """Return `(N, …, channels)`, 0 or more, as `Method.maps`."""
        (scores, classes), gradient = request.passes.gradient(request.pixels, request.target)
        return Found(maps=tf.abs(gradient), scores=scores, classes=classes)
