"""Network: a Keras model as a function of pixels; load_model and save_model."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kviz._caller import spelled
from kviz._checks import first_line, sanitise, suggest, validate_int
from kviz.engine.backend import keras, tf
from kviz.engine.devices import Share, several, shared
from kviz.engine.layers import LayerInfo, LayerTable, Selector, Shape, layer_table, selector_key
from kviz.engine.tracing import Call, Edits, Trace, tensors_of, trace
from kviz.errors import (
    ImageError,
    KvizError,
    LayerError,
    ModelError,
    OptionError,
)
from kviz.images import checked_pixels
from kviz.network.class_names import ClassNames, class_names_of

Array = npt.NDArray[Any]
Preprocess = str | Callable[[Any], Any]


class Network:
    """A `keras.Model` as a function of RGB pixels in 0-255, with preprocessing and class names.

    The model itself is used as it is and never changed. Functions compiled for it are kept here, so
    that a second call of a verb costs no tracing.

    Args:
        model: any `keras.Model`: functional, Sequential, subclassed.
        preprocess: what turns pixels into what the model takes: the name of a `keras.applications`
            module (`"vgg16"`), a Keras layer, or a function of tensors; None where the model has
            it inside, or takes pixels.
        class_names: a list, a dict from index to name, or a `.json` or text file (a name a line).
        notes: what every result should be read with.
        path: the file that the model was read from, if any.

    Raises:
        ModelError: if it is not a Keras model, or the class names are not as many as its classes.
        OptionError: if `preprocess` is not what it takes.

    >>> import keras
    >>> model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3)])
    >>> Network(model).layers[0].output_shape
    (None, 6, 6, 4)
    """

    def __init__(
        self,
        model: Any,
        *,
        preprocess: Preprocess | None = None,
        class_names: ClassNames | None = None,
        notes: Sequence[str] = (),
        path: Path | None = None,
    ) -> None:
        if not isinstance(model, keras.Model):
            raise ModelError(
                f"Expected a Keras 3 model, a kviz.Network or a path. Received: {sanitise(type(model))}"
            )
        self.model = model
        self.preprocess = preprocess
        self._preprocess = _preprocessing(preprocess)
        self.class_names = None if class_names is None else class_names_of(class_names)
        self.notes = tuple(notes)
        self.path = path
        self.strategy = several()
        self._table: LayerTable | None = None
        self._parts: Any = None
        self._compiled: dict[Any, Any] = {}
        self._infos: dict[Any, list[LayerInfo]] = {}
        self._look_again()
        self._stateful: list[Any] = []
        self._seen: dict[str, Any] | None = None
        classes = self.classes
        named = 0 if self.class_names is None else len(self.class_names)
        # One unit tells two classes apart, and both have names.
        if named and classes and named != classes and (named, classes) != (2, 1):
            raise ModelError(f"The model has {classes} classes. Received: {named} class names")

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.model.name)

    @property
    def input_shapes(self) -> list[Shape] | None:
        """The inputs' shapes in channels-last order, batch first; None where it is not known."""
        if self._shapes is None:
            return None
        if not self._channels_first:
            return self._shapes
        return [(s[0], *s[2:], s[1]) if len(s) > 2 else s for s in self._shapes]

    @property
    def image_size(self) -> tuple[int | None, int | None]:
        """Height and width of the image that the model takes, None where any will do."""
        shape = self._image_shape()
        return (shape[1], shape[2]) if shape else (None, None)

    @property
    def channels(self) -> int | None:
        """Channels of the image that the model takes, None where any will do."""
        shape = self._image_shape()
        return shape[3] if shape else 3

    @property
    def classes(self) -> int | None:
        """The number of classes, None where the outputs are not one vector an image."""
        outputs = getattr(self.model, "outputs", None) or []
        shapes = [tuple(output.shape) for output in outputs]
        flat = [shape for shape in shapes if len(shape) == 2 and shape[1] is not None]
        return int(flat[0][1]) if len(flat) == 1 else None

    def _image_shape(self) -> Shape | None:
        images = [shape for shape in self.input_shapes or [self._built_shape()] if len(shape) == 4]
        return images[0] if images else None

    def _built_shape(self) -> Shape:
        """Return the shape that a subclassed model was built for, () where it does not say."""
        shape = (self.model.get_build_config() or {}).get("input_shape")
        if not isinstance(shape, list | tuple) or not all(
            n is None or isinstance(n, int) for n in shape
        ):
            return ()
        return (None, *shape[1:])

    def class_index(self, which: int | str) -> int:
        """Return the index of a class.

        Args:
            which: an index, negative from the end, or a name from `class_names`; upper and lower
                case are the same.

        Returns:
            The index, from 0.

        Raises:
            OptionError: if there is no such class.

        >>> import kviz
        >>> kviz.load_model("models/squeezenet.keras").class_index("Egyptian cat")
        285
        """
        names = self.class_names or ()
        # One unit can have names for two classes.
        count = max(self.classes or 0, len(names)) or None
        if isinstance(which, str) and (which in names or not re.fullmatch("-?[0-9]{1,18}", which)):
            if not self.class_names:
                raise OptionError(
                    f"The model has no class names, so {sanitise(which)!r} means nothing. Give an index"
                    + (f" from 0 to {count - 1}" if count else "")
                    + f", or {spelled('class_names', '…')}."
                )
            found = [i for i, name in enumerate(self.class_names) if name == which] or [
                i for i, name in enumerate(self.class_names) if name.casefold() == which.casefold()
            ]
            if not found:
                raise OptionError(
                    f"There is no class {sanitise(which)!r}. {suggest(which, self.class_names)}"
                )
            if len(found) > 1:
                raise OptionError(
                    f"{len(found)} classes are named {sanitise(which)!r}. Give an index: {found[:8]}"
                )
            return found[0]
        try:
            index = int(which) if isinstance(which, str) else operator.index(which)
        except TypeError:
            raise OptionError(
                f"A class is an index or a name. Received: {sanitise(repr(which))}"
            ) from None
        if count is not None:
            if not -count <= index < count:
                raise OptionError(f"Class indices go from 0 to {count - 1}. Received: {index}")
            index %= count
        elif index < 0:
            raise OptionError(f"A class index is 0 or more. Received: {index}")
        return index

    @property
    def layers(self) -> LayerTable:
        """Every layer that the model calls, in order, as a table.

        Raises:
            ModelError: if it is a subclassed model that has never been called.
        """
        self._look_again()
        if self._table is None:
            shapes = self.input_shapes
            if shapes is not None:
                specs = self.specs(dict.fromkeys(self._names(shapes)))
            elif self._seen is not None:
                specs = self._seen
            elif shape := self._built_shape():
                specs = {"0": tf.TensorSpec(shape, "float32")}
            else:
                raise ModelError(
                    "The model does not say what size of image it takes, so its layers cannot be "
                    "listed before it has seen one: kviz.activations(network, images)."
                )
            self._function(specs, (), table=True)
        if not self._table:
            raise ModelError("The model calls no layers.")
        return self._table

    def __call__(self, images: Any) -> Any:
        """Return the model's outputs for pixels, in inference mode, in float32 or float64.

        Args:
            images: array `(N, H, W, channels)`, values 0-255; for a model of several inputs a
                list, or a dict by the inputs' names.

        Returns:
            Tensors in the structure of the model's outputs.

        Raises:
            ImageError: if the images do not fit the model.
        """
        pixels = self.pixels(images)
        function, _ = self.function(pixels, outputs=True)
        total = len(next(iter(pixels.values())))
        parts = [
            keras.tree.map_structure(lambda x: x[: stop - start], self.run(function, chunk)[0])  # noqa: B023
            for start, stop, chunk in self.chunks(pixels, total)
        ]
        if len(parts) == 1:
            return parts[0]
        return keras.tree.map_structure(lambda *x: tf.concat(x, 0), *parts)

    @property
    def fixed_batch(self) -> int | None:
        """The number of images that the model was built for, None where any will do."""
        sizes = {shape[0] for shape in self.input_shapes or []} - {None}
        return next(iter(sizes), None)

    def chunks(
        self, pixels: Mapping[str, Array], batch_size: int
    ) -> Iterator[tuple[int, int, list[Array]]]:
        """Give (start, stop, arrays) for at most `batch_size` images at a time.

        Args:
            pixels: as `pixels` returns them.
            batch_size: images at once; a model that was built for a fixed number gets that, the
                last image repeated to fill it.

        Raises:
            OptionError: if `batch_size` is not a whole number from 1.
        """
        batch_size = validate_int("batch_size", batch_size)
        fixed = self.fixed_batch
        total = len(next(iter(pixels.values())))
        for start in range(0, total, fixed or batch_size):
            stop = min(start + (fixed or batch_size), total)
            chunk = [array[start:stop] for array in pixels.values()]
            if fixed and stop - start < fixed:
                more = fixed - (stop - start)
                chunk = [
                    np.concatenate([array, array[-1:].repeat(more, axis=0)]) for array in chunk
                ]
            yield start, stop, chunk

    def pixels(self, images: Any) -> dict[str, Array]:
        """Return checked arrays by the names of the model's inputs, in the model's order.

        Args:
            images: as `__call__` takes them.

        Returns:
            Arrays `(N, ...)`, all of one N.

        Raises:
            ImageError: if the images do not fit the model.
        """
        shapes = self.input_shapes
        names = self._names(shapes) if shapes else []
        if isinstance(images, Mapping):
            names = names or [str(name) for name in images]
            if set(names) != {str(name) for name in images}:
                raise ImageError(
                    f"The model takes the inputs {', '.join(sanitise(n, 30) for n in names)}. "
                    f"Received: {', '.join(sanitise(n, 30) for n in images)}"
                )
            given = [images[name] for name in names]
        elif isinstance(images, list | tuple) and (
            shapes is None or len(shapes) > 1 or isinstance(_structure(self.model), list | tuple)
        ):
            given = list(images)
            names = names or [str(place) for place in range(len(given))]
        else:
            given = [images]
            names = names or ["0"]
        if len(given) != len(names):
            raise ImageError(
                f"The model takes {len(names)} inputs ({', '.join(sanitise(n, 30) for n in names)}). "
                f"Received: {len(given)}"
            )
        pixels = {
            name: checked_pixels(
                array,
                shapes[place] if shapes else None,
                f"input {sanitise(name, 30)!r}" if len(names) > 1 else "images",
            )
            for place, (name, array) in enumerate(zip(names, given, strict=True))
        }
        counts = {name: len(array) for name, array in pixels.items()}
        if len(set(counts.values())) > 1:
            raise ImageError(
                f"The inputs hold different numbers of images: {sanitise(counts, 200)}"
            )
        return pixels

    def function(
        self, pixels: Mapping[str, Array], layer_names: Selector = (), *, outputs: bool = False
    ) -> tuple[Callable[..., tuple[Any, list[Any]]], list[LayerInfo]]:
        """Return a compiled function from pixels to outputs and maps, and the maps' layers.

        Args:
            pixels: as `pixels` returns them; their shapes count, and only where the model's own
                are free.
            layer_names: the layers wanted, as `LayerTable.select` takes them; `()` for none.
            outputs: whether the model's outputs are wanted. Without, the pass stops at the
                deepest layer.

        Returns:
            A function of one array an input, which gives the outputs (or None) and a list of
            tensors, float32 or float64, channels last; and the layers, in order of execution.

        Raises:
            LayerError: as `LayerTable.select` raises it.
        """
        self._seen = self.specs(pixels)
        return self._function(self._seen, layer_names, outputs=outputs)

    def run(self, function: Callable[..., Any], arrays: Sequence[Any]) -> Any:
        """Call a compiled function, stateful layers at their start before and as they were after.

        Args:
            function: as `function` or `compiled` gives it.
            arrays: its arguments.

        Returns:
            What it returns.

        Raises:
            ModelError: if TensorFlow cannot run the model on these arrays.
        """
        states = [variable for layer in self._stateful for variable in layer.variables]
        kept = [tf.identity(variable.value) for variable in states]
        try:
            for layer in self._stateful:
                layer.reset_state()
            return function(*arrays)
        except tf.errors.ResourceExhaustedError as error:
            raise MemoryError from error
        except tf.errors.OpError as error:
            shapes = ", ".join(str(tuple(a.shape)) for a in arrays if hasattr(a, "shape"))
            raise ModelError(
                f"The model cannot be run on inputs of shape {shapes}: {first_line(error)}"
            ) from error
        finally:
            for variable, value in zip(states, kept, strict=True):
                variable.assign(value)

    def _names(self, shapes: Sequence[Any]) -> list[str]:
        structure = _structure(self.model)
        if isinstance(structure, Mapping) and len(structure) == len(shapes):
            # By the keys that Keras takes, which need not be the tensors' names.
            return [str(key) for key in keras.tree.flatten({key: key for key in structure})]
        names = [str(tensor.name) for tensor in self.model.inputs]
        return names if len(set(names)) == len(shapes) else [str(i) for i in range(len(shapes))]

    def specs(self, pixels: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a function is compiled for: the model's own shapes, free where these are.

        Args:
            pixels: what has a shape, an input each, as `pixels` returns it.

        Returns:
            A `tf.TensorSpec` an input.
        """
        own = self.input_shapes
        specs = {}
        for place, (name, array) in enumerate(pixels.items()):
            dtype = str(self.model.inputs[place].dtype if own else self.model.compute_dtype)
            exact = ("float64", "int32", "int64", "uint8", "bool")
            shape = own[place] if own else (None, *array.shape[1:])
            specs[name] = tf.TensorSpec(shape, dtype if dtype in exact else "float32")
        return specs

    def compiled(
        self, key: Any, run: Callable[..., Any], specs: Sequence[Any], share: Share | None = None
    ) -> Any:
        """Return `run` as a `tf.function`, traced now and only once for a key.

        Args:
            key: tells it from other functions of this network, hashable.
            run: takes one tensor a spec; it is not turned into a graph by AutoGraph.
            specs: a `tf.TensorSpec` an argument.
            share: how its work is shared out over several devices; None leaves it on one.

        Returns:
            The compiled function.

        Raises:
            ModelError: if the model's own code fails.
        """
        self._look_again()
        whole = self._traced_once(key, run, specs)
        if share is None or self.strategy is None or self.fixed_batch or self._stateful:
            return whole
        parts = self._traced_once(("shared", key), shared(self.strategy, run, share), specs)
        first = list(share.cut).index(True)
        devices = self.strategy.num_replicas_in_sync
        return lambda *arguments: (parts if len(arguments[first]) >= devices else whole)(*arguments)

    def _traced_once(self, key: Any, run: Callable[..., Any], specs: Sequence[Any]) -> Any:
        full = (key, tuple(specs))
        if full not in self._compiled:
            function = tf.function(run, autograph=False, input_signature=list(specs))
            try:
                function.get_concrete_function()
            except (KvizError, KeyboardInterrupt, MemoryError):
                raise
            except Exception as error:  # whatever the model's own code raises
                raise ModelError(f"The model cannot be run: {first_line(error)}") from error
            self._compiled[full] = function
        return self._compiled[full]

    def traced(
        self, pixels: Mapping[str, Any], edits: Edits | None = None, *, as_it_is: bool = False
    ) -> Trace:
        """Call the model on symbolic pixels, while a `tf.function` traces.

        Args:
            pixels: a tensor an input, as `specs` describes them.
            edits: as `kviz.engine.tracing.trace` takes them.
            as_it_is: as `kviz.engine.tracing.trace` takes it.

        Returns:
            The trace: outputs, and every layer call with its tensors.
        """
        traced = trace(self.model, self._inputs(pixels), edits, as_it_is=as_it_is)
        self._stateful = [
            call.layer
            for call in traced.calls
            if getattr(call.layer, "stateful", False) and hasattr(call.layer, "reset_state")
        ]
        return traced

    def table(self, traced: Trace) -> LayerTable:
        """Return the layers that a trace saw.

        Args:
            traced: as `traced` gives it, while a `tf.function` traces.
        """
        return layer_table(traced, self.model, channels_first=self._channels_first)

    def _function(
        self,
        specs: dict[str, Any],
        layer_names: Selector,
        *,
        outputs: bool = False,
        table: bool = False,
    ) -> tuple[Callable[..., tuple[Any, list[Any]]], list[LayerInfo]]:
        layer_names = selector_key(layer_names)
        key = ("function", layer_names, outputs, table)
        infos = self._infos.setdefault((key, tuple(specs.values())), [])

        def run(*pixels: Any) -> tuple[Any, list[Any]]:
            traced = self.traced(dict(zip(specs, pixels, strict=True)))
            if table or layer_names != ():
                self._table = self.table(traced)
            if self._table is not None and layer_names != ():
                infos[:] = self._table.select(layer_names, maps=True)
            calls = {call.path: call for call in traced.calls}
            maps = [_as_map(calls[info.path], info) for info in infos]
            return (keras.tree.map_structure(_single, traced.outputs) if outputs else None), maps

        share = Share(cut=[True] * len(specs))
        return self.compiled(key, run, list(specs.values()), share), infos

    def _look_again(self) -> None:
        """Forget what was compiled for a model that has been changed since; its weights may differ."""
        parts = tuple(
            (
                layer,
                getattr(layer, "activation", None),
                layer.dtype_policy.name,
                getattr(layer, "lora_enabled", False),
            )
            for layer in _layers_within(self.model)
        )
        if parts != self._parts:
            self._parts = parts
            self._table = None
            self._compiled = {}
            self._infos = {}
            self._shapes = _input_shapes(self.model)
            self._channels_first = _is_channels_first(self.model, self._shapes)

    def _inputs(self, pixels: Mapping[str, Any]) -> Any:
        """Return the model's inputs for pixels: preprocessed, its own order of axes, its structure."""
        flat = []
        for tensor in pixels.values():
            # A mask beside the photo is no photo; a second photo has as many channels as the first.
            photo = tensor.shape.rank == 4 and self.channels in (None, tensor.shape[3])
            if self._preprocess is not None and photo:
                tensor = self._preprocessed(tensor)
            if self._channels_first and (tensor.shape.rank or 0) > 2:
                rank = tensor.shape.rank
                tensor = tf.transpose(tensor, [0, rank - 1, *range(1, rank - 1)])
            flat.append(tensor)
        structure = _structure(self.model)
        if structure is not None:
            return keras.tree.pack_sequence_as(structure, flat)
        if self._shapes is not None or all(name.isdigit() for name in pixels):
            return flat[0] if len(flat) == 1 else flat
        return dict(zip(pixels, flat, strict=True))

    def _preprocessed(self, tensor: Any) -> Any:
        try:
            return self._preprocess(tensor) if self._preprocess else tensor
        except Exception as error:  # whatever the caller's function raises
            what = repr(self.preprocess) if isinstance(self.preprocess, str) else "as given"
            raise OptionError(
                f"preprocess {what} fails on pixels of shape {tuple(tensor.shape)}: "
                f"{first_line(error)}"
            ) from error

    def __repr__(self) -> str:
        shapes = ", ".join(map(str, self.input_shapes or ())) or "unknown"
        return f"<kviz.Network {sanitise(self.name)}: {shapes}, {self.classes or '?'} classes>"


def _single(tensor: Any) -> Any:
    """Return a tensor that NumPy has a type for, half precision as float32."""
    return tf.cast(tensor, "float32") if tensor.dtype in (tf.float16, tf.bfloat16) else tensor


def _as_map(call: Call, info: LayerInfo) -> Any:
    tensors = tensors_of(call.outputs)
    if len(tensors) != 1:
        raise LayerError(
            f"Layer {sanitise(info.path)!r} gives {len(tensors)} tensors. Ask for a layer inside it."
        )
    tensor = tensors[0]
    if not info.spatial:
        raise LayerError(
            f"Layer {sanitise(info.path)!r} ({info.kind}) has no spatial output: its shape is "
            f"{sanitise(info.output_shape)}. Expected (N, H, W, channels); ask for a layer before it."
        )
    if tensor.dtype not in (tf.float32, tf.float64):
        tensor = tf.cast(tensor, "float32")
    if info.data_format == "channels_first":
        tensor = tf.transpose(tensor, [0, *range(2, tensor.shape.rank), 1])
    return tensor


def _input_shapes(model: Any) -> list[Shape] | None:
    tensors = getattr(model, "inputs", None)
    return [tuple(tensor.shape) for tensor in tensors] if tensors else None


def _structure(model: Any) -> Any:
    """Return a model's inputs as it takes them; None for a Sequential or a subclassed one."""
    try:
        return model.input
    except AttributeError:
        return None


def _layers_within(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _layers_within(layer)


def _is_channels_first(model: Any, shapes: list[Shape] | None) -> bool:
    formats = (getattr(layer, "data_format", None) for layer in _layers_within(model))
    known = next((f for f in formats if f in ("channels_first", "channels_last")), None)
    if known is None:
        for shape in shapes or []:
            if len(shape) == 4 and (shape[1] in (1, 3)) != (shape[3] in (1, 3)):
                return shape[1] in (1, 3)
    return bool((known or keras.config.image_data_format()) == "channels_first")


def _preprocessing(preprocess: Preprocess | None) -> Callable[[Any], Any] | None:
    if preprocess is None or callable(preprocess):
        return preprocess
    modules = {
        name: getattr(keras.applications, name)
        for name in dir(keras.applications)
        if hasattr(getattr(keras.applications, name), "preprocess_input")
    }
    if not isinstance(preprocess, str) or preprocess not in modules:
        raise OptionError(
            f"{spelled('preprocess')} takes a keras.applications module, a layer or a function. "
            f"Received: {sanitise(repr(preprocess))}. {suggest(str(preprocess), modules)}"
        )
    function: Callable[..., Any] = modules[preprocess].preprocess_input
    return lambda pixels: function(pixels, data_format="channels_last")
