"""What a reduction is: a frozen dataclass that makes many batches' maps one small state.

A reduction's file is found by its name; nothing else has to be told. `kinds/top_k.py` holds the class
`TopK`, which `--statistic top_k=9` makes. Its options are its fields, checked as a method's are.

A state is a dict of NumPy arrays. An empty dict is the state of nothing seen. `merge` gives the same
whatever the order and the cut: bit for bit where numbers are whole or picked out, to rounding in double
precision where they are added up. Values that are not finite are counted apart and left out of
everything else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal

import numpy as np

from kviz._types import Array
from kviz.attribution.options import validate_fields
from kviz.dataset.reductions.look import Look, Seen
from kviz.engine.backend import tf
from kviz.errors import OptionError
from kviz.results.statistic import Statistic

State = dict[str, Array]


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """A reduction; its fields are its options."""

    # Whether it is of a layer's maps, or of what the model predicts.
    of: ClassVar[Literal["maps", "predictions"]] = "maps"
    # Whether it asks which classes images are of.
    needs_labels: ClassVar[bool] = False
    # Which option a value alone is meant for, as in `top_k=9`.
    main: ClassVar[str] = ""
    # What it asks a look for, which makes all that several ask for at once.
    passes: ClassVar[tuple[str, ...]] = ()
    # Which arrays of a state are longer, along their second axis, where more was seen.
    ragged: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        validate_fields(self)

    def batch(self, look: Look) -> dict[str, Any]:
        """Return a batch's own state as tensors.

        Args:
            look: the batch; what several reductions ask it for is computed once.
        """
        raise NotImplementedError

    def in_graph(self, maps: Any, seen: Seen) -> dict[str, Any]:
        """Return a batch's own state as tensors, in TensorFlow's graph where it is traced.

        Args:
            maps: real `(N, …, channels)`: a layer's maps, pooled or not, or an attribution's with an
                axis of channels; None for a reduction of predictions.
            seen: what is known of the images.
        """
        return self.batch(Look(maps, seen, self.passes))

    def update(
        self,
        state: Mapping[str, Array],
        maps: Any = None,
        *,
        rows: Any,
        labels: Any = None,
        predictions: Any = None,
    ) -> State:
        """Return a state with a batch more.

        Args:
            state: the state until now, an empty dict at first.
            maps: as `in_graph` takes them.
            rows: whole numbers `(N,)`: the images' places in the source.
            labels: their classes, -1 for unknown; None where none is known.
            predictions: what the model takes them for.
        """
        rows = np.asarray(rows, np.int64)
        unknown = np.full(len(rows), -1, np.int32)
        seen = Seen(
            rows,
            unknown if labels is None else np.asarray(labels, np.int32),
            unknown if predictions is None else np.asarray(predictions, np.int32),
            np.ones(len(rows), bool),
        )
        made = self.in_graph(maps, seen)
        return self.merge(state, {name: np.asarray(value) for name, value in made.items()})

    def merge(self, left: Mapping[str, Array], right: Mapping[str, Array]) -> State:
        """Return the state of what either state has seen.

        Raises:
            OptionError: if they are of maps of different sizes.
        """
        if not left or not right:
            return dict(left or right)
        self._check_alike(left, right)
        return self.joined(left, right)

    def joined(self, left: Mapping[str, Array], right: Mapping[str, Array]) -> State:
        """Return what `merge` does of two states that are not empty; by default their sums."""
        return {name: left[name] + right[name] for name in left}

    def result(self, state: Mapping[str, Array]) -> Statistic:
        """Return what was found.

        Args:
            state: a state that is not empty.
        """
        raise NotImplementedError

    def first(self) -> Reduction | None:
        """Return what has to be known before, from a pass over all images, None for nothing."""
        return None

    def after(self, found: Statistic) -> Reduction:  # noqa: ARG002 - of those that need it
        """Return this reduction with what `first` found."""
        return self

    def for_classes(self, count: int) -> Reduction:
        """Return this reduction for a model of so many classes."""
        known = {field.name for field in fields(self)}
        needed = "classes" in known and vars(self)["classes"] is None
        options: dict[str, Any] = {"classes": count} if needed else {}
        return replace(self, **options) if options else self

    def _check_alike(self, left: Mapping[str, Array], right: Mapping[str, Array]) -> None:
        for name in {*left, *right}:
            if name not in left or name not in right:
                break
            one, other = (
                np.delete(each[name].shape, 1 if name in self.ragged else [])
                for each in (left, right)
            )
            if not np.array_equal(one, other):
                break
            if name == "size" and (left[name] != right[name]).any():
                break
        else:
            return
        raise OptionError(
            "Two parts of a statistic are of maps of different sizes, or of different settings."
        )


@dataclass(frozen=True, kw_only=True)
class ByClass(Reduction):
    """A reduction that tells classes apart."""

    classes: int | None = None

    def needed(self) -> int:
        """Return how many classes there are.

        Raises:
            OptionError: if it is not known.
        """
        if self.classes is None:
            raise OptionError(
                f"{type(self).__name__} needs to know how many classes there are: its option classes."
            )
        return self.classes

    def known(self, labels: Any) -> tuple[Any, Any]:
        """Return labels with -1 for what is none, and how many these are, int64."""
        there = (labels >= 0) & (labels < self.needed())
        return tf.where(there, labels, -1), tf.math.count_nonzero(~there)

    def summed(self, values: Any, labels: Any) -> Any:
        """Return the sum of what belongs to each label: `(classes, …)`; -1 belongs to none."""
        return tf.math.unsorted_segment_sum(values, labels, self.needed())
