"""Inputs `(N, H, W)` that are grey pictures without an axis of channels, told by what a model does.

A beginner's dense net flattens such an input, a spectrogram's convnet gives it the axis that is missing;
a signal `(N, L, channels)` goes into a 1-D convolution or a recurrent layer as it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from kviz.engine.graph import downstream
from kviz.engine.receptive_fields import window_of
from kviz.engine.tracing import Trace

# A signal of few channels is flattened too; no picture is as narrow.
_LEAST = 8

_NUMBER_BY_NUMBER = frozenset(
    "Add AddV2 Cast Identity IdentityN Mul RealDiv Sub Neg Abs Sqrt Square Log Log1p Pow Exp "
    "ClipByValue Maximum Minimum DivNoNan StopGradient".split()
)


def is_grey_picture(tensor: Any, traced: Trace) -> bool:
    """Return whether a model takes an input as a grey picture without channels.

    Args:
        tensor: the input `(N, H, W)`, symbolic.
        traced: the call of the model on it, whose graph is still there.
    """
    if tensor.shape.rank != 3 or tensor.shape[2] == 1:
        return False
    high, wide = tensor.shape[1:]
    # A 1-D convolution adds an axis to compute as a 2-D one.
    slid_over = {
        source.ref() for call in traced.calls if window_of(call.layer) for source in call.inputs
    }
    large = None not in (high, wide) and min(high, wide) >= _LEAST
    reached, queue = downstream(tensor), deque([tensor])
    seen = {tensor.ref()}
    while queue:
        source = queue.popleft()
        for operation in source.consumers() if source.ref() not in slid_over else ():
            for made in operation.outputs:
                if made.ref() in seen or made.ref() not in reached:
                    continue
                seen.add(made.ref())
                if _adds_channels(operation, made, [high, wide]):
                    return True
                if operation.type == "Reshape" and made.shape.rank == 2 and large:
                    return True
                if operation.type in _NUMBER_BY_NUMBER and made.shape.rank == 3:
                    queue.append(made)
    return False


def _adds_channels(operation: Any, made: Any, size: Sequence[int | None]) -> bool:
    """Return whether an operation makes `(N, H, W, 1)` or `(N, 1, H, W)` of `(N, H, W)`."""
    if made.shape.rank != 4:
        return False
    shape = made.shape.as_list()
    if operation.type == "Reshape" and shape[1:] == [1, *size]:
        return True
    return operation.type in ("Reshape", "ExpandDims") and shape[1:] == [*size, 1]
