"""A method's options: what a field takes is read from its type and from what `option` says of it."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, field, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from kviz._checks import MOST, shown
from kviz.engine.backend import keras
from kviz.errors import OptionError

Check = Callable[[str, Any], Any]

# Steps, samples, masks: with more no method ends.
MANY = 1_000_000


def option(
    default: Any = MISSING,
    *,
    default_factory: Any = MISSING,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    check: Check | None = None,
) -> Any:
    """Return a method's field, with what its numbers are bounded by.

    Args:
        default: its value where none is given.
        default_factory: what makes it.
        least: the smallest number that it takes; 1 for whole numbers.
        above: what its numbers are above.
        below: what its numbers are below.
        check: takes the option's name and value and returns the value, or raises an `OptionError`;
            where the field's type does not say enough.
    """
    rules = {"least": least, "above": above, "below": below, "check": check}
    return field(default=default, default_factory=default_factory, metadata=rules)


@cache
def types_of(kind: type) -> dict[str, Any]:
    """Return the types of a class's fields by name, nothing where they cannot be read."""
    try:
        return get_type_hints(kind)
    except (NameError, TypeError):
        return {}


def validated(name: str, hint: Any, value: Any, rules: Any) -> Any:
    """Return an option's value as its type has it, or raise an `OptionError`.

    Args:
        name: the option.
        hint: its type: None, bool, int, float, literals, a tuple of whole numbers, or several of these.
            What else there is is not looked at.
        value: what was given.
        rules: what `option` was told.

    >>> validated("steps", int | None, np.int64(8), {})
    8
    """
    if check := rules.get("check"):
        return check(name, value)
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    most = MOST if name == "seed" else MANY
    if int in kinds and isinstance(value, int | np.integer) and value > most:
        raise OptionError(f"{name} takes a whole number up to {most}.")
    if not all(_described(kind, rules) for kind in kinds):
        return value
    for kind in kinds:
        found = _fitting(kind, value, rules)
        if found is not _NONE:
            return found
    # None is what an option is when it is not given, but among words it is a choice like the others.
    words = any(get_origin(kind) is Literal for kind in kinds)
    said = ", ".join(_described(kind, rules) for kind in kinds if words or kind is not NoneType)
    raise OptionError(f"{name} takes {'one of ' * words}{said}. Received: {shown(value)}")


_NONE = object()


def _described(kind: Any, rules: Any) -> str:
    """Return what a type takes, in words; nothing for a type that is not looked at."""
    least, above, below = (rules.get(key) for key in ("least", "above", "below"))
    if kind is int:
        return f"a whole number from {1 if least is None else least}"
    if kind is float:
        if above is not None and below is not None:
            return f"a number between {above} and {below}"
        bound = f" from {least}" if least is not None else ""
        return "a number" + (f" above {above}" if above is not None else bound)
    if get_origin(kind) is tuple and get_args(kind)[0] is int:
        return "or one for each axis"
    if get_origin(kind) is Literal:
        return ", ".join(map(repr, get_args(kind)))
    return {bool: "True or False", str: "a text", NoneType: "None"}.get(kind, "")


def _fitting(kind: Any, value: Any, rules: Any) -> Any:
    """Return a value as a type has it, or `_NONE`."""
    if kind is NoneType:
        return None if value is None else _NONE
    if kind is bool:
        return bool(value) if isinstance(value, bool | np.bool_) else _NONE
    if kind is str:
        return value if isinstance(value, str) else _NONE
    if get_origin(kind) is Literal:
        return value if isinstance(value, str) and value in get_args(kind) else _NONE
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple | np.ndarray) or not len(value):
            return _NONE
        numbers = tuple(_whole(each, rules) for each in value)
        return _NONE if _NONE in numbers else numbers
    return _whole(value, rules) if kind is int else _real(value, rules)


def _whole(value: Any, rules: Any) -> Any:
    try:
        number = operator.index(value)
    except TypeError:
        return _NONE
    least = rules.get("least")
    fits = (1 if least is None else least) <= number <= MOST and not isinstance(value, bool)
    return number if fits else _NONE


def _real(value: Any, rules: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return _NONE
    try:
        number = float(value)
    except OverflowError:
        return _NONE
    if not math.isfinite(number):
        return _NONE
    least, above, below = (rules.get(key) for key in ("least", "above", "below"))
    low = (least is None or number >= least) and (above is None or number > above)
    return number if low and (below is None or number < below) else _NONE


def validate_layers(name: str, value: Any) -> Any:
    """Return what says which layers are meant, a list as a tuple, or raise an `OptionError`.

    >>> validate_layers("layer_names", ["conv1", "pool*"])
    ('conv1', 'pool*')
    """
    single = isinstance(value, str | bytes | type | keras.Layer | Mapping)
    several = not single and isinstance(value, Iterable)
    parts = tuple(value) if several else (value,)
    for part in parts:
        layer_class = isinstance(part, type) and issubclass(part, keras.Layer)
        whole = isinstance(part, int | np.integer) and not isinstance(part, bool)
        nothing = part is None and not several
        if not (isinstance(part, str | keras.Layer) or layer_class or whole or nothing):
            raise OptionError(
                f"{name} takes a layer's path, a pattern, a class, a layer, an index, or a list of "
                f"these. Received: {shown(part)}"
            )
    return parts if several else value


def validate_fields(one: Any) -> None:
    """Check each option of a frozen dataclass and keep it as it is understood.

    Args:
        one: an attribution method or a metric, while it is made.

    Raises:
        OptionError: if an option does not take its value.
    """
    kind: Any = type(one)
    hints = types_of(kind)
    for each in fields(one):
        value = getattr(one, each.name)
        value = validated(each.name, hints.get(each.name, Any), value, each.metadata)
        object.__setattr__(one, each.name, value)
