"""Every layer call that a model makes, seen while TensorFlow traces it.

One call of the model is traced, and each layer call is noted with the tensors that go in and come out.
This is one way for every model: functional, Sequential, nested to any depth, subclassed, shared layers,
layers inside custom blocks and wrappers, and a bare `layer.call(x)`. It changes no tensor, so the
model's outputs stay what they are, and what TensorFlow does not need for the tensors that are asked for
it prunes, so that a forward pass stops at the deepest of them.

Nothing that another thread holds is changed, and nothing of the model is:

- Keras has no hook for a layer's call. While a trace runs, the classes' own `__call__`, `call` and type
  policy are stood in for by functions that ask which thread calls: the tracing one is noted, every
  other passes by as if they were not there. What somebody else has put there meanwhile stays.
- The model is called in a `keras.StatelessScope`: what a layer would assign (a state, a seed) or add
  (a loss) is seen within this trace only.
- Real numbers in place of an input of whole ones, which Keras would cut off, stay real: so pixels of
  whole numbers have gradients.
- A `tf.function` that the tracing thread calls is opened and runs as plain Python, since a compiled one
  hides its layers; one that depends on being compiled stays shut.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from kviz._caller import spelled
from kviz._checks import sanitise
from kviz.engine.backend import keras, tf
from kviz.errors import ModelError


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

    @functools.cached_property
    def by_path(self) -> dict[str, Call]:
        """The calls by their paths."""
        return {call.path: call for call in self.calls}


Edits = Mapping[int, Callable[[Call], Any]]
Maker = Callable[[Any, Callable[[], Any]], Any]


def trace(model: Any, inputs: Any, edits: Edits | None = None, *, as_it_is: bool = False) -> Trace:
    """Call `model` in inference mode and note every layer call.

    To be called while a `tf.function` traces. Layers that compute in float16 or bfloat16 are
    looked at in float32: half precision can turn finite values into NaN. Stateful layers begin at
    their start.

    Args:
        model: a `keras.Model`; it is as before afterwards, but built where it was not.
        inputs: symbolic tensors in the structure that the model takes.
        edits: what a call's outputs are to be before the model goes on, made from the call, by its
            `order` in an earlier trace.
        as_it_is: look at half precision in half precision.

    Returns:
        The trace. Its tensors live in the graph that is being traced.
    """
    edits = edits or {}
    recorder = _record(model, inputs, edits, as_it_is)
    if recorder.built_something:
        # Layers that build themselves call others on the way; now that they are built they do not.
        recorder = _record(model, inputs, edits, as_it_is)
    flat = keras.tree.flatten(inputs)
    return Trace(flat, recorder.root.outputs, recorder.named(_input_layers(recorder.root, flat)))


def _record(model: Any, inputs: Any, edits: Edits, as_it_is: bool) -> _Recorder:
    graph = tf.compat.v1.get_default_graph()
    recorder = _Recorder(model, graph, edits, as_it_is)
    recorder.real = {
        given.ref()
        for given, own in zip(
            tensors_of(inputs), getattr(model, "inputs", None) or [], strict=False
        )
        if given.dtype.is_floating and not keras.backend.is_float_dtype(own.dtype)
    }
    accepts = inspect.signature(model.call).parameters.values()
    takes_training = any(p.name == "training" or p.kind is p.VAR_KEYWORD for p in accepts)
    with _noted_by(recorder), _stateless():
        model(inputs, **({"training": False} if takes_training else {}))
    return recorder


@contextmanager
def _stateless() -> Iterator[None]:
    """Let nothing be assigned and no loss be added, within a scope of the caller's if there is one."""
    with keras.StatelessScope() as scope:
        if scope.original_scope is not None:
            scope.state_mapping.update(scope.original_scope.state_mapping)
        yield


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


# One thread traces at a time: building is no work for two. A layer's own call may trace another model.
_lock = threading.RLock()
_local = threading.local()


@contextmanager
def exclusively() -> Iterator[None]:
    """Let no other thread trace a model."""
    with contextlib.nullcontext() if getattr(_local, "lent", False) else _lock:
        yield


@contextmanager
def on_behalf() -> Iterator[None]:
    """Trace on behalf of a thread that holds the lock and waits: TensorFlow has one for each device."""
    _local.lent = True
    try:
        yield
    finally:
        _local.lent = False


def _current() -> _Recorder | None:
    """Return what notes this thread's layer calls."""
    return getattr(_local, "recorder", None)


@contextmanager
def _noted_by(recorder: _Recorder) -> Iterator[None]:
    """Send this thread's layer calls through `recorder`."""
    with _by(recorder, _stood_in_for(recorder.root.layer)):
        yield


@contextmanager
def in_float32() -> Iterator[None]:
    """Let layers of half precision that this thread calls, apart from a trace, compute in float32."""
    with _by(_Recorder(None, None, {}, False), _computing_in_float32()):
        yield


@contextmanager
def _by(recorder: _Recorder, stood_in_for: Iterable[tuple[Any, str, Maker]]) -> Iterator[None]:
    """Put in what stands in, for this thread and a recorder."""
    with exclusively(), contextlib.ExitStack() as stand_ins:
        for place, name, make in stood_in_for:
            stand_ins.enter_context(_standing_in(recorder, place, name, make))
        outer, _local.recorder = _current(), recorder
        try:
            yield
        finally:
            _local.recorder = outer


@contextmanager
def _standing_in(recorder: _Recorder, place: Any, name: str, make: Maker) -> Iterator[None]:
    """Put `make(original, current)` in an attribute's place, and out again unless it was covered.

    `current` returns the recorder in its own thread and trace, and None everywhere else and once this
    is over: what somebody has put upon it meanwhile can stay there.
    """
    own = vars(place).get(name)
    original = inspect.getattr_static(place, name)
    over = False
    stand_in = make(original, lambda: recorder if not over and _current() is recorder else None)
    setattr(place, name, stand_in)
    try:
        yield
    finally:
        over = True
        if vars(place).get(name) is stand_in:
            if own is None:
                delattr(place, name)
            else:
                setattr(place, name, own)


def _stood_in_for(model: Any) -> Iterator[tuple[Any, str, Maker]]:
    """Give what is stood in for while a model is traced: place, name, what makes the stand-in."""
    yield keras.Layer, "__call__", _noting_call
    yield keras.Layer, "_open_name_scope", _naming_scope
    yield keras.Layer, "_get_call_context", _own_context
    yield keras.Layer, "_clear_losses", _keeping_losses
    yield type(_A_FUNCTION), "__call__", _opening_function
    yield from _computing_in_float32()
    layers = [model, *all_layers(model)]
    # A Sequential runs a functional model of its own layers.
    layers += [layer._functional for layer in layers if getattr(layer, "_functional", None)]
    classes = {type(layer): None for layer in layers}
    holders = {base: None for kind in classes for base in kind.__mro__ if "call" in vars(base)}
    for holder in holders:
        if holder not in (keras.Layer, keras.Operation):
            yield holder, "call", _noting_bare_call
        if "_convert_inputs_to_tensors" in vars(holder):
            yield holder, "_convert_inputs_to_tensors", _keeping_inputs
    yield keras.Sequential, "input_dtype", _real_input_type


def _computing_in_float32() -> Iterator[tuple[Any, str, Maker]]:
    """Give what is stood in for so that layers of half precision compute in float32."""
    for name in ("dtype_policy", "compute_dtype"):
        yield keras.Layer, name, functools.partial(_policy_property, name)
    yield keras.Layer, "_maybe_build", _building_outside
    yield keras.layers.Normalization, "convert_weight", _exact_constant


def all_layers(model: Any) -> list[Any]:
    """Return every layer that a model holds, at any depth."""
    return list(model._flatten_layers(include_self=False, recursive=True))


_A_FUNCTION = tf.function(lambda: None)


def _noting_call(original: Any, current: Callable[[], Any]) -> Any:
    @functools.wraps(original)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - stands in for it
        recorder = current()
        if recorder is None:
            return original(self, *args, **kwargs)
        return recorder.note(self, functools.partial(original, self), args, kwargs)

    return __call__


def _noting_bare_call(original: Any, current: Callable[[], Any]) -> Any:
    @functools.wraps(getattr(original, "python_function", original))
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = original.__get__(self, type(self))
        recorder = current()
        if recorder is None or recorder.is_within(self):
            return bound(*args, **kwargs)
        return recorder.note(self, bound, args, kwargs)

    return call


def _naming_scope(original: Any, current: Callable[[], Any]) -> Any:
    @functools.wraps(original)
    def _open_name_scope(self: Any) -> Any:
        scope = original(self)
        if current() is None or SCOPE_NAME.fullmatch(self.name):
            return scope
        # Keras takes anything as a layer's name, so that a layer called "my conv" runs eagerly and
        # fails in `predict`.
        return keras.name_scope("layer", caller=self)

    return _open_name_scope


def _own_context(original: Any, current: Callable[[], Any]) -> Any:
    @functools.wraps(original)
    def _get_call_context(self: Any) -> Any:
        context, recorder = original(self), current()
        if recorder is None:
            return context
        if recorder.context is None:
            # Within another layer's call, "training" is that one's: it is not to become False there.
            root = recorder.root.layer
            own = context.entry_layer is root
            recorder.context = context if own else type(context)(entry_layer=root)
        return recorder.context

    return _get_call_context


def _keeping_inputs(original: Any, current: Callable[[], Any]) -> Any:
    @functools.wraps(original)
    def _convert_inputs_to_tensors(self: Any, flat_inputs: Any) -> Any:
        converted, recorder = original(self, flat_inputs), current()
        if recorder is None:
            return converted
        return [
            x if tf.is_tensor(x) and recorder.keeps(x, y.dtype) else y
            for x, y in zip(flat_inputs, converted, strict=True)
        ]

    return _convert_inputs_to_tensors


def _real_input_type(original: Any, current: Callable[[], Any]) -> Any:
    def value(self: Any) -> Any:
        found, recorder = original.__get__(self, type(self)), current()
        real = recorder is not None and recorder.real
        return self.compute_dtype if real and not keras.backend.is_float_dtype(found) else found

    return property(value, original.fset, original.fdel, original.__doc__)


def _keeping_losses(original: Any, current: Callable[[], Any]) -> Any:
    @functools.wraps(original)
    def _clear_losses(self: Any) -> None:
        if current() is None:
            original(self)

    return _clear_losses


def _building_outside(original: Any, current: Callable[[], Any]) -> Any:
    @functools.wraps(original)
    def _maybe_build(self: Any, call_spec: Any) -> None:
        recorder = current()
        if recorder is None or self.built:
            original(self, call_spec)
            return
        # What a layer makes for itself stays with it: it is of the layer's own precision, and of no
        # graph, unless the layer is built by calling it.
        outside = contextlib.nullcontext() if _has_no_build(self) else tf.init_scope()
        with recorder.looking_at_it_as_it_is(), outside:
            original(self, call_spec)

    return _maybe_build


def _has_no_build(layer: Any) -> bool:
    return bool(getattr(layer.build, "_is_default", False))


_HALF = (tf.float16, tf.bfloat16)


# What TensorFlow takes as the name of a scope in a graph.
SCOPE_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")


def _policy_property(name: str, original: Any, current: Callable[[], Any]) -> Any:
    def value(self: Any) -> Any:
        recorder = current()
        if recorder is None or recorder.as_it_is:
            return original.__get__(self, type(self))
        policy = _in_float32(self)
        if policy is None:
            return original.__get__(self, type(self))
        return policy if name == "dtype_policy" else getattr(policy, name)

    return property(value, original.fset, original.fdel, original.__doc__)


def _exact_constant(original: Any, current: Callable[[], Any]) -> Any:
    @functools.wraps(original)
    def convert_weight(self: Any, weight: Any) -> Any:
        recorder = current()
        if recorder is None or recorder.as_it_is or _in_float32(self) is None:
            return original(self, weight)
        # The layer has rounded it when it was built or adapted.
        mean = weight is self.mean
        if self.input_mean is None:
            exact = self.adapt_mean if mean else self.adapt_variance
            return tf.reshape(tf.cast(exact.value, "float32"), weight.shape)
        twin = keras.layers.Normalization(
            self.axis, self.input_mean, self.input_variance, name=self.name, dtype="float32"
        )
        twin.build(self._build_input_shape)
        return twin.mean if mean else twin.variance

    return convert_weight


def _in_float32(layer: Any) -> Any:
    """Return the policy by which a half-precision layer is looked at, None for any other."""
    policy = vars(layer).get("_dtype_policy")
    if (
        policy is None
        or isinstance(policy, keras.dtype_policies.DTypePolicyMap)
        or policy.quantization_mode is not None
        or policy.compute_dtype not in ("float16", "bfloat16")
    ):
        return None
    return _float32_look(policy.variable_dtype)


class _Float32Look(keras.DTypePolicy):  # type: ignore[misc]
    """A policy that computes in float32 with variables of the type that they have."""

    def __init__(self, variable_dtype: str) -> None:
        super().__init__("float32")
        self._variable_dtype = variable_dtype


_float32_look = functools.cache(_Float32Look)


def _opening_function(original: Any, current: Callable[[], Any]) -> Any:
    @functools.wraps(original)
    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807 - stands in for it
        recorder = current()
        if recorder is None or not recorder.stack:
            return original(self, *args, **kwargs)
        mark = recorder.mark()
        # What it needs AutoGraph for fails; whatever is wrong with it besides is raised again below.
        with contextlib.suppress(Exception):
            outputs = self.python_function(*args, **kwargs)
            if recorder.mark() == mark:
                # No layer is in it: it does what it was compiled for, by XLA perhaps.
                return original(self, *args, **kwargs)
            return outputs
        recorder.return_to(mark)
        # A fresh one, since what was compiled before calls no layer.
        return original(tf.function(self.python_function), *args, **kwargs)

    return __call__


class _Recorder:
    def __init__(self, model: Any, graph: Any, edits: Edits, as_it_is: bool) -> None:
        self.root = Call(model, None, [])
        self.graph: Any = graph
        self.edits = edits
        self.as_it_is = as_it_is
        self.calls: list[Call] = []
        self.stack: list[Call] = []
        self.ended = 0
        self.built_something = False
        self.context: Any = None
        self.real: set[Any] = set()
        self.reset: set[int] = set()

    def note(
        self, layer: Any, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if not self.stack:
            call = self.root
        else:
            tensors = [x for x in keras.tree.flatten((args, kwargs)) if tf.is_tensor(x)]
            call = Call(layer, self.stack[-1], tensors)
            self.stack[-1].children.append(call)
            self.calls.append(call)
        self.built_something |= not layer.built
        if is_stateful(layer) and layer.built and id(layer) not in self.reset:
            self.reset.add(id(layer))
            layer.reset_state()
        _validate_steps(layer, call.inputs, len(self.calls))
        self.stack.append(call)
        try:
            call.outputs = run(*args, **kwargs)
        finally:
            self.stack.pop()
        call.order = self.ended
        self.ended += 1
        if call.order in self.edits:
            call.outputs = self.edits[call.order](call)
        call.hidden = any(self._is_hidden(tensor) for tensor in tensors_of(call.outputs))
        return call.outputs

    def keeps(self, tensor: Any, dtype: Any) -> bool:
        """Return whether an input stays as it is where the model would make it another type."""
        if tensor.ref() in self.real:
            return not dtype.is_floating
        return not self.as_it_is and dtype in _HALF

    @contextmanager
    def looking_at_it_as_it_is(self) -> Iterator[None]:
        """Look at half precision in half precision, for once."""
        before, self.as_it_is = self.as_it_is, True
        try:
            yield
        finally:
            self.as_it_is = before

    def is_within(self, layer: Any) -> bool:
        """Return whether a layer's `call` is what is running, not one that another layer calls."""
        running = self.stack[-1].layer if self.stack else None
        # A Sequential runs a functional model of its own layers, which is itself.
        return layer is running or layer is getattr(running, "_functional", None)

    def mark(self) -> tuple[int, int, int, bool]:
        """Return how much has been noted."""
        return len(self.calls), len(self.stack[-1].children), self.ended, self.built_something

    def return_to(self, mark: tuple[int, int, int, bool]) -> None:
        """Forget what was noted since a mark."""
        calls, children, self.ended, self.built_something = mark
        del self.calls[calls:]
        del self.stack[-1].children[children:]

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


_CALLS = 20  # of so many steps: the calls that may be traced in all
_steps: ContextVar[int | None] = ContextVar("_steps", default=None)


@contextmanager
def unrolling(at_most: int | None) -> Iterator[None]:
    """Let no recurrent layer be unrolled for more steps than this while models are traced.

    Args:
        at_most: how many; None for any number.
    """
    token = _steps.set(at_most)
    try:
        yield
    finally:
        _steps.reset(token)


def _validate_steps(layer: Any, inputs: list[Any], calls: int) -> None:
    most = _steps.get()
    if most is None:
        return
    steps, in_all = _steps_of(layer, inputs), _CALLS * max(most, 1)
    if steps <= most and calls <= in_all:
        return
    name, more = sanitise(layer.name, 40), f"{spelled('max_layers', '…')} allows more."
    said = f"Layer {name!r} is unrolled for {steps:,} steps of at most {most:,}, and"
    if steps <= most:
        said = f"The model calls {name!r} after {in_all:,} calls of layers, and"
    error: Any = ModelError(f"{said} takes too long to trace. {more}")
    error._keras_call_info_injected = True  # so that Keras puts no words of its own around it
    raise error


def _steps_of(layer: Any, inputs: list[Any]) -> int:
    """Return how often one call of a layer calls, out of sight, what is in it."""
    shape = inputs[0].shape if inputs else None
    if shape is None or not shape.rank or shape.rank < 2:
        return 0
    if getattr(layer, "unroll", False) is True:
        return shape[1] or 0
    steps, place = 1, 1
    # Over a fixed number of steps TimeDistributed calls its layer for each.
    while isinstance(layer, keras.layers.TimeDistributed) and place < shape.rank:
        steps *= shape[place] or 1
        layer, place = layer.layer, place + 1
    return steps if place > 1 else 0


def is_stateful(layer: Any) -> bool:
    """Return whether a layer keeps a state from call to call, and can be set to its start."""
    return bool(getattr(layer, "stateful", False)) and hasattr(layer, "reset_state")


def tensors_of(outputs: Any) -> list[Any]:
    """Return the tensors in a layer's outputs, flat."""
    return [tensor for tensor in keras.tree.flatten(outputs) if tf.is_tensor(tensor)]
