"""A message: a head and arrays, as the session's language has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kviz._types import Array


@dataclass(frozen=True, eq=False)
class Message:
    """What one side says to the other.

    Attributes:
        head: what JSON can hold.
        arrays: by name.
        lasting: whether the same ask gets the same answer later, so that it can be kept.
    """

    head: dict[str, Any]
    arrays: dict[str, Array] = field(default_factory=dict)
    lasting: bool = True

    @property
    def bytes(self) -> int:
        """What it takes to be kept, about."""
        return sum(array.nbytes for array in self.arrays.values()) + _said(self.head)


def _said(value: Any) -> int:
    if isinstance(value, dict):
        return 64 + sum(_said(key) + _said(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return 64 + sum(map(_said, value))
    return 64 + (len(value) if isinstance(value, str) else 0)


def as_bytes(text: str) -> Array:
    """Return text as an array: a head's text is short, and none of its signs is a control sign.

    >>> as_bytes("é").tolist()
    [195, 169]
    """
    return np.frombuffer(text.encode(), np.uint8)
