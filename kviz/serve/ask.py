"""What an ask is: a frozen dataclass of its options with one function, in a file named after it.

The file is found by its name; nothing else has to be told.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from kviz._checks import sanitise, suggest
from kviz._types import Array
from kviz.attribution.options import validate_fields
from kviz.errors import KvizError, OptionError
from kviz.option_values import validated
from kviz.serve import asks
from kviz.serve.message import Message

if TYPE_CHECKING:
    from kviz.serve.photos import Photo
    from kviz.serve.session import Session
    from kviz.serve.side import Side


MOST_STEPS = 2048


class Gone(KvizError):  # noqa: N818 - it is no fault, but an answer
    """A photo is no longer kept."""


@dataclass(frozen=True)
class Turn:
    """What an ask is answered with.

    Attributes:
        session: the session.
        side: the model that is asked.
        arrays: what came with the ask.
        tell: sends how far it is: (done, in all), and arrays.
    """

    session: Session
    side: Side
    arrays: Mapping[str, Array] = field(default_factory=dict)
    tell: Callable[[int, int, Mapping[str, Array]], None] = lambda *_: None

    def progress(self, done: int, total: int) -> None:
        """Tell how far it is, as the verbs do."""
        self.tell(done, total, {})

    def photo(self, photo: str) -> Photo:
        """Return a photo by its id.

        Raises:
            Gone: if it is no longer kept.
        """
        found = self.session.photo(photo)
        if found is None:
            raise Gone("This photo is no longer kept. Send it again.")
        return found


@dataclass(frozen=True, kw_only=True)
class Ask:
    """An ask; its fields are its options."""

    # Whether it comes after all that is not slow.
    slow: ClassVar[bool] = False

    def __post_init__(self) -> None:
        validate_fields(self)

    @property
    def takes_long(self) -> bool:
        """Whether this one comes after all that is not slow."""
        return self.slow

    def answer(self, turn: Turn) -> Message:
        """Return the reply.

        Args:
            turn: what there is to answer with.
        """
        raise NotImplementedError


def ask_names() -> list[str]:
    """Return the names of all asks.

    >>> "maps" in ask_names()
    True
    """
    return sorted(module.name for module in pkgutil.iter_modules(asks.__path__))


@cache
def ask_class(name: str) -> type[Ask]:
    """Return an ask's class by its name.

    Raises:
        OptionError: if there is none.
    """
    if name not in ask_names():
        raise OptionError(f"There is no ask {sanitise(repr(name))}. {suggest(name, ask_names())}")
    module = vars(import_module(f"{asks.__name__}.{name}"))
    kinds = [kind for kind in module.values() if isinstance(kind, type) and issubclass(kind, Ask)]
    (found,) = (kind for kind in kinds if kind.__module__ == module["__name__"])
    return found


def ask_named(name: Any, options: Mapping[str, Any]) -> Ask:
    """Return an ask with its options.

    Args:
        name: its name.
        options: from anybody.

    Raises:
        OptionError: if there is no such ask or option, one is missing, or does not take its value.
    """
    kind = ask_class(name if isinstance(name, str) else repr(name))
    known = {each.name: each for each in fields(kind)}
    # What is a word of Python's own.
    options = {"form" if key == "as" else key: value for key, value in options.items()}
    for given in options:
        if given not in known:
            hint = suggest(given, known)
            raise OptionError(f"{name} has no option {sanitise(repr(given))}. {hint}")
    for wanted, each in known.items():
        bare = each.default is MISSING and each.default_factory is MISSING
        if wanted not in options and bare:
            raise OptionError(f"{name} needs its option {wanted!r}.")
    return kind(**options)


def validate_class(name: str, value: Any) -> Any:
    """Return a class, or several as a tuple, or None, as an option of an ask takes them.

    >>> validate_class("class_index", [3, "tabby"])
    (3, 'tabby')
    """
    several = isinstance(value, list | tuple)
    classes = value if several else [value]
    fits = all(isinstance(one, int | str) and not isinstance(one, bool) for one in classes)
    if value is not None and not (fits and 0 < len(classes) <= 8):
        raise OptionError(
            f"{name} takes a class by index or name, or up to 8 of them. "
            f"Received: {sanitise(repr(value))}"
        )
    return tuple(value) if several else value


def validate_steps(name: str, value: Any) -> int:
    """Return how many steps a picture is made in.

    >>> validate_steps("steps", 64)
    64
    """
    steps: int = validated(name, int, value, {})
    if steps > MOST_STEPS:
        raise OptionError(f"{name} takes at most {MOST_STEPS}. Received: {steps}")
    return steps


def validate_size_option(name: str, value: Any) -> Any:
    """Return a height and a width as a tuple, or None.

    >>> validate_size_option("size", [64, 96])
    (64, 96)
    """
    if value is None:
        return None
    fits = isinstance(value, list | tuple) and len(value) == 2
    if not fits or not all(type(side) is int and 0 < side <= 4096 for side in value):
        raise OptionError(
            f"{name} takes a height and a width of up to 4096. Received: {sanitise(repr(value))}"
        )
    return tuple(value)
