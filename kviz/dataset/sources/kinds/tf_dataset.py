"""A `tf.data.Dataset`: images, or (image, label), or dicts of these; batched or not."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, Self

import numpy as np

from kviz._caller import spelled
from kviz._checks import first_line, shown
from kviz.dataset.sources.columns import IMAGES, LABELS, chosen
from kviz.dataset.sources.source import Columns, Fingerprint, Item, Source, counted, validate_some
from kviz.dataset.sources.texts import Label, label_of
from kviz.errors import ImageError, OptionError


@dataclass(frozen=True, eq=False)
class TFDataset(Source):
    """A `tf.data.Dataset`, which must give the same elements in the same order each time.

    Who reads on where the last reading ended takes that one up, so that it is gone through once. From
    other places on, TensorFlow skips what is before. The fingerprint is of the elements' types and
    their number, since nothing else is known of it.

    Attributes:
        dataset: one image an element.
        keys: of the image and the label in an element: of a dict, or places of a tuple.
        elements: how many there are.
        going: what is being read, and where that is.
    """

    dataset: Any
    keys: tuple[Any, Any]
    elements: int
    going: _Going

    kind: ClassVar[str] = "tf.data.Dataset"
    takes: ClassVar[tuple[str, ...]] = ("image", "label")

    @classmethod
    def matches(cls, given: Any, columns: Columns) -> bool:  # noqa: ARG003
        """Return whether it is a data set of TensorFlow's."""
        if "tensorflow" not in sys.modules:
            return False
        from kviz.engine.backend import tf

        return isinstance(given, tf.data.Dataset)

    @classmethod
    def of(cls, given: Any, columns: Columns) -> Self:
        """Return the images of a data set, which is counted by one pass where it does not say."""
        keys = _keys(given.element_spec, columns)
        names = getattr(given, "class_names", None)  # as Keras leaves them on it
        names = tuple(map(str, names)) if isinstance(names, list | tuple) else None
        image = _part(given.element_spec, keys[0])
        rank = None if getattr(image, "shape", None) is None else image.shape.rank
        text = getattr(getattr(image, "dtype", None), "name", "") == "string"
        if rank is None:
            raise ImageError(f"A tf.data.Dataset gives images of unknown rank: {shown(image, 100)}")
        if rank == (1 if text else 4):
            given = given.unbatch()
        elif rank not in ((0,) if text else (2, 3)):
            raise ImageError(
                f"A tf.data.Dataset gives {shown(image, 120)}. Expected images, or batches of them."
            )
        elements = _count(given)
        validate_some(elements, "The tf.data.Dataset")
        found = Fingerprint(cls.kind)
        found.add(given.element_spec, elements, *keys)
        return cls(found.hexdigest(), names, given, keys, elements, _Going())

    @property
    def count(self) -> int:
        """How many images there are."""
        return self.elements

    def items(self, start: int, stop: int) -> Iterator[Item]:
        """Give the images from one place up to another, in order."""
        elements = self.going.take(start)
        if elements is None:
            elements = self.dataset.skip(start).as_numpy_iterator()
        for place in range(start, stop):
            try:
                element = next(elements)
            except StopIteration:
                raise ImageError(
                    f"A tf.data.Dataset of {counted(self.elements)} gave {place} only this time."
                ) from None
            except Exception as error:  # whatever its functions raise
                raise ImageError(f"A tf.data.Dataset fails: {first_line(error)}") from error
            yield self._item(element, place)
        self.going.leave(stop, elements)

    def describe(self) -> str:
        """Return a short phrase that says what it is."""
        return f"{self.kind} of {counted(self.count)}"

    def __reduce__(self) -> NoReturn:
        raise OptionError(
            "A tf.data.Dataset stays in the process that made it. For several processes, write it to "
            "files, such as TFRecord."
        )

    def _item(self, element: Any, place: int) -> Item:
        image, label = (_part(element, key) for key in self.keys)
        name = f"image[{place}]"
        kept: Label = None
        try:
            kept = label_of(label)
        except ImageError as error:
            image = error
        return Item(name, kept, image)


class _Going:
    """The reading that ended last: one, to be gone on with by whoever begins where it ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._place, self._elements = -1, None

    def take(self, place: int) -> Any:
        """Return the elements from a place on, None where no reading ended there."""
        with self._lock:
            if place != self._place:
                return None
            elements, self._place, self._elements = self._elements, -1, None
            return elements

    def leave(self, place: int, elements: Any) -> None:
        """Keep a reading that ended before a place."""
        with self._lock:
            self._place, self._elements = place, elements


def _keys(spec: Any, columns: Columns) -> tuple[Any, Any]:
    """Return where in an element the image and the label are."""
    if isinstance(spec, Mapping):
        names = [str(name) for name in spec]
        what = "The tf.data.Dataset"
        image = chosen("image_column", columns.image, names, IMAGES, what, "image")
        others = [name for name in names if name != image]
        return image, chosen("label_column", columns.label, others, LABELS, what, "label")
    for name, column in columns._asdict().items():
        if column is not None:
            raise OptionError(
                f"{spelled(f'{name}_column')} is for a tf.data.Dataset of dicts. "
                f"This one gives {shown(spec, 100)}"
            )
    if isinstance(spec, tuple):
        if len(spec) not in (1, 2, 3):
            raise ImageError(
                f"A tf.data.Dataset gives {len(spec)} things an element. Expected image and label."
            )
        return 0, 1 if len(spec) > 1 else None
    return (), None


def _part(element: Any, key: Any) -> Any:
    if key is None:
        return None
    return element if key == () else element[key]


def _count(dataset: Any) -> int:
    count = int(dataset.cardinality())
    if count == -1:
        raise ImageError("A tf.data.Dataset repeats for ever. Give one without repeat().")
    if count >= 0:
        return count
    try:
        return int(dataset.reduce(np.int64(0), lambda number, *_: number + 1))
    except Exception as error:  # whatever its functions raise
        raise ImageError(f"A tf.data.Dataset fails: {first_line(error)}") from error
