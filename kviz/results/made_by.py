"""What made a result, typed: versions, model, photos, settings, call and time."""

from __future__ import annotations

import functools
import hashlib
import inspect
import keyword
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from kviz._caller import command
from kviz._checks import sanitise
from kviz.files import file_sha256, from_here
from kviz.originals import source_sha256


@dataclass(frozen=True, kw_only=True)
class MadeBy:
    """What made a result, so that it can be made again.

    Attributes:
        verb: such as `"attribute"`.
        model: the model's name.
        model_sha256: of the file that it was read from, None where it came from none.
        images_sha256: of each image: of its file, where it is as `load_images` read it, else of the
            array's bytes.
        preprocess: what turns pixels into what the model takes: a `keras.applications` name, a layer
            or a function by its name; None for nothing.
        settings: what the verb was asked and what it chose itself, under the names that it takes:
            None, bool, int, float, str, or tuples and dicts of them.
        call: the command, or the call in Python with its settings.
        time: when, in UTC, as ISO 8601 has it.
        versions: of Python and of the packages that computed it.

    >>> MadeBy(verb="fool", settings={"class_index": np.array([3, 5]), "steps": np.int64(8)}).settings
    {'class_index': (3, 5), 'steps': 8}
    """

    verb: str = ""
    model: str = ""
    model_sha256: str | None = None
    images_sha256: tuple[str, ...] = ()
    preprocess: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    call: str = ""
    time: str = ""
    versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "settings", plain(self.settings))

    def __hash__(self) -> int:
        return hash((self.verb, self.model, self.images_sha256, self.call, self.time))

    def facts(self) -> dict[str, Any]:
        """Return the same as a dict."""
        return dict(vars(self))


class Described(Protocol):
    """What is asked of a network."""

    @property
    def name(self) -> str:
        """The model's name."""

    path: Path | None
    preprocess: Any


def made_by(
    network: Described,
    verb: Callable[..., Any],
    pixels: Mapping[str, Any] | None = None,
    **settings: Any,
) -> MadeBy:
    """Return what makes a result now.

    Args:
        network: the network.
        verb: the verb, whose defaults its call leaves out.
        pixels: what it was given, by input, as `Network.pixels` returns it.
        **settings: what it was asked, and what it chose itself, under the names that it takes.

    Returns:
        A `MadeBy`.
    """
    settings = plain(settings)
    path = network.path
    return MadeBy(
        verb=verb.__name__,
        model=network.name,
        model_sha256=file_sha256(path) if path is not None and path.is_file() else None,
        images_sha256=_hashes(pixels or {}),
        preprocess=None if network.preprocess is None else _named(network.preprocess),
        settings=settings,
        call=command() or _call(verb, path, bool(pixels), settings),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        versions=dict(versions()),
    )


def plain(value: Any) -> Any:
    """Return a setting as a number, text, tuple or dict; what is none of them by its name.

    >>> plain({"size": [np.int64(2), 3.0], 285: np.True_, "score": max})
    {'size': (2, 3.0), 285: True, 'score': 'max'}
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return {"name": type(value).__name__, **plain(vars(value))}
    return _named(value)


def _named(value: Any) -> str:
    # A function, a class or a layer says what it is called; its repr would say where it is in memory.
    name = getattr(value, "__qualname__", None) or getattr(value, "name", None)
    return sanitise(name if isinstance(name, str) else value, 200)


def _call(
    verb: Callable[..., Any], path: Path | None, images: bool, settings: Mapping[str, Any]
) -> str:
    """Return a verb's call as Python has it; without defaults and what is no name of an argument."""
    given = [repr(from_here(path)) if path is not None else "model", *["images"] * images]
    defaults = {
        name: plain(parameter.default)
        for name, parameter in inspect.signature(verb).parameters.items()
    }
    given += [
        f"{name}={value!r}"
        for name, value in settings.items()
        if name.isidentifier() and not keyword.iskeyword(name)
        if name not in defaults or value != defaults[name]
    ]
    return f"kviz.{verb.__name__}({', '.join(given)})"


def _hashes(pixels: Mapping[str, npt.NDArray[Any]]) -> tuple[str, ...]:
    """Return a hash an image; of several inputs, a hash of all that belongs to it."""
    arrays = list(pixels.values())
    if len(arrays) == 1:
        return tuple(source_sha256(image) for image in arrays[0])
    return tuple(
        hashlib.sha256(b"".join(one.tobytes() for one in parts)).hexdigest()
        for parts in zip(*arrays, strict=False)
    )


@functools.cache
def versions() -> tuple[tuple[str, str], ...]:
    """Return the versions of Python and of the packages that compute, by name."""
    packages = {"kviz": "keras-kviz", "keras": "keras", "tensorflow": "tensorflow"}
    found = [(name, version(package)) for name, package in packages.items()]
    return (*found, ("numpy", np.__version__), ("python", platform.python_version()))
