"""Images in `.npy` and `.npz` files, read from the disk as they are used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Self

from kviz._checks import sanitise
from kviz._types import Array
from kviz.dataset.sources.columns import IMAGES, LABELS, chosen
from kviz.dataset.sources.source import Columns, Fingerprint, Item, Source, counted, validate_some
from kviz.dataset.sources.texts import PackedLabels
from kviz.errors import ImageError
from kviz.formats.array_files import SUFFIXES, members_of, read_array


@dataclass(frozen=True, eq=False)
class ArrayFile(Source):
    """A `.npy` of images `(N, …)`, or a `.npz` that holds them and, in a second array, labels.

    Attributes:
        path: the file.
        member: which array of a `.npz` holds the images.
        shape: the array's.
        labels: by image.
    """

    path: Path
    member: str | None
    shape: tuple[int, ...]
    labels: PackedLabels | None

    kind: ClassVar[str] = "array"
    of_arrays: ClassVar[bool] = True
    suffixes: ClassVar[tuple[str, ...]] = SUFFIXES
    takes: ClassVar[tuple[str, ...]] = ("image", "label")

    @classmethod
    def of(cls, given: Any, columns: Columns) -> Self:
        """Return the images of a file, whose first axis counts them."""
        path, what = Path(given).absolute(), sanitise(given, 120)
        member = label_member = None
        if names := members_of(path):
            member, label_member = _chosen(names, columns, what)
        images = read_array(path, member)
        validate_images(images, what)
        labels = None
        if label_member is not None:
            labels = labels_for(read_array(path, label_member), len(images), what)
        found = Fingerprint(cls.kind)
        found.add(member, label_member)
        found.add_file(os.fsencode(path), os.fsencode(path.name))
        return cls(found.hexdigest(), None, path, member, images.shape, labels)

    @property
    def count(self) -> int:
        """How many images there are."""
        return self.shape[0]

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Give the images from one place up to another, in order."""
        if self.member is None:
            images = read_array(self.path)
        else:
            status = self.path.stat()
            images = _unpacked(self.path, self.member, status.st_size, status.st_mtime_ns)
        if images.shape != self.shape:
            raise ImageError(f"{sanitise(self.path, 120)} has changed while it was read.")
        name = sanitise(self.path.name, 200)
        yield from rows(images, self.labels, name, start, stop)

    def describe(self) -> str:
        """Return a short phrase that says what it is."""
        return f"array of {counted(self.count)}"


def rows(
    images: Array, labels: PackedLabels | None, name: str, start: int, stop: int
) -> Iterator[Item]:
    """Give images of an array as items."""
    for place in range(start, stop):
        yield Item(f"{name}[{place}]", None if labels is None else labels[place], images[place])


def validate_images(images: Array, what: str) -> None:
    """Raise an ImageError unless an array can be several images."""
    if images.ndim < 3:
        raise ImageError(
            f"{what} holds an array of shape {sanitise(images.shape)}. Expected images, such as "
            "(N, H, W, channels)."
        )
    validate_some(images.size, what)


def labels_for(labels: Array, count: int, what: str) -> PackedLabels | None:
    """Return labels that were an array, one per image.

    Raises:
        ImageError: if there are more or fewer of them.
    """
    if labels.ndim not in (1, 2) or len(labels) != count:
        raise ImageError(
            f"Labels of {what} have shape {sanitise(labels.shape)}. Expected one for each of "
            f"{counted(count)}."
        )
    return PackedLabels.of(labels, f"Labels of {what}")


@lru_cache(maxsize=1)
def _unpacked(path: Path, member: str, *_changed: int) -> Array:
    """Return an array of a `.npz`, at most 256 MB, which shard after shard asks for."""
    return read_array(path, member)


def _chosen(names: list[str], columns: Columns, what: str) -> tuple[str, str | None]:
    if len(names) == 1 and columns.image is None and columns.label is None:
        return names[0], None
    image = chosen("image_column", columns.image, names, IMAGES, what, "array of images")
    others = [name for name in names if name != image]
    label = chosen("label_column", columns.label, others, LABELS, what, "array of labels")
    return str(image), label
