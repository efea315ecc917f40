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

import functools
import hashlib
import json
import math
import re
import types
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import IO, Any, Literal, Union, get_args, get_origin, get_type_hints
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from kviz._caller import spelled
from kviz._checks import sanitise
from kviz.errors import OutputError
from kviz.files import directory_length
from kviz.marks import ZIP_MARK
from kviz.results.certificate import Beside, Certificate
from kviz.results.made_by import MadeBy
from kviz.results.sound import Unsound, check_sound
from kviz.results.statistic import Statistic

FORMAT = 1
# What a file may declare, in bytes, before it has to be trusted: so many times what it takes on disk,
# and so much besides. Arrays of zeros take a thousandth: they are written as they are.
_FOLD, _FREE = 20, 64_000_000
# The longest list of members, the most of them, the longest header and the most it may hold.
_DIRECTORY, _MEMBERS, _HEADER, _ENTRIES, _DEPTH = 8_000_000, 20_000, 64_000_000, 1_000_000, 64
# Signs of layer names that trouble neither zip files nor the file systems that they are unpacked to.
_SAFE = "/ #+=,@()[]{}!$&'"
_LONGEST = 200
# What results are made of, and no result is by itself.
_PARTS = (MadeBy, Certificate, Beside, Statistic)


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
    arrays = {"header": np.array(json.dumps(header)), **arrays}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    if sum(array.nbytes for array in arrays.values()) > most_unpacked(path.stat().st_size):
        np.savez(path, **arrays)  # type: ignore[arg-type]
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


def read_npz(path: Path, kinds: Mapping[str, type], *, trust: bool = False) -> Any:
    """Read back a result; what a file declares is checked before it takes memory.

    Args:
        path: the file.
        kinds: the classes of results by their names.
        trust: read as much as the file declares.

    Returns:
        An instance of one of them, whose fields fit together.

    Raises:
        OutputError: if it is not a file that `write_npz` wrote, is broken, or of a newer format.
    """
    said = sanitise(path, 120)
    try:
        with path.open("rb") as file:
            if directory_length(file) > _DIRECTORY:
                raise Unsound("it has more members than a result")
            with zipfile.ZipFile(file) as archive:
                arrays = _Arrays(archive)
                if not trust and arrays.declared > (most := most_unpacked(path.stat().st_size)):
                    raise OutputError(
                        f"{said} would unpack to {arrays.declared / 1e6:,.0f} MB, more than the "
                        f"{most / 1e6:,.0f} MB that a file of its size should hold. "
                        f"{spelled('trust', 'True')} reads it."
                    )
                header = _header(arrays)
                if header["format"] <= FORMAT:
                    known = {**kinds, **{part.__name__: part for part in _PARTS}}
                    result = _read(header, arrays, known)
                    _check(result, Union[tuple(kinds.values())])  # noqa: UP007 - of a tuple
                    check_sound(result)
                    return result
    except (MemoryError, OutputError):
        raise
    except Unsound as error:
        raise OutputError(f"{said} does not hold a whole result: {error}.") from error
    except Exception as error:  # zip, deflate, npy and JSON raise a dozen types on broken files
        raise OutputError(
            f"{said} is not a result that kviz saved as .npz, or it is broken."
        ) from error
    raise OutputError(
        f"{said} was written by a newer kviz: it has format {sanitise(header['format'])}, and this one "
        f"reads up to {FORMAT}. Update kviz to read it."
    )


def most_unpacked(stored: int) -> int:
    """Return how many bytes a file of this size may unpack to."""
    return _FREE + _FOLD * stored


def _header(arrays: _Arrays) -> dict[str, Any]:
    """Return the header, once it is known not to be large."""
    text = str(arrays.read("header", kinds="U")[()])
    if text.count(",") + text.count("[") + text.count("{") > _ENTRIES:
        raise Unsound("its header has more entries than a result's")
    header = json.loads(text)
    if type(header["format"]) is not int or header["format"] < 1:
        raise Unsound("it says no format")
    return dict(header)


class _Arrays(Mapping[str, npt.NDArray[Any]]):
    """The arrays of an archive, each read once, when its header has been found to be true.

    Attributes:
        declared: the bytes that all members say they unpack to.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        self._found: dict[str, npt.NDArray[Any]] = {}
        self.declared = sum(info.file_size for info in archive.infolist())
        if len(self._members) != len(archive.infolist()) or len(self._members) > _MEMBERS:
            raise Unsound("it has more members than a result, or one twice")

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.read(name)

    def read(self, name: str, kinds: str = "biuf") -> npt.NDArray[Any]:
        """Return an array whose dtype is of one of these kinds."""
        if name not in self._found:
            info = self._members[name]
            with self._archive.open(info) as member:
                _check_array(name, member, info, kinds)
            with self._archive.open(info) as member:
                array = np.lib.format.read_array(member, allow_pickle=False)
            self._found[name] = array.astype(array.dtype.newbyteorder("="), copy=False)
        return self._found[name]


def _check_array(name: str, member: IO[bytes], info: zipfile.ZipInfo, kinds: str) -> None:
    """Raise unless a member is a plain array of numbers, as long as its header says."""
    said = sanitise(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Unsound(f"{said} is compressed in another way")
    version = np.lib.format.read_magic(member)
    if version not in ((1, 0), (2, 0)):
        raise Unsound(f"{said} is of an unknown version")
    shape, _, dtype = (
        np.lib.format.read_array_header_1_0(member)
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0(member)
    )
    if dtype.kind not in kinds or dtype.hasobject or (dtype.itemsize > 8 and dtype.kind != "U"):
        raise Unsound(f"{said} holds {sanitise(dtype)}, no plain numbers")
    if dtype.kind == "U" and (shape or dtype.itemsize > _HEADER):
        raise Unsound("its header is no text, or a long one")
    if min(shape, default=0) < 0 or info.file_size != member.tell() + dtype.itemsize * math.prod(
        shape
    ):
        raise Unsound(f"{said} is not as long as it says")


def _read(value: Any, arrays: Mapping[str, Any], kinds: Mapping[str, type], depth: int = 0) -> Any:
    if depth > _DEPTH:
        raise Unsound("its header is nested too deeply")
    inner = functools.partial(_read, arrays=arrays, kinds=kinds, depth=depth + 1)
    if isinstance(value, list):
        return tuple(inner(one) for one in value)
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        return arrays[value["$array"]]
    if "$pairs" in value:
        return dict(inner(value["$pairs"]))
    if "$object" not in value:
        return {key: inner(one) for key, one in value.items()}
    kind = kinds[value["$object"]]
    hints = get_type_hints(kind)
    if kind is MadeBy:
        arrays = {}  # it is plain when it is written, and would turn them into lists
    given = {
        each.name: _read(value[each.name], arrays, kinds, depth + 1)
        for each in fields(kind)
        if each.name in value
    }
    for key, one in given.items():
        if not _fits(one, hints[key]):
            raise Unsound(f"{key} is not what a result has there")
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
    if hint is float:
        return type(value) in (int, float) and math.isfinite(value)
    if not isinstance(value, kind or hint) or (hint is int and isinstance(value, bool)):
        return False
    if kind is dict:
        pairs = value.items()
        return all(_fits(key, inner[0]) and _fits(one, inner[1]) for key, one in pairs)
    if kind is tuple:
        hints = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
        return len(hints) == len(value) and all(map(_fits, value, hints))
    return True
