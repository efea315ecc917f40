"""Class names: a list, a dict, a file of them, or a folder of the training data."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kviz._checks import sanitise
from kviz.errors import ModelError
from kviz.network.hdf5 import MEGABYTE
from kviz.network.model_files import ENTRIES, NAME, count_entries

ClassNames = Sequence[str] | Mapping[Any, Any] | str | Path

# What others call their files of class names, which lie beside a model: Teachable Machine, tutorials,
# the class_indices of a Keras generator.
_USUAL = (
    "class_names.json",
    "class_names.txt",
    "labels.json",
    "labels.txt",
    "classes.txt",
    "class_indices.json",
)


def _read_names(path: Path) -> Any:
    try:
        if not path.exists():
            raise ModelError(f"There is no file {sanitise(path, 120)} with class names.")
        if path.is_dir():
            return _subfolders(path)
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
        return _without_indices([line.strip() for line in lines if line.strip()])
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"The class names in {sanitise(path, 120)} cannot be read: {sanitise(error)}"
        ) from error


def _subfolders(folder: Path) -> list[str]:
    """Return a folder's subfolders as `keras.utils.image_dataset_from_directory` counts them."""
    names = sorted(
        entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name[:1] != "."
    )
    if not names:
        raise ModelError(
            f"The folder {sanitise(folder, 120)} has no subfolders. In the training data, each class "
            "has one."
        )
    return names


def _without_indices(lines: list[str]) -> list[str]:
    """Return lines such as "0 Rock" without their numbers, where these count up from 0 in all of them.

    >>> _without_indices(["0 Rock", "1 Paper"]), _without_indices(["7 up", "8 ball"])
    (['Rock', 'Paper'], ['7 up', '8 ball'])
    """
    found = [re.fullmatch(r"([0-9]{1,7})[\s:,;=.)-]+(.*\S)", line) for line in lines]
    counted = [match is not None and int(match[1]) == place for place, match in enumerate(found)]
    return [match[2] for match in found if match] if all(counted) else lines


def _in_order(given: Mapping[Any, Any]) -> list[Any]:
    """Return a dict's names in the order of its indices: from index to name, or from name to index."""
    places = [str(place) for place in range(len(given))]
    if all(type(value) is int for value in given.values()):
        given = {place: name for name, place in given.items()}
    numbers = {str(key): value for key, value in given.items()}
    if sorted(numbers) != sorted(places):
        raise ModelError(
            "Class names as a dict need the indices 0, 1, 2 … as keys, or as values behind the names."
        )
    return [numbers[place] for place in places]


def class_names_of(source: ClassNames) -> tuple[str, ...]:
    """Return class names in the order of their indices.

    Args:
        source: a list, a dict from index to name or from name to index, a `.json` or text file (a name
            a line, as "Rock" or as "0 Rock"), or the folder of the training data, a subfolder a class.

    Raises:
        ModelError: if they are none of these, or the file cannot be read.
    """
    given: Any = _read_names(Path(source)) if isinstance(source, str | Path) else source
    if isinstance(given, Mapping):
        given = _in_order(given)
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


def names_beside(path: Path, classes: int | None) -> tuple[ClassNames | None, str | None]:
    """Return the class names that lie beside a model's file, and what there is to say of them.

    Args:
        path: the model's file.
        classes: how many classes the model has, None where that is not known.

    Returns:
        The file that is kviz's own, `NAME.class_names.json`, or else the names of the first file of a
        usual name that fits; and which one that was, or why one was left aside.
    """
    note = None
    try:
        own = path.with_suffix(".class_names.json")
        if own.is_file():
            return own, None
        there = [file for name in _USUAL if (file := path.parent / name).is_file()]
    except OSError:  # a name too long to exist
        return None, None
    for file in there:
        said = f"{sanitise(file.name, 40)} beside the model"
        try:
            names = class_names_of(file)
        except ModelError as error:
            note = note or f"No class names are taken from {said}: {error}"
            continue
        # One unit tells two classes apart.
        if classes is not None and len(names) == max(classes, 2):
            return names, f"The class names are those of {said}."
        note = note or (
            f"No class names are taken from {said}: it names {len(names)}, and the model has "
            f"{classes or 'no'} classes."
        )
    return None, note
