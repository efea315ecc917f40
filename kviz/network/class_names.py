"""Class names: a list, a dict, or a file of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kviz._checks import sanitise
from kviz.errors import ModelError
from kviz.network.hdf5 import MEGABYTE
from kviz.network.model_files import ENTRIES, NAME, count_entries

ClassNames = Sequence[str] | Mapping[Any, Any] | str | Path


def _read_names(path: Path) -> Any:
    try:
        if not path.exists():
            raise ModelError(f"There is no file {sanitise(path, 120)} with class names.")
        if not path.is_file():
            raise ModelError(f"The class names {sanitise(path, 120)} are not a regular file.")
        if path.stat().st_size > 64 * MEGABYTE:
            raise ModelError(f"The class names file {sanitise(path, 120)} is over 64 MB.")
        with path.open("rb") as file:
            data = file.read(64 * MEGABYTE)
        if path.suffix == ".json":
            count_entries(data, "The file of class names")
            return json.loads(data.decode("utf-8-sig"))
        if data.count(b"\n") > ENTRIES:
            raise ModelError("The file of class names holds more lines than any model has classes.")
        lines = data.decode("utf-8-sig").split("\n")
        return [line.strip() for line in lines if line.strip()]
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"The class names in {sanitise(path, 120)} cannot be read: {sanitise(error)}"
        ) from error


def class_names_of(source: ClassNames) -> tuple[str, ...]:
    """Return class names in the order of their indices.

    Args:
        source: a list, a dict from index to name, or a `.json` or text file (a name a line).

    Raises:
        ModelError: if they are none of these, or the file cannot be read.
    """
    given: Any = _read_names(Path(source)) if isinstance(source, str | Path) else source
    if isinstance(given, Mapping):
        numbers = {str(key): value for key, value in given.items()}
        if set(numbers) != {str(index) for index in range(len(numbers))}:
            raise ModelError("Class names as a dict need the indices 0, 1, 2 … as keys.")
        given = [numbers[str(index)] for index in range(len(numbers))]
    # The ImageNet index that Keras downloads has [WordNet id, name] for each class.
    names = (
        [name[-1] if isinstance(name, list) and name else name for name in given]
        if isinstance(given, Iterable)
        else []
    )
    if not names or not all(isinstance(name, str) for name in names):
        raise ModelError("Class names are a list of strings, or a dict from index to string.")
    if any(len(name) > NAME for name in names):
        raise ModelError(f"A class name has over {NAME} characters.")
    return tuple(names)
