"""Reductions by name: a file of `kinds/` each, whose name is the reduction's, and what others install.

Another package's reductions are found by its entry points of the group `kviz.reductions`:

    [project.entry-points."kviz.reductions"]
    my_reduction = "my_package:MyReduction"
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kviz._checks import sanitise, shown
from kviz.dataset.reductions.reduction import Reduction
from kviz.errors import OptionError
from kviz.registry import Registry
from kviz.shelf import Shelf

GROUP = "kviz.reductions"
_REDUCTIONS: Registry[Reduction] = Registry(
    Shelf("dataset/reductions/kinds", GROUP, "statistic"), Reduction, "moments"
)


def reduction_names() -> list[str]:
    """Return the names of all reductions: kviz's own, and those that other packages have.

    >>> "top_k" in reduction_names()
    True
    """
    return _REDUCTIONS.names()


def reduction_named(text: str, /, **options: Any) -> Reduction:
    """Return a reduction by its name, or by what a command line says of it.

    Args:
        text: such as `"moments"`, `"top_k=9"` or `"histogram=64,low=0,high=6"`: a name, its main
            option's value, and others by name. Several numbers stand with colons between them.
        **options: its fields.

    Raises:
        OptionError: if there is no such reduction, it has no such option, or that does not take the
            value.

    >>> reduction_named("top_k=3").k, reduction_named("top_k", k=4).k
    (3, 4)
    """
    if not isinstance(text, str):
        raise OptionError(f"A statistic is a text, such as 'top_k=9'. Received: {shown(text)}")
    name, *others = text.split(",")
    name, given, value = name.partition("=")
    if given:
        main = _REDUCTIONS.find(name.strip()).main
        if not main:
            raise OptionError(
                f"{sanitise(name.strip())} takes no value alone. Received: {shown(text)}"
            )
        others.insert(0, f"{main}={value}")
    for other in others:
        option, given, value = (part.strip() for part in other.partition("="))
        if not given or option in options:
            raise OptionError(
                f"A statistic's options are each given once, as in 'histogram=64,low=0,high=6'. "
                f"Received: {shown(text)}"
            )
        options[option.replace("-", "_")] = _value(value)
    return _REDUCTIONS.make(name.strip(), **options)


def as_reductions(option: str, given: Any) -> dict[str, Reduction]:
    """Return what was given as reductions by name.

    Args:
        option: what it was given as, for the error.
        given: a reduction, its text as `reduction_named` takes it, what a result says of one, or
            several of these.

    Raises:
        OptionError: if one is none of these, or two are of one name.

    >>> list(as_reductions("statistics", ["moments", "top_k=9"]))
    ['moments', 'top_k']
    """
    several = isinstance(given, Iterable) and not isinstance(given, str | dict)
    made: dict[str, Reduction] = {}
    for one in given if several else [given]:
        taken = reduction_named(one) if isinstance(one, str) else _REDUCTIONS.taken(option, one)
        name = reduction_name(taken)
        if name in made:
            raise OptionError(f"{option} takes each statistic once. Received twice: {name!r}")
        made[name] = taken
    return made


def reduction_name(reduction: Reduction) -> str:
    """Return a reduction's one name, by which `reduction_named` makes it.

    >>> reduction_name(reduction_named("top_k=3"))
    'top_k'
    """
    return _REDUCTIONS.name_of(reduction)


def _value(text: str) -> Any:
    """Return a command line's value: a number, several, True or False, or the text itself."""
    if ":" in text:
        return tuple(_value(part) for part in text.split(":"))
    words = {"true": True, "false": False, "yes": True, "no": False, "none": None}
    if text.casefold() in words:
        return words[text.casefold()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
