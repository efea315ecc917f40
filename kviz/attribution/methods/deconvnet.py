"""Deconvnet: gradients pass a ReLU where they are positive, whatever its input was.

M. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kviz.attribution.method import Found, Method, Reduce, Request
from kviz.attribution.methods._activations import relu_gradient
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class Deconvnet(Method):
    """The gradient by a deconvnet, signed.

    Args:
        reduce: `"sum"` of the channels, `"max_abs"` or None to keep them.

    >>> Deconvnet().reduce
    'sum'
    """

    reduce: Reduce = "sum"

    def maps(self, request: Request) -> Found:
        """Return `(N, …, channels)`, as `Method.maps`; a `LayerError` if the model has no ReLU."""
        return relu_gradient(request, _backward, "deconvnet")


def _backward(upstream: Any, _: Any) -> Any:
    return upstream * tf.cast(upstream > 0, upstream.dtype)
