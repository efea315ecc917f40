"""Annotations of photos in COCO's JSON: which things a photo shows, and where."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kviz._checks import sanitise
from kviz.errors import ImageError
from kviz.formats.bounds import MEGABYTE, validate_sides
from kviz.formats.masks import mask_of_box, mask_of_polygon, mask_of_runs

Array = npt.NDArray[Any]

# COCO's own of 5,000 photos have 20; what is read takes ten times its size in memory.
MOST = 128 * MEGABYTE
_HOLDS = (
    "A COCO file has images with id and file_name, annotations with image_id, category_id and bbox or "
    "segmentation, and categories with id and name."
)
_ID = (int, float, str)


@dataclass(frozen=True)
class Annotated:
    """What a file says of one photo.

    Attributes:
        name: its name, with a folder where the file tells one.
        size: its width and height, None where the file does not say.
        things: a category's name, "" for none, and an annotation, of each thing.
    """

    name: str
    size: tuple[int, int] | None
    things: list[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Coco:
    """What a file says of photos.

    Attributes:
        photos: each that it lists.
        categories: the names of the kinds of things.
    """

    photos: list[Annotated]
    categories: tuple[str, ...]


def read_coco(path: Path) -> Coco:
    """Return the annotations in a file.

    Args:
        path: a JSON file with `images`, `annotations` and, where there are kinds, `categories`.

    Raises:
        ImageError: if it is none, or larger than 128 MB.
    """
    name = sanitise(path, 80)
    try:
        if path.stat().st_size > MOST:
            raise ImageError(f"{name} is over 128 MB. Take out what is of other photos first.")
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ImageError(f"{name} cannot be read as JSON: {_why(error)}.") from error
    try:
        return _annotations(found)
    except ValueError as error:
        raise ImageError(f"{name} is no COCO file: {error}. {_HOLDS}") from error


def _why(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not text in UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, OSError):
        return str(error.strerror)
    if isinstance(error, json.JSONDecodeError):
        return str(error)
    return "a number in it has thousands of digits"


def _annotations(found: Any) -> Coco:
    if not isinstance(found, dict):
        raise ValueError(f"it is {_written(found)}")
    kinds = {}
    if found.get("categories") is not None:
        kinds = {number: name for number, name, _ in _listed(found, "categories", "name")}
    photos = {
        number: Annotated(name, _size(one), [])
        for number, name, one in _listed(found, "images", "file_name")
    }
    for said, one in _entries(found, "annotations"):
        photo = photos.get(_value(one, "image_id", _ID, said))
        kind = one.get("category_id")
        name = "" if kind is None else kinds.get(_value(one, "category_id", _ID, said), "")
        if photo is not None:
            photo.things.append((name, one))
    return Coco(list(photos.values()), tuple(kinds.values()))


def _listed(found: Mapping[str, Any], key: str, text: str) -> Iterator[tuple[Any, str, Any]]:
    """Yield the id, the text that is asked for, and all of each entry in a list."""
    known = set()
    for said, one in _entries(found, key):
        number = _value(one, "id", _ID, said)
        if number in known:
            raise ValueError(f"two of its {key} have the id {_written(number)}")
        known.add(number)
        yield number, _value(one, text, (str,), said), one


def _entries(found: Mapping[str, Any], key: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for place, one in enumerate(_value(found, key, (list,), "it")):
        if not isinstance(one, dict):
            raise ValueError(f"{key}[{place}] is {_written(one)}")
        yield f"{key}[{place}]", one


def _value(one: Mapping[str, Any], key: str, kinds: tuple[type, ...], said: str) -> Any:
    value = one.get(key)
    if isinstance(value, kinds) and value != "":
        return value
    raise ValueError(
        f"{said} has the {key} {_written(value)}" if key in one else f"{said} has no {key}"
    )


def _written(value: Any) -> str:
    """Return what was received as the file writes it, sanitised."""
    return sanitise(json.dumps(value, ensure_ascii=False), 24)


def _size(one: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = one.get("width"), one.get("height")
    if isinstance(width, int) and isinstance(height, int) and min(width, height) > 0:
        return width, height
    return None


def mask_of(thing: Mapping[str, Any], size: tuple[int, int], said: str) -> Array:
    """Return where an annotated thing is, bool `(H, W)`: by its segmentation, else by its box.

    Args:
        thing: the annotation.
        size: height and width of the photo.
        said: what messages call the file and the photo.

    Raises:
        ImageError: if it says neither as COCO does.
    """
    validate_sides(said, size[1], size[0])
    outline: Any = thing.get("segmentation")
    box: Any = thing.get("bbox")
    try:
        if not outline:
            if not _are_numbers(box) or len(box) != 4 or min(box[2:]) < 0:
                raise ValueError(f"its bbox is {_written(box)}")
            return mask_of_box([*map(float, box)], size)
        if isinstance(outline, dict):
            return _of_runs(outline, size)
        return _of_polygons(outline, size)
    except ValueError as error:
        raise ImageError(
            f"{said} has an annotation (id {_written(thing.get('id'))}) without a bbox of 4 numbers, "
            f"a polygon or run lengths of {size[1]} x {size[0]} pixels: {error}."
        ) from error


def _of_runs(outline: Mapping[str, Any], size: tuple[int, int]) -> Array:
    if outline.get("size") != [*size]:
        raise ValueError(f"its mask has the size {_written(outline.get('size'))}")
    counts = outline.get("counts")
    if not isinstance(counts, str | list):
        raise ValueError(f"its run lengths are {_written(counts)}")
    return mask_of_runs(counts, size)


def _of_polygons(outline: Any, size: tuple[int, int]) -> Array:
    mask = np.zeros(size, bool)
    for points in outline if isinstance(outline, list) else [outline]:
        if not _are_numbers(points) or len(points) < 6 or len(points) % 2:
            raise ValueError(f"its polygon is {_written(points)}")
        mask |= mask_of_polygon([*map(float, points)], size)
    return mask


def _are_numbers(given: Any) -> bool:
    return isinstance(given, list) and all(
        isinstance(number, int | float) and abs(number) <= sys.float_info.max for number in given
    )
