"""Images that are in memory: an array, or an array and labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from kviz._checks import sanitise
from kviz._types import Array
from kviz.dataset.sources.kinds.arrays import labels_for, rows, validate_images
from kviz.dataset.sources.source import Columns, Fingerprint, Item, Source, counted
from kviz.dataset.sources.texts import PackedLabels
from kviz.errors import ImageError

_CHUNK = 1 << 24


@dataclass(frozen=True, eq=False, repr=False)
class Memory(Source):
    """An array `(N, …)` that Python holds; it is known by its numbers, and sent with them.

    Attributes:
        images: the array.
        labels: by image.
    """

    images: Array
    labels: PackedLabels | None

    kind: ClassVar[str] = "array in memory"
    of_arrays: ClassVar[bool] = True
    travels: ClassVar[bool] = False

    @classmethod
    def matches(cls, given: Any, columns: Columns) -> bool:  # noqa: ARG003
        """Return whether it is an array, or one and labels."""
        is_pair = isinstance(given, tuple) and len(given) == 2
        return isinstance(given[0] if is_pair else given, np.ndarray)

    @classmethod
    def of(cls, given: Any, columns: Columns) -> Self:  # noqa: ARG003 - an array has none
        """Return the images of an array, whose first axis counts them."""
        what = "The data set"
        images, labels = given if isinstance(given, tuple) else (given, None)
        if images.dtype.kind not in "fiub":
            raise ImageError(f"{what} is an array of {sanitise(images.dtype)}. Expected numbers.")
        validate_images(images, what)
        found = Fingerprint(cls.kind)
        found.add(images.dtype.str, images.shape)
        step = max(1, _CHUNK // max(1, images[0].nbytes))
        for start in range(0, len(images), step):
            found.add(np.ascontiguousarray(images[start : start + step]).tobytes())
        packed = None
        if labels is not None:
            packed = labels_for(np.asarray(labels), len(images), what)
        if packed is not None:
            found.add(packed.codes.tobytes(), packed.values)
        return cls(found.hexdigest(), None, images, packed)

    @property
    def count(self) -> int:
        """How many images there are."""
        return len(self.images)

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Give the images from one place up to another, in order."""
        yield from rows(self.images, self.labels, "image", start, stop)

    def describe(self) -> str:
        """Return a short phrase that says what it is."""
        return f"array of {counted(self.count)}"
