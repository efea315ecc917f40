"""What a compiled function is keyed by: structure by value, while numbers become its arguments.

A step's length or a noise's level is read in a formula: another one needs no other graph. So a frozen
dataclass of settings is taken apart into a hashable key and the numbers in it, and is put together
again, with tensors in their places, while the function is traced.
"""

from __future__ import annotations

import dis
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from kviz.engine.backend import keras, tf


def static(**more: Any) -> dict[str, Any]:
    """Return a dataclass field's metadata which says that its number belongs to the structure.

    >>> static()
    {'static': True}
    """
    return {"static": True, **more}


def lift(value: Any) -> tuple[Any, list[Any], Callable[[Sequence[Any]], Any]]:
    """Return a structure's key, the numbers in it, and what puts it together again.

    Floats and arrays are numbers: they are lifted out as float64 scalars and as arrays. What else there
    is belongs to the key: equal keys can share a traced function. Functions are keyed by their code,
    what they close over, and what they read of their module.

    Args:
        value: frozen dataclasses, tuples, lists and dicts of them, and leaves.

    Returns:
        A hashable key; the numbers; a function of as many tensors that returns the structure with these
        in place of the numbers. No `__post_init__` runs again.

    >>> key, numbers, restore = lift(("l2", 0.5, None))
    >>> numbers, restore([2.0])
    ([0.5], ('l2', 2.0, None))
    >>> key == lift(("l2", 0.7, None))[0], key == lift(("linf", 0.5, None))[0]
    (True, False)
    """
    numbers: list[Any] = []
    key = _key(value, numbers)

    def restore(tensors: Sequence[Any]) -> Any:
        rest = list(tensors)
        restored = _restored(value, rest)
        if rest:
            raise ValueError(f"{len(rest)} tensors too many")
        return restored

    return key, numbers, restore


def value_key(value: Any) -> Any:
    """Return a hashable key of a structure by its value, numbers included.

    >>> value_key([lambda x: x + 1][0]) == value_key([lambda x: x + 2][0])
    False
    """
    numbers: list[Any] = []
    key = _key(value, numbers)
    return key, tuple(_bytes(number) for number in numbers)


def _bytes(number: Any) -> Any:
    array = np.ascontiguousarray(number)
    return (array.dtype.str, array.shape, hashlib.blake2b(array.tobytes()).digest())


def _is_number(value: Any) -> bool:
    return isinstance(value, float | np.floating | np.ndarray) or tf.is_tensor(value)


def _fields(value: Any) -> list[Any]:
    return [field for field in fields(value) if not field.metadata.get("static")]


def _key(value: Any, numbers: list[Any]) -> Any:
    if _is_number(value):
        array = value if tf.is_tensor(value) else np.asarray(value)
        numbers.append(value)
        return ("number", len(array.shape), str(array.dtype))
    if is_dataclass(value) and not isinstance(value, type):
        kept = tuple(
            (field.name, value_key(getattr(value, field.name)))
            for field in fields(value)
            if field.metadata.get("static")
        )
        inner = tuple(
            (field.name, _key(getattr(value, field.name), numbers)) for field in _fields(value)
        )
        return (type(value), kept, inner)
    if isinstance(value, list | tuple):
        return (type(value), tuple(_key(item, numbers) for item in value))
    if isinstance(value, Mapping):
        return (type(value), tuple((key, _key(item, numbers)) for key, item in value.items()))
    if isinstance(value, partial):
        return (partial, _function_key(value.func), value_key((value.args, value.keywords)))
    if isinstance(value, FunctionType | MethodType):
        return _function_key(value)
    try:
        hash(value)
    except TypeError:
        return _Same(value)
    return (type(value), value)


def _function_key(function: Any) -> Any:
    """Return a function's key: two lambdas of one line that read the same are one."""
    if isinstance(function, MethodType):
        own = getattr(function.__self__, "__dict__", {})
        held = {} if isinstance(function.__self__, keras.Layer) else dict(own)
        return (
            MethodType, _Same(function.__self__), value_key(held), _function_key(function.__func__)
        )  # fmt: skip
    if not isinstance(function, FunctionType):
        return _Same(function)
    outer = _reading.get()
    if function in outer:  # it reads itself
        return (FunctionType, function.__code__)
    mark = _reading.set((*outer, function))
    try:
        cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
        around = (cells, function.__defaults__, function.__kwdefaults__, _globals_read(function))
        return (FunctionType, function.__code__, _Same(function.__globals__), value_key(around))
    except ValueError:  # a cell that is not filled yet
        return _Same(function)
    finally:
        _reading.reset(mark)


# The functions whose keys are being made, from the outermost.
_reading: ContextVar[tuple[Any, ...]] = ContextVar("_reading", default=())


def _globals_read(function: FunctionType) -> dict[str, Any]:
    """Return what a function, and functions within it, read of their module: in a notebook a lot."""
    names, codes = set(), [function.__code__]
    while codes:
        code = codes.pop()
        codes += [const for const in code.co_consts if isinstance(const, CodeType)]
        names |= {
            one.argval
            for one in dis.get_instructions(code)
            if one.opname in ("LOAD_GLOBAL", "LOAD_NAME")
        }
    known = function.__globals__
    return {name: known[name] for name in sorted(names & known.keys())}


class _Same:
    """Equal to what holds the very same object, which it keeps alive: an identity is not reused."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def _restored(value: Any, tensors: list[Any]) -> Any:
    if _is_number(value):
        return tensors.pop(0)
    if is_dataclass(value) and not isinstance(value, type):
        copy = object.__new__(type(value))
        for field in fields(value):
            object.__setattr__(copy, field.name, getattr(value, field.name))
        for field in _fields(value):
            object.__setattr__(copy, field.name, _restored(getattr(value, field.name), tensors))
        return copy
    if isinstance(value, list | tuple):
        items = [_restored(item, tensors) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, Mapping):
        return {key: _restored(item, tensors) for key, item in value.items()}
    return value
