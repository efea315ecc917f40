"""The door to a layer: every layer call that a model makes, seen while TensorFlow traces it.

While one call of the model is traced, `keras.Layer.__call__` notes each layer with the tensors that
go in and come out. This is one way for every model: functional, Sequential, nested to any depth,
subclassed, shared layers, layers inside custom blocks and wrappers. It changes no tensor, so the
model's outputs stay what they are, and what TensorFlow does not need for the tensors that are asked
for it prunes, so that a forward pass stops at the deepest of them.
"""

from __future__ import annotations

import contextlib
import inspect
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from kviz.engine.backend import keras, tf


@dataclass(eq=False)
class Call:
    """One call of a layer.

    Attributes:
        layer: the layer.
        parent: the call within which it happened, None for the model itself.
        inputs: the tensors that went in, flat.
        outputs: what came out: a tensor or a structure of them.
        order: the place among all calls by which of them ended first.
        path: names from the model down, `block/conv`; the k-th of several calls with one name in
            one parent is `conv#k`.
        hidden: whether it ran in a graph of its own (a loop, a branch, a compiled function), from
            which TensorFlow lets no tensor out.
    """

    layer: Any
    parent: Call | None
    inputs: list[Any]
    outputs: Any = None
    order: int = -1
    path: str = ""
    hidden: bool = False
    children: list[Call] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Trace:
    """What one call of a model did: its inputs, outputs and all layer calls, parents first."""

    inputs: list[Any]
    outputs: Any
    calls: list[Call]


_lock = threading.RLock()
_local = threading.local()


Edits = Mapping[int, Callable[[Call], Any]]


def trace(model: Any, inputs: Any, edits: Edits | None = None, *, as_it_is: bool = False) -> Trace:
    """Call `model` in inference mode and note every layer call.

    To be called while a `tf.function` traces. Layers that compute in float16 or bfloat16 are
    looked at in float32: half precision can turn finite values into NaN. Only while it is traced, a
    thread that calls the very same half-precision layers sees them in float32 too.

    Args:
        model: a `keras.Model`; it is as before afterwards.
        inputs: symbolic tensors in the structure that the model takes.
        edits: what a call's outputs are to be before the model goes on, made from the call, by its
            `order` in an earlier trace.
        as_it_is: look at half precision in half precision.

    Returns:
        The trace. Its tensors live in the graph that is being traced.
    """
    edits = edits or {}
    recorder = _trace(model, inputs, edits, as_it_is)
    if recorder.built_something:
        # Layers that build themselves call others on the way; now that they are built they do not.
        recorder = _trace(model, inputs, edits, as_it_is)
    if any(call.hidden for call in recorder.calls):
        # A `call` that is itself a tf.function hides its layers; as plain Python it does not. It can
        # depend on being compiled, though, and then it stays shut.
        with contextlib.suppress(Exception):
            recorder = _trace(model, inputs, edits, as_it_is, unwrap=True)
    flat = keras.tree.flatten(inputs)
    return Trace(flat, recorder.root.outputs, recorder.named(_input_layers(recorder.root, flat)))


def _trace(
    model: Any, inputs: Any, edits: Edits, as_it_is: bool, *, unwrap: bool = False
) -> _Recorder:
    graph = tf.compat.v1.get_default_graph()
    recorder = _Recorder(model, graph, edits, as_it_is, unwrap)
    accepts = inspect.signature(model.call).parameters.values()
    takes_training = any(p.name == "training" or p.kind is p.VAR_KEYWORD for p in accepts)
    with _noted_by(recorder):
        model(inputs, **({"training": False} if takes_training else {}))
    return recorder


def _input_layers(root: Call, inputs: list[Any]) -> list[Call]:
    """Return a call for each InputLayer of a functional model, which Keras itself never calls."""
    found = []
    for layer in root.layer.layers:
        if isinstance(layer, keras.layers.InputLayer):
            same = [
                x for x, of in zip(inputs, root.layer.inputs, strict=False) if of is layer.output
            ]
            found += [Call(layer, root, [], tensor) for tensor in same]
    return found


@contextmanager
def _noted_by(recorder: _Recorder) -> Iterator[None]:
    """Send this thread's layer calls through `recorder`; other threads' pass by untouched."""
    with _lock:
        original = keras.Layer.__call__

        def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
            if getattr(_local, "recorder", None) is not recorder:
                return original(self, *args, **kwargs)
            return recorder.note(self, lambda: original(self, *args, **kwargs), args, kwargs)

        keras.Layer.__call__ = noted
        _local.recorder = recorder
        try:
            yield
        finally:
            _local.recorder = None
            keras.Layer.__call__ = original


class _Recorder:
    def __init__(self, model: Any, graph: Any, edits: Edits, as_it_is: bool, unwrap: bool) -> None:
        self.root = Call(model, None, [])
        self.graph: Any = graph
        self.edits = edits
        self.as_it_is = as_it_is
        self.unwrap = unwrap
        self.calls: list[Call] = []
        self.stack: list[Call] = []
        self.ended = 0
        self.built_something = False

    def note(
        self, layer: Any, run: Callable[[], Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if not self.stack:
            call = self.root
        else:
            tensors = [x for x in keras.tree.flatten((args, kwargs)) if tf.is_tensor(x)]
            call = Call(layer, self.stack[-1], tensors)
            self.stack[-1].children.append(call)
            self.calls.append(call)
        self.built_something |= not layer.built
        self.stack.append(call)
        try:
            look = contextlib.nullcontext() if self.as_it_is else _in_float32(layer)
            with look, self._opened(layer):
                call.outputs = run()
        finally:
            self.stack.pop()
        call.order = self.ended
        self.ended += 1
        if call.order in self.edits:
            call.outputs = self.edits[call.order](call)
        call.hidden = any(self._is_hidden(tensor) for tensor in tensors_of(call.outputs))
        return call.outputs

    def _is_hidden(self, tensor: Any) -> bool:
        graph: Any = getattr(tensor, "graph", None)
        if graph is not self.graph:
            return True
        # tf.vectorized_map traces one round of its loop into the same graph, with a stand-in for
        # the round's number: what is read there is round 0 only.
        body = re.match(r"(?:.*/)?loop_body(?:_\d+)?/", tensor.op.name)
        if body is None:
            return False
        names = {operation.name for operation in graph.get_operations()}
        return f"{body[0]}PlaceholderWithDefault" in names

    @contextmanager
    def _opened(self, layer: Any) -> Iterator[None]:
        """See into a layer that runs others in a way of its own."""
        with contextlib.ExitStack() as swapped:
            inner = getattr(layer, "layer", None)
            if isinstance(layer, keras.layers.Wrapper) and isinstance(inner, keras.Layer):
                # TimeDistributed runs the bare `call` of the layer inside it.
                call = inner.call

                def noted(*args: Any, **kwargs: Any) -> Any:
                    elsewhere = getattr(_local, "recorder", None) is not self
                    if elsewhere or self.stack[-1].layer is inner:
                        return call(*args, **kwargs)
                    return self.note(inner, lambda: call(*args, **kwargs), args, kwargs)

                swapped.enter_context(_swapped_call(inner, noted))
            if not _SCOPE.fullmatch(layer.name):
                swapped.enter_context(_plainly_named(layer))
            if self.unwrap and hasattr(layer.call, "python_function"):
                swapped.enter_context(_swapped_call(layer, layer.call.python_function))
            yield

    def named(self, first: list[Call]) -> list[Call]:
        """Return the calls, parents first, with their paths; `first` stand before them."""
        self.calls[:0] = first
        siblings: dict[tuple[int, str], list[Call]] = {}
        for call in self.calls:
            siblings.setdefault((id(call.parent), call.layer.name), []).append(call)
        taken: set[str] = set()
        for call in self.calls:
            alike = siblings[id(call.parent), call.layer.name]
            name = call.layer.name
            if len(alike) > 1:
                name = f"{name}#{alike.index(call) + 1}"
            above = call.parent.path if call.parent else ""
            call.path = f"{above}/{name}" if above else name
            while call.path in taken:
                call.path += "#"
            taken.add(call.path)
        return self.calls


# What TensorFlow takes as the name of a scope in a graph; Keras takes anything as a layer's name, so
# that a layer called "my conv" runs eagerly and fails in `predict`.
_SCOPE = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")


@contextmanager
def _plainly_named(layer: Any) -> Iterator[None]:
    name = layer.name
    layer.name = "layer"
    try:
        yield
    finally:
        layer.name = name


@contextmanager
def _swapped_call(layer: Any, call: Callable[..., Any]) -> Iterator[None]:
    own = vars(layer).get("call")
    vars(layer)["call"] = call
    try:
        yield
    finally:
        if own is None:
            del vars(layer)["call"]
        else:
            vars(layer)["call"] = own


def tensors_of(outputs: Any) -> list[Any]:
    """Return the tensors in a layer's outputs, flat."""
    return [tensor for tensor in keras.tree.flatten(outputs) if tf.is_tensor(tensor)]


class _Float32Look(keras.DTypePolicy):  # type: ignore[misc]
    """A policy that computes in float32 with variables of the type that they have."""

    def __init__(self, variable_dtype: str) -> None:
        super().__init__("float32")
        self._variable_dtype = variable_dtype


@contextmanager
def _in_float32(layer: Any) -> Iterator[None]:
    policy = layer.dtype_policy
    if (
        isinstance(policy, keras.dtype_policies.DTypePolicyMap)
        or policy.quantization_mode is not None
        or policy.compute_dtype not in ("float16", "bfloat16")
    ):
        yield
        return
    layer.dtype_policy = _Float32Look(policy.variable_dtype)
    try:
        yield
    finally:
        layer.dtype_policy = policy
