"""What an option of a method or a metric takes: by its type and bounds, or by its own check.

Nothing of TensorFlow is needed, so that a value can be refused before it is imported.
"""

from __future__ import annotations

import math
import operator
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np

from kviz._checks import MOST, sanitise, shown, validate_choice, validate_int
from kviz.cards import Option
from kviz.errors import OptionError
from kviz.shelf import BASELINES

# The most steps, samples or masks: with more, no method would finish.
MANY = 1_000_000
# Images are float32, in which more would be infinite.
_LARGEST = float(np.finfo(np.float32).max)


def validated(name: str, hint: Any, value: Any, rules: Any) -> Any:
    """Return an option's value as its type has it, or raise an `OptionError`.

    Args:
        name: the option.
        hint: its type: None, bool, int, float, literals, a tuple of whole numbers, or several of these.
            Values of other types are not checked.
        value: what was given.
        rules: what `option` was given.

    >>> validated("steps", int | None, np.int64(8), {}), validated("steps", int, MANY, {})
    (8, 1000000)
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
    """Return what a type takes, in words; nothing for a type that is not checked."""
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


def validate_option(name: str, option: Option, value: Any) -> None:
    """Raise an `OptionError` for a value that an option does not take, as far as its file says.

    Args:
        name: the option's.
        option: what the file of its method says of it.
        value: what was given.
    """
    if not option.check:
        validated(name, option.hint, value, option.bounds)
    elif check := _CHECKS.get(option.check):
        check(name, value)


def validate_baseline(name: str, value: Any) -> Any:
    """Return what was given as a baseline, or raise an `OptionError`.

    >>> validate_baseline("baseline", "grey")
    'grey'
    """
    if isinstance(value, str):
        validate_choice(name, value, BASELINES)
        return value
    if isinstance(value, np.number):
        value = value.item()
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and abs(value) <= _LARGEST else validate_numbers(name, value)


def validate_numbers(name: str, value: Any) -> Any:
    """Return an array of finite numbers that was given as an option, or raise an `OptionError`.

    >>> validate_numbers("references", [[0, 255]]).shape
    (1, 2)
    """
    try:
        array = np.asarray(value)
        if array.dtype.kind in "iuf" and array.size and (abs(array) <= _LARGEST).all():
            return array
    except (TypeError, ValueError):  # rows of unequal length, or what is no array at all
        pass
    names = f"one of {', '.join(map(repr, BASELINES))}, a number or " if name == "baseline" else ""
    raise OptionError(f"{name} takes {names}an array of numbers. Received: {sanitise(repr(value))}")


def validate_references(name: str, value: Any) -> Any:
    """Return images that were given as an option, None for none, or raise an `OptionError`.

    >>> validate_references("references", [[0, 255]]).shape
    (1, 2)
    """
    return None if value is None else validate_numbers(name, value)


def validate_baseline_or_none(name: str, value: Any) -> Any:
    """Return a baseline, None for the method's own, or raise an `OptionError`.

    >>> validate_baseline_or_none("baseline", None)
    """
    return None if value is None else validate_baseline(name, value)


def validate_baseline_or_segment(name: str, value: Any) -> Any:
    """Return a baseline, of which a segment's own mean is one, or raise an `OptionError`.

    >>> validate_baseline_or_segment("baseline", "segment")
    'segment'
    """
    if isinstance(value, str):
        validate_choice(name, value, ("segment", *BASELINES))
        return value
    return validate_baseline(name, value)


def validate_grid(name: str, value: Any) -> Any:
    """Return rows and columns, or raise an `OptionError`.

    >>> validate_grid("grid", [14, 14])
    (14, 14)
    """
    if value is None:
        return None
    if isinstance(value, list | tuple | np.ndarray) and len(value) == 2:
        rows, columns = (validate_int(name, each) for each in value)
        return rows, columns
    raise OptionError(f"{name} takes (rows, columns). Received: {sanitise(repr(value))}")


def validate_segments(name: str, value: Any) -> Any:
    """Return a whole number from 1, an integer array or None, or raise an `OptionError`.

    >>> validate_segments("segments", 30)
    30
    """
    if value is None:
        return None
    if not isinstance(value, list | tuple | np.ndarray):
        return validate_int(name, value)
    array = validate_numbers(name, value)
    if array.ndim == 0:
        return validate_int(name, array.item())
    if array.dtype.kind not in "iu":
        raise OptionError(f"{name} as an array holds whole numbers. Received: {array.dtype}")
    return array


_CHECKS = {
    check.__name__: check
    for check in (
        validate_baseline, validate_baseline_or_none, validate_baseline_or_segment, validate_grid,
        validate_references, validate_segments,
    )
}  # fmt: skip
