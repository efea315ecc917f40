"""A model's layers as it calls them: paths, kinds, shapes, receptive fields, and selection."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, overload

import numpy as np

from kviz._checks import sanitise, shown, suggest
from kviz._types import Selector
from kviz.draw.pages import html
from kviz.draw.tables import Table, text
from kviz.engine.backend import keras
from kviz.engine.receptive_fields import (
    ReceptiveField,
    Window,
    receptive_fields,
    sizes_written,
    window_of,
)
from kviz.engine.tracing import Call, Trace, tensors_of
from kviz.errors import LayerError

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class LayerInfo:
    """One call of one layer.

    Attributes:
        index: its place in `model.layers`, as `model.summary()` counts; None inside a nested one.
        path: names from the model down, such as `mobilenetv2/block_1_expand`; the k-th of
            several calls has `#k` behind its name.
        kind: the layer's class, such as `"Conv2D"`.
        input_shape: the first input's shape, batch first, in the layer's own order of axes.
        output_shape: the first output's.
        window: kernel or pool size, strides, dilation and padding, or None.
        parameters: how many numbers its weights hold, those of layers inside it included.
        weight_names: paths of its own weights, as `model.weights` gives them.
        receptive_field: what a unit sees of the input, `"whole image"` or `"unknown"`.
        data_format: `"channels_last"` or `"channels_first"`.
        reached: False where it runs in a graph of its own, out of which no map can be read.
        contains: how many layer calls happen inside it.
        outputs: how many tensors it gives.
        sources: paths of the calls whose outputs it gets, in order; of calls that contain others
            those inside them count.
        layer: the `keras.Layer` itself.
    """

    index: int | None
    path: str
    kind: str
    input_shape: Shape
    output_shape: Shape
    window: Window | None
    parameters: int
    weight_names: tuple[str, ...]
    receptive_field: ReceptiveField | str
    data_format: str
    reached: bool
    contains: int
    outputs: int
    sources: tuple[str, ...]
    order: int = field(repr=False)
    layer: Any = field(repr=False, compare=False)

    @property
    def arithmetic(self) -> str:
        """The output size as textbooks write it, (W − F + 2P)/S + 1, once where axes agree.

        Raises:
            LayerError: if the layer slides no window over its input.
        """
        if self.window is None:
            raise LayerError(
                f"Layer {sanitise(self.path)!r} is a {self.kind}. Expected a convolution or pooling "
                "layer, which has a window."
            )
        # From the end, since a ConvLSTM has time before the axes that its window slides over.
        end = 0 if self.data_format == "channels_first" else -1
        count = len(self.window.size)
        before, after = (
            list(shape[len(shape) + end - count : len(shape) + end])
            for shape in (self.input_shape, self.output_shape)
        )
        return sizes_written(self.window, before, after)

    @property
    def channels(self) -> int | None:
        """How many channels the output has, None where that is not fixed."""
        size = self.output_shape[1 if self.data_format == "channels_first" else -1]
        return None if size is None else int(size)

    def facts(self) -> dict[str, Any]:
        """Return what scripts are told of the layer, as JSON has it."""
        seen = self.receptive_field
        return {
            "index": self.index,
            "path": self.path,
            "kind": self.kind,
            "output_shape": self.output_shape,
            "kernel_size": self.window and self.window.size,
            "strides": self.window and self.window.strides,
            "padding": self.window and self.window.padding,
            "parameters": self.parameters,
            "weights": self.weight_names,
            "sources": self.sources,
            "receptive_field": seen if isinstance(seen, str) else seen.facts(),
            "output_size": self.arithmetic if self.window else None,
        }

    @property
    def spatial(self) -> bool:
        """Whether the output has positions: an image, a volume or a sequence of channels."""
        return len(self.output_shape) in (3, 4, 5)


class LayerTable(Sequence[LayerInfo]):
    """The layers of a model in the order in which it calls them, nested ones below their parent."""

    def __init__(self, infos: Iterable[LayerInfo]) -> None:
        self._infos = tuple(infos)

    @overload
    def __getitem__(self, key: int | str) -> LayerInfo: ...

    @overload
    def __getitem__(self, key: slice) -> LayerTable: ...

    def __getitem__(self, key: int | str | slice) -> LayerInfo | LayerTable:
        if isinstance(key, slice):
            return LayerTable(self._infos[key])
        if isinstance(key, int):
            return self._infos[key]
        found = self._named(key)
        if len(found) == 1:
            return found[0]
        if found:
            raise LayerError(
                f"The model calls layer {sanitise(key)!r} {len(found)} times. "
                f"Choose one: {', '.join(repr(sanitise(info.path, 40)) for info in found[:4])}"
            )
        raise self._unknown(key)

    def __len__(self) -> int:
        return len(self._infos)

    def __iter__(self) -> Iterator[LayerInfo]:
        return iter(self._infos)

    def unreached(self) -> list[str]:
        """Return the paths of every Conv2D and MaxPooling2D whose maps cannot be read."""
        kinds = (keras.layers.Conv2D, keras.layers.MaxPooling2D)
        return [info.path for info in self if isinstance(info.layer, kinds) and not info.reached]

    def other_convolutions(self) -> tuple[list[LayerInfo], int]:
        """Return the convolutions with maps that are no Conv2D, and how many there are in all."""
        conv = keras.layers
        others = (
            conv.DepthwiseConv2D, conv.SeparableConv2D, conv.Conv2DTranspose, conv.Conv1D, conv.Conv3D,
            conv.DepthwiseConv1D, conv.SeparableConv1D, conv.Conv1DTranspose, conv.Conv3DTranspose,
        )  # fmt: skip
        shown = [info for info in self if info.reached and info.spatial and info.outputs == 1]
        found = [info for info in shown if isinstance(info.layer, others)]
        return found, len(found) + sum(isinstance(info.layer, conv.Conv2D) for info in shown)

    def select(self, layer_names: Selector = None, *, maps: bool = False) -> list[LayerInfo]:
        """Return the layers that a selector means, in order of execution.

        Args:
            layer_names: a path, a glob (`"block?_conv*"`), a Keras layer class or its name
                (`"DepthwiseConv2D"`), an index as `model.summary()` counts, or a list of these; by
                default every Conv2D and MaxPooling2D. The path of a layer that is called several
                times means all its calls.
            maps: of what a glob or a class matches, leave out what has no feature maps. What is
                named exactly is never left out.

        Returns:
            At least one layer.

        Raises:
            LayerError: if something means no layer, or one whose map cannot be read.
        """
        if layer_names is None:
            found = self._of(keras.layers.Conv2D) + self._of(keras.layers.MaxPooling2D)
            if not found:
                kinds = [sanitise(k, 30) for k in dict.fromkeys(i.kind for i in self if i.spatial)]
                raise LayerError(
                    "The model has no Conv2D and no MaxPooling2D. Ask for other layers by path or "
                    f"kind. With positions it has: {', '.join(kinds[:6]) or 'none'}."
                )
            found = _with_maps(found)
        elif isinstance(layer_names, str | int | np.integer | type | keras.Layer):
            found = self._one(layer_names, maps)
        elif not isinstance(layer_names, Iterable):
            raise LayerError(
                "layer_names takes a path, a glob, a class, an index, a layer or a list of them. "
                f"Received: {shown(layer_names)}"
            )
        else:
            found = [info for one in layer_names for info in self._one(one, maps)]
            if not found:
                raise LayerError("Expected at least one layer name. Received: an empty list.")
        for info in found:
            if not info.reached:
                raise LayerError(
                    f"Layer {sanitise(info.path)!r} runs inside a loop, a branch or a compiled "
                    "function, out of which TensorFlow lets no map. "
                    "Ask for the layer around it instead."
                )
        return sorted(dict.fromkeys(found), key=lambda info: info.order)

    def _one(self, selector: Any, maps: bool) -> list[LayerInfo]:
        if isinstance(selector, keras.Layer):
            same = [info for info in self if info.layer is selector]
            if not same:
                raise LayerError(f"The model does not call the layer {sanitise(selector.name)!r}.")
            return same
        if isinstance(selector, type):
            found = self._of(selector)
            if not found:
                kinds = dict.fromkeys(info.kind for info in self)
                raise LayerError(
                    f"The model has no layer of class {selector.__name__}. "
                    f"{suggest(selector.__name__, kinds)}"
                )
            return _with_maps(found) if maps else found
        if isinstance(selector, int | np.integer):
            return self._at(int(selector))
        if not isinstance(selector, str):
            raise LayerError(
                "A layer is meant by a path, a glob, a class, an index or itself. "
                f"Received: {shown(selector)}"
            )
        return self._named(selector) or self._matching(selector, maps)

    def _at(self, place: int) -> list[LayerInfo]:
        counted = {info.index: info for info in self if info.index is not None}
        count = max(counted, default=-1) + 1
        index = place + count if place < 0 else place
        if index not in counted:
            raise LayerError(
                f"There is no layer of index {place} among those that the model calls. "
                f"Expected 0 to {count - 1}, as kviz layers lists them."
            )
        return [info for info in self if info.index == index]

    def _matching(self, selector: str, maps: bool) -> list[LayerInfo]:
        # A glob without a slash means layers inside nested models too.
        found = [
            info
            for info in self
            if fnmatchcase(info.path, selector)
            or fnmatchcase(_plain(info.path), selector)
            or ("/" not in selector and fnmatchcase(info.path.rpartition("/")[2], selector))
        ]
        if not found and re.fullmatch("-?[0-9]{1,18}", selector):
            return self._at(int(selector))
        kind = getattr(keras.layers, selector, None) if selector.isidentifier() else None
        if not found and isinstance(kind, type):
            found = self._of(kind)
        found = found or [info for info in self if info.kind == selector]
        if not found:
            raise self._unknown(selector)
        return _with_maps(found) if maps else found

    def _of(self, kind: type) -> list[LayerInfo]:
        return [info for info in self if isinstance(info.layer, kind)]

    def _named(self, path: str) -> list[LayerInfo]:
        exact = [info for info in self if info.path == path]
        return exact or [info for info in self if _plain(info.path) == path]

    def _unknown(self, path: object) -> LayerError:
        names = [info.path for info in self]
        # Near names are sought by the last part too: people leave out the nested model's name.
        inside = [name for name in names if name.rpartition("/")[2] == path]
        hint = f"Did you mean {sanitise(inside[0])!r}?" if inside else suggest(str(path), names)
        # Of "fire4" there are fire4_squeeze1x1, fire4_expand1x1 and others.
        parts = [f"{path}{mark}" for mark in "_-/."]
        begin = [one for one in names if one.rpartition("/")[2].startswith(tuple(parts))]
        begin = begin or [one for one in names if one.startswith(tuple(parts))]
        if len(begin) > 1 and not inside:
            hint = f"Did you mean {sanitise(path) + '*'!r}, which is {len(begin)} layers?"
        return LayerError(f"The model calls no layer {sanitise(path)!r}. {hint}")

    def table(self) -> Table:
        """Return the layers as rows: what `kviz layers` prints."""
        headers = (
            "index", "layer", "kind", "output shape", "kernel", "stride", "padding",
            "params", "weights", "receptive field", "output size",
        )  # fmt: skip
        rows = [
            (
                "" if info.index is None else info.index,
                info.path,
                info.kind,
                "×".join("?" if n is None else str(n) for n in info.output_shape[1:]) or "scalar",
                _times(info.window.size) if info.window else "",
                _times(dict.fromkeys(info.window.strides)) if info.window else "",
                info.window.padding if info.window else "",
                f"{info.parameters:,}" if info.parameters else "",
                " ".join(name.rpartition("/")[2] for name in info.weight_names),
                str(info.receptive_field),
                info.arithmetic if info.window else "",
            )
            for info in self
        ]
        return Table(f"{len(self)} layers", headers, rows)

    def __repr__(self) -> str:
        return text(self.table())

    def _repr_html_(self) -> str:
        return html(tables=[self.table()])


def _with_maps(infos: list[LayerInfo]) -> list[LayerInfo]:
    """Return those whose maps can be read, or all where none can: then the error names them."""
    return [info for info in infos if info.reached and info.spatial and info.outputs == 1] or infos


def selector_key(layer_names: Selector) -> Any:
    """Return a selector in a form that can be a key: a list as a tuple, all else as it is.

    >>> selector_key(["conv1", "pool*"])
    ('conv1', 'pool*')
    """
    several = isinstance(layer_names, Iterable) and not isinstance(layer_names, str | type)
    return tuple(layer_names) if several else layer_names  # type: ignore[arg-type]


def _times(values: Iterable[int]) -> str:
    return "×".join(map(str, values))


def _plain(path: str) -> str:
    """Return a path without the `#k` of repeated calls."""
    return "/".join(part.rpartition("#")[0] if _counted(part) else part for part in path.split("/"))


def _counted(part: str) -> bool:
    name, mark, number = part.rpartition("#")
    return bool(mark) and bool(name) and number.isdigit()


def layer_table(trace: Trace, model: Any, *, channels_first: bool) -> LayerTable:
    """Return the table of the layers that a trace saw.

    Args:
        trace: a trace of `model` whose graph is still there.
        model: the `keras.Model`.
        channels_first: the order of axes of its inputs.

    Returns:
        The table.
    """
    fields = receptive_fields(trace, channels_first=channels_first)
    places = {id(layer): index for index, layer in enumerate(model.layers)}
    formats = _data_formats(trace, channels_first)
    sources = _sources(trace)
    infos = []
    for call in trace.calls:
        outputs = tensors_of(call.outputs)
        weights = getattr(call.layer, "weights", [])
        infos.append(
            LayerInfo(
                index=places.get(id(call.layer)) if _top(call) else None,
                path=call.path,
                kind=type(call.layer).__name__,
                input_shape=_shape(call.inputs),
                output_shape=_shape(outputs),
                window=window_of(call.layer),
                parameters=sum(math.prod(weight.shape) for weight in weights),
                weight_names=() if call.children else tuple(weight.path for weight in weights),
                receptive_field=fields[call],
                data_format=formats[call],
                reached=bool(outputs) and not call.hidden,
                contains=len(call.children),
                outputs=len(outputs),
                sources=sources[call],
                order=call.order,
                layer=call.layer,
            )
        )
    return LayerTable(infos)


_UNORDERED = (keras.layers.Reshape, keras.layers.Permute, keras.layers.Flatten)


def _data_formats(trace: Trace, channels_first: bool) -> dict[Call, str]:
    """Return each call's order of axes: its layer's own, else that of what it works on."""
    of: dict[Any, str] = {
        tensor.ref(): "channels_first" if channels_first else "channels_last"
        for tensor in trace.inputs
    }

    def followed(tensor: Any) -> str:
        passed = []
        while tensor.ref() not in of and tensor.op.inputs:
            passed.append(tensor.ref())
            # Of several, the one with the most axes is the image and not a scale or a shape.
            tensor = max(tensor.op.inputs, key=lambda x: (x.ref() in of, x.shape.rank or 0))
        found = of.get(tensor.ref(), "channels_last")
        of.update(dict.fromkeys(passed, found))
        return found

    formats: dict[Call, str] = {}
    for call in sorted(trace.calls, key=lambda call: call.order):
        outputs = tensors_of(call.outputs)
        own = getattr(call.layer, "data_format", None)
        if own in ("channels_first", "channels_last"):
            formats[call] = own
        elif isinstance(call.layer, _UNORDERED) or not outputs or call.hidden:
            formats[call] = "channels_last"
        else:
            formats[call] = followed(outputs[0])
        if not call.hidden:
            of.update({tensor.ref(): formats[call] for tensor in outputs})
    return formats


def _sources(trace: Trace) -> dict[Call, tuple[str, ...]]:
    """Return for each call the paths of the calls that made what it gets, in order of execution.

    Between two layers there can be any number of TensorFlow's operations: they are followed back.
    """
    made: dict[Any, Call] = {}
    found: dict[Call, tuple[str, ...]] = {}
    for call in sorted(trace.calls, key=lambda call: call.order):
        before: dict[Call, None] = {}
        # Later tensors first on the stack, so that sources come in the order of the arguments.
        stack = list(reversed(call.inputs)) if not call.hidden else []
        seen = set()
        while stack:
            tensor = stack.pop()
            # A state that a layer keeps is given on as a variable, which nothing made.
            if getattr(tensor, "op", None) is None:
                continue
            if tensor.ref() in made:
                before[made[tensor.ref()]] = None
            elif tensor.ref() not in seen:
                seen.add(tensor.ref())
                stack += reversed(tensor.op.inputs)
        found[call] = tuple(source.path for source in before)
        # After its own, since a layer that does nothing in inference gives back what it gets.
        if not call.children and not call.hidden:
            made.update((tensor.ref(), call) for tensor in tensors_of(call.outputs))
    return found


def _top(call: Call) -> bool:
    return call.parent is not None and call.parent.parent is None


def _shape(tensors: list[Any]) -> Shape:
    return (
        tuple(tensors[0].shape.as_list()) if tensors and tensors[0].shape.rank is not None else ()
    )
