"""One model and how it runs: pixels packed as it takes them, its calls traced, functions compiled."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from kviz._checks import first_line, sanitise, validate_int
from kviz._types import Selector
from kviz.engine.activation_model import as_number, maps_of
from kviz.engine.backend import keras, tf
from kviz.engine.compiled import Compiled, compiled_for
from kviz.engine.devices import Share, several, shared
from kviz.engine.graph import takes_bytes
from kviz.engine.heads import Head, choose_head, heads_of
from kviz.engine.layers import LayerInfo, LayerTable, Shape, layer_table, selector_key
from kviz.engine.memory import Memory, TooMuch, shrinking
from kviz.engine.model_inputs import (
    built_shape,
    input_names,
    input_shapes,
    is_channels_first,
    layers_within,
    pack_inputs,
    to_channels_first,
    to_channels_last,
)
from kviz.engine.other_weights import OtherWeights
from kviz.engine.pixel_inputs import is_grey_picture, is_made_real
from kviz.engine.tracing import (
    Edits,
    Trace,
    all_layers,
    is_stateful,
    on_behalf,
    trace,
    unrolling,
)
from kviz.errors import ModelError, OptionError

Preprocess = Callable[[Any], Any]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Maps:
    """A compiled function of pixels, and what it gives.

    Attributes:
        function: takes one array per input and gives the outputs (or None) and a list of tensors,
            float32 or float64, channels last.
        infos: the layers of these, in order of execution.
        table: all layers of the model, where any was asked for.
    """

    function: Callable[..., tuple[Any, list[Any]]]
    infos: LayerTable
    table: LayerTable


class Engine:
    """How one model runs on pixels.

    Args:
        model: the `keras.Model`; it is used as it is and never changed.
        preprocess: what turns pixels `(N, H, W, channels)` into what the model takes, or None.
        key: what tells this preprocessing from another of the same model, hashable.
        named: how many class names there are.
        loss: what a file says that the model was compiled with, or None.
        memory: how much of it a run may take.
        most_steps: for how many a recurrent layer may be unrolled; None for any number.
    """

    def __init__(
        self,
        model: Any,
        preprocess: Preprocess | None = None,
        key: Any = None,
        *,
        named: int = 0,
        loss: Any = None,
        memory: Memory | None = None,
        most_steps: int | None = None,
    ) -> None:
        self.model = model
        self.memory = memory or Memory()
        self._most_steps = most_steps
        self.strategy = several()
        self.named = named
        self._loss = loss
        self._preprocess = preprocess
        self._key = key
        self.functions: Compiled = compiled_for(model)
        self._traced: list[Any] = []
        self._weights: OtherWeights | None = None

    def with_weights(self, weights: OtherWeights) -> Engine:
        """Return what runs the same model with other numbers in its weights.

        Args:
            weights: these numbers, which can be set anew.
        """
        other = copy(self)
        other._weights, other.functions, other._traced = weights, weights.functions, []
        return other

    @cached_property
    def channels_first(self) -> bool:
        """Whether the model takes channels before the axes."""
        return is_channels_first(self.model)

    @property
    def input_shapes(self) -> list[Shape] | None:
        """The inputs' shapes in channels-last order, batch first; None where it is not known."""
        shapes = input_shapes(self.model)
        if shapes is None:
            return None
        if self.channels_first:
            shapes = [(s[0], *s[2:], s[1]) if len(s) > 3 else s for s in shapes]
        grey = self.grey_pictures
        return [(*s, 1) if place in grey else s for place, s in enumerate(shapes)]

    @property
    def grey_pictures(self) -> frozenset[int]:
        """The places of inputs `(N, H, W)` that are pictures; pixels have an axis of channels here."""
        return self._pixel_inputs[0]

    @cached_property
    def _pixel_inputs(self) -> tuple[frozenset[int], frozenset[int]]:
        """The places of grey pictures without channels, and of whole numbers that are pixels."""
        inputs = self.model.inputs if input_shapes(self.model) else []
        whole = [not keras.backend.is_float_dtype(tensor.dtype) for tensor in inputs]
        ranks = [len(tensor.shape) for tensor in inputs]
        unclear = any(r == 3 or (r > 3 and w) for r, w in zip(ranks, whole, strict=True))
        if self.needs_sizes or not unclear:
            return frozenset(), frozenset()

        def run(*arguments: Any) -> Any:
            given = dict(zip(self.input_names, arguments, strict=True))
            with unrolling(self._most_steps):
                traced = trace(self.model, pack_inputs(self.model, given))
            grey = [is_grey_picture(tensor, traced) for tensor in arguments]
            real = [rank > 2 and is_made_real(x) for rank, x in zip(ranks, arguments, strict=True)]
            return (
                (),
                [],
                [frozenset(place for place, x in enumerate(y) if x) for y in (grey, real)],
            )

        specs = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in inputs]
        found: tuple[frozenset[int], frozenset[int]]
        _, found = self.functions.function("pixel inputs", run, specs)
        return found

    @cached_property
    def needs_sizes(self) -> bool:
        """Whether the model can be traced only for images whose sizes are known.

        Keras's `TimeDistributed` counts on the number of frames, enlarging between pixels on theirs.
        """
        free = any(None in shape[1:-1] for shape in input_shapes(self.model) or [])
        return free and any(map(_counts_on_sizes, all_layers(self.model)))

    @property
    def fixed_batch(self) -> int | None:
        """The number of images that the model was built for, None where any will do."""
        sizes = {shape[0] for shape in self.input_shapes or []} - {None}
        return next(iter(sizes), None)

    @property
    def image_shape(self) -> Shape | None:
        """The first image's shape `(N, H, W, channels)`, None if the model takes none."""
        known = self.input_shapes or [built_shape(self.model)]
        return next((shape for shape in known if len(shape) == 4), None)

    @property
    def input_names(self) -> list[str]:
        """The inputs' names, none where the model does not know its inputs."""
        shapes = input_shapes(self.model)
        return input_names(self.model, shapes) if shapes else []

    def specs(self, pixels: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a function is compiled for: the model's own shapes, free where these are.

        Args:
            pixels: what has a shape, an input each, as `Network.pixels` returns it.

        Returns:
            A `tf.TensorSpec` an input.
        """
        own = self.input_shapes
        specs = {}
        for place, (name, array) in enumerate(pixels.items()):
            dtype = str(self.model.inputs[place].dtype if own else self.model.compute_dtype)
            exact = ("float64", "int32", "int64", "uint8", "bool")
            shape = own[place] if own else (None, *array.shape[1:])
            if self.needs_sizes:
                shape = (shape[0], *array.shape[1:])
            specs[name] = tf.TensorSpec(shape, dtype if dtype in exact else "float32")
        return specs

    def real_specs(self, pixels: Mapping[str, Any]) -> dict[str, Any]:
        """Return the same as `specs`, but pixels of whole numbers as real ones.

        These can be differentiated, and lie between whole numbers on the way from one image to another.
        """
        specs = self.specs(pixels)
        for place, (name, spec) in enumerate(specs.items()):
            if place in self._pixel_inputs[1]:
                specs[name] = tf.TensorSpec(spec.shape, "float32")
        return specs

    def traced(
        self, pixels: Mapping[str, Any], edits: Edits | None = None, *, as_it_is: bool = False
    ) -> Trace:
        """Call the model on symbolic pixels, while a compiled function is traced.

        Args:
            pixels: a tensor per input, as `specs` describes them.
            edits: as `kviz.engine.tracing.trace` takes them.
            as_it_is: as `kviz.engine.tracing.trace` takes it.

        Returns:
            The trace: outputs, and every layer call with its tensors.
        """
        with unrolling(self._most_steps):
            found = trace(self.model, self._inputs(pixels), edits, as_it_is=as_it_is)
        self._traced += [call.layer for call in found.calls]
        return found

    def table(self, traced: Trace) -> LayerTable:
        """Return the layers that a trace saw, while a compiled function is traced."""
        return layer_table(traced, self.model, channels_first=self.channels_first)

    def compiled(
        self, key: Any, run: Callable[..., Any], specs: Sequence[Any], share: Share | None = None
    ) -> Any:
        """Return `run` compiled, traced now and only once for a key.

        Args:
            key: tells it from other functions of this model, hashable.
            run: takes one tensor a spec; it is not turned into a graph by AutoGraph.
            specs: a `tf.TensorSpec` an argument.
            share: how its work is shared out over several devices; None leaves it on one.

        Returns:
            The compiled function.

        Raises:
            ModelError: if the model's own code fails.
        """
        return self.noted(key, lambda *arguments: (run(*arguments), None), specs, share)[0]

    def noted(
        self, key: Any, run: Callable[..., Any], specs: Sequence[Any], share: Share | None = None
    ) -> tuple[Any, Any]:
        """Return `run` compiled, as `compiled`, and what it gave to be remembered when it was traced.

        Args:
            key: as `compiled` takes it.
            run: returns what the function returns, and anything to be remembered with it.
            specs: as `compiled` takes them.
            share: as `compiled` takes it.
        """
        if self._weights is not None:
            run = self._weights.read_by(run)
        whole, (stateful, noted) = self.functions.function((self._key, key), self._seen(run), specs)
        if share is None or self.strategy is None or self.fixed_batch or stateful:
            return whole, noted

        def on_a_device(*arguments: Any) -> Any:
            with on_behalf():
                return run(*arguments)[0]

        spread = shared(self.strategy, on_a_device, share)
        parts, _ = self.functions.function(
            (self._key, "shared", key),
            self._seen(lambda *arguments: (spread(*arguments), None)),
            specs,
        )
        first = list(share.cut).index(True)
        devices = self.strategy.num_replicas_in_sync

        def either(*arguments: Any) -> Any:
            return (parts if len(arguments[first]) >= devices else whole)(*arguments)

        return either, noted

    def _seen(self, run: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of `run`'s results, the layers that it called, and what is remembered."""

        def whole(*arguments: Any) -> Any:
            self._traced.clear()
            results, noted = run(*arguments)
            layers = [*layers_within(self.model), *self._traced]
            return results, layers, (any(map(is_stateful, self._traced)), noted)

        return whole

    def maps(
        self, specs: Mapping[str, Any], layer_names: Selector = (), *, outputs: bool = False
    ) -> Maps:
        """Return what gives layers' maps, compiled: this model's `ActivationModel`, on pixels.

        Args:
            specs: as `specs` returns them.
            layer_names: as `LayerTable.select` takes it; `()` for none.
            outputs: whether the model's outputs are wanted. Without, the pass stops at the
                deepest layer.

        Raises:
            LayerError: as `LayerTable.select` raises it.
        """
        names = selector_key(layer_names)

        def run(*pixels: Any) -> Any:
            traced = self.traced(dict(zip(specs, pixels, strict=True)))
            results = keras.tree.map_structure(as_number, traced.outputs) if outputs else None
            if names == ():
                return (results, []), ((), ())
            table = self.table(traced)
            infos = table.select(names, maps=True)
            return (results, maps_of(traced, infos)), (_detached(infos), _detached(table))

        share = Share(cut=[True] * len(specs))
        function, noted = self.noted(("maps", names, outputs), run, list(specs.values()), share)
        return Maps(function, *(LayerTable(map(_attached, infos)) for infos in noted))

    def layers(self, specs: Mapping[str, Any]) -> LayerTable:
        """Return every layer that the model calls.

        Args:
            specs: as `specs` returns them.
        """
        return LayerTable(map(_attached, self._outlined(specs)[0]))

    def heads_for(self, specs: Mapping[str, Any]) -> tuple[Head, ...]:
        """Return what the model's outputs mean.

        Args:
            specs: as `specs` returns them.
        """
        heads: tuple[Head, ...] = self._outlined(specs)[1]
        return heads

    def inputs_of_bytes(self, specs: Mapping[str, Any]) -> frozenset[str]:
        """Return the inputs of which the model, or its preprocessing, shows that they take 0-255.

        Args:
            specs: as `specs` returns them.
        """
        found: frozenset[str] = self._outlined(specs)[2]
        return found

    def _outlined(self, specs: Mapping[str, Any]) -> Any:
        def run(*pixels: Any) -> Any:
            traced = self.traced(dict(zip(specs, pixels, strict=True)))
            bytewise = frozenset(
                name for name, tensor in zip(specs, pixels, strict=True) if takes_bytes(tensor)
            )
            return (), (_detached(self.table(traced)), self.heads(traced), bytewise)

        return self.noted(("outline", self.meaning), run, list(specs.values()))[1]

    @property
    def meaning(self) -> Any:
        """What besides the graph says what outputs mean, hashable."""
        return self.named, repr(self._compiled_loss)

    @property
    def _compiled_loss(self) -> Any:
        return self._loss if self._loss is not None else getattr(self.model, "loss", None)

    def heads(self, traced: Trace) -> tuple[Head, ...]:
        """Return what the outputs of a trace mean, while a compiled function is traced."""
        grey = self.grey_pictures
        inputs = [to_channels_last(x) if self.channels_first else x for x in traced.inputs]
        return heads_of(
            traced.outputs,
            inputs=[x[..., None] if i in grey else x for i, x in enumerate(inputs)],
            layers=[str(name) for name in getattr(self.model, "output_names", None) or []],
            named=self.named,
            loss=self._compiled_loss,
            channels_first=self.channels_first,
        )

    def answers(self, specs: Mapping[str, Any], output: int | str | None) -> tuple[Any, Head]:
        """Return what gives a model's answers for pixels, compiled, and what they mean.

        Args:
            specs: as `specs` returns them.
            output: as `choose_head` takes it.

        Returns:
            A function of an array per input that gives what `Head.answers` gives, as float32 or float64
            where these are real numbers; and the head.
        """

        def run(*pixels: Any) -> Any:
            traced = self.traced(dict(zip(specs, pixels, strict=True)))
            head = choose_head(self.heads(traced), output)
            return tuple(map(as_number, head.answers(traced.outputs))), head

        share = Share(cut=[True] * len(specs))
        found: tuple[Any, Head] = self.noted(
            ("answers", self.meaning, output), run, list(specs.values()), share
        )
        return found

    def chunks(
        self, pixels: Mapping[str, Any], batch_size: int
    ) -> Iterator[tuple[int, int, list[Any]]]:
        """Give (start, stop, arrays) for at most `batch_size` images at a time.

        Args:
            pixels: an array per input, of one length.
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

    def fitting(self, batch_size: int, work: Callable[[int], Result]) -> Result:
        """Return `work(batch_size)`, begun anew with fewer where so many images take too much memory.

        Args:
            batch_size: images at once, at most.
            work: takes how many, on which its result does not depend.

        Raises:
            ModelError: if one image alone takes too much.
        """
        while True:
            try:
                with shrinking(batch_size > 1 and not self.fixed_batch):
                    return work(batch_size)
            except TooMuch as error:
                batch_size = error.fewer(batch_size)

    def run(self, function: Callable[..., Any], arrays: Sequence[Any]) -> Any:
        """Call a compiled function.

        Args:
            function: as `compiled` gives it.
            arrays: its arguments.

        Returns:
            What it returns.

        Raises:
            ModelError: if TensorFlow cannot run the model on these arrays, or that would take more
                memory than it may.
        """
        self.memory.check(function, arrays)
        if (pause := _pause.get()) is not None and tf.executing_eagerly():
            pause()
        try:
            return function(*arrays)
        except tf.errors.ResourceExhaustedError as error:
            raise MemoryError from error
        except tf.errors.OpError as error:
            shapes = ", ".join(str(tuple(a.shape)) for a in arrays if hasattr(a, "shape"))
            raise ModelError(
                f"The model cannot be run on inputs of shape {shapes}: {first_line(error)}"
            ) from error

    def _inputs(self, pixels: Mapping[str, Any]) -> Any:
        """Return the model's inputs for pixels: preprocessed, its own order of axes, its structure."""
        inputs = {}
        channels = self.image_shape[3] if self.image_shape else 3
        for place, (name, tensor) in enumerate(pixels.items()):
            # A mask beside the photo is no photo; a second photo has as many channels as the first.
            photo = tensor.shape.rank == 4 and channels in (None, tensor.shape[3])
            if self._preprocess is not None and photo:
                tensor = self._preprocessed(tensor)
            if place in self.grey_pictures:
                tensor = tf.squeeze(tensor, -1)
            elif self.channels_first:
                tensor = to_channels_first(tensor)
            inputs[name] = tensor
        return pack_inputs(self.model, inputs)

    def _preprocessed(self, tensor: Any) -> Any:
        try:
            return self._preprocess(tensor) if self._preprocess else tensor
        except Exception as error:  # whatever the caller's function raises
            what = repr(self._key) if isinstance(self._key, str) else "as given"
            raise OptionError(
                f"preprocess {sanitise(what)} fails on pixels of shape {tuple(tensor.shape)}: "
                f"{first_line(error)}"
            ) from error


# Called before each run of a compiled function, within a context.
_pause: ContextVar[Callable[[], None] | None] = ContextVar("_pause", default=None)


@contextmanager
def pausing(pause: Callable[[], None]) -> Iterator[None]:
    """Have something called before each run of a compiled function within the body.

    It can end what runs by an exception, or run something else in between.

    Args:
        pause: what is called.
    """
    token = _pause.set(pause)
    try:
        yield
    finally:
        _pause.reset(token)


def _counts_on_sizes(layer: Any) -> bool:
    """Return whether a layer needs to know sizes that a model may leave free, while it is traced."""
    between = getattr(layer, "interpolation", "nearest") != "nearest"
    enlarges = isinstance(layer, keras.layers.UpSampling2D) and between
    return enlarges or isinstance(layer, keras.layers.TimeDistributed)


def _detached(infos: Iterable[LayerInfo]) -> list[tuple[LayerInfo, Any]]:
    """Return layers in a form that does not keep their model alive."""
    return [(replace(info, layer=None), weakref.ref(info.layer)) for info in infos]


def _attached(pair: tuple[LayerInfo, Any]) -> LayerInfo:
    info, layer = pair
    return replace(info, layer=layer())
