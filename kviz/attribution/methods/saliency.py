"""Saliency: how much a small change of a pixel changes the score.

K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks", 2013, section 3.1: the
largest absolute gradient over the channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.method import Method, Reduce
from kviz.engine.backend import tf
from kviz.engine.passes import Passes


@dataclass(frozen=True, kw_only=True)
class Saliency(Method):
    """Saliency: how much a small change of a pixel changes the score.

    Paper: K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks", 2013,
    section 3.1.

    Equation: |dY / dx|, the largest of the channels.

    When: A cheap first look at which pixels the score reacts to.

    When not: Evidence for or against, since signs are gone; clean maps (`smooth_grad`); saturated
    scores.

    Args:
        reduce: `"max_abs"` takes the largest channel, as the paper; `"sum"` adds them; None keeps
            them.

    >>> import kviz
    >>> cat = "notebooks/images/cat.png"
    >>> kviz.attribute("models/squeezenet.keras", cat, "saliency", class_index="tabby").class_names
    ('tabby',)
    """

    display_name: ClassVar[str] = "Saliency"
    kind: ClassVar[str] = "gradient"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "1"

    reduce: Reduce = "max_abs"

    def traced(self, passes: Passes, arguments: Sequence[Any]) -> Any:
        """Return `(N, …, channels)`, 0 or more, as `Method.traced`."""
        value, gradient = passes.differentiated(arguments)
        return value, tf.abs(gradient)
