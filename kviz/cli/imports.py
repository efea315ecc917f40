"""--import: the modules in which a model's own classes are."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from kviz._checks import first_line, sanitise
from kviz.errors import OptionError

# Theirs are known already, and a name of theirs would hide what a file means by it.
_KNOWN = ("builtins", "keras", "tensorflow", "numpy")


def imported(modules: Iterable[str]) -> dict[str, Any] | None:
    """Import modules, found in the current folder too, and return the classes and functions of theirs.

    What a module registers with Keras is known by being imported; what it only defines is found here,
    in itself or its package. What it has from elsewhere is not for a model's file to name.

    Args:
        modules: their names.

    Returns:
        Classes and functions by name, None where no module was named.

    Raises:
        OptionError: if one is not there, or fails.
    """
    found: dict[str, Any] = {}
    for name in modules:
        module = _module(name)
        own = module.__package__ or module.__name__
        for key, value in vars(module).items():
            if isinstance(value, type | FunctionType):
                home = str(value.__module__)
                is_own = f"{home}.".startswith(f"{own}.")
                if is_own and home.partition(".")[0] not in _KNOWN and not key.startswith("_"):
                    found[key] = value
    return found or None


def _module(name: str) -> ModuleType:
    said = sanitise(name, 80)
    plain = name.removesuffix(".py")
    if plain != name or not all(part.isidentifier() for part in name.split(".")):
        raise OptionError(
            f"--import takes a module's name, such as my_layers for my_layers.py. Received: {said}"
        )
    here = str(Path.cwd())
    if here not in sys.path:
        # At the end: a file beside the model hides no module that is installed.
        sys.path.append(here)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.split(".")[0] == error.name.split(".")[0]:
            raise OptionError(
                f"There is no module {said}, neither installed nor in the current folder."
            ) from error
        raise OptionError(f"--import {said} fails: {first_line(error)}") from error
    except (Exception, SystemExit) as error:  # whatever the module does when it is imported
        raise OptionError(f"--import {said} fails: {first_line(error)}") from error
