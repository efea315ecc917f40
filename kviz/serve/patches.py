"""One value of a map worked out: kernel × patch + bias, and what the activation makes of it.

A convolution's value at a place is the sum over its window of what it reads there times its kernel.
What a layer reads is taken from the model as it runs; the sum is NumPy's, so that it shows whether what
a reader believes of the layer is what the layer does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kviz._checks import sanitise
from kviz._types import Array
from kviz.engine.backend import keras, tf
from kviz.engine.layers import LayerInfo
from kviz.engine.model_inputs import to_channels_last
from kviz.engine.receptive_fields import ReceptiveField, Window
from kviz.errors import LayerError, OptionError
from kviz.network.network import Network

_SUMS = (
    keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D, keras.layers.SeparableConv1D, keras.layers.SeparableConv2D,
)  # fmt: skip
_LARGEST = (keras.layers.MaxPooling1D, keras.layers.MaxPooling2D)
_MEANS = (keras.layers.AveragePooling1D, keras.layers.AveragePooling2D)


def can_be_worked_out(info: LayerInfo) -> bool:
    """Return whether a value of a layer is a window's sum, mean or largest."""
    return info.reached and type(info.layer) in (*_SUMS, *_LARGEST, *_MEANS)


def not_worked_out(info: LayerInfo) -> LayerError:
    """Return what is said of a layer whose values are made otherwise."""
    return LayerError(
        f"Layer {sanitise(info.path)!r} is a {info.kind}. Worked out are convolutions and pooling."
    )


@dataclass(frozen=True, eq=False)
class Worked:
    """A value worked out.

    Attributes:
        patch: float32 `(kernel height, kernel width, channels)`, 0 in padding.
        kernel: of the same shape; of pooling what each value counts.
        rows: where each row of the patch stands in what the layer reads, below 0 or beyond in padding.
        columns: the same of columns.
        channels: those of what the layer reads.
        total: the sum of patch × kernel, of pooling its largest or mean.
        bias: what is added.
        activation: what is done then.
        output: what the model gives there.
    """

    patch: Array
    kernel: Array
    rows: list[int]
    columns: list[int]
    channels: list[int]
    total: float
    bias: float
    activation: str
    output: float

    @property
    def value(self) -> float:
        """The value before the activation."""
        return self.total + self.bias

    def parts(self, most: int) -> list[tuple[int, float]]:
        """Return the channels read and the part of the sum that each has, largest first."""
        shares = (self.patch.astype(np.float64) * self.kernel).sum(axis=(0, 1))
        order = np.argsort(-np.abs(shares), kind="stable")[:most]
        return [(self.channels[place], float(shares[place])) for place in order]


def read_by(network: Network, pixels: Array, infos: Sequence[LayerInfo]) -> dict[str, Array]:
    """Return what layers read for one image, `(H, W, channels)` each, a signal as one row.

    Args:
        network: the model.
        pixels: `(1, …)`.
        infos: the layers.
    """
    given = network.pixels(pixels)
    specs = network.specs(given)
    engine = network.engine

    def run(*tensors: Any) -> Any:
        calls = engine.traced(dict(zip(specs, tensors, strict=True))).by_path
        read = [calls[info.path].inputs[0] for info in infos]
        return [
            tf.cast(to_channels_last(x) if info.data_format == "channels_first" else x, "float32")
            for info, x in zip(infos, read, strict=True)
        ]

    key = ("read by", tuple(info.path for info in infos))
    function = engine.compiled(key, run, list(specs.values()))
    _, _, chunk = next(engine.chunks(given, 1))
    found = {}
    for info, tensor in zip(infos, engine.run(function, chunk), strict=True):
        array = np.asarray(tensor)[0]
        found[info.path] = array[None] if array.ndim == 2 else array
    return found


def worked_out(info: LayerInfo, read: Array, made: Array, place: tuple[int, int, int]) -> Worked:
    """Return one value of a layer's map worked out.

    Args:
        info: the layer, for which `can_be_worked_out` holds.
        read: what it reads, `(H, W, channels)`, a signal as one row.
        made: what it gives.
        place: channel, row and column.

    Raises:
        LayerError: if the layer is of another kind.
        OptionError: if there is no such place.
    """
    if not can_be_worked_out(info) or info.window is None:
        raise not_worked_out(info)
    channel, row, column = place
    height, width, count = made.shape
    if not (0 <= channel < count and 0 <= row < height and 0 <= column < width):
        raise OptionError(
            f"The map has {count} channels of {height} × {width}. "
            f"Received: channel {channel}, row {row}, column {column}"
        )
    window = _in_two_axes(info.window)
    rows = _places(window, 0, read.shape[0], row)
    columns = _places(window, 1, read.shape[1], column)
    patch = _patch(read, rows, columns)
    layer: Any = info.layer
    if type(layer) in _SUMS:
        kernel, channels = _kernel(layer, channel, read.shape[2])
        patch = patch[:, :, channels]
        total = float((patch.astype(np.float64) * kernel).sum())
        bias = 0.0 if layer.bias is None else float(np.asarray(layer.bias)[channel])
        activation = _activation(layer)
    else:
        inside = np.outer(_within(rows, read.shape[0]), _within(columns, read.shape[1]))
        patch, channels, bias, activation = patch[:, :, [channel]], [channel], 0.0, "linear"
        values = patch[..., 0][inside]
        kernel = np.zeros(patch.shape, np.float32)
        if type(layer) in _LARGEST:
            total = float(values.max())
            at = np.argmax(np.where(inside, patch[..., 0], -np.inf))
            kernel.reshape(-1)[at] = 1
        else:
            total = float(values.mean(dtype=np.float64))
            kernel[inside] = 1 / len(values)
    return Worked(
        patch, kernel.astype(np.float32), rows, columns, channels, total, bias, activation,
        float(made[row, column, channel]),
    )  # fmt: skip


def field_of(info: LayerInfo, row: int, column: int) -> dict[str, float] | None:
    """Return what a unit sees of the photo, in its pixels, None where that is not known.

    Args:
        info: the layer.
        row: the unit's.
        column: the unit's.
    """
    field = info.receptive_field
    if not isinstance(field, ReceptiveField) or len(field.size) != 2:
        return None
    top, left = (
        float(field.offset[axis] + field.stride[axis] * at) for axis, at in enumerate((row, column))
    )
    return {"top": top, "left": left, "height": field.size[0], "width": field.size[1]}


def _in_two_axes(window: Window) -> Window:
    """Return a signal's window as that of a picture of one row."""
    if len(window.size) == 2:
        return window
    return Window((1, *window.size), (1, *window.strides), (1, *window.dilation), window.padding)


def _places(window: Window, axis: int, size: int, at: int) -> list[int]:
    """Return where in what is read the window of a unit stands along an axis."""
    before, _ = window.padded(axis, size) if window.size[axis] > 1 else (0, 0)
    first = at * window.strides[axis] - before
    return [first + tap * window.dilation[axis] for tap in range(window.size[axis])]


def _within(places: list[int], size: int) -> Array:
    return np.array([0 <= place < size for place in places])


def _patch(read: Array, rows: list[int], columns: list[int]) -> Array:
    """Return what stands at some rows and columns, 0 where there is nothing."""
    inside = np.outer(_within(rows, read.shape[0]), _within(columns, read.shape[1]))
    clipped = read[
        np.clip(rows, 0, read.shape[0] - 1)[:, None], np.clip(columns, 0, read.shape[1] - 1)
    ]
    patch: Array = np.where(inside[..., None], clipped, 0).astype(np.float32)
    return patch


def _kernel(layer: Any, channel: int, channels: int) -> tuple[Array, list[int]]:
    """Return the kernel of one channel, `(height, width, channels read)`, and which it reads."""
    name = type(layer).__name__
    if "Separable" in name:
        # The depthwise kernels weighed by the pointwise one are the kernel that both make together.
        depthwise = _rows(np.asarray(layer.depthwise_kernel, np.float64), 4)
        pointwise = np.asarray(layer.pointwise_kernel, np.float64)
        weighed = pointwise.reshape(-1, pointwise.shape[-1])[:, channel]
        weighed = weighed.reshape(channels, depthwise.shape[3])
        return (depthwise * weighed).sum(axis=3), list(range(channels))
    kernel = _rows(np.asarray(layer.kernel, np.float64), 4)
    if "Depthwise" in name:
        read, place = divmod(channel, kernel.shape[3])
        return kernel[:, :, [read], place], [read]
    own = kernel.shape[2]
    first = channel // (kernel.shape[3] // (channels // own)) * own
    return kernel[..., channel], list(range(first, first + own))


def _rows(kernel: Array, axes: int) -> Array:
    return kernel if kernel.ndim == axes else kernel[None]


def _activation(layer: Any) -> str:
    function = getattr(layer, "activation", None)
    return "linear" if function is None else sanitise(getattr(function, "__name__", function), 40)
