"""Callbacks for `fit`."""

from kviz.callbacks.film import Film, Frame

__all__ = ["Film", "Frame"]
