"""A method's options: what a field takes is read from its type and from what `option` says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, field, fields
from functools import cache
from typing import Any, get_type_hints

import numpy as np

from kviz._checks import shown
from kviz.engine.backend import keras
from kviz.errors import OptionError
from kviz.option_values import validated

Check = Callable[[str, Any], Any]


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
