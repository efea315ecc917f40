"""Extras: optional packages, imported when they are needed, and how to install them."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from typing import Any

from kviz.errors import OptionError

NAME = "keras-kviz"
# What an extra brings, by the names by which it is imported.
_MODULES = {"superpixels": ("skimage", "sklearn")}


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
    """Return whether what an extra brings is installed; nothing of it is imported.

    Args:
        extra: one that methods need.
    """
    return all(find_spec(module) is not None for module in _MODULES[extra])


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
