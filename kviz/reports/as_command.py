"""The command that draws a figure, to be copied: a page makes PNG and SVG itself, and no PDF."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kviz._types import Array
from kviz.files import from_here, is_below_here
from kviz.formats.fitting import Wanted
from kviz.network.network import Network
from kviz.reports.as_python import reading_options, sources_of


def as_command(
    network: Network, pixels: Mapping[str, Array], output: int | str | None = None, seed: int = 0
) -> dict[str, Any]:
    """Return the parts of the command that draws an attribution of a photo, quoted for a shell.

    Args:
        network: the network.
        pixels: what it was given, by input.
        output: which of the model's outputs, None for the default.
        seed: of methods that draw at random.

    Returns:
        `command`, with the model and how it is loaded, and `photos`, for each photo its file and how it
        is read. None and an empty list where the model or a photo is from no file. `files`, for each
        photo, that the folder has to have in which it is run: none where it is the current one.
        `options`, of `kviz.attribute`, where they differ from the defaults.
    """
    sources, preprocess = sources_of(pixels), network.preprocess
    options = {} if output is None else {"output": output}
    options |= {"seed": seed} if seed else {}
    if network.path is None or not isinstance(preprocess, str | None) or not sources:
        return {"command": None, "photos": [], "files": [], "options": options}
    more = [] if preprocess is None else ["--preprocess", preprocess]
    more += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    photos = [shlex.join([_file(one.path), *_reading(one.wanted, network)]) for one in sources]
    paths = [network.path, *(one.path for one in sources)]
    apart = [] if all(map(is_below_here, paths)) else [from_here(path) for path in paths]
    return {
        "command": shlex.join(["kviz", "attribute", _file(network.path), *more]),
        "photos": photos,
        "files": [[*apart[:1], photo] for photo in apart[1:]],
        "options": options,
    }


def _file(path: Path) -> str:
    """Return a file's path as a command takes it: one that begins with a hyphen would be an option."""
    file = from_here(path)
    return f"./{file}" if file.startswith("-") else file


def _reading(wanted: Wanted, network: Network) -> list[str]:
    """Return how a photo is read, as options of a command."""
    options = reading_options(wanted, network)
    words = ["--fit", options["fit"]] if "fit" in options else []
    if "target_size" in options:
        words += ["--target-size", *map(str, options["target_size"])]
    return words + [word for band in options.get("bands", ()) for word in ("--bands", str(band))]
