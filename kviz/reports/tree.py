"""A model's layers as the page's script knows them: what each is, in few words, and what it gets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kviz.engine.layers import LayerInfo, LayerTable
from kviz.engine.receptive_fields import ReceptiveField, Window
from kviz.web.graph import family


def tree(table: LayerTable | None, shown: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return all layers in order of execution, nested ones below their parent.

    Args:
        table: the model's layers; None for none.
        shown: paths of those whose maps are there, in order.

    Returns:
        For each layer its `path`, `kind`, `family` (what the graph colours it by), `shape` without the
        batch, `parameters`, `window` and `field` in words, empty where there is none; `sources`, places
        in this list; `contains`, how many layers are inside it; `place`, that of its maps in `shown`
        or None.
    """
    places = {path: place for place, path in enumerate(shown)}
    return [
        {
            "path": info.path,
            "kind": info.kind,
            "family": family(info),
            "shape": list(info.output_shape[1:]),
            "parameters": info.parameters,
            "window": "" if info.window is None else window_words(info.window, info),
            "field": field_words(info.receptive_field),
            "contains": info.contains,
            "place": places.get(info.path),
        }
        for info in table or ()
    ]


def window_words(window: Window, info: LayerInfo) -> str:
    """Return what a layer slides over its input: `"kernel 3 × 3, stride 2, padding valid"`."""
    name = "kernel" if info.weight_names else "window"
    words = [f"{name} {_sizes(window.size)}", f"stride {_once(window.strides)}"]
    if set(window.dilation) != {1}:
        words.append(f"dilation {_once(window.dilation)}")
    return ", ".join([*words, f"padding {window.padding}"])


def field_words(field: ReceptiveField | str) -> str:
    """Return a receptive field in words.

    Args:
        field: as a layer has it.

    Returns:
        `"3 × 3 px, stride 2"`; what the field is said to be where it has no size, empty for unknown.

    >>> field_words("whole image")
    'the whole image'
    """
    if isinstance(field, str):
        return {"unknown": "", "whole image": "the whole image"}.get(field, field)
    words = f"{_sizes(field.size)} px, stride {_once(field.stride)}"
    return f"{words}, and beside it the whole image" if field.whole else words


def _sizes(values: Sequence[Any]) -> str:
    return " × ".join(str(value) for value in values)


def _once(values: Sequence[Any]) -> str:
    return _sizes(values[:1] if len(set(values)) == 1 else values)
