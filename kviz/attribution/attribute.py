"""How much each pixel counts: attribute, one call for every method."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import numpy as np

from kviz._caller import spelled
from kviz._checks import sanitise, validate_choice, validate_int
from kviz._types import Array, ClassIndex, Images, ModelLike, Progress, ScoreLike
from kviz.attribution.masks import Masks
from kviz.attribution.method import Found, Method, Request, validate_scores
from kviz.attribution.methods._resized import aligned, resized
from kviz.attribution.registry import as_method, method_name, method_named, title_of
from kviz.engine.backend import tf
from kviz.engine.heads import Head
from kviz.engine.passes import Passes, Score
from kviz.engine.receptive_fields import WHOLE, ReceptiveField
from kviz.errors import ImageError, OptionError
from kviz.given import read_images
from kviz.inputs import class_label, class_targets, head_for, looked_at
from kviz.look import kept
from kviz.network.loading import as_network
from kviz.network.network import Network
from kviz.results import Attribution
from kviz.results.made_by import made_by
from kviz.scores import ClassScore, as_score

Resize = Literal["bilinear", "nearest", "aligned"] | None
RESIZES = ("bilinear", "nearest", "aligned", None)

# Of an array that a method was given, what a result tells in full.
MOST_NUMBERS = 64


def attribute(  # noqa: PLR0913 - a verb's options
    model: ModelLike,
    images: Images,
    method: str | Method = "grad_cam",
    *,
    class_index: ClassIndex | None = None,
    score: ScoreLike | None = None,
    output: int | str | None = None,
    resize: Resize = "bilinear",
    input_name: str | None = None,
    batch_size: int = 32,
    seed: int = 0,
    names: Sequence[str] = (),
    progress: Progress | None = None,
    **options: Any,
) -> Attribution:
    """Return how much each pixel counts for or against a score: its attribution, by a method.

    Args:
        model: a `Network`, a `keras.Model` or a path.
        images: as `activations` takes them.
        method: a name (`kviz.attribution.method_names()`), with its options, or an instance such as
            `kviz.attribution.GradCam(layer_names="conv5")`, which `help` explains.
        class_index: an index or name for all images, a list of one for each image, or a list of
            lists for several classes an image; by default the predicted class of each.
        score: what is explained: by default the class's unnormalised score; a score of
            `kviz.scores`, or a function of the outputs that returns `(N,)`.
        output: which output of a model that has several, by its key, its layer's name or its place;
            by default the one that gives probabilities.
        resize: how a layer's map gets the image's size: `"bilinear"` and `"nearest"` stretch it, as
            everyone does; `"aligned"` puts each cell where its layer looks, the middle of its
            receptive field, which strides and padding move away from there: for planted dots, causal
            and strided signals. None leaves it. Of trained photo nets the stretched maps agreed a
            little better with occlusion: a cell does not only look at its field's middle.
        input_name: the input that is explained, of a model that has several; by default the first
            image.
        batch_size: images processed at once, whatever the method multiplies them by.
        seed: for methods that draw at random; a whole number from 0.
        names: what the images are called; by default the files' names.
        progress: called with (images done, images in all).
        **options: the method's, as `help` of its class lists them.

    Returns:
        `Attribution`: `.maps` float32 `(N, H, W)`, or `(N, classes, H, W)` for several classes.

    Raises:
        OptionError: on an unknown method, option, class, score or input.
        LayerError: if a layer is not there, or the score does not depend on it.
        ImageError: if the images do not fit the model, or a score or a map is not finite.

    >>> found = attribute("models/squeezenet.keras", "notebooks/images/cat.png")
    >>> found.maps.shape, found.class_names
    ((1, 227, 227), ('Egyptian cat',))
    """
    if isinstance(method, Method) and options:
        raise OptionError("Options belong to a method's name; give an instance its fields.")
    chosen = (
        method_named(method, **options) if isinstance(method, str) else as_method("method", method)
    )
    return explain(
        model, images, chosen, class_index=class_index, score=score, output=output, resize=resize,
        input_name=input_name, batch_size=batch_size, seed=seed, names=names, progress=progress,
    )  # fmt: skip


def explain(  # noqa: PLR0913 - a verb's options
    model: ModelLike,
    images: Images,
    chosen: Method,
    *,
    class_index: ClassIndex | None = None,
    score: ScoreLike | None = None,
    output: int | str | None = None,
    resize: Resize = "bilinear",
    input_name: str | None = None,
    batch_size: int = 32,
    seed: int = 0,
    names: Sequence[str] = (),
    progress: Progress | None = None,
    first: int = 0,
) -> Attribution:
    """Return what `attribute` does, of images that are some of many.

    Args: as `attribute` takes them, but the method, which is an instance, and
        first: the place of the first image among all, by which methods that draw at random do so.
    """
    validate_choice("resize", resize, RESIZES)
    seed, batch_size = validate_int("seed", seed, 0), validate_int("batch_size", batch_size)
    wanted = as_score(score, output)
    network = as_network(model)
    images, names, said = read_images(images, network, names)
    pixels = network.pixels(images)
    specs = network.specs(pixels)
    explained = looked_at(pixels, specs, input_name)
    head = head_for(network, wanted, specs)
    passes = Passes(network.engine, wanted, pixels, explained)
    given = pixels[explained]
    # First as the model takes them, which can be whole numbers.
    pixels = _typed(_typed(pixels, specs), passes.specs)
    total = len(pixels[explained])
    targets = class_targets(class_index, network, total, head)
    masks = None
    if isinstance(wanted, ClassScore) and head is not None and head.is_map:
        masks = Masks(wanted, passes, total, head.axes)
    explaining = _Explaining(
        network=network, method=chosen, passes=passes, masks=masks, pixels=pixels, targets=targets,
        chooses=isinstance(wanted, ClassScore), seed=seed, first=first, progress=progress,
    )  # fmt: skip
    parts = network.engine.fitting(batch_size, explaining.all)
    aligning = resize == "aligned" and chosen.gives_layer_maps
    field = field_of(network, pixels, parts[0][0].layers) if aligning else None
    resizing = (resize, field)
    scored = (head, wanted)
    found = _result(network, chosen, parts, given, resizing, class_index, names, scored)
    settings = settings_of(chosen, parts[0][0].layers) | {
        "class_index": found.classes.tolist() if (found.classes >= 0).all() else None,
        "score": score, "output": output, "resize": resize, "input_name": explained,
        "batch_size": batch_size, "seed": seed,
    }  # fmt: skip
    made = made_by(network, attribute, pixels, method=found.method, **settings)
    notes = (*found.notes, *said)
    if masks is not None and masks.empty:
        called = _called(sorted(masks.empty), names)
        notes = (*notes, f"The class is predicted nowhere, and its score is 0, for {called}.")
    score_name = chosen.score_name or _score_name(wanted, head)
    return replace(found, score_name=score_name, made_by=made, notes=notes)


def _score_name(score: Any, head: Head | None) -> str:
    """Return what a score is called: only that of a class for a whole image is a logit."""
    if not isinstance(score, ClassScore) or head is None or head.is_map:
        return "score"
    if head.kind == "values":
        return "value"
    return "logit" if head.has_classes else "score"


@dataclass(frozen=True, kw_only=True)
class _Explaining:
    """A method on all images, so many at once.

    Attributes:
        network: the network.
        method: the method.
        passes: the network's passes for the score.
        masks: of a class map, where each image's class counts; else None.
        pixels: an array per input.
        targets: int32 `(N, classes)`.
        chooses: whether the score is that of a class, which can be the predicted one.
        seed: for randomness.
        first: the first image's place among all that are explained.
        progress: as `attribute` takes it.
    """

    network: Network
    method: Method
    passes: Passes
    masks: Masks | None
    pixels: Mapping[str, Array]
    targets: Array
    chooses: bool
    seed: int
    first: int
    progress: Progress | None

    def all(self, batch_size: int) -> list[list[Found]]:
        """Return for each chunk what was found for each of its images' classes."""
        parts = []
        for start, stop, chunk in self.network.engine.chunks(self.pixels, batch_size):
            rows = []
            for target in self.targets[start:stop].T:
                found = self.method.maps(self._request(start, chunk, target, batch_size))
                rows.append(numbers_of(found, stop - start))
                validate_scores(rows[-1].scores, start)
            parts.append(rows)
            if self.progress:
                self.progress(stop, len(self.targets))
        return parts

    def _request(self, start: int, chunk: Sequence[Any], target: Array, batch_size: int) -> Request:
        if len(target) < len(chunk[0]):
            target = np.concatenate([target, target[-1:].repeat(len(chunk[0]) - len(target))])
        inputs = chunk
        if self.masks is not None:
            mask, target = self.masks.of(chunk, target, start)
            inputs = [*chunk, mask]
        elif self.method.fixed_target and self.chooses and (target < 0).any():
            target = self.passes.scores(chunk, target)[1].numpy()
        return Request(
            passes=self.masks.passes if self.masks else self.passes,
            pixels=inputs,
            target=tf.constant(target, "int32"),
            batch_size=batch_size,
            seed=self.seed,
            first=self.first + start,
        )


def _typed(pixels: Mapping[str, Array], specs: Mapping[str, Any]) -> dict[str, Array]:
    types = {name: spec.dtype.as_numpy_dtype for name, spec in specs.items()}
    return {name: array.astype(types[name], copy=False) for name, array in pixels.items()}


def numbers_of(found: Found, count: int) -> Found:
    """Return what was found as arrays, of so many images, and its layers as paths and notes."""
    arrays = {
        key: np.asarray(memoryview(value) if tf.is_tensor(value) else value)[:count]
        for key, value in vars(found).items()
        if value is not None and key not in ("layers", "notes")
    }
    # Several devices each say which layers they looked at.
    said = () if found.layers is None else np.asarray(found.layers).reshape(-1, 2).tolist()
    paths, notes = (dict.fromkeys(row[column].decode() for row in said) for column in (0, 1))
    return Found(**arrays, layers=tuple(paths), notes=tuple(notes))


def settings_of(method: Any, layers: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return a method's options, as `attribute` takes them, with the layers that it looked at.

    Args:
        method: a method, or another dataclass of options.
        layers: those layers, for a method that has looked at some.
    """
    settings = {field.name: getattr(method, field.name) for field in fields(method) if field.init}
    if "layer_names" in settings and layers:
        settings["layer_names"] = layers[0] if len(layers) == 1 else list(layers)
    return {name: _plain(value, layers) for name, value in settings.items()}


def _plain(value: Any, layers: tuple[str, ...]) -> Any:
    if isinstance(value, Method):
        return {"name": method_name(value), **settings_of(value, layers)}
    if isinstance(value, np.ndarray):
        if value.size <= MOST_NUMBERS:
            return value.tolist()
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"shape": list(value.shape), "dtype": str(value.dtype), "sha256": digest}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(each, layers) for each in value]
    return sanitise(getattr(value, "__name__", None) or getattr(value, "name", value), 200)


def _result(
    network: Network,
    method: Method,
    parts: list[list[Found]],
    images: Array,
    resizing: tuple[Resize, ReceptiveField | None],
    class_index: Any,
    names: Sequence[str],
    scored: tuple[Head | None, Score],
) -> Attribution:
    head, score = scored

    def joined(key: str) -> Any:
        columns = [
            np.concatenate([getattr(rows[place], key) for rows in parts])
            for place in range(len(parts[0]))
        ]
        return np.stack(columns, axis=1) if np.ndim(class_index) == 2 else columns[0]

    raw = joined("maps").astype(np.float32, copy=False)
    classes = joined("classes")
    maps = of_image_size(raw, images.shape[1:], method, resizing, lead=classes.ndim)
    notes = [*network.notes, *filter(None, [head.note if head else "", *parts[0][0].notes])]
    negative = joined("negative") if parts[0][0].negative is not None else None
    notes += _nothing(title_of(method), maps.reshape(classes.size, -1), negative, len(maps), names)
    gaps = joined("gaps") if parts[0][0].gaps is not None else None
    return Attribution(
        maps=maps,
        raw=raw,
        scores=joined("scores").astype(np.float32),
        classes=classes,
        class_names=tuple(
            class_label(network, index, head, score) for index in classes.reshape(-1)
        ),
        method=method_name(method),
        title=title_of(method),
        layers=parts[0][0].layers,
        images=kept(images),
        gaps=gaps,
        negative=negative,
        names=tuple(names),
        notes=tuple(notes),
    )


def of_image_size(
    raw: Array,
    shape: Sequence[int],
    method: Method,
    resizing: tuple[Resize, ReceptiveField | None],
    *,
    lead: int = 1,
) -> Array:
    """Return maps as they are looked at: a layer's of the image's size, an image's without channels.

    Args:
        raw: as the method gives them.
        shape: the image's, with its channels.
        method: what gave them.
        resizing: as `attribute` takes it, and what `"aligned"` has to know: `field_of` gives it.
        lead: how many axes come before those of a map.

    Raises:
        ImageError: if a number is not finite.
    """
    maps, size = raw, tuple(shape[:-1])
    if method.gives_layer_maps:
        # Of an input without positions a map has none either.
        fits = raw.ndim - lead == len(size) in (1, 2, 3)
        resize, field = resizing
        flat = raw.reshape(-1, *raw.shape[lead:])
        if field is not None and fits:
            maps = aligned(flat, size, field).reshape(*raw.shape[:lead], *size)
        elif resize is not None and raw.shape[lead:] != size and fits:
            big = resized(tf.constant(flat), size, resize)
            maps = np.asarray(memoryview(big)).reshape(*raw.shape[:lead], *size)
    elif len(shape) > 1:
        if method.reduction == "sum":
            maps = raw.sum(axis=-1)
        elif method.reduction == "max_abs":
            place = np.abs(raw).argmax(axis=-1)[..., None]
            maps = np.take_along_axis(raw, place, axis=-1)[..., 0]
    if not np.isfinite(maps).all():
        raise ImageError(
            "The maps hold values that are not finite (NaN or infinite): the model's gradients "
            "overflow for these images. Look at its weights, or at smaller inputs."
        )
    return maps


def field_of(
    network: Network, pixels: Mapping[str, Array], layers: Sequence[str]
) -> ReceptiveField:
    """Return what the cells of the first layer see of images of these sizes."""
    if not layers:
        raise OptionError(
            "resize='aligned' needs to know where the cells of a layer look, and the maps are no "
            "layer's output. Choose 'bilinear'."
        )
    # Where padding lies depends on the sizes, which a model can leave free.
    specs = {
        name: tf.TensorSpec((spec.shape[0], *pixels[name].shape[1:]), spec.dtype)
        for name, spec in network.specs(pixels).items()
    }
    info = network.engine.layers(specs)[layers[0]]
    field = info.receptive_field
    if isinstance(field, str):
        where = "depends on the whole image" if field == WHOLE else "is not known"
        raise OptionError(
            f"resize='aligned' needs to know where the cells of a layer look, which for "
            f"{sanitise(info.path)!r} ({info.kind}) {where}. Choose 'bilinear', or another layer."
        )
    return field


def _nothing(
    method: str, maps: Array, negative: Array | None, images: int, names: Sequence[str]
) -> list[str]:
    """Return notes that name the images of which a map is zero everywhere, or none."""
    cut = np.zeros(len(maps), bool) if negative is None else negative.reshape(-1)
    said = (
        (cut, "{} is negative everywhere, and ReLU leaves nothing of it, for {}. "
         f"{spelled('relu', 'False')} shows the evidence against the class."),
        (~cut, "{} found no evidence: the map is zero everywhere for {}. "
         "Another method or layer may say more."),
    )  # fmt: skip
    empty = ~maps.any(axis=1)
    places = [(np.flatnonzero(empty & which) * images // len(maps), text) for which, text in said]
    return [
        text.format(method, _called(np.unique(found), names))
        for found, text in places
        if found.size
    ]


def _called(images: Iterable[int], names: Sequence[str]) -> str:
    """Return what images are called."""
    called = ", ".join(sanitise(names[i] if i < len(names) else f"image {i}", 40) for i in images)
    return sanitise(called, 120)
