"""as_python: the program that makes a page again, with the options that differ from their defaults.

A report knows the files that its photos were read from; the app knows the names of what it was sent.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from kviz._types import Array
from kviz.files import from_here
from kviz.formats.fitting import Box, Wanted
from kviz.network.network import Network
from kviz.originals import Source, source_of

# What fits into a line of a program.
_WIDTH = 90


class Cut(NamedTuple):
    """What is cut out of a photo, in its own pixels, and brought to a height and width."""

    box: Box
    size: tuple[int, int]
    grey: bool


@dataclass(frozen=True)
class Read:
    """How an image is read again.

    Attributes:
        file: a file's path from the folder where the program is run.
        options: of `kviz.load_images`.
        cut: what is cut out of the file, None for what `kviz.load_images` makes of it.
        row: which of the images in the file, None for the only one.
        note: what has to be done first, for a comment.
    """

    file: str
    options: Mapping[str, Any] = field(default_factory=dict)
    cut: Cut | None = None
    row: int | None = None
    note: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether it is what `kviz.load_images` makes of the file."""
        return self.cut is None and self.row is None

    def lines(self, name: str) -> list[str]:
        """Return the lines that read it into a variable of that name."""
        note = [f"# {self.note}"] if self.note else []
        if self.cut is None:
            (*lines, last) = _call(
                f"{name} = kviz.load_images", [self.file, *_NETWORK], self.options
            )
            return [
                *note,
                *lines,
                last + ("" if self.row is None else f"[{self.row}:{self.row + 1}]"),
            ]
        box, (height, width), grey = self.cut
        return [
            *note,
            f"{name} = Image.open({self.file!r}).convert('RGB').resize(",
            f"    ({width}, {height}), Image.Resampling.BICUBIC, box={tuple(box)!r}",
            f"){'.convert(' + repr('L') + ')' if grey else ''}",
            f"{name} = np.asarray({name})[None{', ..., None' if grey else ''}]",
        ]


class _Name(str):
    """A variable of the program, which is written without quotes."""

    __slots__ = ()


_NETWORK = [_Name("network")]
_GIVEN = [*_NETWORK, _Name("images")]


class Attributed(NamedTuple):
    """An attribution that the program makes and saves as well."""

    method: str
    options: Mapping[str, Any]
    class_index: Sequence[Sequence[int]]
    seed: int


def as_python(
    verb: Callable[..., Any],
    network: Network,
    images: Sequence[Read] | str,
    settings: Mapping[str, Any],
    attributed: Attributed | None = None,
    path: Path | None = None,
) -> list[str]:
    """Return the lines of a program, to be run in the current folder or in one with the same files.

    Args:
        verb: `report`, whose defaults are left out.
        network: the network.
        images: how each is read, or the shape of what has to be given, in words.
        settings: what the verb was asked, under the names that it takes.
        attributed: an attribution that is saved as well.
        path: where the page was written, None where nobody said.
    """
    defaults = {
        name: parameter.default for name, parameter in inspect.signature(verb).parameters.items()
    }
    chosen = {
        name: value
        for name, value in settings.items()
        if name in defaults and value != defaults[name]
    }
    reading = _reading(images)
    needed = ["import numpy as np"] * any(" = np." in line for line in reading)
    needed += ["from PIL import Image"] * any(" = Image." in line for line in reading)
    lines = ["import kviz", *needed, "", *_loading(network), *reading]
    files = ["report.html" if path is None else from_here(path)]
    lines += _call("kviz.report", [*_GIVEN, *files], chosen)
    if attributed is not None:
        method, options, class_index, seed = attributed
        lines += [
            *_call("method = kviz.attribution.method_named", [method], options),
            *_call(
                "found = kviz.attribute",
                [*_GIVEN, _Name("method")],
                {"class_index": class_index, "seed": seed},
            ),
            *_call("found.save", [f"{method}.npz"], {}),
        ]
        files.append(f"{method}.npz")
    wrote = f"Wrote {' and '.join(files)}"
    return [*lines, f"print({wrote!r})"]


def reads_of(pixels: Mapping[str, Array], network: Network) -> list[Read] | str:
    """Return how images are read again, or their shape where it is not known which files they are from.

    Args:
        pixels: what the network was given, by input.
        network: the network.
    """
    sources = sources_of(pixels)
    if not sources:
        return " and ".join(" × ".join(map(str, array.shape)) for array in pixels.values())
    return [Read(from_here(one.path), reading_options(one.wanted, network)) for one in sources]


def sources_of(pixels: Mapping[str, Array]) -> list[Source]:
    """Return the files that images were read from, none unless all of them are from files.

    Args:
        pixels: what the network was given, by input.
    """
    arrays = list(pixels.values())
    found = [source_of(one) for one in arrays[0]] if len(arrays) == 1 else []
    known = [one for one in found if one is not None]
    return known if len(known) == len(found) else []


def reading_options(wanted: Wanted, network: Network) -> dict[str, Any]:
    """Return the options of `kviz.load_images` that differ from their defaults.

    Args:
        wanted: what a file's pixels became.
        network: the network that they were read for.
    """
    options: dict[str, Any] = {} if wanted.fit == "crop" else {"fit": wanted.fit}
    if None in network.image_size and None not in wanted.size:
        options["target_size"] = wanted.size
    if wanted.bands is not None:
        options["bands"] = wanted.bands
    return options


def _loading(network: Network) -> list[str]:
    preprocess = network.preprocess
    options: dict[str, Any] = {}
    if preprocess is not None:
        options["preprocess"] = preprocess if isinstance(preprocess, str) else _Name("preprocess")
    if network.path is not None:
        lines = _call("network = kviz.load_model", [from_here(network.path)], options)
    else:
        lines = _call("network = kviz.Network", [_Name("model")], options)
        lines[-1] += "  # model: your keras.Model"
    if "preprocess" in options and not isinstance(preprocess, str):
        lines[-1] += f"{',' if '#' in lines[-1] else '  #'} preprocess: your function"
    return lines


def _reading(images: Sequence[Read] | str) -> list[str]:
    if isinstance(images, str):
        return [f"images = ...  # your arrays: {images}"]
    first = images[0]
    if len(images) == 1:
        return first.lines("images")
    if all(one.is_plain and (one.options, one.note) == (first.options, "") for one in images):
        files = [one.file for one in images]
        return _call("images = kviz.load_images", [files, *_NETWORK], first.options)
    names = [_Name(f"image_{place}") for place in range(len(images))]
    lines = [line for name, one in zip(names, images, strict=True) for line in one.lines(name)]
    return [*lines, *_call("images = np.concatenate", [names], {})]


def _call(what: str, given: Sequence[Any], options: Mapping[str, Any]) -> list[str]:
    """Return the lines of a call, one where it fits into one.

    >>> _call("found.save", ["a.npz"], {"force": True})
    ["found.save('a.npz', force=True)"]
    """
    named = {"": given, **{f"{name}=": [value] for name, value in options.items()}}
    parts = [(name, value) for name, values in named.items() for value in values]
    line = f"{what}({', '.join(name + _written(value) for name, value in parts)})"
    if len(line) <= _WIDTH:
        return [line]
    lines = [f"{what}("]
    for name, value in parts:
        written = _written(value)
        if len(written) <= _WIDTH or not isinstance(value, list | tuple):
            lines.append(f"    {name}{written},")
        else:
            lines += [f"    {name}[", *(f"        {_written(one)}," for one in value), "    ],"]
    return [*lines, ")"]


def _written(value: Any) -> str:
    """Return a value as Python writes it; a layer, and a class of layers, by its name.

    >>> _written(("a", "b")), _written(None), _written(2), _written(dict)
    ("['a', 'b']", 'None', '2', "'dict'")
    """
    if isinstance(value, _Name):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_written(key)}: {_written(one)}' for key, one in value.items())}}}"
    if value is None or isinstance(value, str | int | float):
        return repr(value)
    return repr(str(getattr(value, "__name__", None) or getattr(value, "name", value)))
