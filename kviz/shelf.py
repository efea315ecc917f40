"""Shelf: which methods and metrics there are, kviz's own and others', and what each says of itself.

Nothing of them is imported: their names are those of files and of entry points. `registry` makes them.
"""

from __future__ import annotations

import sys
import warnings
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from kviz._caller import command
from kviz._checks import sanitise, suggest
from kviz.cards import Card, file_of, read_card
from kviz.errors import KvizWarning, OptionError

_ROOT = Path(__file__).parent


class Shelf:
    """Things of one kind by name: a file of a folder each, and what other packages install.

    Args:
        folder: the folder below kviz whose files hold kviz's own.
        group: the group of others' entry points.
        word: what one is called, for messages.
        verb: what takes them, if a verb does.
        lister: the command that lists them, if one does.
    """

    def __init__(
        self, folder: str, group: str, word: str, verb: str = "", lister: str = ""
    ) -> None:
        self._folder = _ROOT / folder
        self._group = group
        self.package = f"kviz.{folder.replace('/', '.')}"
        self.word = word
        self._verb = verb
        self._lister = lister
        self._seen: tuple[tuple[str, ...], dict[str, EntryPoint]] | None = None

    def names(self) -> list[str]:
        """Return the names of all: kviz's own, and those that other packages have."""
        return sorted([*self.own(), *self.others()])

    def own(self) -> list[str]:
        """Return the names of kviz's own."""
        return [path.stem for path in self._folder.glob("[!_]*.py")]

    def others(self) -> dict[str, EntryPoint]:
        """Return those that other packages have, by name; nothing of them is loaded."""
        path = tuple(sys.path)
        # What is installed changes with the path only; a second look would warn a second time.
        if self._seen is None or self._seen[0] != path:
            self._seen = path, self._looked_up()
        return self._seen[1]

    def validate(self, name: object) -> None:
        """Raise an `OptionError` if there is none of that name."""
        known = self.names()
        if isinstance(name, str) and name in known:
            return
        hint = suggest(str(name), known, lister=self._lister)
        for other in (METHODS, METRICS):
            if other is not self and name in other.names():
                verb = f"kviz{'.' if command() is None else ' '}{other._verb}"
                hint = f"It is a {other.word}, which {verb} takes."
        raise OptionError(f"There is no {self.word} {sanitise(repr(name))}. {hint}")

    def card(self, name: str) -> Card:
        """Return what one says of itself.

        Raises:
            OptionError: if there is none of that name.
        """
        self.validate(name)
        point = self.others().get(name)
        if point is None:
            return read_card(name, self._folder / f"{name}.py")
        file = file_of(point.module)
        if file is None:
            return Card(name, name, package=package_of(point))
        return read_card(name, file, point.attr, package_of(point))

    def cards(self) -> list[Card]:
        """Return what all say of themselves, by name."""
        return [self.card(name) for name in self.names()]

    def said(self, point: EntryPoint) -> str:
        """Return what another package's is called in a message."""
        return f"The {self.word} {sanitise(point.name)!r} of {package_of(point)}"

    def _looked_up(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        own = self.own()
        for point in entry_points(group=self._group):
            taken = (
                "kviz"
                if point.name in own
                else point.name in found and package_of(found[point.name])
            )
            if taken or not point.name.isidentifier():
                why = f"{taken} has one of that name" if taken else "that is no name of Python's"
                warnings.warn(
                    KvizWarning(f"{self.said(point)} is left out: {why}."),
                    stacklevel=2,
                )
            else:
                found[point.name] = point
        return found


def package_of(point: EntryPoint) -> str:
    """Return the name of the distribution that an entry point belongs to."""
    return sanitise(point.dist.name if point.dist else point.value)


# What stands in the place of pixels, for methods and metrics that take a baseline by its name.
BASELINES = ("black", "white", "grey", "mean", "blur", "noise")
METHODS = Shelf("attribution/methods", "kviz.methods", "method", "attribute", "kviz methods")
METRICS = Shelf("metrics/measures", "kviz.metrics", "metric", "evaluate", "kviz evaluate --list")
