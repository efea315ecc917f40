"""TensorFlow's operations that a functional model of Keras 2 calls, as Keras 3's operations.

Keras 2 kept `x + y` or `tf.nn.relu(x)` as a layer that names TensorFlow's function (`TFOpLambda`,
`SlicingOpLambda`), and before TensorFlow 2.4 as a layer that holds the operation (`TensorFlowOpLayer`).
Those that one operation of Keras 3 gives exactly are in the table; another is refused by its name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kviz._checks import sanitise
from kviz.errors import ModelError

OPERATION_LAYERS = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")

_NUMPY, _NN, _CORE = "keras.src.ops.numpy", "keras.src.ops.nn", "keras.src.ops.core"
_TWO = ("x", "y")


class _Operation:
    """An operation of Keras 3, and what TensorFlow calls the tensors and parameters it takes."""

    def __init__(self, home: str, tensors: tuple[str, ...] = ("x",), **parameters: str) -> None:
        self.module, _, self.kind = home.rpartition(".")
        self.tensors, self.parameters = tensors, parameters


def _reduction(kind: str) -> _Operation:
    return _Operation(f"{_NUMPY}.{kind}", ("input_tensor",), axis="axis", keepdims="keepdims")


_OPERATIONS = {
    **dict.fromkeys(("__operators__.add", "math.add"), _Operation(f"{_NUMPY}.Add", _TWO)),
    "math.subtract": _Operation(f"{_NUMPY}.Subtract", _TWO),
    "math.multiply": _Operation(f"{_NUMPY}.Multiply", _TWO),
    **dict.fromkeys(("math.truediv", "math.divide"), _Operation(f"{_NUMPY}.TrueDivide", _TWO)),
    "math.pow": _Operation(f"{_NUMPY}.Power", _TWO),
    "math.maximum": _Operation(f"{_NUMPY}.Maximum", _TWO),
    "math.minimum": _Operation(f"{_NUMPY}.Minimum", _TWO),
    **{
        f"math.{name}": _Operation(f"{_NUMPY}.{name.title()}")
        for name in (
            "abs",
            "negative",
            "sqrt",
            "square",
            "exp",
            "log",
            "log1p",
            "sin",
            "cos",
            "tanh",
        )
    },
    **dict.fromkeys(("math.sigmoid", "nn.sigmoid"), _Operation(f"{_NN}.Sigmoid")),
    "nn.tanh": _Operation(f"{_NUMPY}.Tanh"),
    "math.rsqrt": _Operation("keras.src.ops.math.Rsqrt"),
    "nn.relu": _Operation(f"{_NN}.Relu", ("features",)),
    "nn.relu6": _Operation(f"{_NN}.Relu6", ("features",)),
    "nn.elu": _Operation(f"{_NN}.Elu", ("features",)),
    "nn.selu": _Operation(f"{_NN}.Selu", ("features",)),
    "nn.softplus": _Operation(f"{_NN}.Softplus", ("features",)),
    **dict.fromkeys(("nn.silu", "nn.swish"), _Operation(f"{_NN}.Silu", ("features",))),
    "nn.softmax": _Operation(f"{_NN}.Softmax", ("logits",), axis="axis"),
    "nn.depth_to_space": _Operation(f"{_NN}.DepthToSpace", ("input",), block_size="block_size"),
    "nn.space_to_depth": _Operation(f"{_NN}.SpaceToDepth", ("input",), block_size="block_size"),
    "math.reduce_mean": _reduction("Mean"),
    "math.reduce_sum": _reduction("Sum"),
    "math.reduce_max": _reduction("Max"),
    "math.reduce_min": _reduction("Min"),
    "cast": _Operation(f"{_CORE}.Cast", dtype="dtype"),
    "reshape": _Operation(f"{_NUMPY}.Reshape", ("tensor",), shape="newshape"),
    "concat": _Operation(f"{_NUMPY}.Concatenate", ("values",), axis="axis"),
    "stack": _Operation(f"{_NUMPY}.Stack", ("values",), axis="axis"),
    **dict.fromkeys(
        ("transpose", "compat.v1.transpose"),
        _Operation(f"{_NUMPY}.Transpose", ("a",), perm="axes"),
    ),
    "expand_dims": _Operation(f"{_NUMPY}.ExpandDims", ("input",), axis="axis"),
    **dict.fromkeys(
        ("squeeze", "compat.v1.squeeze"), _Operation(f"{_NUMPY}.Squeeze", ("input",), axis="axis")
    ),
    "linalg.matmul": _Operation(f"{_NUMPY}.Matmul", ("a", "b")),
    "clip_by_value": _Operation(
        f"{_NUMPY}.Clip", ("t",), clip_value_min="x_min", clip_value_max="x_max"
    ),
    "__operators__.getitem": _Operation(f"{_NUMPY}.GetItem", ("x", "slice_spec")),
}
# As TensorFlow's graphs call those that a TensorFlowOpLayer holds.
_IN_GRAPHS = {
    "Add": "math.add",
    "AddV2": "math.add",
    "Sub": "math.subtract",
    "Mul": "math.multiply",
    "RealDiv": "math.truediv",
    "Maximum": "math.maximum",
    "Minimum": "math.minimum",
    "Pow": "math.pow",
    "Abs": "math.abs",
    "Neg": "math.negative",
    "Sqrt": "math.sqrt",
    "Square": "math.square",
    "Exp": "math.exp",
    "Log": "math.log",
    "Tanh": "math.tanh",
    "Sigmoid": "math.sigmoid",
    "Relu": "nn.relu",
    "Relu6": "nn.relu6",
    "Softmax": "nn.softmax",
}
# Of no weight: names, and what is so by default.
_SAID_ANYWAY: Mapping[str, tuple[Any, ...]] = {
    "conjugate": (False, None),
    "transpose_a": (False, None),
    "transpose_b": (False, None),
    "adjoint_a": (False, None),
    "adjoint_b": (False, None),
    "data_format": ("NHWC", None),
}


def operation_of(
    kind: str, name: str, config: dict[str, Any], calls: list[Any]
) -> tuple[str, str, dict[str, Any], list[dict[str, Any]]]:
    """Return the operation that a layer of TensorFlow's operations is.

    Args:
        kind: the layer's class.
        name: its name.
        config: its parameters.
        calls: for each call the first argument and the others by name, tensors as Keras 3 writes
            them.

    Returns:
        Its module, its class, its parameters, and its calls as Keras 3 writes them.

    Raises:
        ModelError: if Keras 3 has no one operation for it.
    """
    if kind == "TensorFlowOpLayer":
        called, calls = _from_graph(name, config, calls)
    else:
        called = str(config.get("function"))
    operation = _OPERATIONS.get(called)
    if operation is None or not calls:
        raise _no_equal(name, called)
    parameters: dict[str, Any] = {}
    nodes = []
    for first, others in calls:
        given = {operation.tensors[0]: first, **others}
        made = {new: given.pop(old, None) for old, new in operation.parameters.items()}
        made = {new: value for new, value in made.items() if value is not None}
        if parameters and made != parameters:  # one operation has its parameters for all calls
            raise _no_equal(name, called)
        parameters = made
        tensors = [given.pop(key, None) for key in operation.tensors]
        for key, value in given.items():
            if key != "name" and value is not None and value not in _SAID_ANYWAY.get(key, ()):
                raise _no_equal(name, f"{called} with {key}")
        keys = operation.tensors[1:] == ("slice_spec",)
        args = [_constant(tensors[0]), *map(_key if keys else _constant, tensors[1:])]
        nodes.append({"args": args, "kwargs": {}})
    return operation.module, operation.kind, {"name": name, **parameters}, nodes


def _no_equal(name: str, called: str) -> ModelError:
    return ModelError(
        f"Layer {sanitise(name, 40)!r} calls TensorFlow's {sanitise(called, 60)}, for which kviz knows "
        "no operation of Keras 3."
    )


def _from_graph(
    name: str, config: dict[str, Any], calls: list[Any]
) -> tuple[str, list[tuple[Any, dict[str, Any]]]]:
    """Return the function that an operation of a graph is, and its calls with their constants."""
    node, constants = config.get("node_def"), config.get("constants") or {}
    found = re.search(r'\bop"?:\s*"(\w+)"', node) if isinstance(node, str) else None
    called = (
        found.group(1) if found else str(node.get("op")) if isinstance(node, dict) else "operation"
    )
    if called not in _IN_GRAPHS or not isinstance(constants, dict):
        raise _no_equal(name, called)
    operation = _OPERATIONS[_IN_GRAPHS[called]]
    constants = {place: _constant(value) for place, value in constants.items()}
    made = []
    for first, others in calls:
        tensors = list(first) if isinstance(first, list) else [first]
        for place in sorted(constants, key=int):
            tensors.insert(int(place), constants[place])
        if len(tensors) != len(operation.tensors) or others:
            raise _no_equal(name, called)
        made.append((tensors[0], dict(zip(operation.tensors[1:], tensors[1:], strict=True))))
    return _IN_GRAPHS[called], made


def _constant(value: Any) -> Any:
    """Return a list of numbers as Keras 3 writes an array; tensors and lone numbers as they are."""
    numbers = _numbers_in(value) if isinstance(value, list) else None
    if not numbers:
        return value
    whole = all(isinstance(number, int) for number in numbers)
    return {
        "class_name": "__numpy__",
        "config": {"value": value, "dtype": "int32" if whole else "float32"},
    }


def _numbers_in(value: Any) -> list[Any] | None:
    """Return the numbers in nested lists, None where there is something else."""
    found, stack = [], [value]
    while stack:
        entry = stack.pop()
        if isinstance(entry, list):
            stack += entry
        elif isinstance(entry, int | float):
            found.append(entry)
        else:
            return None
    return found


def _key(value: Any) -> Any:
    """Return the key of a slice as Keras 3 writes it."""
    return [_place(entry) for entry in value] if isinstance(value, list) else _place(value)


def _place(entry: Any) -> Any:
    if isinstance(entry, dict) and entry.keys() == {"start", "stop", "step"}:
        return {"class_name": "__slice__", "config": entry}
    if isinstance(entry, dict) and entry.get("class_name") == "__ellipsis__":
        return {"class_name": "__ellipsis__", "config": {}}
    return entry
