"""Guided backpropagation: gradients pass a ReLU only where both its input and they are positive.

J. Springenberg et al., "Striving for Simplicity: The All Convolutional Net", ICLR 2015 workshop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.method import Method, Reduce
from kviz.attribution.methods._activations import relu_gradient
from kviz.engine.backend import tf
from kviz.engine.passes import Passes


@dataclass(frozen=True, kw_only=True)
class GuidedBackprop(Method):
    """Guided backpropagation: a gradient passes a ReLU where its input and it are positive.

    Paper: J. Springenberg et al., "Striving for Simplicity: The All Convolutional Net", ICLR 2015
    workshop.

    Equation: dY / dx, with relu's gradient g made g * [z > 0] * [g > 0].

    When: Comparison with older work, where sharp edges are wanted.

    When not: Explaining a decision: the map shows edges of the image and hardly depends on the
    class or on the upper layers' weights.

    Args:
        reduce: `"sum"` of the channels, `"max_abs"`: the channel's value that is furthest from 0, or
            None to keep them.

    >>> GuidedBackprop().reduce
    'sum'
    """

    display_name: ClassVar[str] = "Guided backpropagation"
    kind: ClassVar[str] = "modified backpropagation"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "1"

    reduce: Reduce = "sum"

    def traced(self, passes: Passes, arguments: Sequence[Any]) -> Any:
        """Return `(N, …, channels)`, as `Method.traced`; a `LayerError` if the model has no ReLU."""
        return relu_gradient(passes, arguments, _backward, "guided_backprop")


def _backward(upstream: Any, through: Any) -> Any:
    return upstream * through * tf.cast(upstream > 0, upstream.dtype)
