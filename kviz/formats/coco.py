"""Annotations of photos in COCO's JSON: which things a photo shows, and where."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kviz._checks import sanitise, shown
from kviz.errors import ImageError
from kviz.formats.bounds import MEGABYTE, validate_sides
from kviz.formats.masks import mask_of_box, mask_of_polygon, mask_of_runs

Array = npt.NDArray[Any]

# COCO's own of 5,000 photos have 20; what is read takes ten times its size in memory.
MOST = 128 * MEGABYTE


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
    name = sanitise(path, 120)
    try:
        if path.stat().st_size > MOST:
            raise ImageError(f"{name} is over 128 MB. Take out what is of other photos first.")
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ImageError(f"{name} cannot be read as JSON: {sanitise(error, 100)}.") from error
    try:
        kinds = {one["id"]: str(one["name"]) for one in found.get("categories") or []}
        photos = {one["id"]: _photo(one) for one in found["images"]}
        for one in found["annotations"]:
            photo = photos.get(one["image_id"])
            if photo is not None:
                photo.things.append((kinds.get(one.get("category_id"), ""), one))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ImageError(
            f"{name} does not hold annotations as COCO has them: images with id and file_name, and "
            f"annotations with image_id and bbox or segmentation. {shown(error, 60)}"
        ) from error
    return Coco(list(photos.values()), tuple(kinds.values()))


def _photo(one: Mapping[str, Any]) -> Annotated:
    size = one.get("width"), one.get("height")
    told = all(isinstance(side, int) and side > 0 for side in size)
    return Annotated(str(one["file_name"]), (int(size[0]), int(size[1])) if told else None, [])  # type: ignore[arg-type]


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
    outline, box = thing.get("segmentation"), thing.get("bbox")
    try:
        if isinstance(outline, Mapping):
            if list(outline["size"]) != list(size):
                raise ValueError(f"its mask has the size {shown(outline['size'], 30)}")
            return mask_of_runs(outline["counts"], size)
        if outline:
            mask = np.zeros(size, bool)
            for points in outline:
                mask |= mask_of_polygon(_numbers(points, 6), size)
            return mask
        numbers = _numbers(box, 4)
        if len(numbers) != 4 or min(numbers[2:]) < 0:
            raise ValueError(f"its bbox is {shown(box, 60)}")
        return mask_of_box(numbers, size)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ImageError(
            f"{said} has an annotation (id {shown(thing.get('id'), 20)}) without a bbox of 4 numbers, "
            f"a polygon or run lengths of {size[1]} x {size[0]} pixels: {sanitise(error, 80)}."
        ) from error


def _numbers(given: Any, least: int) -> list[float]:
    found = [float(number) for number in given]
    if len(found) < least or len(found) % 2 or not np.isfinite(found).all():
        raise ValueError(f"received {shown(given, 40)}")
    return found
