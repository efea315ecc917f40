"""How much of the input a unit of a layer sees, and the arithmetic of output sizes.

A. Araujo, W. Norris, J. Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill
2019: along one axis, unit i of a layer sees inputs `left + i * stride` to `right + i * stride`; a
window of F pixels (dilated: (F − 1)D + 1) with stride S and padding P makes of it
`left − P * stride`, `right + (F − 1 − P) * stride` and `stride * S`; branches that meet see the union.
The field is that of the direct way, which keeps positions: what pools everything and comes back as a
gate (squeeze-and-excitation) or by attention sees the whole image, which is told beside the field.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple

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
        centre: the pixel in whose middle what unit 0 sees is; between two pixels it is a fraction.
        whole: whether something else that the unit depends on sees the whole image: a gate that pools
            everything (squeeze-and-excitation), attention, a normalisation over positions.
    """

    size: tuple[int, ...]
    stride: tuple[Fraction, ...]
    offset: tuple[Fraction, ...]
    centre: tuple[Fraction, ...]
    whole: bool = False

    def __str__(self) -> str:
        strides = dict.fromkeys(self.stride) if len(set(self.stride)) == 1 else self.stride
        size, stride = (" × ".join(map(str, values)) for values in (self.size, strides))
        unit = " px" if len(self.size) == 2 else ""
        beside = f", beside the {WHOLE}" if self.whole else ""
        return f"{size}{unit}, stride {stride}{beside}"

    def facts(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "size": list(self.size),
            "stride": [float(step) for step in self.stride],
            "offset": [float(first) for first in self.offset],
            "centre": [float(middle) for middle in self.centre],
            "whole": self.whole,
        }


class _Axis(NamedTuple):
    """Along one axis: the first and last input that unit 0 sees, the step to unit 1's, the middle."""

    left: Fraction
    right: Fraction
    step: Fraction
    centre: Fraction

    def moved(self, units: Fraction | int) -> _Axis:
        """Return it with what is unit 0 here at the place `units` from unit 0."""
        by = units * self.step
        return self._replace(left=self.left + by, right=self.right + by, centre=self.centre + by)


@dataclass(frozen=True)
class _Direct:
    """What is seen by the way that keeps positions, and whether the whole image is seen beside it."""

    axes: tuple[_Axis, ...]
    whole: bool = False


_Field = _Direct | str | None
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
_DENSE = (keras.layers.Dense, keras.layers.EinsumDense)
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
_PRODUCTS = frozenset("MatMul BatchMatMul BatchMatMulV2 BatchMatMulV3 Einsum".split())
_CONSTANT = frozenset("Const Shape ReadVariableOp Placeholder VariableV2 Fill Range NoOp".split())


def receptive_fields(
    trace: Trace, *, channels_first: bool = False
) -> dict[Call, ReceptiveField | str]:
    """Return what each call's first output sees of the model's input, by the direct way.

    Layers with a window are followed by their settings, all else operation by operation. Tokens that a
    picture's cells were made (`(N, T, features)`) see what their cells see, along both axes.

    Args:
        trace: a trace whose graph is still there.
        channels_first: the order of axes of the model's inputs.

    Returns:
        A `ReceptiveField`, `"whole image"` where no way keeps positions, or `"unknown"` after an
        operation that is not known.
    """
    walk = _Walk(trace, channels_first)
    for call in sorted(trace.calls, key=lambda call: call.order):
        walk.enter(call)
    found: dict[Call, ReceptiveField | str] = {}
    for call in trace.calls:
        tensors = tensors_of(call.outputs)
        field = walk.resolve(tensors[0]) if tensors and not call.hidden else UNKNOWN
        if field is None or isinstance(field, str):
            found[call] = field or UNKNOWN
        else:
            found[call] = ReceptiveField(
                tuple(int(axis.right - axis.left) + 1 for axis in field.axes),
                tuple(axis.step for axis in field.axes),
                tuple(axis.left for axis in field.axes),
                tuple(axis.centre for axis in field.axes),
                field.whole,
            )
    return found


class _Walk:
    def __init__(self, trace: Trace, channels_first: bool) -> None:
        self.channels_first = channels_first
        pixel = _Axis(Fraction(0), Fraction(0), Fraction(1), Fraction(0))
        self.fields: dict[Any, _Field] = {}
        for tensor in trace.inputs:
            axes = max((tensor.shape.rank or 0) - 2, 0)
            # A grey picture, whose axis of channels the model does not have.
            axes += tensor.op.type == "Squeeze"
            self.fields[tensor.ref()] = _Direct((pixel,) * axes) if axes else None

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
        elif isinstance(call.layer, _DENSE):
            field = self.resolve(call.inputs[0])
        elif isinstance(call.layer, keras.layers.GroupNormalization):
            field = _with_whole(self.resolve(call.inputs[0]))
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
        if isinstance(field, _Direct) and _keeps_tokens(operation, field):
            return field
        if _moves_space(operation, self.channels_first):
            return UNKNOWN if isinstance(field, _Direct) else field
        if not isinstance(field, _Direct) or operation.type in _POINTWISE:
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
        return WHOLE if operation.type in _PRODUCTS else UNKNOWN


def _keeps_tokens(operation: Any, field: _Direct) -> bool:
    """Return whether an operation makes tokens of a grid's cells, or more or fewer of such tokens.

    Or whether it adds the axis of channels that a grey picture lacks.
    """
    before, after = operation.inputs[0].shape, operation.outputs[0].shape
    if len(field.axes) == 2 and before.rank == 3 and after.rank == 4:
        return bool(before[1:] == after[1:3])
    if after.rank != 3 or len(field.axes) != 2:
        return False
    if operation.type == "Reshape":
        cells = before.as_list()[1:-1] if before.rank == 4 else []
        known = before.rank == 4 and None not in cells
        return known and (
            math.prod(cells) == after[1] or (after[1] is None and before[3] == after[2])
        )
    return operation.type in ("Concat", "ConcatV2", "Slice", "StridedSlice")


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
    """Return what is seen where ways meet: the direct ones together, and what else sees everything."""
    known = [field for field in fields if field is not None]
    direct = [field for field in known if isinstance(field, _Direct)]
    if UNKNOWN in known:
        return UNKNOWN
    if not direct:
        return WHOLE if known else None
    whole = len(direct) < len(known) or any(field.whole for field in direct)
    if len({tuple(axis.step for axis in field.axes) for field in direct}) > 1:
        return UNKNOWN
    return _Direct(
        tuple(map(_both, zip(*(field.axes for field in direct), strict=True))), whole=whole
    )


def _both(axes: Sequence[_Axis]) -> _Axis:
    # The way that sees most is the one through the layers, beside which others take a shortcut.
    widest = max(axes, key=lambda axis: axis.right - axis.left)
    return widest._replace(
        left=min(axis.left for axis in axes), right=max(axis.right for axis in axes)
    )


def _with_whole(field: _Field) -> _Field:
    return replace(field, whole=True) if isinstance(field, _Direct) else field


def _through(field: _Field, window: Window, call: Call) -> _Field:
    if not isinstance(field, _Direct) or len(field.axes) != len(window.size):
        return field if isinstance(field, str) else UNKNOWN
    shape = call.inputs[0].shape.as_list()
    end = len(shape) - (getattr(call.layer, "data_format", None) != "channels_first")
    after = []
    for place, axis in enumerate(field.axes):
        stride, step = window.strides[place], axis.step
        reach = (window.size[place] - 1) * window.dilation[place]
        if window.transposed:
            # Unit i of what it makes is o = i * stride + k - padding of what it gets, k up to reach.
            padding = max(reach + 1 - stride, 0) // 2 if window.padding == "same" else 0
            more = -(-(reach + 1) // stride) - 1
            centre = axis.centre + Fraction(2 * padding - reach, 2 * stride) * step
            after.append(_Axis(axis.left - more * step, axis.right, step / stride, centre))
            continue
        before, _ = window.padded(place, shape[end - len(field.axes) + place])
        after.append(
            _Axis(
                axis.left - before * step,
                axis.right + (reach - before) * step,
                step * stride,
                axis.centre + (Fraction(reach, 2) - before) * step,
            )
        )
    return replace(field, axes=tuple(after))


def _resized(field: _Field, layer: Any) -> _Field:
    if not isinstance(field, _Direct):
        return field
    if isinstance(layer, _UPSAMPLING):
        sizes = (layer.size,) if isinstance(layer.size, int) else layer.size
        near = int(getattr(layer, "interpolation", "nearest") != "nearest")
        axes = tuple(
            _Axis(
                axis.left - near * axis.step,
                axis.right + near * axis.step,
                axis.step / size,
                axis.centre + (Fraction(1, size) - 1) / 2 * axis.step,
            )
            for axis, size in zip(field.axes, sizes, strict=True)
        )
        return replace(field, axes=axes)
    padding = isinstance(layer, _PADDING)
    amounts = layer.padding if padding else layer.cropping
    pairs = [amounts] if isinstance(amounts[0], int) else amounts
    axes = tuple(
        axis.moved(-before if padding else before)
        for axis, (before, _) in zip(field.axes, pairs, strict=True)
    )
    return replace(field, axes=axes)


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
