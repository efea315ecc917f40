"""explore: the app's page in a notebook, where the kernel answers what it asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from kviz._checks import validate_int
from kviz._types import Array, Images, ModelLike
from kviz.errors import ImageError, OptionError
from kviz.extras import installed
from kviz.given import read_images
from kviz.network.loading import as_network
from kviz.serve.frames import TYPES, described
from kviz.serve.index import index_page
from kviz.serve.message import Message
from kviz.serve.photos import Photo
from kviz.serve.session import Session
from kviz.web.packing import plainly

# Images that are shown beside each other.
_MOST = 64


def explore(
    model: ModelLike, images: Images, *, names: Sequence[str] = (), height: int = 900
) -> Any:
    """Show in a notebook what `kviz serve` shows in a browser: the page, alive.

    The kernel computes what the page asks for; what was computed is kept, so that it is there again
    after the cell has been run again.

    Args:
        model: a `Network`, a `keras.Model` or a path.
        images: as `activations` takes them, at most 64.
        names: what the images are called; by default the files' names.
        height: of the page in the notebook, in pixels.

    Returns:
        A widget, which a notebook shows; its `.session` answers, and `.close()` ends it.

    Raises:
        OptionError: if anywidget is not installed.
        ImageError: if the images do not fit the model.
        ModelError: if the model cannot be loaded.

    >>> widget = explore("models/fashion_cnn.keras", np.zeros((1, 28, 28)), height=600)
    >>> widget.height, len(widget.session.given)
    (600, 1)
    >>> widget.close()
    """
    height = validate_int("height", height, 100)
    kind = _widget()
    network = as_network(model)
    images, names, _ = read_images(images, network, names)
    pixels = network.pixels(images)
    if len(pixels) != 1:
        raise ImageError(f"explore is for models of one input. Received: {len(pixels)}")
    (array,) = pixels.values()
    if len(array) > _MOST:
        raise OptionError(f"explore shows at most {_MOST} images. Received: {len(array)}")
    names = tuple(names) or tuple(f"image {place}" for place in range(len(array)))
    photos = [
        Photo(array=np.array(one[None]), name=name) for one, name in zip(array, names, strict=True)
    ]
    session = Session([network], photos)
    try:
        page = session.call(lambda: index_page(session)).result()
    except BaseException:
        session.close()
        raise
    return kind(session, page=page, height=height)


@cache
def _widget() -> type[Any]:
    """Return the widget's class, made when it is first needed: its package belongs to an extra."""
    anywidget = installed("anywidget", "explore", "notebooks")
    traitlets = installed("traitlets", "explore", "notebooks")

    class Explore(anywidget.AnyWidget):  # type: ignore[name-defined, misc]
        """The page in a frame of its own; its messages are a session's language.

        Attributes:
            page: HTML.
            height: in pixels.
            session: what answers.
        """

        _esm = (files("kviz.web") / "bundle" / "widget.js").read_text(encoding="utf-8")
        page = traitlets.Unicode().tag(sync=True)
        height = traitlets.Int(900).tag(sync=True)

        def __init__(self, session: Session, **traits: Any) -> None:
            super().__init__(**traits)
            self.session = session
            self._reader = session.reader(self._tell)
            self.on_msg(self._take)

        def _take(self, _: Any, content: Any, buffers: Sequence[Any]) -> None:
            try:
                head, arrays = taken(content, buffers)
            except OptionError as error:
                self.send({"id": None, "error": str(error), "code": "option", "arrays": []}, [])
                return
            self._reader.ask(head, arrays)

        def _tell(self, message: Message) -> None:
            head = {**plainly(message.head), "arrays": described(message.arrays)}
            self.send(head, [np.ascontiguousarray(one).data for one in message.arrays.values()])

        def close(self) -> None:
            """End it: nothing more is computed."""
            self._reader.leave()
            self.session.close()
            super().close()

    return Explore


def taken(content: Any, buffers: Sequence[Any]) -> tuple[dict[str, Any], Mapping[str, Array]]:
    """Return a notebook's message as head and arrays.

    Args:
        content: the head, whose `arrays` tell of the buffers in order.
        buffers: their bytes.

    Raises:
        OptionError: if they do not fit each other.
    """
    if not isinstance(content, dict):
        raise OptionError("A head is a JSON object.")
    head = dict(content)
    told = head.pop("arrays", [])
    if not isinstance(told, list) or len(told) != len(buffers):
        raise OptionError("A head tells of each array that comes with it.")
    arrays: dict[str, Array] = {}
    for entry, buffer in zip(told, buffers, strict=True):
        try:
            name, kind, shape = entry["name"], entry["dtype"], tuple(entry["shape"])
            if kind not in TYPES:
                raise ValueError(kind)
            array = np.frombuffer(buffer, np.dtype(kind).newbyteorder("<"))
            arrays[str(name)] = array.reshape(shape)
        except (KeyError, TypeError, ValueError) as error:
            raise OptionError("An array has a name, a dtype and a shape of its size.") from error
    return head, arrays
