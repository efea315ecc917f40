"""Walks over traced operations: upstream of a tensor, before its softmax, past what changes nothing."""

from __future__ import annotations

from typing import Any

_PLAIN = ("Identity", "Cast")


def upstream(tensor: Any) -> set[Any]:
    """Return references to all tensors that a tensor is computed from, itself among them."""
    seen: set[Any] = set()
    stack = [tensor]
    while stack:
        top = stack.pop()
        if top.ref() not in seen:
            seen.add(top.ref())
            stack += list(top.op.inputs)
    return seen


def plain_source(tensor: Any) -> Any:
    """Return the tensor that was only copied, or changed in its type, into this one."""
    while tensor.op.type in _PLAIN:
        tensor = tensor.op.inputs[0]
    return tensor


def last_operation(tensor: Any) -> Any:
    """Return the operation that made a tensor, not counting copies and changes of its type."""
    return plain_source(tensor).op


def same_tensor(left: Any, right: Any) -> bool:
    """Return whether two tensors are one, not counting copies and changes of its type."""
    return plain_source(left) is plain_source(right)


def unnormalise(tensor: Any) -> Any:
    """Return what a softmax or sigmoid at the end was computed from, else the tensor itself.

    Args:
        tensor: an output, symbolic.

    Returns:
        A tensor of the same shape.
    """
    last = last_operation(tensor)
    return last.inputs[0] if last.type in ("Softmax", "LogSoftmax", "Sigmoid") else tensor
