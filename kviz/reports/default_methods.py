"""default_methods: which attribution methods a page shows where nobody names any."""

from __future__ import annotations

from kviz.attribution import method_named
from kviz.engine.layers import LayerInfo, LayerTable
from kviz.reports.planned import METHODS, QUICK_METHODS


def default_methods(table: LayerTable, quick: bool) -> tuple[str, ...]:
    """Return the methods that a page shows where nobody names any.

    None that looks at a layer's maps where no layer has positions of its own making: what a dense net
    has is the photo itself, and a map of that would explain nothing.

    Args:
        table: the model's layers.
        quick: whether they have to be fast.
    """
    methods = QUICK_METHODS if quick else METHODS
    looking = any(
        info.reached and info.spatial and info.weight_names and _makes_positions(info)
        for info in table
    )
    return tuple(m for m in methods if looking or not hasattr(method_named(m), "layer_names"))


def _makes_positions(info: LayerInfo) -> bool:
    """Return whether a layer looks at a neighbourhood, or gives tokens or steps of time."""
    normalising = "Normalization" in info.kind
    return info.window is not None or (len(info.output_shape) == 3 and not normalising)
