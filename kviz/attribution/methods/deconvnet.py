"""Deconvnet: gradients pass a ReLU where they are positive, whatever its input was.

M. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014.
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
class Deconvnet(Method):
    """Deconvnet: the gradient, which passes a ReLU where it is positive, whatever its input was.

    Paper: M. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014.

    Equation: dY / dx, with relu's gradient g made g * [g > 0].

    When: Comparison with older work.

    When not: Explaining a decision: the map shows edges of the image and hardly depends on the
    class. Take `integrated_gradients` or `lrp`.

    Args:
        reduce: `"sum"` of the channels, `"max_abs"`: the channel's value that is furthest from 0, or
            None to keep them.

    >>> Deconvnet().reduce
    'sum'
    """

    display_name: ClassVar[str] = "Deconvnet"
    kind: ClassVar[str] = "modified backpropagation"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "1"

    reduce: Reduce = "sum"

    def traced(self, passes: Passes, arguments: Sequence[Any]) -> Any:
        """Return `(N, …, channels)`, as `Method.traced`; a `LayerError` if the model has no ReLU."""
        return relu_gradient(passes, arguments, _backward, "deconvnet")


def _backward(upstream: Any, _: Any) -> Any:
    return upstream * tf.cast(upstream > 0, upstream.dtype)
