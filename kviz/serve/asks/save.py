"""save: what is seen, as the report page, a picture, a figure, or the Python that makes it."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np

from kviz._checks import sanitise
from kviz._types import Array
from kviz.attribution import compare, method_named
from kviz.attribution.options import option
from kviz.draw.figures import write_figure
from kviz.draw.tile_png import tile_png
from kviz.errors import ImageError, OptionError
from kviz.files import slug
from kviz.images import wanted_by
from kviz.reports.as_python import Attributed, Cut, Read, as_python, reading_options
from kviz.reports.report import report
from kviz.results import Attribution
from kviz.serve.ask import Ask, Turn, ask_named, validate_class
from kviz.serve.asks.attribution import AskAttribution
from kviz.serve.asks.maps import Maps
from kviz.serve.message import Message
from kviz.serve.photos import Photo
from kviz.serve.side import Side
from kviz.tiles import Tile

MOST_PHOTOS = 16
# Methods that a figure has side by side.
MOST_BESIDE = 4
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


def _asks(name: str, value: Any) -> tuple[dict[str, Any], ...]:
    asks = [] if value is None else value if isinstance(value, list) else [value]
    if len(asks) > MOST_BESIDE or not all(isinstance(one, dict) for one in asks):
        raise OptionError(
            f"{name} takes an ask, or up to {MOST_BESIDE} of them. Received: {sanitise(repr(value))}"
        )
    return tuple(asks)


@dataclass(frozen=True, kw_only=True)
class Save(Ask):
    """What is seen, as a file to be downloaded."""

    # `as` is a word of Python's own.
    form: Literal["report", "png", "pdf", "python"]
    photos: Any = option(check=_ids)
    of: Any = option(None, check=_asks)
    methods: Any = option(None, check=_names)
    layers: Any = option(None, check=_names)
    class_index: Any = option(None, check=validate_class)
    quick: bool = True
    seed: int = option(0, least=0)

    @property
    def takes_long(self) -> bool:
        """Whether it is the report, or a figure, whose method may take many passes."""
        return self.form in ("report", "pdf")

    def answer(self, turn: Turn) -> Message:
        """Return the reply."""
        photos = [turn.photo(one) for one in self.photos]
        name = slug(turn.side.network.name)
        if self.form == "report":
            data, kind, name = self._report(turn, photos), "text/html", f"{name}.html"
        elif self.form == "png":
            tile = self._tile(turn, photos[0])
            data, kind, name = tile_png(tile), "image/png", f"{slug(tile.title)}.png"
        elif self.form == "pdf":
            name = f"{slug(PurePath(photos[0].name).stem)}.pdf"
            data, kind = self._figure(turn, photos[0]), "application/pdf"
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
        if self.of:
            ask = self._asked(photos[0])[0]
            if not isinstance(ask, AskAttribution):
                raise OptionError("of takes an ask for an attribution, to be saved as Python.")
            method_named(ask.method, **ask.options)  # says what it does not take
            classes = [side.explained(photo, ask.class_index)[0] for photo in photos]
            attributed = Attributed(ask.method, ask.options, classes, ask.seed)
        names = tuple(photo.name for photo in photos)
        reads = [_read(side, photo) for photo in photos]
        settings = {**self._settings(), "names": names}
        lines = as_python(report, side.network, reads, settings, attributed)
        return "\n".join([*_where(reads), *lines, ""])

    def _asked(self, photo: Photo) -> list[Ask]:
        """Return the asks whose answers are saved."""
        asks = []
        for one in self.of or [{}]:
            given: dict[str, Any] = {"photo": photo.id, **one}
            if given.get("ask") == "maps":
                given.pop("channel", None)
            asks.append(ask_named(given.pop("ask", None), given))
        return asks

    def _tile(self, turn: Turn, photo: Photo) -> Tile:
        ask, side = self._asked(photo)[0], turn.side
        if isinstance(ask, Maps):
            path, channel = side.info(ask.layer).path, self.of[0].get("channel")
            return side.maps(photo, path).tiles(path, channel=channel)[0]
        if isinstance(ask, AskAttribution):
            tiles = self._attribution(turn, photo, ask).tiles(image=0)
            return next((tile for tile in tiles if tile.role == "overlay"), tiles[-1])
        raise OptionError("of takes an ask for maps or for an attribution.")

    def _figure(self, turn: Turn, photo: Photo) -> bytes:
        asks = self._asked(photo)
        found = [
            self._attribution(turn, photo, ask) for ask in asks if isinstance(ask, AskAttribution)
        ]
        if len(found) < len(asks):
            raise OptionError("of takes asks for attributions, of which a figure is made.")
        figure = (found[0] if len(found) == 1 else compare(found)).plot()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "figure.pdf"
            write_figure(figure, path)
            return path.read_bytes()

    def _attribution(self, turn: Turn, photo: Photo, ask: AskAttribution) -> Attribution:
        """Return the attribution for the classes wanted, computed anew only where one is missing."""
        side, method = turn.side, method_named(ask.method, **ask.options)
        found, classes, _ = side.attribution(
            photo, method, ask.class_index, seed=ask.seed, progress=turn.progress
        )
        several = isinstance(self.class_index, tuple)
        given = self.class_index if several else [self.class_index]
        wanted = classes if self.class_index is None else [side.class_index(one) for one in given]
        if not set(wanted) <= set(classes):
            found, classes, _ = side.attribution(
                photo, method, wanted, seed=ask.seed, progress=turn.progress
            )
        return _of_classes(found, [classes.index(one) for one in wanted])


def _read(side: Side, photo: Photo) -> Read:
    """Return how a photo is read again as the model was given it."""
    if photo.array is not None:
        held = _OF_ARRAYS.fullmatch(photo.name)
        if held is None:
            return Read(f"{photo.name}.npy", note="an array that the app was given: save it first")
        return Read(held["file"], row=int(held["row"]) if held["row"] else None)
    note = "" if photo.file is not None else "these pixels were made in the app: save them first"
    height, width = side.fitted(photo).pixels.shape[1:3]
    if photo.box is not None:
        cut = Cut(photo.box, (height, width), side.network.channels == 1)
        return Read(photo.name, cut=cut, note=note)
    wanted = wanted_by(side.network, fit=photo.fit, target_size=(height, width))
    return Read(photo.name, reading_options(wanted, side.network), note=note)


def _where(reads: list[Read]) -> list[str]:
    """Return a comment on where the photos' files have to lie: the app knows no folder of theirs."""
    files = list(dict.fromkeys(sanitise(read.file) for read in reads if not read.note))
    return [f"# Run this in the folder that holds {' and '.join(files)}."] if files else []


def _of_classes(found: Attribution, places: list[int]) -> Attribution:
    """Return the attribution of one photo for some of its classes."""
    return replace(
        found,
        maps=found.maps[:, places],
        raw=found.raw[:, places],
        scores=found.scores[:, places],
        classes=found.classes[:, places],
        class_names=tuple(found.class_names[place] for place in places),
        gaps=None if found.gaps is None else found.gaps[:, places],
        negative=None if found.negative is None else found.negative[:, places],
    )
