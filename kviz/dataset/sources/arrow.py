"""pyarrow, which reads tables: imported where one is read, or a sentence on how to get it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kviz.dataset.sources.source import unreadable
from kviz.extras import installed


def arrow(module: str) -> Any:
    """Return a module of pyarrow.

    Raises:
        OptionError: if pyarrow is not installed.
    """
    return installed(f"pyarrow.{module}", "A table", "store")


def parquet_schema(path: Path) -> Any:
    """Return what columns a Parquet file has.

    Raises:
        ImageError: if it is none.
    """
    parquet, errors = arrow("parquet"), arrow("lib").ArrowException
    try:
        return parquet.read_schema(path)
    except (errors, OSError) as error:
        raise unreadable(path, error) from error


def class_names(schema: Any, column: str | None) -> tuple[str, ...] | None:
    """Return the names that Hugging Face's `datasets` keeps of the classes of a column of numbers."""
    kept = (schema.metadata or {}).get(b"huggingface")
    if kept is None or column is None:
        return None
    try:
        names = json.loads(kept)["info"]["features"][column]["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    several = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if several else None
