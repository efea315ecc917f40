"""The types of public signatures, by name: what a verb takes for a model, images, a class, a score."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


class _Model(Protocol):
    """A `keras.Model` or a `kviz.Network`: it has a name and can be called."""

    @property
    def name(self) -> str: ...

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...


class _Layer(Protocol):
    """A Keras layer: it has a path and an output shape."""

    @property
    def path(self) -> Any: ...

    @property
    def output(self) -> Any: ...


class _Score(Protocol):
    """A score of `kviz.scores`, or one that is written like those."""

    @property
    def of(self) -> Callable[..., Any]: ...


# A path to a saved model, a `keras.Model` or a `kviz.Network`.
ModelLike: TypeAlias = str | os.PathLike[str] | _Model
# Photos' paths, pixels (NHWC, 0-255), and for models of several inputs a list or a dict of those.
Images: TypeAlias = str | os.PathLike[str] | npt.ArrayLike | Sequence[Any] | Mapping[str, Any]
# A class by index or name; one for each image; several for each.
_Class: TypeAlias = int | np.integer | str
ClassIndex: TypeAlias = _Class | Sequence[_Class | Sequence[_Class]] | npt.NDArray[np.integer]
# A score of `kviz.scores`, or a function of the model's outputs that returns `(N,)`.
ScoreLike: TypeAlias = _Score | Callable[[Any], Any]
# Layers: a path, a glob, an index, a class or its name, a layer, or several of these.
Selector: TypeAlias = str | int | type | _Layer | Iterable[str | int | type | _Layer] | None
# Where things are in images: boxes, masks, an entry an image or by their names, a folder or a file.
Regions: TypeAlias = str | os.PathLike[str] | npt.ArrayLike | Sequence[Any] | Mapping[str, Any]
# Told of (done, in all).
Progress: TypeAlias = Callable[[int, int], None]
