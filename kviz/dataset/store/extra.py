"""Packages of the extra `store`, imported when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from kviz.errors import OptionError


def store_package(name: str) -> Any:
    """Return a package that stores are written and read with.

    Args:
        name: such as `"pyarrow.parquet"`.

    Raises:
        OptionError: if it is not installed.

    >>> store_package("json").dumps([1])
    '[1]'
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise OptionError(
            f"A store needs {name.partition('.')[0]}, which is not installed: "
            'pip install "keras-kviz[store]".'
        ) from error
