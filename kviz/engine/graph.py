"""Walks over traced operations: upstream of a tensor, before its softmax, past what changes nothing."""

from __future__ import annotations

from typing import Any

from kviz.engine.backend import tf

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


def downstream(tensor: Any) -> set[Any]:
    """Return references to all tensors that are computed from a tensor, itself among them."""
    reached = {tensor.ref()}
    # A graph's operations stand in the order in which they were made.
    for operation in tensor.graph.get_operations():
        if any(source.ref() in reached for source in operation.inputs):
            reached |= {made.ref() for made in operation.outputs}
    return reached


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


def picked(scores: Any, places: Any) -> Any:
    """Return one number of each row, `(N,)`, of `(N, classes)`, while a function is traced.

    With `tf.gather(…, batch_dims=1)` the gradient took half of the time in which a small net is traced.

    Args:
        scores: `(N, classes)`.
        places: int32 `(N,)`.
    """
    return tf.gather_nd(scores, tf.stack([tf.range(tf.shape(scores)[0]), places], 1))


_ACTIVATIONS = {"Softmax": "softmax", "LogSoftmax": "log_softmax", "Sigmoid": "sigmoid"}


def activated(tensor: Any) -> str:
    """Return what makes scores at the end: `"softmax"`, `"log_softmax"`, `"sigmoid"`, or "".

    Args:
        tensor: an output, symbolic.
    """
    return _end(tensor)[0]


def unnormalise(tensor: Any) -> Any:
    """Return what a softmax or sigmoid at the end was computed from, else the tensor itself.

    Args:
        tensor: an output, symbolic.

    Returns:
        A tensor of the same shape.
    """
    return _end(tensor)[1]


def _end(tensor: Any) -> tuple[str, Any]:
    last = last_operation(tensor)
    if last.type in _ACTIVATIONS:
        return _ACTIVATIONS[last.type], last.inputs[0]
    if last.type == "Log" and (inner := last_operation(last.inputs[0])).type == "Softmax":
        return "log_softmax", inner.inputs[0]
    if last.type in ("RealDiv", "DivNoNan"):
        # A softmax that somebody wrote out.
        share, total = map(last_operation, last.inputs)
        if share.type == "Exp" and total.type == "Sum" and last_operation(total.inputs[0]) is share:
            return "softmax", _unshifted(share.inputs[0])
    return "", tensor


def _unshifted(tensor: Any) -> Any:
    """Return a tensor before its largest value was subtracted, which no softmax notices."""
    operation = last_operation(tensor)
    if operation.type != "Sub":
        return tensor
    before, shift = operation.inputs
    while shift.op.type in (*_PLAIN, "StopGradient"):
        shift = shift.op.inputs[0]
    largest = shift.op.type == "Max" and same_tensor(shift.op.inputs[0], before)
    return before if largest else tensor
