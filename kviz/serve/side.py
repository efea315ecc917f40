"""One model of a session: what it finds in photos, each found once as long as it is kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from kviz._checks import sanitise
from kviz._types import Array, Progress
from kviz.attribution import Method, attribute, method_named
from kviz.engine.heads import Head, choose_head
from kviz.engine.layers import LayerInfo, LayerTable
from kviz.errors import KvizError, LayerError, OptionError
from kviz.look import activations, predict
from kviz.network.network import Network
from kviz.reports.answers import answer_of
from kviz.reports.channel_weights import channel_weights
from kviz.reports.gather import class_layers_of
from kviz.reports.page import answer_pictures
from kviz.reports.parts import TOP, Parts, with_runner_up
from kviz.reports.planned import QUICK_METHODS
from kviz.results import Activations, Attribution, Predictions
from kviz.results.result import class_facts
from kviz.serve.kept import Kept
from kviz.serve.photos import Fitted, Photo, fitted
from kviz.web.packing import plainly
from kviz.web.shell import macro

# Maps that are looked at in one pass: few functions to compile, and passes that end early.
_GROUP_BYTES = 4_000_000
_GROUPS = 6
# Functions kept: methods, dreams of several layers, and of each group its maps, weights and inputs.
_FUNCTIONS = 64


class Told(NamedTuple):
    """What is said of a photo.

    Attributes:
        classes: the best ones, as `class_facts` has them.
        answer: the computed sentence and the fields that it is made of.
        card: the page's card, HTML.
    """

    classes: list[dict[str, Any]]
    answer: dict[str, Any]
    card: str


class Side:
    """A model and what is kept of it.

    Args:
        network: the model.
        place: 0, or 1 for the second of two.
        kept: what was found, of all models together.
        passing: the same of photos of a stream.
    """

    def __init__(self, network: Network, place: int, kept: Kept[Any], passing: Kept[Any]) -> None:
        self.network = network
        self.place = place
        functions = network.engine.functions
        functions.most = max(functions.most, _FUNCTIONS)
        self._kept = kept
        self._passing = passing
        self._specs: dict[str, Any] | None = None
        self._class_layers: list[str] | None = None

    def found(
        self, photo: Photo, key: Hashable, make: Callable[[], Any], size: Callable[[Any], int]
    ) -> Any:
        """Return what was found in a photo before, or find it now.

        Args:
            photo: the photo.
            key: what it is, hashable.
            make: finds it.
            size: returns how many bytes it takes.
        """
        shelf = self._passing if photo.transient else self._kept
        full = (self.place, photo.id, key)
        value = shelf.get(full)
        if value is None:
            value = make()
            shelf.put(full, value, size(value))
        return value

    def fitted(self, photo: Photo) -> Fitted:
        """Return a photo as the model is given it."""
        made: Fitted = self.found(
            photo, "fitted", lambda: fitted(photo, self.network), lambda one: one.pixels.nbytes
        )
        # A subclassed model knows its layers once it knows what it is given.
        self._specs = self.network.specs(self.network.pixels(made.pixels))
        return made

    def predictions(self, photo: Photo, progress: Progress | None = None) -> Predictions:
        """Return what the model answers for a photo."""
        pixels = self.fitted(photo).pixels
        made: Predictions = self.found(
            photo,
            "predictions",
            lambda: predict(self.network, pixels, TOP, names=[photo.name], progress=progress),
            lambda one: one.scores.nbytes + (0 if one.maps is None else one.maps.nbytes),
        )
        return made

    def explained(self, photo: Photo, class_index: Any = None) -> tuple[list[int], int]:
        """Return classes to explain, and how many of them were meant: the runner-up stands behind.

        Args:
            photo: the photo.
            class_index: a class, several, or None for the predicted one.

        Raises:
            OptionError: if there is no such class, or the model has none.
        """
        scores = self.predictions(photo).scores
        if not scores.shape[1]:
            raise OptionError("The model answers with an image, and has no classes to explain.")
        several = isinstance(class_index, list | tuple)
        wanted = [] if class_index is None else list(class_index) if several else [class_index]
        chosen = list(dict.fromkeys(self.class_index(which) for which in wanted))
        if several and chosen:
            return chosen, len(chosen)
        return with_runner_up(scores[0], chosen), 1

    def class_index(self, which: Any) -> int:
        """Return the index of a class, by index or name."""
        if not isinstance(which, int | str) or isinstance(which, bool):
            raise OptionError(f"A class is an index or a name. Received: {sanitise(repr(which))}")
        return self.network.class_index(which, self.head)

    @cached_property
    def head(self) -> Head:
        """What the model's output means."""
        if self._specs is None:
            self.table  # noqa: B018 - which knows a model that knows itself
            self._specs = self.network.specs(self._blank())
        return choose_head(self.network.engine.heads_for(self._specs), None)

    def _blank(self) -> dict[str, Array]:
        shapes = self.network.input_shapes or [(None, None, None, 3)]
        arrays = [
            np.zeros([side or 224 for side in (1, *shape[1:])], np.float32) for shape in shapes
        ]
        return self.network.pixels(arrays[0] if len(arrays) == 1 else arrays)

    @property
    def table(self) -> LayerTable:
        """The model's layers."""
        return self.network.layers

    def info(self, path: Any) -> LayerInfo:
        """Return a layer by its path.

        Raises:
            LayerError: if there is none.
        """
        if not isinstance(path, str):
            raise OptionError(f"layer takes a layer's path. Received: {sanitise(repr(path))}")
        return self.table[path]

    def maps(self, photo: Photo, path: str, progress: Progress | None = None) -> Activations:
        """Return the maps of a layer and of those that were looked at with it.

        Args:
            photo: the photo.
            path: the layer's.
            progress: as `kviz.activations` takes it.

        Raises:
            LayerError: if the layer has no maps.
        """
        group = self.group(path)
        pixels = self.fitted(photo).pixels
        made: Activations = self.found(
            photo,
            ("maps", group),
            lambda: activations(
                self.network, pixels, list(group), names=[photo.name], progress=progress
            ),
            lambda one: sum(array.nbytes for array in one.values()),
        )
        return made

    def maps_of(self, photo: Photo, path: str) -> Array:
        """Return one layer's maps of a photo, `(…, channels)`."""
        array: Array = self.maps(photo, path)[path][0]
        return array

    def attribution(
        self,
        photo: Photo,
        method: Method,
        class_index: Any = None,
        *,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> tuple[Attribution, list[int], int]:
        """Return a method's maps of a photo, their classes, and how many of these are meant.

        Args:
            photo: the photo.
            method: the method.
            class_index: as `explained` takes it.
            seed: for methods that draw at random.
            progress: as `kviz.attribute` takes it.
        """
        classes, explained = self.explained(photo, class_index)
        pixels = self.fitted(photo).pixels
        found: Attribution = self.found(
            photo,
            ("attribution", repr(method), tuple(classes), seed),
            lambda: attribute(
                self.network, pixels, method, class_index=[classes], seed=seed, names=[photo.name],
                progress=progress,
            ),
            lambda one: one.maps.nbytes,
        )  # fmt: skip
        return found, classes, explained

    def class_layers(self, photo: Photo) -> list[str]:
        """Return the paths of the layers whose channels are the classes, one to one."""
        if self._class_layers is None:
            self._class_layers = class_layers_of(self.network, self.fitted(photo).pixels, None)
        return self._class_layers

    def channel_weights(self, photo: Photo, class_index: Any = None) -> dict[str, Array]:
        """Return what each channel of each layer weighs for classes, `(classes, channels)` by layer.

        Args:
            photo: the photo.
            class_index: as `explained` takes it.
        """
        classes, _ = self.explained(photo, class_index)
        channels = {
            info.path: info.channels
            for info in self.table
            if self.has_maps(info) and info.channels is not None
        }
        pixels = self.fitted(photo).pixels
        found: dict[str, Array] = self.found(
            photo,
            ("channel weights", tuple(classes)),
            lambda: channels and channel_weights(self.network, pixels, channels, [classes]),
            lambda arrays: sum(array.nbytes for array in arrays.values()),
        )
        return {path: array[0] for path, array in found.items()}

    def answer(self, photo: Photo, attributions: Mapping[str, Attribution] | None = None) -> Told:
        """Return what is said of a photo: its classes, the computed sentence, and the card.

        Args:
            photo: the photo.
            attributions: maps by method, which say where the evidence is.
        """
        predictions = self.predictions(photo)
        # As JSON has them: the card says in words what is not finite.
        classes = plainly(
            [
                class_facts(one.class_index, one.name, one.score, predictions.is_probability)
                for one in predictions.rows[0]
            ]
        )
        answer = plainly(answer_of(predictions, 0, attributions).facts())
        image = {"name": photo.name, "classes": classes, "answer": answer}
        made = answer_pictures(predictions, 0)
        arguments = (0, image, None, False, made, predictions.quantity, False)
        return Told(classes, answer, macro("card.html", "card", *arguments))

    def warm(self, photo: Photo) -> None:
        """Find in a photo what is asked of it first, so that it is compiled for the next."""
        with suppress(KvizError):
            self.predictions(photo)
            self.class_layers(photo)
            for name in QUICK_METHODS:
                self.attribution(photo, method_named(name))
            for group in self._groups[:1]:  # of a volume's layers none are drawn
                self.maps(photo, group[0])
            self.channel_weights(photo)

    def has_maps(self, info: LayerInfo) -> bool:
        """Return whether a layer's maps can be looked at."""
        return info.reached and info.spatial and info.outputs == 1 and len(info.output_shape) < 5

    def group(self, path: str) -> tuple[str, ...]:
        """Return the layers whose maps are looked at together with a layer's."""
        for group in self._groups:
            if path in group:
                return group
        info = self.info(path)
        if not info.reached:
            self.table.select(path, maps=True)  # says why
        raise LayerError(f"Layer {sanitise(info.path)!r} has no maps that are drawn on a page.")

    @cached_property
    def _groups(self) -> list[tuple[str, ...]]:
        infos = [info for info in self.table if self.has_maps(info)]
        sizes = [_bytes_of(info) for info in sorted(infos, key=lambda info: info.order)]
        most = max(_GROUP_BYTES, sum(sizes) // _GROUPS)
        groups: list[list[str]] = []
        room = 0
        for info, size in zip(sorted(infos, key=lambda info: info.order), sizes, strict=True):
            if size > room:
                groups.append([])
                room = most
            groups[-1].append(info.path)
            room -= size
        return [tuple(group) for group in groups]

    def parts(self, photo: Photo, **found: Any) -> Parts:
        """Return what was found as a report has it."""
        return Parts(network=self.network, names=(photo.name,), layers=self.table, **found)


def _bytes_of(info: LayerInfo) -> int:
    """Return what a layer's maps of one image take, of a free size those of 224 pixels, about."""
    sides = [side if side is not None else 64 for side in info.output_shape[1:]]
    return 4 * int(np.prod(sides, dtype=np.int64))
