"""HDF5 files before they are read: what they declare, where they lead, the text in their attributes."""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np

from kviz._checks import sanitise
from kviz.errors import ModelError
from kviz.network.refusals import refuse, saw

MEGABYTE = 1 << 20
ENTRIES = 250_000
NAME = 1_000
DEPTH = 100
TEXT = 64 * MEGABYTE


def declared_bytes(file: Any, size: int, *, texts: bool = False) -> int:
    """Return what an HDF5 file's data sets declare.

    Args:
        file: the opened file.
        size: bytes that it takes on the disk.
        texts: whether there may be data of variable length, which is then never read: each element
            can be the same gigabyte.

    Returns:
        The bytes of all data sets together.

    Raises:
        ModelError: if it links anywhere, or declares far more than it takes.
    """
    declared = numbers = 0
    groups, seen = [(file, 0)], {h5py.h5o.get_info(file.id).addr}
    while groups:
        group, depth = groups.pop()
        for key in group:
            # HDF5 walks through groups in groups by recursion.
            if len(seen) > ENTRIES or depth > DEPTH:
                raise ModelError("The weights file holds more entries than any model needs.")
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                refuse("The weights file links to other files or places; Keras never does.")
                continue
            entry = group[key]
            address = h5py.h5o.get_info(entry.id).addr
            if address in seen:  # a hard link, perhaps to what holds it
                refuse("The weights file holds an entry twice; Keras never does.")
                continue
            seen.add(address)
            if isinstance(entry, h5py.Group):
                groups.append((entry, depth + 1))
                continue
            if not isinstance(entry, h5py.Dataset):
                continue
            if entry.is_virtual or entry.external:
                refuse("The weights file takes data from other files; Keras never does.")
                continue
            declared += _bytes_of(entry)
            numbers += _parameters(entry)
            if declared > 4 * size + MEGABYTE:
                raise ModelError(
                    f"The weights file declares over {declared // MEGABYTE} MB and stores "
                    f"{size // MEGABYTE} MB: it is broken, or made to fill the memory."
                )
            _look_at_packing(entry, texts)
    saw(parameters=numbers)
    return declared


def _bytes_of(entry: Any) -> int:
    """Return what reading a data set takes: a chunk is read whole, and can be larger than all."""
    if entry.shape is None:
        return 0
    return int(max(entry.size, math.prod(entry.chunks or (0,))) * entry.dtype.itemsize)


def _look_at_packing(entry: Any, texts: bool) -> None:
    if entry.dtype.hasobject and not texts:
        refuse("The weights file holds data of variable length; Keras never writes such.")
    # A packed chunk of 4 kB can unpack to 4 GB, which HDF5 does before it looks at its size.
    if entry.id.get_create_plist().get_nfilters():
        refuse(
            "The weights file holds packed data, which Keras never writes and which can unpack to any "
            "size. h5repack -f NONE OLD NEW unpacks an .h5 file that you trust."
        )


def _parameters(entry: Any) -> int:
    """Return how many parameters of the model a data set holds: an optimizer's and seeds are none."""
    parts = entry.name.split("/")
    other = {"optimizer", "optimizer_weights"} & {parts[1]} or "seed_generator" in parts
    return int(entry.size) if entry.dtype.kind in "fiubcV" and not other and entry.size else 0


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
