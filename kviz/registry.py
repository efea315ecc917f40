"""Registry: things with options by name, a file of a package each, and what other packages install."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Any, Generic, TypeVar

from kviz._caller import spelled
from kviz._checks import first_line, sanitise, suggest
from kviz.errors import OptionError
from kviz.shelf import Shelf

One = TypeVar("One")


class Registry(Generic[One]):
    """Frozen dataclasses by name: attribution methods, metrics.

    Args:
        shelf: knows their names and where they are.
        base: what all of them are subclasses of.
        example: the name of one, for messages.
    """

    def __init__(self, shelf: Shelf, base: type[One], example: str) -> None:
        self._shelf = shelf
        self._base = base
        self._example = example

    def names(self) -> list[str]:
        """Return the names of all: kviz's own, and those that other packages have."""
        return self._shelf.names()

    def find(self, name: str) -> type[One]:
        """Return a class by its name.

        Raises:
            OptionError: if there is none, or the package that has it does not load.
        """
        self._shelf.validate(name)
        point = self._shelf.others().get(name)
        if point is None:
            module = vars(import_module(f"{self._shelf.package}.{name}"))
            # hires_cam.py holds HiResCam: papers' capitals are their own.
            found = next(module[key] for key in module if key.casefold() == name.replace("_", ""))
        else:
            found = self._loaded(point)
        kind: type[One] = found
        return kind

    def make(self, name: str, /, **options: Any) -> One:
        """Return one by its name, with its options.

        Raises:
            OptionError: if there is none, it has no such option, or that does not take the value.
        """
        kind: Any = self.find(name)
        known = {field.name: field for field in fields(kind) if field.init}
        for given in options:
            if given not in known:
                raise OptionError(
                    f"{name} has no option {sanitise(repr(spelled(given)))}. "
                    f"{suggest(given, map(spelled, known))}"
                )
        for needed, field in known.items():
            bare = field.default is MISSING and field.default_factory is MISSING
            if needed not in options and bare:
                raise OptionError(f"{name} needs its option {needed!r}.")
        made: One = kind(**options)
        return made

    def taken(self, option: str, value: Any) -> One:
        """Return what was given as one: an instance, a name, or what a result says of one.

        Raises:
            OptionError: if it is none of these.
        """
        if isinstance(value, self._base):
            return value
        if isinstance(value, str):
            return self.make(value)
        if isinstance(value, Mapping) and isinstance(value.get("name"), str):
            return self.make(value["name"], **{k: value[k] for k in value if k != "name"})
        raise OptionError(
            f"{option} takes a {self._shelf.word}'s name, such as {self._example!r}, or an instance of "
            f"one. Received: {sanitise(repr(value))}"
        )

    def name_of(self, one: One) -> str:
        """Return the one name by which `make` makes it."""
        kind = type(one)
        package, _, name = kind.__module__.rpartition(".")
        if package == self._shelf.package:
            return name
        for name, point in self._shelf.others().items():
            if point.value.replace(" ", "") == f"{kind.__module__}:{kind.__qualname__}":
                return name
        return re.sub(
            r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind.__name__
        ).lower()

    def _loaded(self, point: EntryPoint) -> Any:
        said = self._shelf.said(point)
        try:
            kind = point.load()
        except Exception as error:  # whatever another package does when it is imported
            raise OptionError(f"{said} does not load: {first_line(error)}") from error
        if not (isinstance(kind, type) and issubclass(kind, self._base)):
            home = f"{self._base.__module__.rpartition('.')[0]}.{self._base.__name__}"
            raise OptionError(f"{said} is no subclass of {home}. Received: {sanitise(repr(kind))}")
        return kind
