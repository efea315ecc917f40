"""Reading a source's items ahead of the model, in threads, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from kviz._types import Array
from kviz.dataset.decode import decode
from kviz.dataset.sources import Item, Source
from kviz.errors import ImageError
from kviz.formats.fitting import Wanted


class Read(NamedTuple):
    """An item that was read.

    Attributes:
        item: the item.
        pixels: array `(…)`; None where it is bad.
        error: what is wrong with it, "" where nothing is.
    """

    item: Item
    pixels: Array | None
    error: str = ""


def read_ahead(source: Source, wanted: Wanted, start: int, stop: int, ahead: int) -> Iterator[Read]:
    """Give items in order, decoded while the one who takes them is at work.

    Threads do it, not `tf.data`: what is read is handed over as it is, without two copies through
    tensors, an item's error stays its own, and an interrupt is heard between any two items. Pillow lets
    go of the interpreter's lock while it decodes, so that they share the work.

    Args:
        source: where they are.
        wanted: what each is to become.
        start: the first.
        stop: behind the last.
        ahead: how many are decoded at most before they are taken.
    """
    pending: deque[tuple[Item, Future[Read]]] = deque()
    with ThreadPoolExecutor(os.cpu_count(), "kviz-decode") as pool:
        try:
            for item in source.items(start, stop):
                pending.append((item, pool.submit(_read, item, wanted)))
                if len(pending) > ahead:
                    yield pending.popleft()[1].result()
            while pending:
                yield pending.popleft()[1].result()
        finally:
            for _, waiting in pending:
                waiting.cancel()


def _read(item: Item, wanted: Wanted) -> Read:
    try:
        return Read(item, decode(item, wanted))
    except ImageError as error:
        return Read(item, None, str(error))
    except MemoryError:
        return Read(item, None, "The memory is used up.")
