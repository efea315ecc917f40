"""Which layers' channels are the classes, one to one: told by the graph and not by how many there are.

Behind such a layer every class's score is made of the values of its own channel alone: by pooling, an
activation function, a softmax, or what brings it into another shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kviz.engine.backend import keras, tf
from kviz.engine.heads import Head
from kviz.engine.layers import LayerTable
from kviz.engine.tracing import Trace, tensors_of

_SAME = (
    "Identity", "Cast", "StopGradient", "EnsureShape", "Relu", "Relu6", "LeakyRelu", "Elu", "Selu",
    "Softplus", "Softsign", "Sigmoid", "Tanh", "Softmax", "LogSoftmax", "Log", "Exp", "Neg",
)  # fmt: skip
_REDUCING = ("Mean", "Max", "Sum")
_POOLING = ("AvgPool", "MaxPool", "AvgPool3D", "MaxPool3D")
_SCALING = ("Mul", "RealDiv", "AddV2", "Add", "Sub", "Maximum", "Minimum")


def class_layers(traced: Trace, table: LayerTable, head: Head) -> list[str]:
    """Return the paths of the layers whose channels are the classes of a head, one to one.

    Args:
        traced: a call of the model whose graph is still there.
        table: its layers.
        head: the output.
    """
    if not head.has_classes or head.is_unit or head.classes is None:
        return []
    tensor = keras.tree.flatten(traced.outputs)[head.place]
    axis = 1 if head.channels_first else (tensor.shape.rank or 0) - 1
    alike: dict[Any, int] = {}
    step: tuple[Any, int] | None = (tensor, axis)
    while step is not None and step[0].shape[step[1]] == head.classes:
        alike[step[0].ref()] = step[1]
        step = _before(*step)
    found = []
    for info in table:
        if not info.reached or info.outputs != 1 or info.kind == "InputLayer":
            continue
        (made,) = tensors_of(traced.by_path[info.path].outputs)
        own = 1 if info.data_format == "channels_first" else (made.shape.rank or 0) - 1
        if alike.get(made.ref()) == own:
            found.append(info.path)
    return found


def _before(tensor: Any, axis: int) -> tuple[Any, int] | None:
    """Return what a tensor is made of, channel by channel, and its axis of channels; or None."""
    operation, inputs = tensor.op, list(tensor.op.inputs)
    kind = operation.type
    if kind in _SAME:
        return inputs[0], axis
    if kind in _REDUCING:
        return _reduced(tensor, inputs, axis)
    if kind in _POOLING:
        whole = operation.get_attr("ksize")[axis] == operation.get_attr("strides")[axis] == 1
        return (inputs[0], axis) if whole else None
    if kind in _SCALING:
        # By one number for all, in which channels stay what they are.
        parts = [x for x in inputs if x.shape.num_elements() != 1]
        alone = len(parts) == 1 and parts[0].shape.rank == tensor.shape.rank
        return (parts[0], axis) if alone else None
    if kind == "Transpose":
        order = tf.get_static_value(inputs[1])
        return None if order is None else (inputs[0], int(order[axis]))
    if kind in ("Reshape", "Squeeze", "ExpandDims"):
        return _reshaped(tensor, inputs[0], axis)
    return None


def _reduced(tensor: Any, inputs: list[Any], axis: int) -> tuple[Any, int] | None:
    axes = tf.get_static_value(inputs[1])
    if axes is None:
        return None
    rank = inputs[0].shape.rank
    over = {int(one) % rank for one in np.atleast_1d(axes)}
    left = [one for one in range(rank) if one not in over]
    before = axis if tensor.shape.rank == rank else left[axis]
    return None if before in over else (inputs[0], before)


def _reshaped(tensor: Any, source: Any, axis: int) -> tuple[Any, int] | None:
    """Return the source where channels stay what they are: the last axis, or the only one of many."""
    count, last = tensor.shape[axis], source.shape.rank - 1
    if axis == tensor.shape.rank - 1 and source.shape[last] == count:
        return source, last
    sizes = list(source.shape)[1:]
    if axis == 0 or sizes.count(count) != 1 or sizes.count(1) != len(sizes) - 1:
        return None
    return source, 1 + sizes.index(count)
