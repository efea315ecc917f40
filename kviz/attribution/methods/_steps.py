"""What between an image and a score is linear, and the steps there that are not.

A traced graph is walked from the score back to the image. What is linear in what depends on the image
is left to TensorFlow's gradients; every other operation is a step with a rule of its own, or is refused
by name. Nothing is taken for linear because it is not known. A step is

- `"function"`: a function of each number of one tensor, however many operations it is written in (silu
  is a product, hard_sigmoid a sum, ReLU6 and a quotient),
- `"product"`, `"quotient"`, `"squareddifference"`, `"softmax"`: what several numbers make together,
- `"largest"`: the largest or smallest of several,
- `"same"`: a value that is passed on, whatever somebody has said that its gradient is.

Relevance (`shares`) treats shares as constants: in a value times a sigmoid, attention times values,
and what is divided by its own deviation, all goes to the value ("signal takes all", L. Arras et al.,
"Explaining Recurrent Neural Network Predictions in Sentiment Analysis", 2017; A. Ali et al., "XAI for
Transformers: Better Explanations through Conservative Propagation", ICML 2022).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any

from kviz._checks import sanitise
from kviz.attribution.methods._activations import (
    Step,
    functions_called,
    functions_of,
    types_within,
)
from kviz.engine.backend import tf
from kviz.engine.graph import activated, last_operation
from kviz.errors import LayerError

# What adds tensors up or moves numbers about.
_MOVING = {
    "AddN", "AddV2", "Add", "BatchToSpaceND", "BiasAdd", "BroadcastTo", "Cast", "ConcatV2",
    "DepthToSpace", "ExpandDims", "GatherNd", "GatherV2", "Identity", "MirrorPad", "Neg", "Pack", "Pad",
    "PadV2", "Reshape", "ReverseV2", "Roll", "Slice", "SpaceToBatchND", "SpaceToDepth", "Split",
    "SplitV", "Squeeze", "StopGradient", "StridedSlice", "Sub", "Tile", "Transpose", "Unpack",
}  # fmt: skip
_LINEAR = _MOVING | {
    "AvgPool", "AvgPool3D", "Cumsum", "Mean", "ResizeBicubic", "ResizeBilinear",
    "ResizeNearestNeighbor", "Sum",
}  # fmt: skip
# What is linear in one tensor, and in each of two.
_BILINEAR = {"BatchMatMulV2", "BatchMatMulV3", "Einsum", "MatMul", "Mul"}
_WEIGHTED = _BILINEAR | {
    "Conv2D", "Conv2DBackpropInput", "Conv3D", "Conv3DBackpropInputV2", "DepthwiseConv2dNative",
    "FusedBatchNormV3",
}  # fmt: skip
_DIVIDING = {"DivNoNan", "RealDiv"}
_LARGEST = {"Max", "MaxPool", "MaxPool3D", "Maximum", "Min", "Minimum"}

# Functions of a number that have one at 0, the first of these 0 itself.
AT_REST = {"Elu", "LeakyRelu", "Relu", "Relu6", "Selu", "Softsign", "Tanh"}
_FUNCTIONS = AT_REST | {
    "Abs", "Asinh", "Atan", "ClipByValue", "Cos", "Cosh", "Erf", "Erfc", "Exp", "Expm1", "Log1p",
    "Maximum", "Minimum", "Mul", "Pow", "SelectV2", "Sigmoid", "Sin", "Sinh", "Softplus", "Sqrt",
    "Square", "SquaredDifference",
}  # fmt: skip
_WITHOUT_ZERO = {"DivNoNan", "Inv", "Log", "RealDiv", "Reciprocal", "Rsqrt"}
_COMPARING = {"Greater", "GreaterEqual", "Less", "LessEqual"}
_SCALING = {"Cast", "DivNoNan", "Identity", "Mul", "Neg", "RealDiv"}
_ELEMENTWISE = (
    _FUNCTIONS | _WITHOUT_ZERO | _COMPARING | _SCALING
    | {"Add", "AddV2", "IdentityN", "Sub", "ZerosLike"}
)  # fmt: skip

# What gives shares, and what deviations are made by.
_SHARES = {"Rsqrt", "Sigmoid", "Softmax"}
_CLAMPING = {"ClipByValue", "Maximum", "Minimum", "Relu", "Relu6"}
_COMPILED = {"PartitionedCall", "StatefulPartitionedCall"}
# What a function holds besides.
_WITHIN = _COMPILED | {"Const", "NoOp", "ReadVariableOp"}
_CALLING = _COMPILED | {"Case", "If", "StatelessIf", "StatelessWhile", "While"}


class Walk:
    """A walk over the graph in which some tensors became others.

    Args:
        starts: tensors of one graph; what is computed from them counts, all else is a constant.
        method: whose name an error bears.
        noted: kinds of operations whose gradient is asked for already: such a one alone is no step.
        shares: treat shares as constants, and the largest of several as what it is locally, a choice.
        constants: references to tensors that count as constants whatever they are computed from.
    """

    def __init__(
        self,
        starts: Sequence[Any],
        method: str,
        noted: Collection[str] = (),
        shares: bool = False,
        constants: Collection[Any] = (),
    ) -> None:
        self.method, self.noted, self.shares = method, noted, shares
        self.starts = {start.ref() for start in starts}
        self.reached = set(self.starts)
        # What a tensor is computed from, number by number, where there is one such tensor.
        self.above: dict[Any, Any] = {}
        self.operations = starts[0].graph.get_operations()
        for operation in self.operations:
            data = self._data(operation)
            if not data:
                continue
            made = {made.ref() for made in operation.outputs if _counts(made.dtype)}
            self.reached |= made.difference(constants)
            if operation.type in _ELEMENTWISE:
                self._note(operation, data)

    def steps(self, score: Any) -> list[Step]:
        """Return the steps to a score, in the graph's order.

        Raises:
            LayerError: if there is an operation that has no rule.
        """
        live, found = {score.ref()}, []
        for operation in reversed(self.operations):
            for made in operation.outputs:
                ref = made.ref()
                constant = operation.type in ("OnesLike", "ZerosLike")
                if ref in live and ref in self.reached and ref not in self.starts and not constant:
                    step, sources = self._handed(operation, made)
                    live |= {source.ref() for source in sources}
                    found += [step] if step else []
        return found[::-1]

    def function(self, step: Step) -> Callable[[Any], Any]:
        """Return the function of a number that a step of kind `"function"` is, without its rule."""

        def run(values: Any) -> Any:
            made = {step.sources[0].ref(): values}

            def of(tensor: Any) -> Any:
                if tensor.ref() not in made:
                    if tensor.ref() not in self.reached:
                        return tensor
                    if tensor.op.type == "IdentityN":
                        return of(tensor.op.inputs[tensor.value_index])
                    made[tensor.ref()] = applied(tensor.op, [of(each) for each in tensor.op.inputs])
                return made[tensor.ref()]

            return of(step.value)

        return run

    def _data(self, operation: Any) -> list[Any]:
        return [tensor for tensor in operation.inputs if tensor.ref() in self.reached]

    def _numbers(self, operation: Any) -> list[Any]:
        return [tensor for tensor in self._data(operation) if not tensor.dtype.is_bool]

    def _note(self, operation: Any, data: list[Any]) -> None:
        if operation.type == "IdentityN":
            for made, given in zip(operation.outputs, operation.inputs, strict=True):
                if given.ref() in self.reached:
                    self.above[made.ref()] = given
            return
        source, made = self._common(data), operation.outputs[0]
        if source is not None and _same_shape(made, source):
            self.above[made.ref()] = source

    def _chain(self, tensor: Any) -> list[Any]:
        chain = [tensor]
        while chain[-1].ref() in self.above and chain[-1].ref() not in self.starts:
            chain.append(self.above[chain[-1].ref()])
        return chain

    def _common(self, tensors: Sequence[Any]) -> Any:
        """Return the last tensor of which several are functions, number by number, or None."""
        first, *others = [self._chain(tensor) for tensor in tensors]
        refs = [{tensor.ref() for tensor in chain} for chain in others]
        return next((x for x in first if all(x.ref() in each for each in refs)), None)

    def _source(self, operation: Any) -> Any:
        """Return the tensor of which an operation's result is one function, or None.

        What is added as one constant number belongs to the function: the 3 of hard_sigmoid is no bias.
        """
        source = top = self._common(self._data(operation))
        further = False
        while top is not None and top.ref() in self.above and top.ref() not in self.starts:
            rest = [x for x in top.op.inputs if x.ref() not in self.reached]
            if not all(map(_is_number, rest)):
                break
            further |= top.op.type not in _SCALING
            top = self.above[top.ref()]
            # What is only scaled before the function is not its own.
            source = top if further else source
        while source is not None and source.dtype.is_bool:
            source = self.above.get(source.ref())
        made = operation.outputs[0]
        return source if source is not None and _same_shape(made, source) else None

    def _handed(self, operation: Any, made: Any) -> tuple[Step | None, Sequence[Any]]:
        """Return the step that an operation is, if it is one, and to what it hands back."""
        kind = operation.type
        if kind in ("IdentityN", "StopGradient"):
            given = operation.inputs[made.value_index]
            if kind == "IdentityN" and "_gradient_op_type" not in operation.node_def.attr:
                return None, (given,)
            # tf.nn.silu is a function of which somebody has said what its gradient is.
            source = None if given.ref() in self.starts else self._function_source(given.op)
            if source is not None:
                return Step("function", made, (source,)), (source,)
            return Step("same", made, (given,)), (given,)
        data = self._numbers(operation)
        if self._is_linear(operation, data):
            return None, data
        source = self._function_source(operation)
        if source is not None:
            alone = kind in self.noted and source is operation.inputs[0]
            return None if alone else Step("function", made, (source,)), (source,)
        if kind in _LARGEST or (kind == "SelectV2" and self.shares):
            return None if self.shares else Step("largest", made, tuple(data)), data
        if kind in _BILINEAR or kind in _DIVIDING:
            sources = self._factors(operation, data) if self.shares else tuple(operation.inputs)
            if sources:
                word = "product" if kind in _BILINEAR else "quotient"
                return Step(word, made, sources), sources
        if kind in ("Softmax", "SquaredDifference") and not self.shares:
            return Step(kind.lower(), made, tuple(operation.inputs)), operation.inputs
        raise LayerError(self._refusal(operation))

    def _function_source(self, operation: Any) -> Any:
        """Return the tensor of which an operation's result is a function, not linear, or None."""
        data, kind = self._numbers(operation), operation.type
        if self._is_linear(operation, data):
            return None
        # What has no value at 0 is one only as a part of what has, or where nobody asks for that.
        known = kind in _FUNCTIONS or (kind in _WITHOUT_ZERO and (len(data) > 1 or not self.shares))
        return self._source(operation) if known else None

    def _is_linear(self, operation: Any, data: Sequence[Any]) -> bool:
        kind = operation.type
        if kind == "FusedBatchNormV3" and operation.get_attr("is_training"):
            return False
        if kind == "SelectV2":
            return operation.inputs[0].ref() not in self.reached
        return (
            kind in _LINEAR
            or (kind in _WEIGHTED and len(data) == 1)
            or (kind in _DIVIDING and len(data) == 1 and data[0] is operation.inputs[0])
            or (self.shares and kind in ("Max", "MaxPool", "MaxPool3D", "Min"))
            or (kind in _COMPILED and len(data) == 1 and self._is_linear_within(operation))
        )

    def _is_linear_within(self, operation: Any) -> bool:
        """Return whether the function is linear that an operation calls."""
        # Keras compiles convolutions in groups.
        called = functions_called(operation.node_def)
        return types_within(called, self._library) <= _LINEAR | _WEIGHTED | _WITHIN

    @cached_property
    def _library(self) -> dict[str, Any]:
        return functions_of(self.operations[0].graph)

    def _factors(self, operation: Any, data: Sequence[Any]) -> tuple[Any, ...]:
        """Return what is not a share of what is multiplied, where that is one tensor."""
        if operation.type in _DIVIDING:
            above, below = operation.inputs
            return (above,) if above.ref() in self.reached and self._is_share(below, "Sqrt") else ()
        values = tuple(tensor for tensor in data if not self._is_share(tensor))
        return values if len(values) == 1 and len(data) == 2 else ()

    def _is_share(self, tensor: Any, *more: str) -> bool:
        """Return whether a tensor says how much: a gate, a softmax, a deviation's inverse."""
        clamped = False
        while tensor.ref() in self.reached and tensor.ref() not in self.starts:
            operation, data = tensor.op, self._data(tensor.op)
            if (
                operation.type in _SHARES
                or operation.type in more
                or activated(tensor) == "softmax"
            ):
                return True
            if clamped and operation.type in ("AddV2", "Sub"):
                return any(map(_is_number, operation.inputs))
            if operation.type == "Mul" and len(data) == 2:
                return all(self._is_share(each, *more) for each in data)
            if len(data) != 1 or operation.type not in _MOVING | _SCALING | _CLAMPING:
                return False
            clamped |= operation.type in _CLAMPING
            tensor = data[0]
        return False

    def _refusal(self, operation: Any) -> str:
        name = sanitise(operation.name.partition("/TensorArray")[0], 80)
        if operation.type in _CALLING or operation.type.startswith("TensorList"):
            return (
                f"{self.method} does not look into the loop, branch or compiled function {name}. "
                "A recurrent layer that is made with unroll=True has no loop."
            )
        return (
            f"{self.method} has no rule for the operation {operation.type} ({name}). It knows what is "
            "linear, pooling, normalisation, functions of each number, such as relu, tanh and gelu, "
            f"and {'values times a gate or attention' if self.shares else 'products'}."
        )


def applied(operation: Any, inputs: Sequence[Any]) -> Any:
    """Return the first result of an operation for other inputs, with TensorFlow's own gradient."""
    function = getattr(tf.raw_ops, operation.type)
    attributes = {attribute.name for attribute in operation.op_def.attr}
    given = {}
    # Some inputs are called otherwise in Python, none is elsewhere.
    names = [name for name in inspect.signature(function).parameters if name not in attributes]
    rest = list(inputs)
    for name, argument in zip(names, operation.op_def.input_arg, strict=False):
        count = operation.get_attr(argument.number_attr) if argument.number_attr else None
        given[name] = rest[0] if count is None else rest[:count]
        rest = rest[count or 1 :]
    for name in attributes.intersection(inspect.signature(function).parameters):
        given[name] = operation.get_attr(name)
    result = function(**given)
    return result[0] if isinstance(result, list | tuple) else result


def plainly_from(start: Any) -> set[Any]:
    """Return references to what is a tensor moved, padded and scaled, number by number, itself too."""
    reached, plain = {start.ref()}, {start.ref()}
    for operation in start.graph.get_operations():
        data = {tensor.ref() for tensor in operation.inputs} & reached
        if data:
            made = {tensor.ref() for tensor in operation.outputs if _counts(tensor.dtype)}
            reached |= made
            one = len(data) == 1 and operation.type in _SCALING | {"FusedBatchNormV3"}
            if data <= plain and (one or operation.type in _MOVING):
                plain |= made
    return plain


def _counts(dtype: Any) -> bool:
    return bool(dtype.is_floating or dtype.is_complex or dtype.is_bool or dtype == tf.variant)


def _is_number(tensor: Any) -> bool:
    return bool(last_operation(tensor).type == "Const" and tensor.shape.num_elements() == 1)


def _same_shape(made: Any, source: Any) -> bool:
    """Return whether there is a number for each one of the source, and no more."""
    if made.shape.rank is None or made.shape.rank != source.shape.rank:
        return False
    return not any(
        one == 1 and many != 1 for one, many in zip(source.shape, made.shape, strict=True)
    )
