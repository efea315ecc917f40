"""report: what kviz can say about a model and photos, as one HTML file that needs nothing else."""

from __future__ import annotations

import copy
import html
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kviz._caller import spelled
from kviz._checks import sanitise, shown, validate_bool, validate_choice, validate_int
from kviz._types import Images, ModelLike, Selector
from kviz.arrays import photo_of, pixel_span
from kviz.attribution import method_named
from kviz.engine.heads import Head, choose_head
from kviz.errors import OptionError, OutputError
from kviz.files import try_to_write, whole_file
from kviz.given import read_images
from kviz.look import pictures
from kviz.network.loading import as_network
from kviz.network.network import Network
from kviz.reports.default_methods import default_methods
from kviz.reports.facts import facts_of
from kviz.reports.gather import PartProgress, gather
from kviz.reports.page import MEGABYTE, page
from kviz.reports.parts import Edition, Settings
from kviz.reports.pictures import as_picture
from kviz.web.packing import plainly

MAX_MB = 20.0
# What most mail servers let through, several times over.
MAIL_MB = 2
EDITIONS = ("page", "mail")


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """One page about a model and photos, and its facts.

    Attributes:
        html: the page: one file, without anything from elsewhere.
        told: the same in numbers and text, as JSON has them; `facts` returns it.
        path: where it was written, if it was.
    """

    html: str
    told: dict[str, Any]
    path: Path | None = None

    def save(self, path: str | Path, *, force: bool = False) -> list[Path]:
        """Write the page.

        Args:
            path: a file ending in `.html`.
            force: replace a file that kviz did not write too.

        Returns:
            The file written.

        Raises:
            OutputError: if it cannot be written, ends otherwise, or would replace what kviz did not
                write.
        """
        path = _checked(path)
        with whole_file(path, force=force) as part:
            part.write_text(self.html, encoding="utf-8")
        return [path]

    def facts(self) -> dict[str, Any]:
        """Return what the page says as dicts and lists that JSON can hold, as all results do.

        `"images"` and `"layers"` are as `kviz.results.result.Result` says, each part has what its own
        result's facts say of its images or layers, and `"skipped"` is what is not there and why.
        """
        return copy.deepcopy(self.told)

    def __repr__(self) -> str:
        model, images = self.told["model"]["name"], len(self.told["images"])
        return (
            f"<kviz.Report of {sanitise(model)}, {images} image{'s' * (images != 1)}, "
            f"{len(self.html) / MEGABYTE:.1f} MB"
            f"{f', in {sanitise(self.path, 120)}' if self.path else ''}>"
        )

    def _repr_html_(self) -> str:
        # A page of its own within the notebook: its style and script reach nothing outside of it.
        return (
            '<iframe title="kviz report" sandbox="allow-scripts allow-downloads" width="100%" '
            f'height="800" srcdoc="{html.escape(self.html)}"></iframe>'
        )


def report(  # noqa: PLR0913 - a verb's options
    model: ModelLike,
    images: Images,
    path: str | Path | None = None,
    *,
    class_index: int | str | Sequence[int | str] | None = None,
    output: int | str | None = None,
    methods: Sequence[str] | None = None,
    layer_names: Selector = None,
    pattern_layer_names: Selector = None,
    quick: bool = False,
    certify: bool = False,
    edition: Edition = "page",
    max_mb: float | None = MAX_MB,
    seed: int = 0,
    batch_size: int = 32,
    names: Sequence[str] = (),
    progress: PartProgress | None = None,
    force: bool = False,
) -> Report:
    """Make one page of all that kviz finds: layers, feature maps, attributions, dreams.

    A part that cannot be made for a model is left out, and the page says why.

    Args:
        model: a `Network`, a `keras.Model` or a path.
        images: as `activations` takes them.
        path: a file ending in `.html`; None writes none.
        class_index: the class to explain, by index or name, or a list of them; by default each
            photo's predicted one. Beside one alone the strongest of the others is explained too.
        output: which output of a model that has several, as `attribute` takes it.
        methods: attribution methods by name; by default `grad_cam` (of models with layers that have
            positions), `saliency`, `integrated_gradients` and `occlusion`, of which a quick report has
            the first two; `()` for none.
        layer_names: whose feature maps are shown, as `activations` takes it.
        pattern_layer_names: the layer whose strongest filters' patterns are drawn, the first of
            several; by default one in the middle.
        quick: leave out what takes long: dreams, and methods of many passes.
        certify: test the attributions, as `Attribution.certify` does: some 450 forward passes
            for each method, photo and class.
        edition: `"page"`, or `"mail"` for one of at most 2 MB: photos and dreams are JPEG, of the
            patterns there are four, maps are averaged down further, and the page says so.
        max_mb: how large the page may get; larger maps are averaged down, and the page says so. None
            for no limit.
        seed: for what is drawn at random.
        batch_size: batch size: images processed at once.
        names: what the images are called; by default the files' names.
        progress: called with (part, done, total).
        force: replace a file at `path` that kviz did not write too.

    Returns:
        A `Report`, which a notebook shows.

    Raises:
        OptionError: on an unknown class or method, or a limit that is no size.
        LayerError: if there is no such layer.
        ImageError: if the images do not fit the model.
        ModelError: if the model cannot be loaded.
        OutputError: if the page cannot be written, or would replace what kviz did not write.

    >>> made = report("models/squeezenet.keras", "notebooks/images/cat.png", quick=True)
    >>> made.facts()["images"][0]["classes"][0]["name"]
    'Egyptian cat'
    """
    if path is not None:
        path = _checked(path)
        try_to_write(path, file=True, force=force)
    validate_choice("edition", edition, EDITIONS)
    room = _room(max_mb)
    if edition == "mail":
        room = min(room or MAIL_MB * MEGABYTE, MAIL_MB * MEGABYTE)
    named = None if methods is None else _methods(methods)
    seed, batch_size = validate_int("seed", seed, 0), validate_int("batch_size", batch_size)
    begun = time.perf_counter()
    network = as_network(model)
    images, names, _ = read_images(images, network, names)
    pixels = network.pixels(images)
    count = len(next(iter(pixels.values())))
    known = tuple(names[:count])
    names = known + tuple(f"image {index}" for index in range(len(known), count))
    specs = network.specs(pixels)
    table, head = network.engine.layers(specs), choose_head(network.engine.heads_for(specs), output)
    # A model that cannot answer for one photo has no page.
    answers, _ = network.engine.answers(specs, output)
    network.engine.memory.check(answers, next(network.engine.chunks(pixels, 1))[2])
    for selector in (layer_names, pattern_layer_names):
        if selector is not None:
            network.layers.select(selector, maps=True)
    _check_room(pixels, count if quick else 4 * count, room, edition)
    settings = Settings(
        class_index=_classes(class_index, network, head),
        output=output,
        methods=default_methods(table, quick) if named is None else named,
        layer_names=layer_names,
        pattern_layer_names=pattern_layer_names,
        quick=quick,
        edition=edition,
        max_mb=max_mb,
        certify=validate_bool("certify", certify),
        seed=seed,
        batch_size=batch_size,
    )
    loaded = time.perf_counter() - begun
    parts = gather(network, _held(images, pixels), names, settings, progress)
    facts = facts_of(parts, settings, pixels, report, path)
    facts["seconds"] = {"reading": round(loaded, 3), **facts["seconds"]}
    if progress:
        progress("page", 0, 1)
    begun = time.perf_counter()
    text = page(parts, facts, pixels, room, edition)
    facts["seconds"]["page"] = round(time.perf_counter() - begun, 3)
    made = Report(text, plainly(facts), path)
    if path is not None:
        made.save(path, force=force)
    if progress:
        progress("page", 1, 1)
    return made


def _classes(class_index: Any, network: Network, head: Head) -> tuple[int, ...]:
    if class_index is None:
        return ()
    several = isinstance(class_index, list | tuple)
    wanted = class_index if several else [class_index]
    return tuple(dict.fromkeys(network.class_index(which, head) for which in wanted))


def _methods(given: Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, str):
        raise OptionError("methods takes a list of names. Received: one string")
    for method in given:
        method_named(method)
    return tuple(dict.fromkeys(given))


def _room(max_mb: Any) -> float | None:
    """Return the bytes that a page may take, None for any number."""
    if max_mb is None:
        return None
    if not isinstance(max_mb, int | float) or not max_mb > 0:
        raise OptionError(
            f"{spelled('max_mb')} takes a size over 0, or None. Received: {shown(max_mb)}"
        )
    return min(max_mb, 10**9) * MEGABYTE


def _check_room(
    pixels: Mapping[str, Any], count: int, room: float | None, edition: Edition
) -> None:
    """Refuse at once more photos than a page can take; fooling shows each three times more."""
    photos = pictures(dict(pixels))
    if photos is None or room is None:
        return
    first = as_picture(photo_of(photos[0], pixel_span(photos)), "", "", "", photo=edition == "mail")
    size = count * len(first.src)
    if size > room:
        raise OutputError(
            f"The photos alone would take about {size / MEGABYTE:.0f} MB of the page, which may take "
            f"{room / MEGABYTE:g}. "
            f"Give fewer, or a higher {spelled('max_mb')}."
        )


def _held(images: Any, pixels: Mapping[str, Any]) -> Any:
    """Return images as the verbs take them: an array as it was checked, else as given."""
    return next(iter(pixels.values())) if isinstance(images, np.ndarray) else images


def _checked(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"Expected a file ending in .html. Received: {sanitise(path, 120)}")
    return path
