"""What a verb was given as images: read where it is files, and what it should be seen with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kviz._caller import spelled, warn
from kviz._checks import validate_names
from kviz._types import Array
from kviz.arrays import is_picture
from kviz.engine.layers import Shape
from kviz.errors import KvizError, OptionError
from kviz.images import DARK, Files, read_files
from kviz.network.network import Network
from kviz.originals import notes_on


class Given(NamedTuple):
    """Images as a verb takes them.

    Attributes:
        images: an array, or several.
        names: what they are called, none where nobody said.
        notes: what every result should be read with.
    """

    images: Any
    names: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Input:
    """One input of several, as `load_images` asks of it."""

    shape: Shape

    @property
    def input_shapes(self) -> list[Shape]:
        return [self.shape]

    @property
    def image_size(self) -> tuple[int | None, int | None]:
        return (self.shape[1], self.shape[2]) if len(self.shape) == 4 else (None, None)

    @property
    def channels(self) -> int | None:
        return self.shape[3] if len(self.shape) == 4 else None


def read_images(images: Any, network: Network, names: Sequence[str]) -> Given:
    """Return what a verb was given, read where it is paths.

    Warns of images that the model would see as black.

    Args:
        images: as a verb takes them: an array, a path or several, or a dict of those by input.
        network: the network.
        names: what the images are called, by default as their files.

    Raises:
        OptionError: if `names` is no list of texts, a name per image.
        ImageError: if a file cannot be read.
    """
    validate_names(names)
    if _is_files(images):
        images, found = read_files(images, network)
        names = names or found
    elif isinstance(images, Mapping) and any(map(_is_files, images.values())):
        images, found = read_inputs(images, network)
        names = names or found
    pixels = network.pixels(images)
    count = len(next(iter(pixels.values())))
    if names and len(names) != count:
        raise OptionError(
            f"{spelled('names')} takes a name for each of {count} images. Received: {len(names)}"
        )
    notes = [note for array in pixels.values() for row in _photos(array) for note in notes_on(row)]
    notes += _of_small_values(pixels, network)
    return Given(images, tuple(names), tuple(dict.fromkeys(notes)))


def _is_files(given: Any) -> bool:
    if isinstance(given, str | Path):
        return True
    several = isinstance(given, list | tuple) and len(given) > 0
    return several and all(isinstance(one, str | Path) for one in given)


def _photos(array: Array) -> Array:
    return array if array.ndim == 4 else array[:0]


def read_inputs(
    given: Mapping[str, Any], network: Network, **reading: Any
) -> tuple[dict[str, Any], list[str]]:
    """Return the inputs of a model that takes several, read where they are files, and names.

    Args:
        given: by input an array, a path or several.
        network: the network.
        **reading: how photos are read, as `load_images` takes it.

    Raises:
        ImageError: if the model takes other inputs, or a file cannot be read.
    """
    shapes = network.input_shapes
    network.validate_inputs(given)
    taken: dict[str, Any] = {}
    if shapes is not None:
        taken = dict(zip(network.engine.input_names, map(_Input, shapes), strict=True))
    found: dict[str, Any] = {}
    names: dict[str, list[str]] = {}
    for name, value in given.items():
        if not _is_files(value):
            found[name] = value
            continue
        takes = taken.get(str(name), network)
        how = reading if not taken or len(takes.shape) == 4 else {}
        read: Files = read_files(value, takes, member=str(name), **how)
        found[name], names[str(name)] = read
    pictures = [name for name in names if is_picture(found[name])]
    return found, names[(pictures or list(names))[0]] if names else []


def _of_small_values(pixels: Mapping[str, Array], network: Network) -> list[str]:
    """Warn of values that a model, which shows that it takes 0-255, would see as nearly black."""
    notes = []
    for name in pixels:
        if _is_dark(pixels[name]) and takes_bytes(network, pixels, name):
            most = 1 if pixels[name].max() <= 1 else DARK
            notes.append(
                f"The images hold values up to {most} where the model takes 0-255, so that it sees "
                f"them nearly black. {'Multiply them by 255' if most == 1 else 'Scale them'}."
            )
            warn(notes[-1])
    return notes


def takes_bytes(network: Network, pixels: Mapping[str, Any], name: str) -> bool:
    """Return whether it shows that a network takes values 0-255 as one of its inputs.

    Args:
        network: the network.
        pixels: what has a shape, an input each.
        name: the input.
    """
    if isinstance(network.preprocess, str):
        # What prepares pixels for one of keras.applications takes these.
        return bool(pixels[name].ndim == 4)
    try:
        return name in network.engine.inputs_of_bytes(network.specs(pixels))
    except KvizError:
        return False


def _is_dark(array: Array) -> bool:
    # Real numbers need not be pixels.
    return is_picture(array) and 0 < array.max() <= (1 if array.dtype.kind == "f" else DARK)
