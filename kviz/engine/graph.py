"""Walks over traced operations: upstream of a tensor, before its softmax, past what changes nothing.

And what is done with an input at first: that tells which values a model takes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

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


# What leaves values what they are, or mixes them with their like.
_MOVES = (
    *_PLAIN, "Transpose", "Reshape", "ExpandDims", "Squeeze", "StridedSlice", "Slice", "ReverseV2",
    "Pad", "PadV2", "MirrorPad", "ResizeBilinear", "ResizeNearestNeighbor", "EnsureShape",
    "StopGradient",
)  # fmt: skip


def takes_bytes(tensor: Any) -> bool:
    """Return whether what a model does first with an input shows that it takes values 0-255.

    It does where these are brought to a range of about 1 to 4, as by a division by 255 or a standard
    deviation, or where a photo's mean is subtracted. Where nothing is done at first, it is not known.

    Args:
        tensor: the input, in a graph that is traced.
    """
    scale, shift = np.ones(1), np.zeros(1)
    while (operation := _only_use(tensor)) is not None:
        stacked = operation.type == "Pack"
        if stacked or (operation.type in _MOVES and operation.inputs[0] is tensor):
            tensor = operation.outputs[0]
            continue
        step = _affine(operation, tensor)
        if step is None or len({1, scale.size, shift.size, *(each.size for each in step)}) > 2:
            break
        scale, shift = scale * step[0], shift * step[0] + step[1]
        tensor = operation.outputs[0]
    if not scale.all() or not np.isfinite([*scale, *shift]).all():
        return False
    spread, middle = 255 * np.abs(scale), -shift / scale
    # Without a shift only 1/255 and 2/255 are sure: what takes 0-16 or 0-64 is divided as well.
    most = 8 if middle.max() > 1 else 2.5
    divided = spread.min() > 0.2 and spread.max() < most and middle.min() > -1
    centred = spread.min() > 200 and spread.max() < 300 and middle.min() > 20
    return bool(middle.max() < 255 and (divided or centred))


def _only_use(tensor: Any) -> Any:
    """Return the only operation that takes a tensor's values, or that stacks its slices, or None."""
    used = [each for each in tensor.consumers() if each.type not in ("Shape", "Rank", "Size")]
    if len(used) > 1 and all(each.type == "StridedSlice" for each in used):
        # As an RGB picture is made a BGR one.
        stacks = {id(use): use for each in used for use in each.outputs[0].consumers()}
        used = [each for each in stacks.values() if each.type == "Pack" or len(stacks) > 1]
    return used[0] if len(used) == 1 and len(used[0].outputs) == 1 else None


def _affine(operation: Any, tensor: Any) -> tuple[Any, Any] | None:
    """Return by what an operation multiplies a tensor and what it adds, None of any other one."""
    kind = operation.type
    if kind not in ("Mul", "RealDiv", "Sub", "Add", "AddV2", "BiasAdd"):
        return None
    first = operation.inputs[0] is tensor
    other = _constant(operation.inputs[1 if first else 0])
    if other is None or not (first or kind in ("Mul", "Add", "AddV2")):
        return None
    if kind in ("Mul", "RealDiv"):
        with np.errstate(divide="ignore"):
            return (other if kind == "Mul" else 1 / other), np.zeros(1)
    return np.ones(1), -other if kind == "Sub" else other


def _constant(tensor: Any) -> Any:
    """Return a constant's values, all in one axis, or None."""
    value = tf.get_static_value(tensor)
    if value is not None:
        return np.asarray(value, np.float64).reshape(-1)
    kind, inputs = tensor.op.type, [_constant(each) for each in tensor.op.inputs]
    if not inputs or any(each is None for each in inputs):
        return None
    if kind == "Sqrt":
        return np.sqrt(inputs[0])
    if kind == "Maximum":
        return np.maximum(*inputs)
    return inputs[0] if kind in (*_PLAIN, "Reshape", "ExpandDims", "Transpose") else None


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
