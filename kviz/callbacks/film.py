"""Callbacks for `fit`: what a model learns, watched while it learns it."""

from __future__ import annotations

import base64
import importlib.util
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from html import escape
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from kviz._checks import sanitise, validate_int
from kviz._types import ClassIndex, Images, Selector
from kviz.arrays import Levels, empty_channels, is_picture, photo_of, pixel_span
from kviz.attribution import Method, attribute, method_name, method_named
from kviz.draw.colours import coloured
from kviz.draw.films import film_ending, picture_of, still, write_film
from kviz.draw.frames import Cell, Chart, Column, Layout, axis, charted, drawn, layout
from kviz.engine.backend import keras, tf
from kviz.errors import ImageError, KvizError, KvizWarning, ModelError, OptionError
from kviz.extras import install_command
from kviz.given import read_images
from kviz.look import activations, predict
from kviz.look import weights as weights_of
from kviz.network.class_names import ClassNames
from kviz.network.network import Network, Preprocess
from kviz.results import Activations, Attribution, Predictions, Weights

MOST_IMAGES, MOST_COLUMNS, MOST_CHARTS = 8, 12, 3
# Of a layer with more channels, or a kernel with more filters, the first are shown.
MOST_CHANNELS, MOST_INPUTS = 64, 32
# A short film is shown slowly enough to be read, a long one in half a minute.
SLOWEST, FASTEST, LENGTH, LAST = 700, 100, 30_000, 3000
VALIDATION = "val_"


@dataclass(frozen=True, eq=False)
class Frame:
    """What a model was at the end of one epoch.

    Attributes:
        epoch: how many epochs it had been trained for; 0 before the first.
        logs: the loss and metrics of that epoch, as `fit` reports them; empty before the first.
        activations: the feature maps, None where no layers are watched.
        weights: the kernels, None where none are watched.
        attributions: how much each pixel counts, by method.
        predictions: what it takes the images for, None where it gives no vector of scores.
        problems: what could not be made and why, by what it is.
    """

    epoch: int
    logs: Mapping[str, float]
    activations: Activations | None = None
    weights: Weights | None = None
    attributions: Mapping[str, Attribution] = field(default_factory=dict)
    predictions: Predictions | None = None
    problems: Mapping[str, str] = field(default_factory=dict)


class Film(keras.callbacks.Callback):  # type: ignore[misc]
    """Film what a model learns: a frame before the first epoch and after each.

    A frame shows kernels, feature maps and attributions for a few fixed images, and the loss and
    metrics so far. The film is written whole after each frame, so that training that is interrupted
    leaves the film up to then. The model is looked at in inference mode; it learns what it would learn
    unwatched.

    A number that cannot be drawn (a loss that is not finite, say) is said in the frame, and a film that
    cannot be written is warned of: neither ends the training. What is wrong from the start does.

    Where training goes on from `initial_epoch` under a film of its own, one that is already at `path`
    is kept: the new one is called `film-from-5.gif`.

    Args:
        images: 1 to 8 images, as `kviz.activations` takes them: as the model takes them, or
            pixels 0-255 with `preprocess`.
        path: a file ending in `.gif` or `.webp`, or None for no film.
        layer_names: whose feature maps are shown, as `kviz.activations` takes it; by default the first,
            the middle and the last Conv2D; `()` for none.
        weights: whose kernels are shown, as `kviz.weights` takes it; by default the first Conv2D's;
            `()` for none.
        attributions: methods by name, or instances; `()` for none.
        class_index: whose score is explained, as `kviz.attribute` takes it; by default the class that
            is predicted at that epoch.
        output: which output of a model that has several, as `kviz.attribute` takes it.
        preprocess: as `kviz.Network` takes it.
        class_names: as `kviz.Network` takes it.
        names: what the images are called; by default the files' names.
        log_dir: a folder in which TensorBoard finds the pictures, the loss and the metrics, or None.
        every: film every so many epochs; the last one always.
        max_frames: how many frames are kept at most. When there are more, every other one is left out,
            so that a film of any training has a bounded size in memory and on disk.
        force: replace a file at `path` that kviz did not write too.

    Attributes:
        frame: the newest `Frame`, None before training.
        epochs: which epochs the film shows.
        path: where the film is, None without one.

    Raises:
        OutputError: if `path` ends otherwise, and when training begins if it cannot be written or would
            replace what kviz did not write.
        OptionError: if an option has a value outside what it takes, or TensorBoard is not installed.
        ImageError, LayerError, ModelError: when training begins, if an image does not fit the model,
            or a layer is not there.

    >>> import keras, tempfile
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3, name="conv"),
    ...     keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)])
    >>> model.compile("sgd", "mse")
    >>> x, y = np.random.default_rng(0).random((20, 8, 8, 1)), np.zeros((20, 2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     film = Film(x[:2], folder + "/film.gif")
    ...     history = model.fit(x, y, epochs=2, callbacks=[film], verbose=0)
    >>> film.epochs, film.frame.activations["conv"].shape
    ([0, 1, 2], (2, 6, 6, 4))
    """

    def __init__(  # noqa: PLR0913 - a verb's options
        self,
        images: Images,
        path: str | Path | None = "film.gif",
        *,
        layer_names: Selector = None,
        weights: Selector = None,
        attributions: str | Method | Iterable[str | Method] = ("grad_cam",),
        class_index: ClassIndex | None = None,
        output: int | str | None = None,
        preprocess: Preprocess | None = None,
        class_names: ClassNames | None = None,
        names: Sequence[str] = (),
        log_dir: str | Path | None = None,
        every: int = 1,
        max_frames: int = 120,
        force: bool = False,
    ) -> None:
        super().__init__()
        self.path = None if path is None else Path(path)
        self.frame: Frame | None
        self._ending = None if path is None else film_ending(path)
        if path is None and log_dir is None:
            raise OptionError(
                "The film goes nowhere: give it a path=, or a log_dir= for TensorBoard."
            )
        if log_dir is not None and importlib.util.find_spec("tensorboard") is None:
            raise OptionError(
                "log_dir= needs TensorBoard, which is not installed: "
                f"{install_command('tensorboard')}."
            )
        self._log_dir = log_dir
        self._force = force
        self._every = validate_int("every", every)
        self._most = validate_int("max_frames", max_frames, least=2)
        single = isinstance(attributions, str | Method)
        self._methods = _methods([attributions] if single else list(attributions))  # type: ignore[arg-type,list-item]
        self._given, self._names = images, names
        self._layer_names, self._weight_names = layer_names, weights
        self._class_index = class_index
        self._output = output
        self._options = {"preprocess": preprocess, "class_names": class_names}
        self._network: Network | None = None
        self._writer: Any = None
        self._forget()

    def _forget(self) -> None:
        self.frame = None
        self._history: dict[int, dict[str, float]] = {}
        self._stills: list[tuple[int, int, bytes]] = []  # (place among all frames, epoch, bytes)
        self._taken = 0
        self._stride = 1
        self._layout: Layout | None = None
        self._charts: list[Chart] = []

    @property
    def epochs(self) -> list[int]:
        """Which epochs the film shows."""
        return [epoch for _, epoch, _ in self._stills]

    def _repr_html_(self) -> str | None:
        """Return the film as a notebook shows it."""
        if self.path is None or not self._stills or not self.path.is_file():
            return None
        kind = f"image/{self.path.suffix[1:].lower()}"
        data = base64.b64encode(self.path.read_bytes()).decode()
        return f'<img src="data:{kind};base64,{data}" alt="{escape(self._comment(), quote=True)}">'

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras's
        """Look once, so that what is wrong is said before any time is spent."""
        if self._network is None or self._network.model is not self.model:
            self._network = Network(self.model, **self._options)  # type: ignore[arg-type]
            self._images, self._titles, _ = read_images(self._given, self._network, self._names)
            pixels = self._network.pixels(self._images)
            total = len(next(iter(pixels.values())))
            if not 1 <= total <= MOST_IMAGES:
                raise ImageError(f"A film shows 1 to {MOST_IMAGES} images. Received: {total}")
            self._images = {name: array.copy() for name, array in pixels.items()}
            self._choose(self._network)
            self._forget()
        self._fresh = True
        self._look(0, {}, strict=True)
        if self._log_dir is not None and self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self._log_dir))

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Take the first frame."""
        if not self._fresh:
            return
        self._fresh = False
        if self.frame is not None and self.frame.epoch != epoch:
            self._forget()  # another training of the same model
        if self.frame is None:
            if epoch and self.path is not None and self.path.exists():
                self.path = next(
                    path
                    for number in count(1)
                    if not (path := _from(self.path, epoch, number)).exists()
                )
            self._take(epoch, {}, first=True)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Take a frame, and write the film and the pictures for TensorBoard."""
        done = epoch + 1
        self._history[done] = {
            name: number
            for name, value in (logs or {}).items()
            if (number := _number(value)) is not None
        }
        if done % self._every == 0 or done == self.params.get("epochs"):
            self._take(done, self._history[done])
        elif self._writer is not None:
            self._log_scalars(done, self._history[done])

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002 - Keras's
        """Take the last frame where training ended before it was due."""
        last = max(self._history, default=0)
        if self._history and self.frame is not None and self.frame.epoch != last:
            self._take(last, self._history[last])
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _choose(self, network: Network) -> None:
        """Turn selectors into paths, once the model has seen the images."""
        network(self._images)
        kinds = [
            info.path
            for info in network.layers
            if isinstance(info.layer, keras.layers.Conv2D) and info.reached
        ]
        names = self._layer_names
        if names is None:
            some = (0, (len(kinds) - 1) // 2, len(kinds) - 1) if kinds else ()
            self._layers: Any = [kinds[place] for place in dict.fromkeys(some)]
        elif _empty(names):
            self._layers = []
        else:
            self._layers = [info.path for info in network.layers.select(names, maps=True)]
        self._kernels: Any = self._weight_names
        if self._weight_names is None:
            self._kernels = kinds[:1]
        kernels = 0
        if not _empty(self._kernels):
            found = weights_of(network, self._kernels)
            kernels = sum(value.ndim >= 2 for value in found.values())
            if not kernels:
                raise OptionError("None of these weights is a kernel, and a vector has no picture.")
        if 1 + kernels + len(self._layers) + len(self._methods) > MOST_COLUMNS:
            raise OptionError(
                f"A film has room for {MOST_COLUMNS} columns: the images, and one for a layer, a "
                f"kernel or a method. Received: {len(self._layers)} layers, {kernels} kernels and "
                f"{len(self._methods)} methods"
            )
        self._vector = True

    def _look(self, epoch: int, logs: Mapping[str, float], *, strict: bool = False) -> Frame:
        """Return what the verbs say of the model as it is now."""
        network, images = self._network, self._images
        problems: dict[str, str] = {}
        assert network is not None  # noqa: S101 - set when training begins

        tried = partial(_tried, problems, strict)
        if strict:
            try:
                found = predict(network, images, top=1, output=self._output)
                # An image that is answered has no classes.
                self._vector = found.scores.shape[1] > 0
            except ModelError:
                self._vector = False
        maps = kernels = best = None
        if self._layers:
            maps = tried(
                "activations",
                lambda: activations(network, images, self._layers, names=self._titles),
            )
        if not _empty(self._kernels):
            kernels = tried("weights", lambda: weights_of(network, self._kernels))
        if self._vector:
            best = tried(
                "predictions",
                lambda: predict(network, images, top=1, output=self._output, names=self._titles),
            )
        decided = {}
        for name, method in self._methods.items():
            found = tried(
                name,
                lambda: attribute(
                    network, images, method, class_index=self._class_index,  # noqa: B023
                    output=self._output, names=self._titles,
                ),
            )  # fmt: skip
            if found is not None:
                decided[name] = found
        return Frame(epoch, dict(logs), maps, kernels, decided, best, problems)

    def _take(self, epoch: int, logs: Mapping[str, float], *, first: bool = False) -> None:
        before, self.frame = self.frame, self._look(epoch, logs)
        if self.path is not None:
            self._add(self.frame, before)
            self._write(strict=first)
        if self._writer is not None:
            self._log(self.frame)

    def _add(self, frame: Frame, before: Frame | None) -> None:
        """Draw a frame, and leave out others where there are too many."""
        charts = self._charts_now(frame.epoch)
        if self._layout is None or (len(charts) != self._layout.charts and len(self._stills) == 1):
            # Which metrics there are is known after the first epoch: the frame before is drawn anew.
            self._layout = layout(self._columns(frame), len(charts), self._footer())
            again = [before] if self._stills and before is not None else []
            self._stills = [
                (place, old.epoch, self._drawn(old, charts))
                for (place, _, _), old in zip(self._stills, again, strict=True)
            ]
        elif _axes(charts) != _axes(self._charts):
            # An axis that has grown has grown in all frames.
            self._stills = [
                (place, epoch, self._encoded(picture_of(data), epoch, charts))
                for place, epoch, data in self._stills
            ]
        self._charts = charts
        stills = self._stills
        if stills and stills[-1][0] % self._stride:
            stills = stills[:-1]
        stills = [*stills, (self._taken, frame.epoch, self._drawn(frame, charts))]
        while len(stills) > self._most:
            self._stride *= 2
            stills = [one for one in stills[:-1] if one[0] % self._stride == 0] + stills[-1:]
        self._taken += 1
        self._stills = stills

    def _drawn(self, frame: Frame, charts: Sequence[Chart]) -> bytes:
        """Return a frame as a still."""
        assert self._layout is not None  # noqa: S101 - made with the first frame
        assert self._network is not None  # noqa: S101 - set when training begins
        total = self.params.get("epochs") or 0
        title = f"epoch {frame.epoch}" + f" of {total}" * (total >= frame.epoch)
        title += " · before training" * (frame.epoch == 0)
        picture = drawn(self._layout, title, self._network.name, self._columns(frame))
        return self._encoded(picture, frame.epoch, charts)

    def _encoded(self, picture: Levels, epoch: int, charts: Sequence[Chart]) -> bytes:
        """Return a picture as a still, with the charts as far as they went at its epoch."""
        assert self._layout is not None  # noqa: S101 - made with the first frame
        assert self._ending is not None  # noqa: S101 - there is a path
        then = [
            replace(
                chart,
                lines={
                    name: {at: value for at, value in line.items() if at <= epoch}
                    for name, line in chart.lines.items()
                },
            )
            for chart in charts
        ]
        return still(charted(picture, self._layout, then), self._ending)

    def _write(self, *, strict: bool = False) -> None:
        assert self.path is not None  # noqa: S101 - asked before
        each = int(min(max(LENGTH / len(self._stills), FASTEST), SLOWEST))
        times = [each] * (len(self._stills) - 1) + [LAST]
        stills, said = [data for _, _, data in self._stills], self._comment()
        try:
            write_film(self.path, stills, times, said, force=self._force)
        except KvizError as error:
            if strict:
                raise
            warnings.warn(
                KvizWarning(f"Training goes on, the film does not: {error}"), stacklevel=2
            )

    def _comment(self) -> str:
        name = self._network.name if self._network else ""
        return f"what {sanitise(name)} learned, epochs {self.epochs[0]} to {self.epochs[-1]}"

    def _charts_now(self, epoch: int) -> list[Chart]:
        """Return a chart for the loss, and for each metric, of all epochs so far."""
        names = list(dict.fromkeys(name for logs in self._history.values() for name in logs))
        bases = list(dict.fromkeys(name.removeprefix(VALIDATION) for name in names))
        bases.sort(key=lambda name: (name != "loss", name == "learning_rate"))
        first = self.epochs[0] if self._stills else epoch
        last = max(self.params.get("epochs") or 0, first + 1, epoch)
        charts = []
        for base in bases[:MOST_CHARTS] or ["loss"]:
            lines = {
                label: {epoch: logs[key] for epoch, logs in self._history.items() if key in logs}
                for label, key in (("training", base), ("validation", VALIDATION + base))
                if key in names
            }
            low, high, log = axis([value for line in lines.values() for value in line.values()])
            charts.append(Chart(base, lines, low, high, log, first, last))
        return charts

    def _footer(self) -> str:
        parts = []
        if self._layers:
            parts.append("a channel by its own mean and deviation")
        if not _empty(self._kernels):
            parts.append("a kernel to its largest weight, blue below zero, red above, or in RGB")
        if self._methods:
            parts.append("an attribution to its 99th percentile")
        scales = f"Colours are scaled anew in each frame: {'; '.join(parts)}. " if parts else ""
        return f"{scales}The charts have the same axes in all frames."

    def _columns(self, frame: Frame) -> list[Column]:
        total = len(next(iter(self._images.values())))
        columns = []
        if not _empty(self._kernels):
            columns += _kernels(frame)
        photos = self._photos(frame, total)
        if photos:
            columns.append(Column("image", "and its predicted class", photos, given=True))
        for path in self._layers:
            cells, detail = _maps(frame, path, total)
            columns.append(Column(path, detail, cells))
        for name in self._methods:
            what = "for the predicted class" if self._class_index is None else "for a fixed class"
            columns.append(Column(name, what, _decided(frame, name, total)))
        return columns

    def _photos(self, frame: Frame, total: int) -> list[Cell]:
        photos = next(
            (
                [photo_of(one, pixel_span(array)) for one in array]
                for array in self._images.values()
                if is_picture(array)
            ),
            None,
        )
        if photos is None:
            return []
        cells = []
        for image in range(total):
            said = self._titles[image] if image < len(self._titles) else ""
            if frame.predictions is not None:
                _, name, score = frame.predictions.rows[image][0]
                said = f"{said}: {name} {score:.2f}" if said else f"{name} {score:.2f}"
            cells.append(Cell(photos[image], said))
        return cells

    def _log(self, frame: Frame) -> None:
        """Write a frame's pictures and numbers for TensorBoard."""
        with self._writer.as_default(step=frame.epoch):
            for column in self._columns(frame):
                if not column.given or frame.epoch == 0:
                    _log_pictures(column.title, column.cells)
        self._log_scalars(frame.epoch, frame.logs)

    def _log_scalars(self, epoch: int, logs: Mapping[str, float]) -> None:
        with self._writer.as_default(step=epoch):
            for name, value in logs.items():
                tf.summary.scalar(name, value)
        self._writer.flush()


def _tried(problems: dict[str, str], strict: bool, what: str, verb: Callable[[], Any]) -> Any:
    """Return what a verb gives; None where it cannot, and why among the problems, unless strict."""
    try:
        return verb()
    except (KvizError, MemoryError) as error:
        if strict:
            raise
        problems[what] = str(error) or type(error).__name__
        return None


def _number(value: Any) -> float | None:
    """Return a metric's value, None where it is no number: other callbacks may report anything.

    >>> _number(np.float32(0.5)), _number("a text"), _number([1, 2]), _number(10**400)
    (0.5, None, None, None)
    """
    try:
        return float(value) if np.ndim(value) == 0 else None
    except (TypeError, ValueError, OverflowError):
        return None


def _log_pictures(name: str, cells: Sequence[Cell]) -> None:
    pictures = [cell.picture for cell in cells if cell.picture is not None]
    if pictures:
        said = "; ".join(cell.caption for cell in cells)
        tf.summary.image(name, np.stack(pictures), max_outputs=len(pictures), description=said)


def _methods(given: Sequence[str | Method]) -> dict[str, Method]:
    """Return methods by what they are called in the frame."""
    found: dict[str, Method] = {}
    for one in given:
        if not isinstance(one, str | Method):
            raise OptionError(
                f"attributions takes names of methods, or instances. Received: {sanitise(repr(one))}"
            )
        method = one if isinstance(one, Method) else method_named(one)
        name = method_name(method)
        while name in found:
            name += "#"
        found[name] = method
    return found


def _empty(names: Any) -> bool:
    return isinstance(names, Sequence) and not isinstance(names, str) and not names


def _from(path: Path, epoch: int, number: int) -> Path:
    """Return a path for a film that begins at an epoch."""
    again = f"-{number}" if number > 1 else ""
    return path.with_stem(f"{path.stem}-from-{epoch}{again}")


def _axes(charts: Sequence[Chart]) -> list[Any]:
    return [(c.name, c.low, c.high, c.log, c.first, c.last) for c in charts]


def _kernels(frame: Frame) -> list[Column]:
    """Return a column for each kernel; of large ones the first filters."""
    if frame.weights is None:
        return [Column("kernels", "", [Cell(None, frame.problems.get("weights", ""))])]
    columns = []
    for path, name in _kernel_names(frame).items():
        value = frame.weights[path]
        # The last axes are channels and filters, in this order or the other.
        part = value[..., :MOST_INPUTS, :MOST_CHANNELS] if value.ndim > 2 else value
        across = _across(part.shape[-1])
        (tile,) = replace(frame.weights, weights={path: part}).tiles(path, columns=across)
        picture = _without_rest(coloured(tile), part.shape[-1], part.shape[:2])
        peak = float(np.abs(part[np.isfinite(part)]).max(initial=0.0))
        size = "×".join(map(str, value.shape)) + ", a part" * (part.shape != value.shape)
        columns.append(Column(name, size, [Cell(picture, f"largest weight {peak:.2g}")]))
    return columns


def _kernel_names(frame: Frame) -> dict[str, str]:
    """Return what each kernel is called, by its path: its layer's path and its own name."""
    if frame.weights is None:
        return {}
    return {
        path: f"{frame.weights.layers[path]}/{path.rpartition('/')[2]}"
        for path, value in frame.weights.items()
        if value.ndim >= 2
    }


def _maps(frame: Frame, path: str, total: int) -> tuple[list[Cell], str]:
    """Return a layer's cell for each image, and its size."""
    if frame.activations is None:
        return [Cell(None, frame.problems.get("activations", ""))] * total, ""
    whole_maps = frame.activations[path]
    part = whole_maps[..., :MOST_CHANNELS]
    detail = "×".join(map(str, whole_maps.shape[1:]))
    if part.shape != whole_maps.shape:
        detail += f", the first {MOST_CHANNELS}"
    some = replace(frame.activations, maps={path: part})
    cells = []
    for image in range(total):
        (tile,) = some.tiles(path, image=image, columns=_across(part.shape[-1]))
        low, high = float(whole_maps[image].min()), float(whole_maps[image].max())
        empty = 100 * float(empty_channels(whole_maps[image : image + 1]).mean())
        picture = _without_rest(coloured(tile), part.shape[-1], part.shape[1:3])
        cells.append(Cell(picture, f"{low:.2g} to {high:.2g} · {empty:.0f} % empty"))
    return cells, detail


def _decided(frame: Frame, name: str, total: int) -> list[Cell]:
    """Return each image's attribution, over it where it is a picture."""
    if name not in frame.attributions:
        return [Cell(None, frame.problems.get(name, ""))] * total
    found = frame.attributions[name]
    labels = np.reshape(np.array(found.class_names, object), found.classes.shape)
    cells = []
    for image in range(total):
        tile = found.tiles(image=image)[-1]
        score, label = np.ravel(found.scores[image])[-1], np.ravel(labels[image])[-1]
        said = f"{found.score_name} {score:.3g}" if found.maps[image].any() else "zero everywhere"
        cells.append(Cell(coloured(tile), f"{label} · {said}"))
    return cells


def _across(panels: int) -> int:
    """Return how many panels per row has: near a square, with full rows where that can be.

    >>> [_across(panels) for panels in (64, 32, 20, 1)]
    [8, 6, 5, 1]
    """
    least = math.ceil(math.sqrt(panels))
    return next((n for n in range(least, least * 5 // 4 + 1) if panels % n == 0), least)


def _without_rest(picture: Levels, panels: int, size: Sequence[int]) -> Levels:
    """Return a grid of panels with white where its last row has none: there is no dark channel."""
    columns = _across(panels)
    rest = -panels % columns
    rows, high, wide = (panels + rest) // columns, size[0] + 1, size[-1] + 1
    if not rest or picture.shape[:2] != (rows * high - 1, columns * wide - 1):
        return picture
    picture = picture.copy()
    picture[(rows - 1) * high - 1 :, (columns - rest) * wide - 1 :] = 255
    return picture
