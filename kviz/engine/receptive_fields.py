"""How much of the input a unit of a layer sees, and the arithmetic of output sizes.

A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill
2019: along one axis, unit i of a layer sees inputs `left + i * stride` to `right + i * stride`; a
window of F pixels (dilated: (F − 1)D + 1) with stride S and padding P makes of it
`left − P * stride`, `right + (F − 1 − P) * stride` and `stride * S`; branches that meet see the union.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from kviz.engine.backend import keras, tf
from kviz.engine.tracing import Call, Trace, tensors_of


@dataclass(frozen=True)
class Window:
    """What a convolution or pooling layer slides over its input, one entry an axis.

    Attributes:
        size: F.
        strides: S.
        dilation: D.
        padding: `"valid"`, `"same"` or `"causal"`.
        transposed: whether it is a transposed convolution, which strides over its output.
        output_padding: of a transposed convolution, or None.
    """

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str
    transposed: bool = False
    output_padding: tuple[int, ...] | None = None

    def padded(self, axis: int, width: int | None) -> tuple[int, int]:
        """Return the zeros before and after, as TensorFlow pads an input of `width`."""
        reach = (self.size[axis] - 1) * self.dilation[axis]
        if self.padding == "causal":
            return reach, 0
        if self.padding != "same":
            return 0, 0
        stride = self.strides[axis]
        over = stride if width is None or width % stride == 0 else width % stride
        total = max(reach + 1 - over, 0)
        return total // 2, total - total // 2

    def arithmetic(self, axis: int, width: int | None, result: int | None) -> str:
        """Return the output size as textbooks write it, `(W − F + 2P)/S + 1`."""
        wide = "W" if width is None else str(width)
        end = "" if result is None else f" = {result}"
        size, stride, dilation = self.size[axis], self.strides[axis], self.dilation[axis]
        reach = f"({size} − 1)·{dilation} + 1"
        if self.transposed:
            if self.output_padding is not None:
                added = self.output_padding[axis]
                return f"transposed, output padding {added}: {wide} → {result or '?'}"
            if self.padding == "same":
                return f"{wide}·{stride}{end}"
            more = max(size - stride, 0) if dilation == 1 else "max(F − S, 0)"
            where = "" if dilation == 1 else f", F = {reach}"
            return f"{wide}·{stride} + {more}{end}{where}"
        before, after = self.padded(axis, width)
        if width is None and self.padding == "same":
            return f"⌈W/{stride}⌉"
        pads = f"2·{before}" if before == after and before else f"{before} + {after}"
        pads = "0" if not before + after else pads
        window = str(size) if dilation == 1 else f"({reach})"
        exact = width is not None and not (
            (width - (size - 1) * dilation - 1 + before + after) % stride
        )
        share = f"({wide} − {window} + {pads})/{stride}"
        return f"{share if exact or stride == 1 else f'⌊{share}⌋'} + 1{end}"


def window_of(layer: Any) -> Window | None:
    """Return the window of a convolution or pooling layer, None for any other."""
    size = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    strides = getattr(layer, "strides", None)
    if not isinstance(layer, keras.Layer) or size is None or strides is None:
        return None
    size = (size,) if isinstance(size, int) else tuple(size)
    axes = len(size)

    def each(value: Any) -> tuple[int, ...]:
        return (int(value),) * axes if isinstance(value, int) else tuple(map(int, value))

    transposed = isinstance(layer, _TRANSPOSED)
    more = getattr(layer, "output_padding", None)
    return Window(
        size=size,
        strides=each(strides),
        dilation=each(getattr(layer, "dilation_rate", 1)),
        padding=str(getattr(layer, "padding", "valid")),
        transposed=transposed,
        output_padding=None if more is None else each(more),
    )


@dataclass(frozen=True)
class ReceptiveField:
    """What one unit sees of the model's input, one entry an axis (height, width).

    Attributes:
        size: pixels; it may reach beyond the image's border.
        stride: pixels from one unit to the next.
        offset: the first pixel that unit 0 sees, below 0 where that is padding.
    """

    size: tuple[int, ...]
    stride: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]

    def __str__(self) -> str:
        def text(values: tuple[Any, ...]) -> str:
            return " × ".join(str(v) for v in (values[:1] if len(set(values)) == 1 else values))

        return f"{text(self.size)} by {text(self.stride)}"

    def facts(self) -> dict[str, list[float]]:
        """Return it as JSON has it."""
        return {
            "size": list(self.size),
            "stride": [float(step) for step in self.stride],
            "offset": [float(first) for first in self.offset],
        }


# Along one axis: the first and last input that unit 0 sees, and the step to unit 1's.
_Axis = tuple[Fraction, Fraction, Fraction]
_Field = tuple[_Axis, ...] | str | None
WHOLE = "whole image"
_AXES = ("1D", "2D", "3D")
_WHOLE = (
    keras.layers.Flatten,
    *(getattr(keras.layers, f"Global{of}Pooling{n}") for of in ("Average", "Max") for n in _AXES),
)
_UPSAMPLING, _PADDING, _CROPPING = (
    tuple(getattr(keras.layers, f"{kind}{n}") for n in _AXES)
    for kind in ("UpSampling", "ZeroPadding", "Cropping")
)
_TRANSPOSED = tuple(getattr(keras.layers, f"Conv{n}Transpose") for n in _AXES)
UNKNOWN = "unknown"

# TensorFlow's operations that work on each pixel by itself, or only move channels.
_POINTWISE = frozenset(
    "Abs Add AddN AddV2 BiasAdd Cast ClipByValue Concat ConcatV2 Div DivNoNan Elu Equal Erf Erfc Exp "
    "Expm1 FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Greater GreaterEqual Identity IdentityN "
    "LeakyRelu Less LessEqual Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr Maximum Minimum "
    "Mul Neg Pow RealDiv Reciprocal Relu Relu6 Round Rsqrt Select SelectV2 Selu Sigmoid Sign Softmax "
    "Softplus Softsign Split SplitV Sqrt Square SquaredDifference StopGradient Sub Tanh Transpose "
    "ZerosLike OnesLike".split()
)
_REDUCTIONS = frozenset("Mean Sum Max Min Prod EuclideanNorm Any All".split())
_CONSTANT = frozenset("Const Shape ReadVariableOp Placeholder VariableV2 Fill Range NoOp".split())


def receptive_fields(
    trace: Trace, *, channels_first: bool = False
) -> dict[Call, ReceptiveField | str]:
    """Return what each call's first output sees of the model's input.

    Layers with a window are followed by their settings, all else operation by operation.

    Args:
        trace: a trace whose graph is still there.
        channels_first: the order of axes of the model's inputs.

    Returns:
        A `ReceptiveField`, `"whole image"`, or `"unknown"` after an operation that is not known.
    """
    walk = _Walk(trace, channels_first)
    for call in sorted(trace.calls, key=lambda call: call.order):
        walk.enter(call)
    found: dict[Call, ReceptiveField | str] = {}
    for call in trace.calls:
        tensors = tensors_of(call.outputs)
        axes = walk.resolve(tensors[0]) if tensors and not call.hidden else UNKNOWN
        if axes is None or isinstance(axes, str):
            found[call] = axes or UNKNOWN
        else:
            found[call] = ReceptiveField(
                tuple(int(right - left) + 1 for left, right, _ in axes),
                tuple(step for _, _, step in axes),
                tuple(left for left, _, _ in axes),
            )
    return found


class _Walk:
    def __init__(self, trace: Trace, channels_first: bool) -> None:
        self.channels_first = channels_first
        zero, one = Fraction(0), Fraction(1)
        self.fields: dict[Any, _Field] = {}
        for tensor in trace.inputs:
            axes = max((tensor.shape.rank or 0) - 2, 0)
            self.fields[tensor.ref()] = ((zero, zero, one),) * axes or None

    def enter(self, call: Call) -> None:
        tensors = tensors_of(call.outputs)
        if call.hidden or call.children or not call.inputs or len(tensors) != 1:
            return
        if isinstance(call.layer, _WHOLE):
            field: _Field = WHOLE
        elif (window := window_of(call.layer)) is not None:
            field = _through(self.resolve(call.inputs[0]), window, call)
        elif isinstance(call.layer, _UPSAMPLING + _PADDING + _CROPPING):
            field = _resized(self.resolve(call.inputs[0]), call.layer)
        else:
            return
        self.fields[tensors[0].ref()] = field

    def resolve(self, tensor: Any) -> _Field:
        key = tensor.ref()
        if key not in self.fields:
            # Depth first without recursion: between two layers there can be any number of operations.
            stack = [tensor]
            while stack:
                top = stack[-1]
                missing = [x for x in top.op.inputs if x.ref() not in self.fields]
                if missing and top.op.type not in _CONSTANT:
                    stack += missing
                    continue
                self.fields[top.ref()] = self._operation(top)
                stack.pop()
        return self.fields[key]

    def _operation(self, tensor: Any) -> _Field:
        operation = tensor.op
        if operation.type in _CONSTANT:
            return None
        fields = [self.fields[x.ref()] for x in operation.inputs]
        field = _union(fields)
        if _moves_space(operation, self.channels_first):
            return UNKNOWN if field is not None and field != WHOLE else field
        if field is None or field in (WHOLE, UNKNOWN) or operation.type in _POINTWISE:
            return field
        if operation.type in _REDUCTIONS:
            axes = tf.get_static_value(operation.inputs[1])
            rank = operation.inputs[0].shape.rank
            if axes is not None and rank is not None:
                only = (
                    {int(axis) % rank for axis in axes.reshape(-1)}
                    if axes.ndim
                    else {int(axes) % rank}
                )
                return field if only == {rank - 1} else WHOLE
        if operation.type in ("Reshape", "Squeeze", "ExpandDims"):
            before, after = operation.inputs[0].shape, tensor.shape
            if after.rank == 2 and before.rank and before.rank > 2:
                return WHOLE
            if before.rank == after.rank and before.as_list()[1:-1] == after.as_list()[1:-1]:
                return field
        if operation.type == "MatMul" or operation.type.startswith("BatchMatMul"):
            return WHOLE
        return UNKNOWN


def _moves_space(operation: Any, channels_first: bool) -> bool:
    """Return whether an operation joins, splits or swaps positions instead of channels."""
    if operation.type == "Transpose":
        order = tf.get_static_value(operation.inputs[1])
        rank = operation.inputs[0].shape.rank
        if order is None or rank is None:
            return True
        to_front, to_back = [0, rank - 1, *range(1, rank - 1)], [0, *range(2, rank), 1]
        return order.tolist() not in (list(range(rank)), to_front, to_back)
    if operation.type in ("Concat", "ConcatV2", "Split", "SplitV"):
        place = {"Concat": 0, "ConcatV2": -1, "Split": 0, "SplitV": 2}[operation.type]
        axis = tf.get_static_value(operation.inputs[place])
        rank = operation.outputs[0].shape.rank
        if axis is None or rank is None:
            return True
        return int(axis) % rank not in (0, 1 if channels_first else rank - 1)
    return False


def _union(fields: list[_Field]) -> _Field:
    known = [field for field in fields if field is not None]
    for verdict in (UNKNOWN, WHOLE):
        if verdict in known:
            return verdict
    if not known:
        return None
    every = [field for field in known if not isinstance(field, str)]
    if len({tuple(step for _, _, step in field) for field in every}) > 1:
        return UNKNOWN
    return tuple(
        (min(a[0] for a in axis), max(a[1] for a in axis), axis[0][2])
        for axis in zip(*every, strict=True)
    )


def _through(field: _Field, window: Window, call: Call) -> _Field:
    if field is None or isinstance(field, str) or len(field) != len(window.size):
        return field if isinstance(field, str) else UNKNOWN
    shape = call.inputs[0].shape.as_list()
    end = len(shape) - (getattr(call.layer, "data_format", None) != "channels_first")
    after = []
    for axis, (left, right, step) in enumerate(field):
        stride = window.strides[axis]
        if window.transposed:
            reach = -(-((window.size[axis] - 1) * window.dilation[axis] + 1) // stride) - 1
            after.append((left - reach * step, right, step / stride))
            continue
        before, _ = window.padded(axis, shape[end - len(field) + axis])
        reach = (window.size[axis] - 1) * window.dilation[axis]
        after.append((left - before * step, right + (reach - before) * step, step * stride))
    return tuple(after)


def _resized(field: _Field, layer: Any) -> _Field:
    if field is None or isinstance(field, str):
        return field
    if isinstance(layer, _UPSAMPLING):
        sizes = (layer.size,) if isinstance(layer.size, int) else layer.size
        near = int(getattr(layer, "interpolation", "nearest") != "nearest")
        return tuple(
            (left - near * step, right + near * step, step / size)
            for (left, right, step), size in zip(field, sizes, strict=True)
        )
    padding = isinstance(layer, _PADDING)
    amounts = layer.padding if padding else layer.cropping
    pairs = [amounts] if isinstance(amounts[0], int) else amounts
    sign = -1 if padding else 1
    return tuple(
        (left + sign * before * step, right + sign * before * step, step)
        for (left, right, step), (before, _) in zip(field, pairs, strict=True)
    )


def sizes_written(window: Window, before: list[int | None], after: list[int | None]) -> str:
    """Return the arithmetic of each axis, once where the axes agree.

    Args:
        window: the layer's window.
        before: the input's spatial sizes.
        after: the output's.

    Returns:
        Such as `(227 − 3 + 0)/2 + 1 = 113`.
    """
    lines = [
        window.arithmetic(axis, *sizes)
        for axis, sizes in enumerate(zip(before, after, strict=True))
    ]
    return ", ".join(dict.fromkeys(lines))
