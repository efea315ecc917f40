"""How much of the memory a model may take, and what happens beyond it.

What a run takes is estimated before it (`estimate`). Where that is too much, fewer images are taken at
once; at one image it is refused, or said where somebody stands for the model.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from kviz._caller import spelled, warn
from kviz._process import GIGABYTE, allowance, in_words, total
from kviz.engine.backend import tf
from kviz.engine.estimate import is_small, needed
from kviz.errors import ModelError

# What needs no question: less than TensorFlow itself takes.
LITTLE = GIGABYTE // 8


class TooMuch(Exception):  # noqa: N818 - it is no fault, but a question for fewer images
    """More than may be taken, with a number of images that can be made smaller.

    Args:
        needed: bytes.
        allowed: bytes.
        images: how many were to run at once.
    """

    def __init__(self, needed: int, allowed: int, images: int) -> None:
        super().__init__(needed, allowed)
        self.needed, self.allowed, self.images = needed, allowed, images

    def fewer(self, batch_size: int) -> int:
        """Return a smaller number of images at once that should do."""
        return max(1, min(batch_size - 1, self.images * self.allowed // self.needed))


class Memory:
    """How much of the memory a model may take, and what happens beyond.

    Args:
        most: bytes; None for 4 GB, or half of what is free where that is less.
        stranger: whether nobody stands for the model, so that more is refused, and not only said.
    """

    def __init__(self, most: int | None = None, *, stranger: bool = False) -> None:
        self.most = most
        self.stranger = stranger
        # Where somebody wants to know, what each check estimates.
        self.estimates: list[int] | None = None
        self._allowed: weakref.WeakKeyDictionary[Any, set[Any]] = weakref.WeakKeyDictionary()
        self._told = 0

    @property
    def limit(self) -> int:
        """Bytes that a run may take."""
        if self.most is not None:
            return self.most
        # A GPU has its own memory, which TensorFlow guards.
        return allowance(gpu=bool(tf.config.list_logical_devices("GPU")))

    @property
    def _is_known(self) -> bool:
        return self.most is None and not self.stranger

    def check(self, function: Any, arrays: Sequence[Any]) -> None:
        """Ask for what a compiled function takes to run, once for each shape of what it runs on.

        Args:
            function: a function that has one graph; of others nothing is known.
            arrays: its arguments.

        Raises:
            TooMuch: if it is too much and fewer images can be taken at once.
            ModelError: if it is too much for one image.
        """
        if not hasattr(function, "graph"):
            return
        shapes = tuple(tuple(getattr(array, "shape", ())) for array in arrays)
        if self.estimates is not None:
            self.estimates.append(needed(function, shapes))
        allowed = self._allowed.setdefault(function, set())
        if shapes not in allowed:
            images = max((shape[0] for shape in shapes if shape), default=1)
            if not (self._is_known and is_small(function.graph, images, LITTLE)):
                self.ask(needed(function, shapes), images)
            allowed.add(shapes)

    def ask(self, size: int, images: int = 1) -> None:
        """Ask for memory, as `check`.

        Args:
            size: bytes.
            images: how many it is for.
        """
        if size <= LITTLE and self.most is None:
            return
        limit = self.limit
        if size <= limit:
            return
        if _shrinking.get():
            raise TooMuch(size, limit, images)
        takes = f"would take about {in_words(size)} of memory"
        if self._is_known and size <= total():
            if size > self._told:
                self._told = size
                warn(f"This {takes}, more than the {in_words(limit)} that kviz counts on.")
            return
        raise ModelError(
            f"This {takes}, even for one image at a time; {in_words(limit)} are allowed. Take smaller "
            f"images or fewer of what is asked for, or allow more: "
            f"{spelled('max_memory', repr(_round(size)))}."
        )


def _round(size: int) -> str:
    return f"{-(-size // GIGABYTE)}GB" if size > GIGABYTE else f"{-(-size // 10**6)}MB"


_shrinking: ContextVar[bool] = ContextVar("_shrinking", default=False)


@contextmanager
def shrinking(can: bool) -> Iterator[None]:
    """Let who asks for too much be told so by `TooMuch`, since fewer images can be taken at once."""
    token = _shrinking.set(can)
    try:
        yield
    finally:
        _shrinking.reset(token)
