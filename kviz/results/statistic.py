"""Statistic: what one reduction found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from kviz._checks import sanitise, suggest
from kviz._types import Array
from kviz.arrays import read_only

Drawn = Literal["nothing", "bars", "histogram", "maps", "matrix"]


@dataclass(frozen=True, eq=False, repr=False)
class Statistic:
    """What one reduction found: named arrays, which are attributes too.

    Attributes:
        values: arrays by name, such as `"mean"`.
        axes: what the axes of each stand for, such as `("channel",)`.
        settings: what it was asked.
        drawn: how its first value is drawn.

    >>> Statistic({"mean": np.ones(3)}, {"mean": ("channel",)}).mean.tolist()
    [1.0, 1.0, 1.0]
    """

    values: dict[str, Array]
    axes: dict[str, tuple[str, ...]]
    settings: dict[str, Any] = field(default_factory=dict)
    drawn: Drawn = "nothing"

    def __post_init__(self) -> None:
        kept = {name: read_only(np.asarray(value)) for name, value in self.values.items()}
        object.__setattr__(self, "values", kept)

    @property
    def main(self) -> tuple[str, Array]:
        """The name of the first value, which is the one that is drawn, and the value."""
        return next(iter(self.values.items()))

    def __repr__(self) -> str:
        shapes = (f"{name} {array.shape}" for name, array in self.values.items())
        return f"<kviz.results.Statistic: {', '.join(shapes)}>"

    def __getattr__(self, name: str) -> Array:
        # Before it is whole, as when it is copied, it has no values.
        values: dict[str, Array] = vars(self).get("values", {})
        if name not in values:
            raise AttributeError(
                f"The statistic has no {sanitise(repr(name))}. {suggest(name, values)}"
            )
        return values[name]
