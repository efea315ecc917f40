"""Extras: optional packages, imported when they are needed, and how to install them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution, requires, version
from typing import Any

from packaging.requirements import Requirement

from kviz.errors import OptionError

NAME = "keras-kviz"


@dataclass(frozen=True)
class Package:
    """A package that kviz, or one of its extras, requires.

    Attributes:
        name: its name.
        installed: its version, None where it is not there.
        needed: the versions that kviz works with, empty for any.
        fits: whether it is there in such a version.
    """

    name: str
    installed: str | None
    needed: str
    fits: bool

    def words(self) -> str:
        """Return in words whether it is there."""
        if self.fits:
            return f"{self.name} {self.installed}"
        there = f"{self.installed} is installed" if self.installed else "not installed"
        return f"{self.name}: {there}, kviz needs {self.needed or 'it'}"


def install_command(extra: str) -> str:
    """Return the command that installs one of kviz's extras, and in which folder where that matters.

    It follows from how kviz itself was installed: from a folder, such as a clone, or from an index.
    The folder is not named, since messages go into pages that are sent.

    Args:
        extra: its name.
    """
    if _is_from_folder():
        return f'pip install ".[{extra}]" in the folder of kviz'
    return f'pip install "{NAME}[{extra}]"'


def is_there(extra: str) -> bool:
    """Return whether all that an extra brings is installed; nothing of it is imported.

    Args:
        extra: its name; of one that kviz does not have, nothing is missing.
    """
    try:
        return all(one.installed for one in packages_of(extra))
    except PackageNotFoundError:  # run from a folder, without an installation
        return True


def packages_of(
    extra: str, name: str = NAME, seen: frozenset[tuple[str, str]] = frozenset()
) -> list[Package]:
    """Return the packages that an extra of a package brings, and its extras in turn, by its metadata.

    Args:
        extra: its name, "" for what the package always needs.
        name: the package.
        seen: extras that are being looked up.
    """
    found: dict[str, Package] = {}
    for one in map(Requirement, requires(name) or ()):
        always = one.marker is None or one.marker.evaluate({"extra": ""})
        wanted = not always and one.marker is not None and one.marker.evaluate({"extra": extra})
        if not (wanted if extra else always):
            continue
        package = _looked_up(one)
        if one.name != name:
            found[one.name] = package
        for inner in one.extras if package.installed else ():
            if (one.name, inner) not in seen:
                more = packages_of(inner, one.name, seen | {(one.name, inner)})
                found |= {each.name: each for each in more}
    return list(found.values())


def _looked_up(one: Requirement) -> Package:
    try:
        there = version(one.name)
    except PackageNotFoundError:
        there = None
    fits = there is not None and one.specifier.contains(there, prereleases=True)
    return Package(one.name, there, str(one.specifier), fits)


def _is_from_folder() -> bool:
    """Return whether kviz was installed from a folder, or is not installed but run there."""
    try:
        # PEP 610: there where a package was installed from a path or an address.
        text = distribution(NAME).read_text("direct_url.json")
        found = json.loads(text or "{}")
    except PackageNotFoundError:
        return True
    except ValueError:  # written by whatever installed it
        return False
    return isinstance(found, dict) and "dir_info" in found


def installed(module: str, what: str, extra: str = "") -> Any:
    """Return a module of an optional package, imported now that it is needed.

    Args:
        module: such as `"pyarrow.parquet"`.
        what: what needs it, as the beginning of a sentence.
        extra: kviz's extra that brings it, if one does.

    Raises:
        OptionError: if it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        command = install_command(extra) if extra else f"pip install {package}"
        raise OptionError(f"{what} needs {package}, which is not installed: {command}.") from error
