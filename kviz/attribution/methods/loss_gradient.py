"""Gradient of the loss: what to change in the image to be more wrong about a label.

The gradient of the cross-entropy with a label, as in I. Goodfellow et al., "Explaining and Harnessing
Adversarial Examples", ICLR 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from kviz.attribution.method import Found, Method, Reduce, Request
from kviz.errors import OptionError
from kviz.scores import ClassScore, LossScore


@dataclass(frozen=True, kw_only=True)
class LossGradient(Method):
    """What to change in the image to be more wrong about the class that is given, or predicted.

    The result's scores are minus the loss.

    Paper: I. Goodfellow et al., "Explaining and Harnessing Adversarial Examples", ICLR 2015.

    Equation: dL / dx, where L is the cross-entropy with the class.

    When: The direction in which an adversarial example begins: see `kviz fool`.

    When not: Explaining a class: take `gradient` or `integrated_gradients`.

    Args:
        reduce: `"sum"` of the channels, `"max_abs"`: the channel's value that is furthest from 0, or
            None to keep them.

    >>> LossGradient().reduce
    'sum'
    """

    display_name: ClassVar[str] = "Loss gradient"
    kind: ClassVar[str] = "gradient"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "1"
    score_name: ClassVar[str] = "minus the loss"

    reduce: Reduce = "sum"

    def maps(self, request: Request) -> Found:
        """Return `(N, …, channels)`, as `Method.maps`; the scores are minus the loss."""
        passes = request.passes
        if not isinstance(passes.score, ClassScore):
            raise OptionError("loss_gradient needs a class; it takes no score= of another kind.")
        lossy = passes.with_score(LossScore(passes.score))
        (scores, classes), gradient = lossy.gradient(request.pixels, request.target)
        return Found(maps=-gradient, scores=scores, classes=classes)
