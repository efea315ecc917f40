"""What a work is: a verb on a chunk of a data set, and what it leaves of each image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple

import numpy as np

from kviz._types import Array
from kviz.attribution.attribute import settings_of
from kviz.dataset.labels import UNKNOWN
from kviz.dataset.reductions import Reduction, Seen, State, as_reductions, merged, states_in_graph
from kviz.dataset.reductions.first_pass import settled
from kviz.dataset.store.slices import Slice
from kviz.dataset.store.states import States
from kviz.errors import OptionError
from kviz.network.network import Network
from kviz.results.result import Result


class Batch(NamedTuple):
    """Images that were read, so many at once.

    Attributes:
        pixels: array `(n, …)`, as the model takes it.
        names: what they are called.
        rows: int64 `(n,)`, their places in the source.
        labels: int32 `(n,)`, their classes, -1 where nobody knows.
    """

    pixels: Array
    names: tuple[str, ...]
    rows: Array
    labels: Array


class Found(NamedTuple):
    """What a verb found of a batch.

    Attributes:
        arrays: by name, a row per image.
        columns: the same for the index: numbers and texts, None where there is none.
        states: of reductions.
        constants: what is the same for all images and said once, as JSON holds it.
        notes: what every result should be read with.
    """

    arrays: Mapping[str, Array]
    columns: Mapping[str, Any]
    states: States = {}  # noqa: RUF012 - a NamedTuple's default, which nobody writes to
    constants: Mapping[str, Any] = {}
    notes: tuple[str, ...] = ()


Step = Callable[[Batch], Found]


@dataclass(frozen=True, kw_only=True)
class Work:
    """A verb with its options. A file of `kinds` holds one, and its name is the verb's.

    Args:
        statistics: what is computed over all images: names such as `"moments"`, `"top_k=9"`, or
            instances of `kviz.dataset.reductions`.
    """

    statistics: Any = ()

    # The index's columns of this work, with pyarrow's names of their types.
    columns: ClassVar[Mapping[str, str]] = {}
    # The column that says how an image is classified, where there is one.
    answer: ClassVar[str | None] = None

    # Whether what is drawn at random follows from an image's place: images of a batch then follow one
    # another.
    by_place: ClassVar[bool] = False
    # Whether a result over all images says in few words what came of them.
    tells_of_all: ClassVar[bool] = False
    # How an image is classified is known, for statistics of it.
    predicts: ClassVar[bool] = False

    # By name, and, where a first pass was needed, by what they are of.
    reductions: dict[str, Reduction] = field(init=False, repr=False, compare=False)
    settled: Mapping[str, dict[str, Reduction]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = as_reductions("statistics", self.statistics)
        self._take(found, {})
        for name, one in found.items():
            if one.of == "predictions" and not self.predicts:
                raise OptionError(f"{name} is of what the model predicts: predict has it.")

    @property
    def needs_labels(self) -> bool:
        """Whether a statistic asks which classes images are of."""
        return any(one.needs_labels for one in self.reductions.values())

    def for_classes(self, count: int | None) -> None:
        """Tell the statistics how many classes labels tell apart, where that is known."""
        if count:
            known = {name: one.for_classes(count) for name, one in self.reductions.items()}
            self._take(known, {})

    def settle(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Tell the statistics what a first pass found, by layer and statistic."""
        self._take(self.reductions, found)

    def _take(
        self, reductions: dict[str, Reduction], found: Mapping[str, Mapping[str, Any]]
    ) -> None:
        object.__setattr__(self, "reductions", reductions)
        object.__setattr__(self, "settled", settled(reductions, found))

    @classmethod
    def of(cls, make: Callable[..., Any], options: Mapping[str, Any]) -> Work:
        """Return the work of a verb's options; `make` refuses those that it has not.

        Args:
            make: makes this work, as `kviz.registry.Registry.make` does.
            options: by name.
        """
        made: Work = make(**options)
        return made

    def settings(self) -> dict[str, Any]:
        """Return what the verb is asked, under the names that it takes."""
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.init}
        statistics = [{"name": name, **settings_of(one)} for name, one in self.reductions.items()]
        return own | {"statistics": statistics}

    def reductions_of(self, path: str) -> dict[str, Reduction]:
        """Return the statistics of a layer's maps, or of what else a work gives, by name."""
        return self.settled.get(path, self.reductions)

    def states(
        self, path: str, maps: Array, batch: Batch, predictions: Any = None
    ) -> dict[str, State]:
        """Return the states of what a verb gave for a batch, by their reductions' names.

        Args:
            path: what it is.
            maps: `(n, …, channels)`.
            batch: the images.
            predictions: int `(n,)`, their predicted classes; None where that is not known.
        """
        unknown = np.full(len(maps), UNKNOWN, np.int32)
        answers = unknown if predictions is None else np.asarray(predictions, np.int32)
        seen = Seen(batch.rows, batch.labels, answers, np.ones(len(maps), bool))
        found = states_in_graph(self.reductions_of(path), maps, seen)
        return {
            name: {key: np.asarray(value) for key, value in state.items()}
            for name, state in found.items()
        }

    def merged(self, left: States, right: States) -> States:
        """Return the states of both."""
        return {
            path: merged(self.reductions_of(path), left.get(path, {}), right.get(path, {}))
            for path in dict.fromkeys([*left, *right])
        }

    def begin(self, network: Network, batch_size: int) -> Step:
        """Return what finds something of a batch of at most so many images."""
        raise NotImplementedError

    @staticmethod
    def result(rows: Slice) -> Result:
        """Return the verb's own result of some rows of a store."""
        raise NotImplementedError
