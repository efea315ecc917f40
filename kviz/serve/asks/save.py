"""save: what is seen, as the report page, a picture, or the Python that makes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from kviz._checks import sanitise
from kviz._types import Array
from kviz.attribution import method_named
from kviz.attribution.options import option
from kviz.draw.tile_png import tile_png
from kviz.errors import ImageError, OptionError
from kviz.files import slug
from kviz.images import wanted_by
from kviz.reports.as_python import Attributed, Cut, Read, as_python, reading_options
from kviz.reports.report import report
from kviz.serve.ask import Ask, Turn, ask_named, validate_class
from kviz.serve.asks.attribution import AskAttribution
from kviz.serve.asks.maps import Maps
from kviz.serve.message import Message
from kviz.serve.photos import Photo
from kviz.serve.side import Side
from kviz.tiles import Tile

MOST_PHOTOS = 16
# A file of arrays, and which of those.
_OF_ARRAYS = re.compile(r"(?P<file>.+\.np[yz])(?:\[(?P<row>\d+)\])?", re.IGNORECASE)


def _ids(name: str, value: Any) -> tuple[str, ...]:
    fits = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
    if not fits or not 0 < len(value) <= MOST_PHOTOS:
        raise OptionError(f"{name} takes the ids of 1 to {MOST_PHOTOS} photos.")
    return tuple(value)


def _names(name: str, value: Any) -> Any:
    fits = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
    if value is not None and not fits:
        raise OptionError(f"{name} takes a list of names. Received: {sanitise(repr(value))}")
    return None if value is None else tuple(value)


def _ask(name: str, value: Any) -> Any:
    if value is not None and not isinstance(value, dict):
        raise OptionError(f"{name} takes an ask. Received: {sanitise(repr(value))}")
    return value


@dataclass(frozen=True, kw_only=True)
class Save(Ask):
    """What is seen, as a file to be downloaded."""

    # `as` is a word of Python's own.
    form: Literal["report", "png", "python"]
    photos: Any = option(check=_ids)
    of: Any = option(None, check=_ask)
    methods: Any = option(None, check=_names)
    layers: Any = option(None, check=_names)
    class_index: Any = option(None, check=validate_class)
    quick: bool = True
    seed: int = option(0, least=0)

    @property
    def takes_long(self) -> bool:
        """Whether it is the report."""
        return self.form == "report"

    def answer(self, turn: Turn) -> Message:
        """Return the reply."""
        photos = [turn.photo(one) for one in self.photos]
        name = slug(turn.side.network.name)
        if self.form == "report":
            data, kind, name = self._report(turn, photos), "text/html", f"{name}.html"
        elif self.form == "png":
            tile = self._tile(turn, photos[0])
            data, kind, name = tile_png(tile), "image/png", f"{slug(tile.title)}.png"
        else:
            data = self._python(turn, photos).encode()
            kind, name = "text/x-python", f"{name}.py"
        return Message({"name": name, "type": kind}, {"file": np.frombuffer(data, np.uint8)})

    def _settings(self) -> dict[str, Any]:
        settings = {
            "class_index": list(self.class_index)
            if isinstance(self.class_index, tuple)
            else self.class_index,
            "methods": self.methods and list(self.methods),
            "layer_names": self.layers and list(self.layers),
            "quick": self.quick or None,
            "seed": self.seed,
        }
        return {key: value for key, value in settings.items() if value is not None}

    def _report(self, turn: Turn, photos: list[Photo]) -> bytes:
        side = turn.side
        arrays: list[Array] = [side.fitted(photo).pixels for photo in photos]
        if len({array.shape for array in arrays}) > 1:
            raise ImageError("The photos have several sizes. Save them one by one.")
        made = report(
            side.network,
            np.concatenate(arrays),
            names=[photo.name for photo in photos],
            progress=lambda _, done, total: turn.progress(done, total),
            **self._settings(),
        )
        return turn.session.without_paths(made.html).encode()

    def _python(self, turn: Turn, photos: list[Photo]) -> str:
        side = turn.side
        attributed = None
        if self.of is not None:
            ask = self._asked(photos[0])
            if not isinstance(ask, AskAttribution):
                raise OptionError("of takes an ask for an attribution, to be saved as Python.")
            method_named(ask.method, **ask.options)  # says what it does not take
            classes = [side.explained(photo, ask.class_index)[0] for photo in photos]
            attributed = Attributed(ask.method, ask.options, classes, ask.seed)
        names = tuple(photo.name for photo in photos)
        reads = [_read(side, photo) for photo in photos]
        settings = {**self._settings(), "names": names}
        return "\n".join([*as_python(report, side.network, reads, settings, attributed), ""])

    def _asked(self, photo: Photo) -> Ask:
        """Return the ask whose answer is saved."""
        given = {"photo": photo.id, **(self.of or {})}
        if given.get("ask") == "maps":
            given.pop("channel", None)
        return ask_named(given.pop("ask", None), given)

    def _tile(self, turn: Turn, photo: Photo) -> Tile:
        channel = (self.of or {}).get("channel")
        ask, side = self._asked(photo), turn.side
        if isinstance(ask, Maps):
            path = side.info(ask.layer).path
            return side.maps(photo, path).tiles(path, channel=channel)[0]
        if isinstance(ask, AskAttribution):
            method = method_named(ask.method, **ask.options)
            found, _, _ = side.attribution(photo, method, ask.class_index, seed=ask.seed)
            tiles = found.tiles(image=0)
            return next((tile for tile in tiles if tile.role == "overlay"), tiles[-1])
        raise OptionError("of takes an ask for maps or for an attribution.")


def _read(side: Side, photo: Photo) -> Read:
    """Return how a photo is read again as the model was given it."""
    if photo.array is not None:
        held = _OF_ARRAYS.fullmatch(photo.name)
        if held is None:
            return Read(f"{photo.name}.npy", note="an array that the app was given: save it so")
        return Read(held["file"], row=int(held["row"]) if held["row"] else None)
    note = "" if photo.file is not None else "these pixels were made in the app: save them so"
    height, width = side.fitted(photo).pixels.shape[1:3]
    if photo.box is not None:
        cut = Cut(photo.box, (height, width), side.network.channels == 1)
        return Read(photo.name, cut=cut, note=note)
    wanted = wanted_by(side.network, fit=photo.fit, target_size=(height, width))
    return Read(photo.name, reading_options(wanted, side.network), note=note)
