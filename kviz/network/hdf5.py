"""HDF5 files before they are read: what they declare, where they lead, the text in their attributes."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from kviz._checks import sanitise
from kviz.errors import ModelError

MEGABYTE = 1 << 20
ENTRIES = 250_000
NAME = 1_000
TEXT = 64 * MEGABYTE


def declared_bytes(file: Any, size: int) -> int:
    """Return what an HDF5 file's data sets declare.

    Args:
        file: the opened file.
        size: bytes that it takes on the disk.

    Returns:
        The bytes of all data sets together.

    Raises:
        ModelError: if it links anywhere, or declares far more than it takes.
    """
    declared = 0
    groups, seen = [file], {h5py.h5o.get_info(file.id).addr}
    while groups:
        group = groups.pop()
        for key in group:
            if len(seen) > ENTRIES:
                raise ModelError("The weights file holds more entries than any model needs.")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                raise ModelError(
                    "The weights file links to other files or places; Keras never does."
                )
            entry = group[key]
            address = h5py.h5o.get_info(entry.id).addr
            if address in seen:  # a hard link, perhaps to what holds it
                raise ModelError("The weights file holds an entry twice; Keras never does.")
            seen.add(address)
            if isinstance(entry, h5py.Group):
                groups.append(entry)
                continue
            if not isinstance(entry, h5py.Dataset):
                continue
            if entry.is_virtual or entry.external:
                raise ModelError("The weights file takes data from other files; Keras never does.")
            declared += entry.size * entry.dtype.itemsize if entry.shape is not None else 0
            if declared > 4 * size + MEGABYTE:
                raise ModelError(
                    f"The weights file declares over {declared // MEGABYTE} MB and stores "
                    f"{size // MEGABYTE} MB: it is broken, or made to fill the memory."
                )
    return declared


def text_of(group: Any, name: str) -> str | None:
    """Return an attribute that is one text, None where there is none.

    Args:
        group: the opened file or one of its groups.
        name: the attribute's name.

    Raises:
        ModelError: if it is no text.
    """
    if name not in group.attrs:
        return None
    kept = group.attrs.get_id(name)
    # Many elements of variable length can all be one long text, and each is read by itself.
    value = group.attrs[name] if kept.shape == () else None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    if not isinstance(value, str):
        raise ModelError(
            f"The file's {sanitise(name, 40)} is not JSON but {sanitise(kept.dtype, 40)}: no text."
        )
    return value


def names_of(group: Any, name: str) -> list[str]:
    """Return an attribute that is a list of names, which Keras cuts into numbered pieces if it is long.

    Args:
        group: the group.
        name: the attribute's name.

    Raises:
        ModelError: if it is no list of names.
    """
    pieces = [name] if name in group.attrs else []
    while not (pieces and pieces[0] == name) and f"{name}{len(pieces)}" in group.attrs:
        pieces.append(f"{name}{len(pieces)}")
    found: list[str] = []
    for piece in pieces:
        kept = group.attrs.get_id(piece)
        if kept.shape == (0,):  # of no names Keras makes an array of numbers
            continue
        if len(kept.shape) != 1 or kept.dtype.kind not in "SO" or kept.shape[0] * NAME > TEXT:
            raise ModelError(f"The file's {sanitise(piece, 40)} is no list of names.")
        # Names of variable length can all be one long text, so they are cut as they are read.
        names = np.empty(kept.shape, f"S{NAME}")
        kept.read(names)
        found += [name.decode("utf-8", "replace") for name in names.tolist()]
    return found
