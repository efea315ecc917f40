"""The `.npz` form of results: named arrays that NumPy reads without kviz, and a header of JSON.

An array's name is its field's, and in a mapping its key's behind that, as in
`np.load("maps.npz")["maps/conv1"]`. The header is JSON under the name `header`: the format's number,
and the result as an object of its fields. In it `{"$array": name}` stands for an array, `{"$object":
class, …}` for a result or what made it, and `{"$pairs": [[key, value], …]}` for a mapping whose keys
are not all plain text, so that class indices stay whole numbers. Lists are tuples when they are read:
results are frozen. A field that a file lacks has its default; one that this kviz does not know is left
out.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import types
import zipfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from kviz._checks import sanitise
from kviz.errors import OutputError
from kviz.marks import ZIP_MARK
from kviz.results.made_by import MadeBy

FORMAT = 1
# Signs of layer names that trouble neither zip files nor the file systems that they are unpacked to.
_SAFE = "/ #+=,@()[]{}!$&'"
_LONGEST = 200


def array_name(*parts: str) -> str:
    """Return the name of an array in a file, for a field and keys within it.

    A plain name stays as it is, with its slashes; other signs are escaped as in a URL, and a name that
    would be long ends in its hash.

    >>> array_name("maps", "block/conv#2"), array_name("maps", "../é")
    ('maps/block/conv#2', 'maps/%2E%2E/%C3%A9')
    """
    name = quote("/".join(parts).encode("utf-8", "surrogatepass"), safe=_SAFE)
    name = re.sub(r"(?<=/)\.+(?=/|$)", lambda dots: "%2E" * len(dots[0]), name)
    # NumPy leaves this ending out of the names that it lists.
    name = re.sub(r"\.npy$", "%2Enpy", name)
    if len(name) <= _LONGEST:
        return name
    return f"{name[:_LONGEST]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def write_npz(path: Path, result: Any) -> None:
    """Write a result's fields.

    Args:
        path: the file.
        result: a frozen dataclass whose fields are arrays, text, numbers, tuples and mappings of
            these, or other such results.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    header = {"format": FORMAT, **_written(result, (), arrays)}
    np.savez_compressed(path, header=np.array(json.dumps(header)), **arrays)  # type: ignore[arg-type]
    with zipfile.ZipFile(path, "a") as file:
        file.comment = ZIP_MARK


def _written(value: Any, at: tuple[str, ...], arrays: dict[str, npt.NDArray[Any]]) -> Any:
    """Return a value as the header has it; arrays are put among the arrays."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        name = array_name(*at)
        while name in arrays:
            name += "~"
        arrays[name] = value
        return {"$array": name}
    if is_dataclass(value) and not isinstance(value, type):
        own = {each.name: getattr(value, each.name) for each in fields(value)}
        inner = {key: _written(one, (*at, key), arrays) for key, one in own.items()}
        return {"$object": type(value).__name__, **inner}
    if isinstance(value, Mapping):
        pairs = [(key, _written(one, (*at, str(key)), arrays)) for key, one in value.items()]
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return dict(pairs)
        return {"$pairs": [(_written(key, at, arrays), one) for key, one in pairs]}
    if isinstance(value, list | tuple):
        return [_written(one, (*at, str(place)), arrays) for place, one in enumerate(value)]
    return value


def read_npz(path: Path, kinds: Mapping[str, type]) -> Any:
    """Read back a result.

    Args:
        path: the file.
        kinds: the classes of results by their names.

    Returns:
        An instance of one of them.

    Raises:
        OutputError: if it is not a file that `write_npz` wrote, is broken, or of a newer format.
    """
    said = sanitise(path, 120)
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            header = json.loads(str(file["header"][()]))
            if header["format"] <= FORMAT:
                known = {**kinds, MadeBy.__name__: MadeBy}
                result = _read(header, file, known)
                _check(result, Union[tuple(kinds.values())])  # noqa: UP007 - of a tuple
                return result
    except MemoryError:
        raise
    except Exception as error:  # zip, deflate, npy and JSON raise a dozen types on broken files
        raise OutputError(
            f"{said} is not a result that kviz saved as .npz, or it is broken."
        ) from error
    raise OutputError(
        f"{said} was written by a newer kviz: it has format {sanitise(header['format'])}, and this one "
        f"reads up to {FORMAT}. Update kviz to read it."
    )


def _read(value: Any, arrays: Mapping[str, npt.NDArray[Any]], kinds: Mapping[str, type]) -> Any:
    if isinstance(value, list):
        return tuple(_read(one, arrays, kinds) for one in value)
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        return arrays[value["$array"]]
    if "$pairs" in value:
        pairs = _read(value["$pairs"], arrays, kinds)
        return dict(pairs)
    if "$object" not in value:
        return {key: _read(one, arrays, kinds) for key, one in value.items()}
    kind = kinds[value["$object"]]
    hints = get_type_hints(kind)
    given = {
        each.name: _read(value[each.name], arrays, kinds)
        for each in fields(kind)
        if each.name in value
    }
    for key, one in given.items():
        _check(one, hints[key])
    return kind(**given)


def _check(value: Any, hint: Any) -> None:
    """Raise a TypeError unless a value read from a file is of the type that its field says."""
    if not _fits(value, hint):
        raise TypeError(f"Expected {hint}")


def _fits(value: Any, hint: Any) -> bool:
    kind, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if kind in (Union, types.UnionType):
        return any(_fits(value, each) for each in inner)
    if kind is Literal:
        return value in inner
    if not isinstance(value, kind or hint):
        return False
    if kind is dict:
        pairs = value.items()
        return all(_fits(key, inner[0]) and _fits(one, inner[1]) for key, one in pairs)
    if kind is tuple:
        hints = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
        return len(hints) == len(value) and all(map(_fits, value, hints))
    return True
