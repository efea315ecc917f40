"""Frames: a message as bytes, a JSON head and arrays behind it, as WebSocket carries it.

The head's length as uint32 LE, the head in UTF-8 padded with spaces, so that what follows begins at a
multiple of 8, and the arrays: C order, little-endian, each beginning at a multiple of 8.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from kviz._types import Array
from kviz.errors import OptionError
from kviz.web.packing import plainly

# What a browser has a typed array for.
TYPES = ("uint8", "int8", "uint16", "int32", "float32")
_HEAD = 1_000_000
_ALIGNED = 8


def encoded(head: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """Return a message as a frame.

    Args:
        head: what JSON can hold; numbers that are not finite become null.
        arrays: by name, of the types of `TYPES`.

    >>> head, arrays = decoded(encoded({"id": 7}, {"maps": np.ones((1, 2), np.float32)}))
    >>> head["id"], arrays["maps"].tolist()
    (7, [[1.0, 1.0]])
    """
    told, bodies, offset = [], [], 0
    for entry, array in zip(described(arrays), arrays.values(), strict=True):
        told.append({**entry, "offset": offset})
        body = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        body += bytes(-len(body) % _ALIGNED)
        bodies.append(body)
        offset += len(body)
    text = json.dumps(
        {**plainly(head), "arrays": told}, allow_nan=False, separators=(",", ":")
    ).encode()
    text += b" " * (-(4 + len(text)) % _ALIGNED)
    return b"".join([struct.pack("<I", len(text)), text, *bodies])


def described(arrays: Mapping[str, Array]) -> list[dict[str, Any]]:
    """Return what a head tells of arrays, but for where they lie.

    >>> described({"scores": np.zeros(3, np.float32)})
    [{'name': 'scores', 'dtype': 'float32', 'shape': [3]}]
    """
    return [
        {"name": name, "dtype": array.dtype.name, "shape": list(array.shape)}
        for name, array in arrays.items()
    ]


def decoded(data: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return a frame's head and arrays, which share the frame's memory.

    Args:
        data: anything that somebody sends.

    Raises:
        OptionError: if it is no frame.
    """
    if len(data) < 4:
        raise OptionError("Expected a frame: a head's length, a head and arrays.")
    (length,) = struct.unpack_from("<I", data)
    if length > min(_HEAD, len(data) - 4):
        raise OptionError(
            f"The frame's head is said to have {length} bytes, more than there may be."
        )
    head = head_of(data[4 : 4 + length])
    body = memoryview(data)[4 + length :]
    told = head.pop("arrays", [])
    if not isinstance(told, list) or len(told) > 64:
        raise OptionError("A head's arrays are a list of at most 64 entries.")
    return head, dict(_array(entry, body) for entry in told)


def head_of(text: str | bytes) -> dict[str, Any]:
    """Return a head's fields.

    Raises:
        OptionError: if it is no JSON object.
    """
    try:
        head = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        head = None
    if not isinstance(head, dict):
        raise OptionError("A head is a JSON object in UTF-8.")
    return head


def _no_number(text: str) -> Any:
    raise ValueError(text)


def _array(entry: Any, body: memoryview) -> tuple[str, Array]:
    entry = entry if isinstance(entry, dict) else {}
    name, kind, shape, offset = (entry.get(key) for key in ("name", "dtype", "shape", "offset"))
    whole = [*shape, offset] if isinstance(shape, list) and len(shape) <= 8 else [None]
    fits = all(type(number) is int and 0 <= number <= len(body) for number in whole)
    if not isinstance(name, str) or kind not in TYPES or not fits:
        raise OptionError(
            f"An array has a name, a dtype ({', '.join(TYPES)}), a shape and an offset in the frame."
        )
    count = math.prod(shape)
    if offset % _ALIGNED or offset + count * np.dtype(kind).itemsize > len(body):
        raise OptionError("An array reaches beyond its frame, or begins at no multiple of 8.")
    array = np.frombuffer(body, np.dtype(kind).newbyteorder("<"), count, offset)
    return name, array.reshape(shape)
