"""Packages of the extra `store`, imported when they are needed."""

from __future__ import annotations

from typing import Any

from kviz.extras import installed


def store_package(name: str) -> Any:
    """Return a package that stores are written and read with.

    Args:
        name: such as `"pyarrow.parquet"`.

    Raises:
        OptionError: if it is not installed.

    >>> store_package("json").dumps([1])
    '[1]'
    """
    return installed(name, "A store", "store")


def validate_store_packages() -> None:
    """Raise an OptionError if a package is missing that a store is begun with."""
    for package in ("tensorstore", "pyarrow", "filelock"):
        store_package(package)
