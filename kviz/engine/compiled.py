"""Functions compiled for a model: a bounded cache, which knows when the model has changed.

A function is traced once for a key and its arguments' shapes. What layers had in them when they were
traced (an activation, a kernel's variable, a rate, the layers inside) is remembered and compared at the
next use: a model that has been changed since is traced anew, while new values in its weights need
nothing. The cache does not keep its model alive; what is compiled goes with it.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from types import BuiltinFunctionType, FunctionType
from typing import Any

from kviz._checks import first_line
from kviz.engine.backend import keras, tf
from kviz.engine.optimizing import WithoutArithmetic, explodes
from kviz.engine.tracing import exclusively
from kviz.errors import KvizError, ModelError

# Functions kept for one model; the least recently used go first. A film with three methods has ten.
BOUND = 16
# Models whose functions are kept although no Network holds them: a loop over images compiles once.
RECENT = 4

_guard = threading.RLock()


class Compiled:
    """The functions compiled for one model, at most `most`.

    Args:
        model: the `keras.Model`, which is not kept alive.

    Attributes:
        most: how many are kept; more where somebody asks for many things again and again.
    """

    def __init__(self, model: Any) -> None:
        self.most = BOUND
        self._model = weakref.ref(model)
        self._kept: OrderedDict[Any, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def items(self) -> list[tuple[Any, Any]]:
        """Return the kept functions with their keys, the least recently used first."""
        with _guard:
            return [(key, entry.function) for key, entry in self._kept.items()]

    def function(self, key: Any, run: Callable[..., Any], specs: Sequence[Any]) -> tuple[Any, Any]:
        """Return `run` compiled, traced now or found by its key, and what it noted while it was traced.

        Args:
            key: tells it from other functions of this model, hashable.
            run: takes one tensor a spec, and returns what the function returns, the layers that it
                called, and anything to be remembered with it. AutoGraph is not asked.
            specs: a `tf.TensorSpec` an argument.

        Returns:
            The concrete function, and what `run` gave to be remembered.

        Raises:
            ModelError: if the model's own code fails.
        """
        full = (key, tuple(specs))
        entry = self._found(full)
        if entry is None:
            # Traces wait for each other; what is compiled already does not wait for them.
            with exclusively():
                entry = self._found(full) or self._traced(full, run, specs)
        return entry.function, entry.noted

    def _found(self, key: Any) -> _Entry | None:
        with _guard:
            entry = self._kept.get(key)
            if entry is None or not entry.fits():
                return None
            self._kept.move_to_end(key)
            return entry

    def _traced(self, key: Any, run: Callable[..., Any], specs: Sequence[Any]) -> _Entry:
        seen: list[Any] = []

        def traced(*arguments: Any) -> Any:
            results, *seen[:] = run(*arguments)
            return results

        whole = tf.function(traced, autograph=False, input_signature=list(specs))
        try:
            # A concrete function holds neither `run` nor the model.
            function = whole.get_concrete_function()
            if explodes(function.graph):
                function = WithoutArithmetic(function)
        except (KvizError, KeyboardInterrupt, MemoryError):
            raise
        except Exception as error:  # whatever the model's own code raises
            raise ModelError(f"The model cannot be run: {first_line(error)}") from error
        layers, noted = seen
        entry = _Entry(function, noted, [self._model(), *layers])
        with _guard:
            self._kept[key] = entry
            self._kept.move_to_end(key)
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
        return entry


class _Entry:
    def __init__(self, function: Any, noted: Any, layers: Iterable[Any]) -> None:
        self.function = function
        self.noted = noted
        self._parts = [
            (weakref.ref(layer), dict(_parts(layer)))
            for layer in {id(layer): layer for layer in layers if layer is not None}.values()
        ]

    def fits(self) -> bool:
        """Return whether the layers still are as they were when this was traced."""
        for reference, parts in self._parts:
            layer = reference()
            if layer is None:
                return False
            now = vars(layer)
            for name, part in parts.items():
                value = now.get(name, _Entry)
                if value is part or (type(part) is weakref.ref and part() is value):
                    continue
                if _part(value) != part:
                    return False
        return True


_PLAIN = (str, int, float, bool, bytes, type, type(None), BuiltinFunctionType)
# What Keras notes in a layer while it is called, trained or connected, which no inference depends on.
_NOTES = frozenset(
    "_called _losses _loss_ids _losses_override _inbound_nodes _outbound_nodes _trainable _metrics "
    "_parent_path built _lock _layers _trainable_variables _non_trainable_variables "
    "_seed_generators _tracked _self_unconditional_checkpoint_dependencies".split()
)


@cache
def _of_any_model() -> frozenset[str]:
    """Return the names that every model has: how it is trained."""
    return frozenset(vars(keras.Model(name="any")))


def _parts(layer: Any) -> Iterator[tuple[str, Any]]:
    """Give the attributes of a layer that its graph can depend on, in a form that can be compared."""
    noted = _NOTES | _of_any_model() if isinstance(layer, keras.Model) else _NOTES
    for name, value in vars(layer).items():
        if name not in noted and (part := _part(value)) is not _Entry:
            yield name, part


class _Itself:
    """A weak reference that equals one of the same object only: tensors compare by their values."""

    def __init__(self, value: Any) -> None:
        self.reference = weakref.ref(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and self.reference() is other.reference()


def _part(value: Any) -> Any:
    """Return a value by which a change is seen, `_Entry` for what is not looked at."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, keras.DTypePolicy):
        return value.name
    if isinstance(value, FunctionType | keras.Layer | keras.Variable):
        # A weak reference equals another one of the same object only, and keeps nothing alive.
        return weakref.ref(value)
    if isinstance(value, tf.Tensor):
        # A constant in the graph, which its layer makes anew when it is adapted.
        return _Itself(value)
    if isinstance(value, list | tuple):
        if type(value) is tuple and all(type(item) in _PLAIN for item in value):
            return value  # itself, so that it need not be compared item by item
        return tuple(part for item in value if (part := _part(item)) is not _Entry)
    return _Entry


_stores: dict[int, weakref.ref[Compiled]] = {}
_recent: deque[Compiled] = deque(maxlen=RECENT)


def compiled_for(model: Any) -> Compiled:
    """Return the functions of a model: the same for the same one, wherever it is asked from.

    Args:
        model: the `keras.Model`.
    """
    place = id(model)
    with _guard:
        reference = _stores.get(place)
        found = reference() if reference else None
        if found is None:
            found = Compiled(model)
            _stores[place] = weakref.ref(found)
            weakref.finalize(model, _forget, place).atexit = False
        if found in _recent:
            _recent.remove(found)
        _recent.append(found)
        return found


def _forget(place: int) -> None:
    with _guard:
        reference = _stores.pop(place, None)
        store = reference() if reference else None
        if store is not None and store in _recent:
            _recent.remove(store)
