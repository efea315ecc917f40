"""A session: one model, or two beside each other, and the asks that it answers, whoever carries them.

The app (`kviz.serve.app`, a WebSocket) and the notebook (`kviz.serve.explore`, a widget's messages)
speak the same language, which is this.

**Message.** A head, JSON, and arrays. Over WebSocket it is one binary frame, as `kviz.serve.frames`
lays it out; in a notebook the head is the message's content and the arrays are its buffers, in order.
`head["arrays"]` tells of each `{"name", "dtype", "shape", "offset"}`: dtype is `uint8`, `int8`,
`uint16`, `int32` or `float32`; `offset` counts bytes from the end of the padded head, and is not there
in a notebook.

**Ask** `{"id": 7, "ask": "maps", …options}`. `id` is a whole number that the reader chooses and uses
once. With `"model": 1` it is asked of the second model (`--compare`), by default of the first, 0.

**Answers** carry the ask's `id`, `ask` and `model`, and are one of:

- the reply: `{"id", "ask", "model", …}` with none of the keys `progress`, `error`, `dropped`,
  `cancelled`.
- `{"progress": [done, total]}`, any number of them before the reply; of `pattern`, `class_image` and
  `fool` with the picture so far, the array `picture`. What a slow reader does not take is left out.
- `{"error": sentence, "code": word}`. Codes: `option` (something in the ask is not what it takes),
  `gone` (the photo is no longer kept: send it again), `cannot` (the model or the photo does not allow
  it), `busy` (too many asks wait), `fault` (of kviz).
- `{"dropped": true}`: a newer transient photo came before this one was looked at.
- `{"cancelled": true}`: after `cancel`.

The newest ask of a reader is answered first; slow ones wait for all others, which are also answered
between the steps of a slow one that runs. A reader that leaves takes its asks along. What was answered
is kept, by value and up to so many bytes: the same ask again, after a reload or from another reader,
is answered at once.

**Photos** have an id, the hash of the photo, its name and how it is cut. All asks about a photo name
it: `"photo": id`. After a reload `{"ask": "photo", "photo": id}` gives all of it again, or the error
`gone`.

Asks, their options (those with `?` may be missing) and replies. *Told* means: as the report's script
is told of the same thing, field by field (`kviz.reports.blobs`).

hello: no options.
    `protocol` 1; `version`, kviz's; `models` [{`name`, `file`, `sha256`, `parameters`,
    `input_shapes`, `size` [H, W], null where any will do, `channels`, `takes_photos`, `classes`,
    `class_names` or null, `kind` and `outputs` of the head, `notes`, `layers` [{what
    `LayerInfo.facts` has, `arithmetic`, `family`, `contains`, `depth`, `reached`, `channels`, and
    whether `maps`, `kernels`, `patch` are answered}], `methods` [{`name`, `title`, `layer_sized`,
    `slow`, `missing`, the command that installs what it needs, or null, `options` {name: default}}]}];
    `limits` {`message` bytes, `megapixels`}; `photos` [ids] of
    those that the command was given; `data`, whether `best_patches` is answered; `at_once`, methods
    for every photo; `asks` {name: {`slow`}}.

photo: `name`?; one array of `file` uint8 (n,), the bytes of an image file or of a .npy or .npz of one
    image, and `pixels` uint8 (H, W, 3 or 4), as a canvas has them (what is transparent is laid over
    white); or `photo`, an id, to see it again or cut otherwise. `box`? [left, top, right, bottom] in
    the photo's own pixels, stretched to what the model takes; without it `fit`? "crop" (the default),
    "pad" or "stretch", as kviz.load_images has it. `size`? [H, W] where the model takes any.
    `transient`? true: of a stream, of which the latest counts, and nothing is kept for long.
    `photo` id; `name`; `width`, `height` of what the model is given; `tiny`; `original` {`width`,
    `height`}; `box`, null of what is no picture; `transient`; `predictions` {`classes` [class facts]
    best first, `quantity`}; `answer`, the computed sentence and its fields as a report's facts have
    them; `notes`. Arrays: `card` uint8, HTML of the answer's card in UTF-8; `pixels` uint8 (height,
    width, 3), what the model is given, where that is a picture; `scores` float32 (classes,);
    `original` uint8 (h, w, 3), the photo, at most 640 pixels a side; not of a transient one, and not
    where the model is given the photo as it is.

maps: `photo`, `layer` path.
    Told of the layer; what has an entry a photo there has one entry here. Array `maps` uint8, the
    bytes of the report's blob.

attribution: `photo`, `method`, `class_index`? a class by index or name, or a list (default: the
    predicted one and the runner-up, as in a report), `options`? {name: value} of the method, `seed`?
    Slow, where the method takes many passes.
    Told of the map; `notes`; without `class_index` also `answer` and the array `card`, as `photo` has
    them, with where the evidence is. Array `maps` float32 (classes, H, W).

kernels: `layer`.
    Told of the kernels. Array `kernels` uint8, the bytes of the report's blob.

weights: `photo`, `layer`, `class_index`? as attribution has it.
    `classes` [{`index`, `name`, `rival`}]. Array `weights` float32 (classes, channels), Grad-CAM's
    weight of each channel.

patch: `photo`, `layer`, `channel`, `row`, `column` of the layer's map.
    Of a convolution or pooling: `sum` of patch × kernel (of pooling the largest or the mean), `bias`,
    `value` (before the activation), `activation` name, `output` that the model gives there;
    `kernel_size`; `input`, path of the layer that it reads, or null; `rows`, `columns`: where each of
    the patch stands in that, below 0 or beyond it in padding, `top` and `left` the first of them;
    `channels` of it that are read; `parts` [[channel, its part of the sum]] largest first, at most 64;
    `field` {`top`, `left`, `height`, `width`} in the pixels that the model is given, or null. Arrays
    `patch` and `kernel` float32 (kernel height, kernel width, channels).

pattern: `layer`, `channel`, `seed`? 0, `steps`? 64, `size`? [H, W]. Slow.
class_image: `class_index`, `seed`? 0, `steps`? 128, `size`? [H, W]. Slow.
    `label`, `arrived`, `scores` [at each step], `notes`. Array `picture` uint8 (H, W, 3).

fool: `photo`, `class_index` to be classified as, `epsilon`? the most that a pixel may change, of 255
    (default: the least change that does it), `steps`? 100, `seed`? 0. Slow.
    As pattern, and `photo`, the id of the changed one, `of`, `max_change`, `l2`, `quantity`, `before`
    and `after` {`index`, `name`, `score`}. Array `change` float32 (H, W), signed: the largest in size
    over the channels.

best_patches: `layer`, `channel`, `count`? 9; where `hello` says `data`.
    `patches` [{`value`, `name`, `row`, `column`, `height`, `width`}] best first; arrays `patch-0` …
    uint8 (h, w, 3), of those whose image is at hand.

save: `as` "report" (slow), "png", "pdf" (slow) or "python"; `photos` [ids]; of a report `methods`?,
    `layers`?, `class_index`?, `quick`? true, `seed`? 0; of a png `of`, an ask for `maps` (with
    `channel`?) or `attribution`; of a pdf `of`, one to four asks for `attribution`, side by side for
    `class_index`?; of a python `of`?, an ask for `attribution`, whose maps of all photos it saves, too.
    `name` of a file, `type` of media. Array `file` uint8 (n,). Nothing is written here.

cancel: `of` id. Answered at once, and so is what it ends.
    `ended`: whether there was such an ask.
"""

from __future__ import annotations

import html
import json
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from kviz import _process
from kviz._caller import warning_never
from kviz._types import Array
from kviz.engine.engine import pausing
from kviz.errors import KvizError, OptionError
from kviz.network.network import Network
from kviz.serve.ask import Ask, Gone, Turn
from kviz.serve.jobs import Busy, Job, Jobs
from kviz.serve.kept import Kept
from kviz.serve.message import Message
from kviz.serve.photos import Photo
from kviz.serve.reader import Reader, Tell
from kviz.serve.side import Side
from kviz.web.packing import script_json

# What may be kept: replies, what was found on the way to them, photos; and the same of streams.
KEPT_BYTES = 256_000_000
PASSING_BYTES = 64_000_000


class Session:
    """One model, or two beside each other, and what readers ask about them.

    Args:
        networks: one or two.
        photos: those that are there from the beginning.
        data: an open store of statistics over a data set, or None.
        private: folders that no reader is told of.
        debug: whether the traceback of a fault of kviz's is printed.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        photos: Sequence[Photo] = (),
        *,
        data: Any = None,
        private: Sequence[str | Path] = (),
        debug: bool = False,
    ) -> None:
        most = min(KEPT_BYTES, _process.allowance() // 16)
        passing: Kept[Any] = Kept(PASSING_BYTES)
        found: Kept[Any] = Kept(most)
        self.sides = [
            Side(network, place, found, passing) for place, network in enumerate(networks)
        ]
        self.given = tuple(photos)
        self.data = data
        # The page that shows it, once it is known: `kviz.serve.index` makes it.
        self.page: str | None = None
        self.jobs = Jobs()
        self._debug = debug
        self._photos: Kept[Photo] = Kept(most)
        self._passing: Kept[Photo] = Kept(PASSING_BYTES)
        self._replies: Kept[Message] = Kept(most)
        self._private = _spellings([*private, *_folders(networks)])

    def photo(self, which: str) -> Photo | None:
        """Return a photo by its id, None where it is no longer kept."""
        given = next((photo for photo in self.given if photo.id == which), None)
        return given or self._photos.get(which) or self._passing.get(which)

    def keep(self, photo: Photo) -> None:
        """Keep a photo: all asks about it name its id."""
        (self._passing if photo.transient else self._photos).put(photo.id, photo, photo.bytes)

    def reader(self, tell: Tell) -> Reader:
        """Return somebody who asks.

        Args:
            tell: takes each answer; called from any thread, and not to wait.
        """
        return Reader(self, tell)

    def close(self, timeout: float = 2.0) -> None:
        """End all that runs and waits.

        Args:
            timeout: seconds to wait for what runs.
        """
        self.jobs.close(timeout)

    def call(self, work: Callable[[], Any]) -> Future[Any]:
        """Have something done by the thread that TensorFlow has, and return what will come of it.

        Args:
            work: what.
        """
        future: Future[Any] = Future()

        def run(_: Job) -> None:
            try:
                with warning_never():
                    future.set_result(work())
            except Exception as error:  # whatever it is, it is who waits who deals with it
                future.set_exception(error)

        try:
            self.jobs.submit(Job(self, future, run, lambda _: _ended(future)))
        except Busy:
            future.cancel()
        return future

    def warm(self) -> None:
        """Have compiled what a first answer takes before anybody asks."""
        for side in self.sides:
            photo = next(iter(self.given), None) or _blank()

            def run(job: Job, side: Side = side, photo: Photo = photo) -> None:
                # Whatever cannot be had is said to who asks for it; the worker has others to answer.
                with suppress(Exception), warning_never(), pausing(job.go_on):
                    side.warm(photo)

            self.jobs.submit(Job(self, side.place, run, lambda _: None, slow=True))

    def answer(self, ask: Ask, place: int, arrays: Mapping[str, Array], tell: Any) -> Message:
        """Return the reply to an ask, now and in this thread.

        Args:
            ask: the ask.
            place: which model's.
            arrays: what came with it.
            tell: as `Turn` has it.
        """
        key = _key(ask, place)
        known = None if arrays else self._replies.get(key)
        if known is not None:
            return known
        made = ask.answer(Turn(self, self.sides[place], arrays, tell))
        if made.lasting and not arrays and not self._is_passing(ask):
            self._replies.put(key, made, made.bytes)
        return made

    def known(self, ask: Ask, place: int) -> Message | None:
        """Return the reply that is kept, or None."""
        return self._replies.get(_key(ask, place))

    def _is_passing(self, ask: Ask) -> bool:
        photo = getattr(ask, "photo", None)
        return photo is not None and self._passing.get(photo) is not None

    def failed(self, error: Exception) -> dict[str, Any]:
        """Return what a reader is told of an error: a sentence without a path, and a code."""
        if isinstance(error, Gone):
            return {"error": str(error), "code": "gone"}
        if isinstance(error, OptionError):
            return {"error": self.without_paths(str(error)), "code": "option"}
        if isinstance(error, KvizError):
            return {"error": self.without_paths(str(error)), "code": "cannot"}
        if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
            return {"error": "The memory is used up. Try a smaller photo.", "code": "cannot"}
        if self._debug:
            traceback.print_exception(error)
        return {
            "error": f"Unexpected {type(error).__name__}; this is a fault of kviz.",
            "code": "fault",
        }

    def without_paths(self, text: str) -> str:
        """Return a text without the folders that no reader is told of."""
        for folder in self._private:
            text = text.replace(folder, "")
        return text

    def clean(self, message: Message) -> Message:
        """Return a message without the folders that no reader is told of."""
        return Message(self._cleaned(message.head), message.arrays, message.lasting)

    def _cleaned(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.without_paths(value)
        if isinstance(value, Mapping):
            return {key: self._cleaned(item) for key, item in value.items()}
        return [self._cleaned(item) for item in value] if isinstance(value, list | tuple) else value


def _ended(future: Future[Any]) -> None:
    future.cancel()


def _blank() -> Photo:
    return Photo(levels=np.full((64, 64, 3), 128, np.uint8), name="warm", transient=True)


def _key(ask: Ask, place: int) -> Any:
    return type(ask).__module__, place, repr(ask)


def _folders(networks: Sequence[Network]) -> list[Path]:
    return [network.path.absolute().parent for network in networks if network.path is not None]


def _spellings(folders: Sequence[str | Path]) -> tuple[str, ...]:
    """Return folders as texts that are sought, the longest first; not the root, which is everywhere."""
    plain = {str(path) + os.sep for one in folders for path in (Path(one), Path(one).resolve())}
    plain = {text for text in plain if text.count(os.sep) > 1}
    # As a page has them, too.
    written = {form(text) for text in plain for form in (html.escape, _as_json, _as_script)}
    return tuple(sorted(plain | written, key=len, reverse=True))


def _as_json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _as_script(text: str) -> str:
    return script_json(text)[1:-1]
