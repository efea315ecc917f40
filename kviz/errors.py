"""KvizError and its few kinds."""

from __future__ import annotations

MESSAGE_LENGTH = 300


class KvizError(Exception):
    """What kviz raises when the caller can mend it: one plain sentence or two.

    A message is cut at 300 characters, since names in it may come from a stranger's file.
    """

    def __init__(self, message: str) -> None:
        if len(message) > MESSAGE_LENGTH:
            message = message[: MESSAGE_LENGTH - 1] + "…"
        super().__init__(message)


class ModelError(KvizError):
    """A model, or the file it should come from, cannot be used."""


class ImageError(KvizError):
    """An image, an array of pixels or the file it should come from cannot be used.

    Attributes:
        bands: how many a file has, where these are more or fewer than a model takes.
    """

    bands: int | None = None


class LayerError(KvizError, KeyError):
    """A layer was asked for that is not there, not reached, or not of the kind that is needed.

    A KeyError too, so that results behave as mappings do: `maps.get("nope")` is None.
    """

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would put its message in quotes


class OptionError(KvizError):
    """An option has a value outside what it takes."""


class OutputError(KvizError):
    """A result cannot be written or read back."""


class KvizWarning(UserWarning):
    """Something that every picture of this model or image should be read with."""
