"""The Python that makes a page, to be copied: what was asked, without what is as it is by default."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kviz._types import Array
from kviz.network.network import Network
from kviz.originals import source_of


def as_python(
    verb: Callable[..., Any],
    network: Network,
    pixels: Mapping[str, Array],
    settings: Mapping[str, Any],
) -> list[str]:
    """Return the lines of a program that makes a page again, in a folder with the model and the photos.

    Args:
        verb: `report`, whose defaults are left out.
        network: the network.
        pixels: what it was given, by input.
        settings: what the verb was asked, under the names that it takes.
    """
    file = network.path.name if network.path is not None else None
    preprocess = network.preprocess
    if isinstance(preprocess, str):
        more = f", preprocess={_written(preprocess)}"
    else:
        more = "" if preprocess is None else ", preprocess=preprocess"
    if file is not None:
        made = [f"network = kviz.load_model({_written(file)}{more})"]
    else:
        made = [f"network = kviz.Network(model{more})  # model: your keras.Model"]
    defaults = {
        name: parameter.default for name, parameter in inspect.signature(verb).parameters.items()
    }
    chosen = [
        f"    {name}={_written(value)},"
        for name, value in settings.items()
        if name in defaults and value != defaults[name]
    ]
    return [
        "import kviz",
        "",
        *made,
        *_images(pixels),
        "kviz.report(",
        "    network,",
        "    images,",
        '    "report.html",',
        *chosen,
        ")",
    ]


def _images(pixels: Mapping[str, Array]) -> list[str]:
    """Return the line that reads the photos, or one that says what is to be given."""
    arrays = list(pixels.values())
    found = [source_of(one) for one in arrays[0]] if len(arrays) == 1 else [None]
    if not all(found):
        shapes = " and ".join(" × ".join(map(str, array.shape)) for array in arrays)
        return [f"images = ...  # your arrays: {shapes}"]
    files: Sequence[str] = [one[0].name for one in found if one]
    fits = {one[1] for one in found if one}
    given = _written(files[0] if len(files) == 1 else list(files))
    more = "" if fits == {"crop"} else f", fit={_written(fits.pop())}"
    # `target_size` of a model that takes any is not known here.
    return [f"images = kviz.load_images({given}, network{more})"]


def _written(value: Any) -> str:
    """Return a value as Python writes it; a layer, and a class of layers, by its name.

    >>> _written(("a", "b")), _written(None), _written(2), _written(dict)
    ("['a', 'b']", 'None', '2', "'dict'")
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    if value is None or isinstance(value, str | int | float):
        return repr(value)
    return repr(str(getattr(value, "__name__", None) or getattr(value, "name", value)))
