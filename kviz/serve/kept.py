"""What is kept of what was computed: by value, the least recently used going first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Values by key, of so many bytes in all. Several threads may use it.

    Args:
        most: bytes.

    >>> kept = Kept(10)
    >>> for key in "abc":
    ...     kept.put(key, key.upper(), 4)
    >>> kept.get("a"), kept.get("c"), kept.size
    (None, 'C', 8)
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = 0
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> Value | None:
        """Return a value, or None where it is not kept."""
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: Value, size: int) -> None:
        """Keep a value, unless it alone is more than may be kept.

        Args:
            key: what it is found by.
            value: the value.
            size: its bytes.
        """
        with self._lock:
            if key in self._values:
                self.size -= self._values.pop(key)[1]
            if size > self.most:
                return
            self._values[key] = value, size
            self.size += size
            while self.size > self.most:
                self.size -= self._values.popitem(last=False)[1][1]
