"""Regions: where the thing is in each image, from boxes, masks, files, carried to the model's pixels.

What is told in a photo's own pixels goes the way that the photo went, as a picture that is white where
the thing is: turned, cropped, padded or stretched. Where it is half white or more the region is; where
no pixel is that, the whitest ones are, so that small things are not lost.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image

from kviz._caller import spelled
from kviz._checks import sanitise, shown
from kviz._types import Array, Regions
from kviz.errors import ImageError, OptionError
from kviz.formats.array_files import is_array_file, read_array
from kviz.formats.coco import Annotated, mask_of, read_coco
from kviz.formats.fitting import Wanted, fitted, lying
from kviz.formats.masks import mask_of_box, mask_of_numbers, read_mask
from kviz.formats.paths import SUFFIXES
from kviz.formats.photo import Lying, lying_of
from kviz.originals import Source, source_of

# The regions of an image by category, "" for those of none.
ByCategory = Mapping[str, Array]


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """Where things are in images.

    Attributes:
        whole: bool `(N, *size)`: all regions of each image, nowhere where nothing is told.
        named: for each image the regions by category, in small letters.
        categories: all categories that there are, in small letters.
        notes: what results should be read with.
        said: what a result's settings say of it.
    """

    whole: Array
    named: Sequence[ByCategory]
    categories: frozenset[str]
    notes: tuple[str, ...]
    said: Any

    def of(self, labels: Sequence[str], part: slice) -> Array:
        """Return the regions of the class that is explained in some images, bool `(N, *size)`.

        A class that is called as a category has that category's regions, any other class all.

        Args:
            labels: the class's name, of each of all images.
            part: which images are wanted.
        """
        found = self.whole[part].copy()
        for row, (label, regions) in enumerate(zip(labels[part], self.named[part], strict=True)):
            name = label.casefold()
            if name in self.categories:
                found[row] = regions.get(name, False)
        return found


@dataclass(frozen=True)
class _Photo:
    """One of the images: what it is called, and how it was made of a photo.

    Attributes:
        size: of its maps.
        pixels: `(*size, channels)`.
        given: what it is called, "" where nobody said.
    """

    size: tuple[int, ...]
    pixels: Array
    given: str

    @cached_property
    def source(self) -> Source | None:
        """The file that it was read from, and how."""
        return source_of(self.pixels)

    @cached_property
    def lies(self) -> Lying | None:
        """How its photo lies, None where that is not known."""
        return None if self.source is None else lying_of(self.source.path)

    @property
    def called(self) -> str:
        """What messages call it."""
        return sanitise(self.given or (self.source.path.name if self.source else "an image"), 60)

    @property
    def frame(self) -> tuple[int, ...]:
        """Height and width in which boxes count: the photo's, or its own where that is not known."""
        return self.size if self.lies is None else self.lies.size[::-1]

    @property
    def path(self) -> PurePath | None:
        """By what name regions are told for it, with the folders that are known; None without one."""
        file = self.source.path if self.source else None
        if not self.given:
            return file
        # Photos that are alike in every pixel have the last one's file.
        return file if file and file.name == self.given else PurePath(self.given)

    def carried(self, mask: Array, said: str) -> Array:
        """Return a mask of the photo as one of the image, bool of its size.

        Args:
            mask: bool, of the image's size, or of the photo's, upright or as the file holds it.
            said: what messages call it.
        """
        if mask.shape == self.size:
            return mask
        turn = None
        if self.source is not None and self.lies is not None:
            upright = self.lies.size[::-1]
            if mask.shape == upright:
                turn = 1
            elif mask.shape == lying(upright, self.lies.turn):
                turn = self.lies.turn
        if turn is None or self.source is None:
            told = [("the model's input", self.size)]
            told += [("the photo", self.lies.size[::-1])] if self.lies else []
            several = ", or of ".join(f"{what}, {_spelled(size)}" for what, size in told)
            more = "" if self.lies else " From which file it was read is not known."
            raise ImageError(
                f"{said} is of {_spelled(mask.shape)} pixels. Expected the size of {several}.{more}"
            )
        picture = Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0)))
        wanted = Wanted((self.size[0], self.size[1]), 1, self.source.wanted.fit)
        covered = fitted([picture], 1, wanted, turn)[..., 0]
        most = int(covered.max())
        found: Array = covered >= min(128, max(1, most))
        return found


def _spelled(size: Sequence[int]) -> str:
    return " x ".join(map(str, size[::-1] if len(size) == 2 else size))


def read_regions(given: Regions, images: Array, names: Sequence[str]) -> Known:
    """Return regions as masks of the images' size.

    Args:
        given: as `evaluate` takes them.
        images: what is looked at, `(N, *size, channels)` or `(N, features)`.
        names: what the images are called, nothing where nobody said.

    Raises:
        OptionError: if it is none of what is taken, or tells of no image.
        ImageError: if a file or a mask does not fit.
    """
    size = images.shape[1:] if images.ndim == 2 else images.shape[1:-1]
    named = names if len(names) == len(images) else [""] * len(images)
    photos = [_Photo(size, image, name) for image, name in zip(images, named, strict=True)]
    categories: Iterable[str] = ()
    if isinstance(given, str) and not given:  # as a path it is the folder that one is in
        raise OptionError(
            f"{spelled('regions')} takes a folder of masks or a COCO file. Received an empty text."
        )
    if isinstance(given, str | Path):
        path = Path(given)
        if path.suffix.lower() == ".json" and path.is_file():
            found, categories = _annotated(path, photos)
        else:
            found = [{"": mask} if mask is not None else {} for mask in _files(path, photos)]
    else:
        entries = _entries(given, photos)
        found = [
            {} if entry is None else {"": _mask(entry, photo)}
            for entry, photo in zip(entries, photos, strict=True)
        ]
    whole = np.zeros((len(photos), *size), bool)
    for image, parts in enumerate(found):
        for mask in parts.values():
            whole[image] |= mask
    empty = [place for place in range(len(photos)) if not whole[place].any()]
    if len(empty) == len(photos):
        raise OptionError(_nowhere(given, photos))
    digest = hashlib.sha256(np.packbits(whole).tobytes()).hexdigest()
    return Known(
        whole=whole, named=found, categories=frozenset(map(str.casefold, categories)),
        notes=tuple(_left_out(empty, photos)),
        said=str(given) if isinstance(given, str | Path) else {"sha256": digest},
    )  # fmt: skip


def _left_out(empty: Sequence[int], photos: Sequence[_Photo]) -> list[str]:
    if not empty:
        return []
    some = ", ".join(photos[place].called for place in empty[:3])
    more = f" and {len(empty) - 3} more" if len(empty) > 3 else ""
    return [
        f"Metrics of regions leave out {len(empty)} of the {len(photos)} images, in which the model "
        f"sees no region: {some}{more}."
    ]


def _nowhere(given: Any, photos: Sequence[_Photo]) -> str:
    several = f"None of the {len(photos)} images has" if len(photos) > 1 else "The image has no"
    said = f"{several} {'a ' * (len(photos) > 1)}region that the model sees"
    if not isinstance(given, str | Path | Mapping):
        return f"{said}: {spelled('regions')} tells of none."
    told = "" if isinstance(given, Mapping) else f" in {sanitise(given, 100)}"
    return f"{said}{told}. Regions are found by the photos' names, such as {photos[0].called}."


# -- what is told in Python


def _entries(given: Any, photos: Sequence[_Photo]) -> list[Any]:
    """Return what is told of each image, None of what is not."""
    many = len(photos)
    if isinstance(given, Mapping):
        for name in given:
            if not isinstance(name, str | os.PathLike):
                raise OptionError(
                    f"{spelled('regions')} takes regions by the images' names, which are texts or "
                    f"paths. Received: {shown(name)}"
                )
        told = _Named(given.items(), "regions")
        return [told.of(photo) for photo in photos]
    if _is_box(given):
        return [given] * many
    if isinstance(given, np.ndarray) and many == 1 and given.shape == photos[0].size:
        return [given]
    if not isinstance(given, Sequence | np.ndarray) or not len(given):
        raise OptionError(
            f"{spelled('regions')} takes boxes (x, y, width, height), masks, a folder of masks or a "
            f"COCO file. Received: {shown(given)}"
        )
    if many == 1 and all(map(_is_box, given)):
        return [given]
    if len(given) != many:
        raise OptionError(
            f"{spelled('regions')} takes an entry for each of {many} images, None for one without. "
            f"Received: {len(given)}"
        )
    return list(given)


def _is_box(given: Any) -> bool:
    """Return whether something is four numbers."""
    if isinstance(given, np.ndarray):
        return given.shape == (4,) and given.dtype.kind in "fiu"
    several = isinstance(given, list | tuple) and len(given) == 4
    return several and all(
        isinstance(one, int | float | np.integer | np.floating) and not isinstance(one, bool)
        for one in given
    )


def _mask(entry: Any, photo: _Photo) -> Array:
    """Return what was told of an image as a mask of its size."""
    said = f"The region of {photo.called}"
    if isinstance(entry, str | Path):
        return photo.carried(read_mask(Path(entry)), f"{sanitise(entry, 80)}")
    boxes = [entry] if _is_box(entry) else entry
    if isinstance(boxes, list | tuple) and boxes and all(map(_is_box, boxes)):
        return _boxed(boxes, photo, said)
    if isinstance(entry, np.ndarray) and entry.dtype.kind in "biuf":
        if entry.ndim == 2 and entry.shape[1] == 4 and entry.shape not in (photo.size, photo.frame):
            return _boxed(entry, photo, said)
        mask = entry[..., 0] if entry.shape == (*photo.size, 1) else entry
        return photo.carried(mask_of_numbers(mask, said), said)
    raise OptionError(
        f"{said} is no box (x, y, width, height), no list of boxes, no mask and no file. "
        f"Received: {shown(entry)}"
    )


def _boxed(boxes: Iterable[Sequence[float]], photo: _Photo, said: str) -> Array:
    frame = photo.frame
    if len(frame) != 2:
        raise OptionError(f"{said} is a box, and its size is {frame}. Give a mask of that size.")
    mask = np.zeros(frame, bool)
    for box in boxes:
        x, y, wide, high = map(float, box)
        inside = x < frame[1] and y < frame[0] and x + wide > 0 and y + high > 0
        if not (np.isfinite([x, y, wide, high]).all() and min(wide, high) > 0 and inside):
            raise OptionError(
                f"{said} is no box (x, y, width, height) within {_spelled(frame)} pixels. "
                f"Received: {shown(tuple(box))}"
            )
        mask |= mask_of_box((x, y, wide, high), (frame[0], frame[1]))
    return photo.carried(mask, said)


# -- what is told in files


def _files(path: Path, photos: Sequence[_Photo]) -> list[Array | None]:
    """Return the masks that a folder, an array or one picture holds."""
    if path.is_dir():
        inside = [each for each in sorted(path.iterdir()) if each.suffix.lower() in SUFFIXES]
        found = _Named([(each, each) for each in inside], f"The folder {sanitise(path, 80)}")
        masks = []
        for photo in photos:
            file = found.of(photo)
            masks.append(None if file is None else _mask(file, photo))
        return masks
    if not path.exists():
        raise ImageError(f"There is no file or folder {sanitise(path, 120)} with regions.")
    entries: list[Any] = [path]
    if is_array_file(path):
        entries = _entries(np.asarray(read_array(path)), photos)
    if len(entries) != len(photos):
        raise OptionError(
            f"{sanitise(path, 120)} is one mask, and there are {len(photos)} images. Expected a folder "
            "of masks that are named like the photos, or a COCO file."
        )
    return [_mask(entry, photo) for entry, photo in zip(entries, photos, strict=True)]


def _annotated(path: Path, photos: Sequence[_Photo]) -> tuple[list[ByCategory], tuple[str, ...]]:
    """Return what a COCO file says of each image."""
    told = read_coco(path)
    found = _Named([(each.name, each) for each in told.photos], sanitise(path, 80))
    several: list[ByCategory] = []
    for photo in photos:
        each = found.of(photo)
        several.append({} if each is None else _by_category(each, photo, sanitise(path, 50)))
    return several, told.categories


def _by_category(told: Annotated, photo: _Photo, said: str) -> dict[str, Array]:
    size = told.size[::-1] if told.size else photo.frame
    if len(size) != 2:
        raise OptionError(f"{said} tells of photos. Give masks of the size {photo.size}.")
    said = f"{said}: {sanitise(told.name, 40)}"
    masks: dict[str, Array] = {}
    for category, thing in told.things:
        name, mask = category.casefold(), mask_of(thing, (size[0], size[1]), said)
        masks[name] = masks[name] | mask if name in masks else mask
    return {
        name: photo.carried(mask, said) if mask.any() else np.zeros(photo.size, bool)
        for name, mask in masks.items()
    }


class _Named:
    """What is told of photos by their names.

    A photo's own name is looked for, then the same without its ending, since a mask need not be a JPEG.
    Where several are called so, those count whose folders are the photo's too. What was written on
    Windows has backslashes between them.
    """

    def __init__(self, told: Iterable[tuple[str | os.PathLike[str], Any]], said: str) -> None:
        self.said = said
        self.told: dict[str, list[tuple[PurePath, Any]]] = {}
        self.taken: dict[PurePath, PurePath] = {}
        for name, value in told:
            path = _with_slashes(name)
            for key in dict.fromkeys((path.name, f"{path.stem}.*")):
                self.told.setdefault(key, []).append((path, value))

    def of(self, photo: _Photo) -> Any:
        """Return what is told of a photo, None where nothing is."""
        if photo.path is None:
            return None
        own = _with_slashes(photo.path)
        found = self.told.get(own.name) or self.told.get(f"{own.stem}.*") or []
        if len(found) > 1:
            folders = own.parts[:-1]
            found = [
                (path, value)
                for path, value in found
                if folders[len(folders) - len(path.parts) + 1 :] == path.parts[:-1]
            ] or found
        if len(found) > 1:
            raise ImageError(f"{self.said} tells of several photos that are called {photo.called}.")
        for path, value in found:
            if self.taken.setdefault(path, own) != own:
                raise ImageError(
                    f"{self.said} tells of one photo {sanitise(path, 40)!r}, and there are several: "
                    f"{sanitise(self.taken[path], 60)}, {sanitise(own, 60)}."
                )
            return value
        return None


def _with_slashes(name: str | os.PathLike[str]) -> PurePath:
    return PurePath(os.fspath(name).replace("\\", "/"))
