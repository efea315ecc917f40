"""Messages as bytes: what goes in comes out, and what is no message is said to be none."""

import json
import struct

import numpy as np
import pytest

from kviz.errors import OptionError
from kviz.serve.frames import TYPES, decoded, encoded

ARRAYS = {name: (np.arange(6).reshape(2, 3) * 7 - 3).astype(name) for name in TYPES}


def test_heads_and_arrays_come_back():
    head = {"id": 7, "ask": "maps", "words": "ein Ü", "none": None, "inf": float("inf")}
    told, arrays = decoded(encoded(head, ARRAYS))
    assert told == {**head, "inf": None}
    assert list(arrays) == list(ARRAYS)
    for name, array in arrays.items():
        assert array.dtype == np.dtype(name)
        np.testing.assert_array_equal(array, ARRAYS[name])


def test_a_frame_is_laid_out_as_it_is_written_down():
    """By struct and json alone: what another language reads."""
    data = encoded({"id": 1}, {"a": np.arange(3, dtype=np.uint8), "b": np.ones(2, np.float32)})
    (length,) = struct.unpack_from("<I", data)
    assert (4 + length) % 8 == 0
    head = json.loads(data[4 : 4 + length])
    body = data[4 + length :]
    assert [one["offset"] for one in head["arrays"]] == [0, 8]
    assert body[:3] == b"\0\1\2"
    assert struct.unpack_from("<2f", body, 8) == (1.0, 1.0)


def test_arrays_that_lie_otherwise_in_memory_are_sent_in_order():
    array = np.arange(6, dtype=">f4").reshape(2, 3).T
    assert decoded(encoded({}, {"a": array}))[1]["a"].tolist() == array.tolist()


def frame(head, body=b""):
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    text += b" " * (-(4 + len(text)) % 8)
    return struct.pack("<I", len(text)) + text + body


def entry(**changed):
    return {"arrays": [{"name": "a", "dtype": "uint8", "shape": [4], "offset": 0, **changed}]}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\1\0",
        struct.pack("<I", 5000) + b"{}",
        struct.pack("<I", 2**32 - 1) + b"{}",
        frame(b"[1]"),
        frame(b"{"),
        frame(b'{"a": NaN}'),
        frame(b"\xff\xfe"),
        frame(b"[" * 100_000),
        frame({"arrays": 3}),
        frame({"arrays": [3]}),
        frame({"arrays": [{}] * 65}),
        frame(entry(), b"123"),
        frame(entry(dtype="object"), b"1234"),
        frame(entry(dtype="float64"), b"1" * 32),
        frame(entry(shape=[-1]), b"1234"),
        frame(entry(shape=[2.0]), b"1234"),
        frame(entry(shape=[True]), b"1234"),
        frame(entry(shape="4"), b"1234"),
        frame(entry(shape=[2**31, 2**31, 2**31]), b"1234"),
        frame(entry(shape=[1] * 9), b"1234"),
        frame(entry(offset=4), b"12345678"),
        frame(entry(offset=-8), b"12345678"),
        frame(entry(name=3), b"1234"),
    ],
)
def test_what_is_no_frame_is_said_to_be_none(data):
    with pytest.raises(OptionError):
        decoded(data)
