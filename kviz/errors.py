"""KvizError, its few kinds, and the words that their messages share."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable
from typing import Any

MESSAGE_LENGTH = 300


class KvizError(Exception):
    """What kviz raises when the caller can mend it: one plain sentence or two.

    A message is cut at 300 characters, since names in it may come from a stranger's file.
    """

    def __init__(self, message: str) -> None:
        if len(message) > MESSAGE_LENGTH:
            message = message[: MESSAGE_LENGTH - 1] + "…"
        super().__init__(message)


class ModelError(KvizError):
    """A model, or the file it should come from, cannot be used."""


class ImageError(KvizError):
    """An image, an array of pixels or the file it should come from cannot be used."""


class LayerError(KvizError):
    """A layer was asked for that is not there, not reached, or not of the kind that is needed."""


class OptionError(KvizError):
    """An option has a value outside what it takes."""


class OutputError(KvizError):
    """A result cannot be written or read back."""


class KvizWarning(UserWarning):
    """Something that every picture of this model or image should be read with."""


def shown(value: object, length: int = 60) -> str:
    r"""Return `value` as text that is safe to show: one line, no control characters, not long.

    >>> shown("a\nb" + "c" * 100, length=10)
    'a?bcccccc…'
    """
    text = "".join(c if c.isprintable() else "?" for c in str(value))
    return text if len(text) <= length else text[: length - 1] + "…"


def near(name: str, choices: Iterable[str], count: int = 3) -> str:
    """Return the end of a message about an unknown name: near names, or what there is.

    >>> near("conv_1", ["conv1", "pool1"])
    "Did you mean 'conv1'?"
    >>> near("dense", ["conv1", "pool1"])
    "There is: 'conv1', 'pool1'."
    """
    known = list(dict.fromkeys(choices))
    folded: dict[str, str] = {}
    for choice in known:
        folded.setdefault(choice.casefold(), choice)
    part = name.casefold()
    # "cat" means "Egyptian cat" before it means "crate".
    inside = [known for known in folded if part and part in known.split()][:count]
    close = inside or difflib.get_close_matches(part, folded, n=count, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(repr(shown(folded[c], 40)) for c in close)}?"
    if not known:
        return "There is none to choose from."
    more = f" and {len(known) - 5} more" if len(known) > 5 else ""
    return f"There is: {', '.join(repr(shown(c, 24)) for c in known[:5])}{more}."


def choose(option: str, value: object, choices: Iterable[object]) -> None:
    """Raise an OptionError unless `value` is one of `choices`.

    >>> choose("fit", "crop", ("crop", "pad"))
    """
    known = tuple(choices)
    if value not in known:
        raise OptionError(
            f"{option} takes one of {', '.join(map(repr, known))}. Received: {shown(repr(value))}"
        )


def whole(option: str, value: Any, least: int = 1) -> int:
    """Return a whole number of at least `least`, NumPy's too, or raise an OptionError.

    >>> whole("steps", 8)
    8
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least or isinstance(value, bool):
        raise OptionError(
            f"{option} takes a whole number from {least}. Received: {shown(repr(value))}"
        )
    return number
