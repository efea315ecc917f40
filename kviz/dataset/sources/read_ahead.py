"""Reading a source's items ahead of the model, in threads, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from kviz._types import Array
from kviz.dataset.sources import Item, Source
from kviz.dataset.sources.decode import Shape, decode_noted
from kviz.dataset.sources.source import unreadable
from kviz.errors import ImageError
from kviz.formats.fitting import Wanted
from kviz.formats.photo import several_readers


class Read(NamedTuple):
    """An item that was read.

    Attributes:
        item: the item.
        pixels: array `(…)`; None where it is bad.
        error: what is wrong with it, "" where nothing is.
        notes: what it should be seen with.
    """

    item: Item
    pixels: Array | None
    error: str = ""
    notes: tuple[str, ...] = ()


def read_ahead(
    source: Source,
    wanted: Wanted,
    shape: Shape | None,
    span: tuple[int, int],
    ahead: int,
    threads: int | None = None,
) -> Iterator[Read]:
    """Give items in order, decoded while the one who takes them is at work.

    Threads do it, not `tf.data`: what is read is handed over as it is, without two copies through
    tensors, an item's error stays its own, and an interrupt is heard between any two items. Pillow lets
    go of the interpreter's lock while it decodes, so that they share the work.

    Args:
        source: where they are.
        wanted: what each is to become.
        shape: of the model's input, batch first, by which arrays are checked; None where any will do.
        span: the first, and behind the last.
        ahead: how many are decoded at most before they are taken.
        threads: how many decode; by default one a core.

    Raises:
        ImageError: if what holds them cannot be read any more.
    """
    pending: deque[tuple[Item, Future[Read]]] = deque()
    count = threads or _cores()
    with several_readers(), ThreadPoolExecutor(count, "kviz-decode") as pool:
        try:
            for item in _items(source, span):
                pending.append((item, pool.submit(_read, item, wanted, shape)))
                if len(pending) > ahead:
                    yield pending.popleft()[1].result()
            while pending:
                yield pending.popleft()[1].result()
        finally:
            for _, waiting in pending:
                waiting.cancel()


def _items(source: Source, span: tuple[int, int]) -> Iterator[Item]:
    try:
        yield from source.items(*span)
    except OSError as error:
        raise unreadable(error.filename or source.describe(), error) from error


def _cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _read(item: Item, wanted: Wanted, shape: Shape | None) -> Read:
    try:
        photo = decode_noted(item, wanted, shape)
        return Read(item, photo.pixels, notes=photo.notes)
    except ImageError as error:
        return Read(item, None, str(error))
    except MemoryError:
        return Read(item, None, "The memory is used up.")
