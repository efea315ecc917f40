"""Inputs that are pictures though their shape or their type does not say so, told by what a model does.

`(N, H, W)` without an axis of channels: a beginner's dense net flattens such an input, a spectrogram's
convnet gives it the axis that is missing, while a signal `(N, L, channels)` goes into a 1-D convolution
or a recurrent layer as it is. Whole numbers that are only made real ones are pixels, which can have
gradients; those that look something up (words) are not.
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


def is_made_real(tensor: Any) -> bool:
    """Return whether a model does nothing with whole numbers but to make real ones of them.

    Args:
        tensor: the input, symbolic, in a graph in which the model was called on it.
    """
    if tensor.dtype.is_floating or not tensor.dtype.is_integer:
        return False
    queue, found = deque([tensor]), False
    while queue:
        for operation in queue.popleft().consumers():
            if operation.type == "Cast" and operation.outputs[0].dtype.is_floating:
                found = True
            elif operation.type in _MOVES:
                queue.append(operation.outputs[0])
            elif operation.type != "Shape":
                return False
    return found


_MOVES = frozenset("ExpandDims Identity Reshape Squeeze StridedSlice Transpose".split())
