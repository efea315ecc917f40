"""Files of results with one thing wrong: an array, or a value of the header."""

import copy
import io
import json
import zipfile

import numpy as np

ARRAYS = {
    "dropped": None,
    "a number": lambda a: a.reshape(-1)[:1].reshape(()),
    "an axis fewer": lambda a: a[0],
    "an axis more": lambda a: a[None],
    "a last axis more": lambda a: a[..., None],
    "shorter": lambda a: a[:-1],
    "longer": lambda a: np.concatenate([a, a]),
    "narrower": lambda a: a[..., :-1],
    "none": lambda a: a[:0],
    "of no width": lambda a: a[..., :0],
    "flat": lambda a: a.reshape(-1),
    "transposed": lambda a: a.T,
    "complex": lambda a: a.astype("c8"),
    "bytes": lambda a: a.astype("S8"),
    "text": lambda a: a.astype("U8"),
    "truth": lambda a: a.astype(bool),
    "dates": lambda a: a.astype("i8").view("M8[s]"),
    "records": lambda a: a.astype([("x", a.dtype)]),
    "void": lambda a: a.astype("f4").view("V4"),
    "half": lambda a: a.astype("f2"),
    "double": lambda a: a.astype("f8"),
    "whole": lambda a: np.nan_to_num(a).astype("i8"),
    "small": lambda a: np.nan_to_num(a).astype("u1"),
    "NaN": lambda a: np.full(a.shape, np.nan, "f4"),
    "one NaN": lambda a: _with(a, np.nan),
    "infinite": lambda a: np.full(a.shape, -np.inf, "f4"),
    "one infinite": lambda a: _with(a, np.inf),
    "huge": lambda a: np.where(np.arange(a.size).reshape(a.shape) % 2, 1e308, -1e308),
    "far": lambda a: np.full(a.shape, 10**9, "i4"),
    "below": lambda a: np.full(a.shape, -7, "i4"),
}  # fmt: skip
VALUES = [
    None, True, 0, -1, 2, 10**30, 1.5, float("nan"), float("inf"), "", "nonsense", "x" * 20_000,
    "猫", "\ud800", "../../\0", [], [[]], [1, 2], ["a"] * 9, {}, {"$array": "header"}, {"a": 1},
    {"$object": "MadeBy"}, {"$object": "Weights", "weights": {}, "layers": {}}, {"$pairs": [[1]]},
]  # fmt: skip


def _with(array, value):
    array = array.astype("f4").copy()
    array.reshape(-1)[-1:] = value
    return array


def content(path):
    """Return a file's header and arrays."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(str(arrays.pop("header"))), arrays


def write(path, header, arrays):
    """Write a header and arrays as they are."""
    text = np.array(json.dumps(header))
    with zipfile.ZipFile(path, "w") as file:
        for name, array in {"header": text, **arrays}.items():
            data = io.BytesIO()
            np.lib.format.write_array(data, np.asanyarray(array), allow_pickle=False)
            file.writestr(f"{name}.npy", data.getvalue())


def places(value, at=()):
    """Give the way to every value of a header."""
    yield at
    inner = value.items() if isinstance(value, dict) else ()
    for key, one in enumerate(value) if isinstance(value, list) else inner:
        yield from places(one, (*at, key))


def replaced(header, at, value):
    """Return a header with another value at one place, or without it."""
    if not at:
        return value
    header = copy.deepcopy(header)
    *way, last = at
    inner = header
    for key in way:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return header


def mutants(path):
    """Give what was changed, a header and arrays, for each change of a file."""
    header, arrays = content(path)
    for name, array in arrays.items():
        for kind, change in ARRAYS.items():
            others = {key: one for key, one in arrays.items() if key != name}
            try:
                changed = {} if change is None else {name: change(array)}
            except (ValueError, TypeError, IndexError):
                continue
            yield f"{name} is {kind}", header, {**others, **changed}
    for at in places(header):
        for value in [..., *VALUES] if at else VALUES:
            said = "left out" if value is ... else repr(value)[:40]
            yield f"{'.'.join(map(str, at))} is {said}", replaced(header, at, value), arrays
