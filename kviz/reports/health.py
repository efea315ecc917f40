"""How a model's layers are: dead, saturated or not finite, and how large their values are, by depth.

Dead is a channel that is zero everywhere for every photo; of few photos that says little. Saturated are
values so near to a bound of their activation function that next to no gradient comes through: within a
hundredth of its range of either bound of a sigmoid or of tanh, and at the upper one of a ReLU that has
one (its zero is how a ReLU is silent, and no fault).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from kviz._types import Array
from kviz.arrays import empty_channels
from kviz.engine.layers import LayerInfo, LayerTable
from kviz.results import Activations

_NEAR = 0.01
# The bounds between which an activation function's values lie, None where it has none there.
Bounds = tuple[float | None, float | None]
_BOUNDS: dict[str, Bounds] = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu6": (None, 6.0),
}


@dataclass(frozen=True)
class Health:
    """How one layer is, for all photos together.

    Attributes:
        path: the layer.
        channels: how many it has.
        dead: the share of channels that are zero everywhere for every photo.
        saturated: the share of values at a bound of its activation function, None where it is not known
            to have one.
        not_finite: how many values are NaN or infinite; the others make up the next three.
        mean: the mean of the sizes of its values.
        std: the standard deviation of its values.
        max: the largest size of a value.
    """

    path: str
    channels: int
    dead: float
    saturated: float | None
    not_finite: int
    mean: float
    std: float
    max: float

    def facts(self) -> dict[str, Any]:
        """Return the same as a dict."""
        return dict(vars(self))


def health_of(maps: Activations | None, table: LayerTable | None = None) -> list[Health]:
    """Return how each layer is, in order of execution.

    Args:
        maps: feature maps of all photos.
        table: the model's layers, which tell activation functions.
    """
    infos = {info.path: info for info in table or ()}
    return [
        _health(path, array, bounds_of(infos.get(path)))
        for path, array in (maps.items() if maps is not None else ())
    ]


def bounds_of(info: LayerInfo | None) -> Bounds:
    """Return between what a layer's values lie, None for a side where that is not known.

    Args:
        info: the layer; its own activation function counts, or what it is if it is one.
    """
    layer = None if info is None else info.layer
    most = getattr(layer, "max_value", None)
    if most is not None:
        return None, float(most)
    function = getattr(layer, "activation", None)
    # A layer of its own, such as `Activation("tanh")`, has it as this attribute as well.
    return _BOUNDS.get(getattr(function, "__name__", ""), (None, None))


def _health(path: str, array: Array, bounds: Bounds) -> Health:
    # A photo at a time: all at once in double precision could be far more than the maps themselves.
    good = [one[np.isfinite(one)] for one in array]
    count = sum(one.size for one in good)
    some = max(count, 1)
    mean = sum(float(one.sum(dtype=np.float64)) for one in good) / some
    squares = sum(float(np.square(one.astype(np.float64) - mean).sum()) for one in good)
    known = bounds != (None, None)
    return Health(
        path=path,
        channels=array.shape[-1],
        dead=float(empty_channels(array).all(axis=0).mean()),
        saturated=sum(_at_bounds(one, bounds) for one in good) / some if known else None,
        not_finite=array.size - count,
        mean=sum(float(np.abs(one).sum(dtype=np.float64)) for one in good) / some,
        std=(squares / some) ** 0.5,
        max=max((float(np.abs(one).max(initial=0)) for one in good), default=0.0),
    )


def _at_bounds(values: Array, bounds: Bounds) -> int:
    """Return how many values are at a bound, or as good as there."""
    low, high = bounds
    near = _NEAR * ((high or 0.0) - (low or 0.0))
    at = np.zeros(values.shape, bool)
    if low is not None:
        at |= values <= low + near
    if high is not None:
        at |= values >= high - near
    return int(at.sum())
