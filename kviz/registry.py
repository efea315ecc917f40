"""Registry: things with options by name, a file of a package each, and what other packages install."""

from __future__ import annotations

import pkgutil
import re
import sys
import warnings
from collections.abc import Mapping
from dataclasses import MISSING, fields
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, Generic, TypeVar

from kviz._caller import spelled
from kviz._checks import first_line, sanitise, suggest
from kviz.errors import KvizWarning, OptionError

One = TypeVar("One")


class Registry(Generic[One]):
    """Frozen dataclasses by name: attribution methods, metrics.

    A file of the package holds one, and its name is the thing's name. Another package's are found by
    its entry points of the group.

    Args:
        package: the package whose files hold kviz's own.
        base: what all of them are subclasses of.
        group: the group of others' entry points.
        word: what one is called, for messages.
        example: the name of one, for messages.
    """

    def __init__(
        self, package: ModuleType, base: type[One], group: str, word: str, example: str
    ) -> None:
        self._package = package
        self._base = base
        self._group = group
        self._word = word
        self._example = example
        self._seen: tuple[tuple[str, ...], dict[str, EntryPoint]] | None = None

    def names(self) -> list[str]:
        """Return the names of all: kviz's own, and those that other packages have."""
        return sorted([*self._own(), *self._others()])

    def find(self, name: str) -> type[One]:
        """Return a class by its name.

        Raises:
            OptionError: if there is none, or the package that has it does not load.
        """
        own, others = self._own(), self._others()
        if not isinstance(name, str) or (name not in own and name not in others):
            raise OptionError(
                f"There is no {self._word} {sanitise(repr(name))}. "
                f"{suggest(str(name), [*own, *others])}"
            )
        if name in own:
            module = vars(import_module(f"{self._package.__name__}.{name}"))
            # hires_cam.py holds HiResCam: papers' capitals are their own.
            found = next(module[key] for key in module if key.casefold() == name.replace("_", ""))
        else:
            found = self._loaded(others[name])
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
            f"{option} takes a {self._word}'s name, such as {self._example!r}, or an instance of one. "
            f"Received: {sanitise(repr(value))}"
        )

    def name_of(self, one: One) -> str:
        """Return the one name by which `make` makes it."""
        kind = type(one)
        package, _, name = kind.__module__.rpartition(".")
        if package == self._package.__name__:
            return name
        for name, point in self._others().items():
            if point.value.replace(" ", "") == f"{kind.__module__}:{kind.__qualname__}":
                return name
        return re.sub(
            r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind.__name__
        ).lower()

    def _own(self) -> list[str]:
        found = pkgutil.iter_modules(self._package.__path__)
        return [module.name for module in found if not module.name.startswith("_")]

    def _others(self) -> dict[str, EntryPoint]:
        """Return those that other packages have, by name; nothing of them is loaded."""
        path = tuple(sys.path)
        # What is installed changes with the path only; a second look would warn a second time.
        if self._seen is None or self._seen[0] != path:
            self._seen = path, self._looked_up()
        return self._seen[1]

    def _looked_up(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        own = self._own()
        for point in entry_points(group=self._group):
            taken = (
                "kviz" if point.name in own else point.name in found and _package(found[point.name])
            )
            if taken or not point.name.isidentifier():
                why = f"{taken} has one of that name" if taken else "that is no name of Python's"
                warnings.warn(
                    KvizWarning(f"{self._said(point)} is left out: {why}."),
                    stacklevel=2,
                )
            else:
                found[point.name] = point
        return found

    def _said(self, point: EntryPoint) -> str:
        return f"The {self._word} {sanitise(point.name)!r} of {_package(point)}"

    def _loaded(self, point: EntryPoint) -> Any:
        said = self._said(point)
        try:
            kind = point.load()
        except Exception as error:  # whatever another package does when it is imported
            raise OptionError(f"{said} does not load: {first_line(error)}") from error
        if not (isinstance(kind, type) and issubclass(kind, self._base)):
            home = f"{self._base.__module__.rpartition('.')[0]}.{self._base.__name__}"
            raise OptionError(f"{said} is no subclass of {home}. Received: {sanitise(repr(kind))}")
        return kind


def _package(point: EntryPoint) -> str:
    return sanitise(point.dist.name if point.dist else point.value)
