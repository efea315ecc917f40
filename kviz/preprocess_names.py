"""Preprocessing by name: a range of pixels, or a module of Keras's; TensorFlow is not needed."""

from __future__ import annotations

import math
from collections.abc import Collection
from functools import cache
from typing import Any

from kviz._caller import command, spelled
from kviz._checks import sanitise, suggest
from kviz.cards import file_of
from kviz.errors import OptionError


def ends_of(preprocess: Any) -> tuple[float, float] | None:
    """Return the ends of a range that is written `LOW..HIGH`; None if it is no range.

    >>> ends_of("-1..1"), ends_of("vgg16")
    ((-1.0, 1.0), None)
    """
    first, _, last = str(preprocess).partition("..")
    try:
        ends = float(first), float(last)
    except ValueError:
        return None
    if not all(map(math.isfinite, ends)) or ends[0] >= ends[1] or "..." in preprocess:
        return None
    return ends


@cache
def application_names() -> frozenset[str]:
    """Return the modules of `keras.applications` that prepare pixels; Keras is not imported.

    >>> "vgg16" in application_names()
    True
    """
    file = file_of("keras.applications")
    files = file.parent.glob("*/__init__.py") if file else ()
    return frozenset(
        file.parent.name for file in files if "preprocess_input" in file.read_text("utf-8")
    )


def validate_preprocess(preprocess: Any, known: Collection[str]) -> None:
    """Raise an `OptionError` for what is neither a range nor one of some modules.

    Args:
        preprocess: what was given.
        known: the modules of `keras.applications`.
    """
    if ends_of(preprocess) is None and not (isinstance(preprocess, str) and preprocess in known):
        # Neither a layer nor a function can be typed into a terminal.
        more = " or" if command() else ","
        last = "" if command() else ", a layer or a function"
        raise OptionError(
            f"{spelled('preprocess')} takes a keras.applications module{more} a range such as '0..1'"
            f"{last}. Received: {sanitise(repr(preprocess))}. {suggest(str(preprocess), sorted(known))}"
        )
