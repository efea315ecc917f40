"""Reading a network: feature maps, weights and predictions."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from kviz._caller import command, spelled
from kviz._checks import sanitise, suggest, validate_int
from kviz._types import Array, Images, ModelLike, Progress, Selector
from kviz.arrays import is_picture
from kviz.engine.activation_model import Pooling, make_activation_model
from kviz.engine.backend import keras
from kviz.engine.layers import LayerInfo, LayerTable
from kviz.errors import ImageError, KvizWarning, LayerError, ModelError, OptionError
from kviz.given import read_images
from kviz.network.loading import as_network
from kviz.network.network import Network
from kviz.results import Activations, KernelForm, Predictions, Weights
from kviz.results.made_by import made_by

CHUNK = 32


def activations(
    model: ModelLike,
    images: Images,
    layer_names: Selector = None,
    batch_size: int = CHUNK,
    *,
    names: Sequence[str] = (),
    progress: Progress | None = None,
) -> Activations:
    """Return the feature maps of layers for images, in one forward pass.

    Batch normalisation and dropout work as in inference, half precision is looked at in float32, and
    the pass stops at the deepest layer that is asked for.

    Args:
        model: a `Network`, a `keras.Model` or a path.
        images: array `(N, H, W, channels)`, values 0-255, or a path as `load_images` takes it; for
            a model of several inputs a list of arrays, or a dict by the inputs' names, paths too.
        layer_names: a path, a glob (`"block?_conv*"`), a Keras layer class or its name, an index as
            `model.summary()` counts, or a list of these; by default every Conv2D and MaxPooling2D.
        batch_size: images processed at once; the result does not depend on it.
        names: what the images are called, in titles and on disk; by default the files' names.
        progress: called with (images done, images in all).

    Returns:
        `Activations`: float32 arrays `(N, H, W, channels)` by layer path, in order of execution;
        float64 where the model computes in float64 is rounded to float32.

    Raises:
        LayerError: if a layer is not there, not reached, or has no spatial output.
        ImageError: if the images do not fit the model.
        ModelError: if the model cannot be loaded or run.

    >>> maps = activations("models/squeezenet.keras", "notebooks/images/cat.png", "pool*")
    >>> {path: array.shape for path, array in maps.items()}["pool1"]
    (1, 56, 56, 64)
    """
    validate_int("batch_size", batch_size)
    network = as_network(model)
    images, names, said = read_images(images, network, names)
    pixels = network.pixels(images)
    maps_of = network.engine.maps(network.specs(pixels), layer_names)
    notes = [*network.notes, *said]
    if layer_names is None and (hidden := maps_of.table.unreached()):
        notes.append(
            f"Not shown, since they run inside a loop, a branch or a compiled function: "
            f"{', '.join(sanitise(path, 40) for path in hidden[:4])}"
        )
        warnings.warn(KvizWarning(notes[-1]), stacklevel=2)
    if layer_names is None and (note := _left_out(maps_of.table)):
        notes.append(note)
    total = len(next(iter(pixels.values())))

    def looked(batch_size: int) -> dict[str, Array]:
        maps: dict[str, Array] = {}
        for start, stop, chunk in network.engine.chunks(pixels, batch_size):
            tensors = network.engine.run(maps_of.function, chunk)[1]
            for info, tensor in zip(maps_of.infos, tensors, strict=True):
                part = _array(tensor)[: stop - start]
                _check(info, part)
                if start == 0 and stop == total:
                    maps[info.path] = part.astype(np.float32, copy=False)
                    continue
                if start == 0:
                    maps[info.path] = np.empty((total, *part.shape[1:]), np.float32)
                maps[info.path][start:stop] = part
            if progress:
                progress(stop, total)
        return maps

    maps = network.engine.fitting(batch_size, looked)
    for array in maps.values():
        array.flags.writeable = False
    return Activations(
        maps=maps,
        kinds={info.path: info.kind for info in maps_of.infos},
        images=pictures(pixels),
        names=names,
        made_by=made_by(
            network, activations, pixels, layer_names=list(maps), batch_size=batch_size
        ),
        notes=tuple(notes),
    )


def _left_out(table: LayerTable) -> str:
    """Return which convolutions are not shown by default, and how they are; nothing where all are."""
    others, count = table.other_convolutions()
    if not others:
        return ""
    kinds = list(dict.fromkeys(info.kind for info in others))
    selector = spelled("layer_names", repr(kinds[0] if len(kinds) == 1 else kinds))
    if command() is not None:
        selector = " ".join(f"{spelled('layer_names')} {kind}" for kind in kinds)
    return (
        f"By default Conv2D and MaxPooling2D are shown. {len(others)} of the {count} convolutions are "
        f"of other kinds: {selector} shows them."
    )


def predict(
    model: ModelLike,
    images: Images,
    top: int = 5,
    *,
    also: int | str | Sequence[int | str] = (),
    output: int | str | None = None,
    batch_size: int = CHUNK,
    names: Sequence[str] = (),
    progress: Progress | None = None,
) -> Predictions:
    """Return what a network answers for images: the best classes with their scores.

    Args:
        model: a `Network`, a `keras.Model` or a path.
        images: as `activations` takes them.
        top: how many classes to show, 1 or more.
        also: classes to show besides the best ones, by index or name.
        output: which output of a model that has several, by its key, its layer's name or its place;
            by default the one that gives probabilities.
        batch_size: images processed at once.
        names: what the images are called; by default the files' names.
        progress: called with (images done, images in all).

    Returns:
        `Predictions`: all scores `(N, classes)` float32, and the best of them by name. One unit is
            shown as two, log-probabilities as probabilities; of a class map the class of each
            position and the classes' shares, of an image-to-image model its image.

    Raises:
        OptionError: if `top` is below 1 or there is no such class.
        ModelError: if no output is a vector of scores.
        ImageError: if the images do not fit the model.

    >>> predictions = predict("models/squeezenet.keras", "notebooks/images/cat.png", top=1)
    >>> predictions.rows[0][0][:2]
    (285, 'Egyptian cat')
    """
    top, batch_size = validate_int("top", top), validate_int("batch_size", batch_size)
    network = as_network(model)
    images, names, said = read_images(images, network, names)
    pixels = network.pixels(images)
    function, head = network.engine.answers(network.specs(pixels), output)
    if head.kind == "other":
        raise ModelError(
            "Expected an output (N, classes), a class map or an image. The output "
            f"{sanitise(repr(head.name))} is none of them; network(images) gives it as it is."
        )
    single = isinstance(also, int | str | np.integer)
    wanted: list[Any] = [also] if single else list(also)  # type: ignore[arg-type]
    asked = tuple(network.class_index(which, head) for which in wanted)
    total = len(next(iter(pixels.values())))

    def answers(batch_size: int) -> list[list[Array]]:
        parts = []
        for start, stop, chunk in network.engine.chunks(pixels, batch_size):
            answer = network.engine.run(function, chunk)
            parts.append([_array(tensor)[: stop - start] for tensor in answer])
            if progress:
                progress(stop, total)
        return parts

    parts = network.engine.fitting(batch_size, answers)
    scores, maps = (np.concatenate(column) for column in zip(*parts, strict=True))
    notes = [*network.notes, *said, *([head.note] if head.note else [])]
    if head.activation == "log_softmax":
        notes.append("The model gives log-probabilities; shown are the probabilities.")
    named = head.has_classes and len(network.class_names or ()) == scores.shape[1]
    spatial = head.is_map or head.kind == "image"
    return Predictions(
        scores=scores.astype(np.float32, copy=False),
        top=top,
        class_names=network.class_names if named else None,
        kind=head.kind,
        is_probability=head.is_probability and not head.is_map,
        maps=maps if spatial else None,
        images=pictures(pixels) if spatial else None,
        names=names,
        asked=asked,
        made_by=made_by(
            network,
            predict,
            pixels,
            top=top,
            also=asked,
            output=head.name if head.note else None,
            batch_size=batch_size,
        ),
        notes=tuple(notes),
    )


def weights(model: ModelLike, layer_names: Selector = None) -> Weights:
    """Return kernels, biases and other weights by name.

    Args:
        model: a `Network`, a `keras.Model` or a path.
        layer_names: a layer's path or another selector, as `activations` takes it, or a weight's path
            as `model.weights` prints it (`"conv1/kernel"`), or its end; by default every Conv2D.

    Returns:
        `Weights`: arrays by weight path.

    Raises:
        LayerError: if there is no such layer or weight, or the layer has no weights.

    >>> weights("models/squeezenet.keras", "conv1")["conv1/kernel"].shape
    (3, 3, 3, 64)
    """
    network = as_network(model)
    if layer_names is None:
        layer_names = keras.layers.Conv2D
    alone = isinstance(layer_names, str | int | np.integer | type | keras.Layer)
    selectors: Any = [layer_names] if alone else layer_names
    pairs = [pair for selector in selectors for pair in _weights_of(network, selector)]
    return _weights(network, pairs)


def _weights_of(network: Network, selector: Any) -> list[tuple[str, Any]]:
    """Return (layer path, weight) for a weight's path or for the layers that a selector means."""
    every = network.model.weights
    # A Sequential puts its own name before its weights' paths, which people leave out.
    tail = f"/{selector}"
    named = [("", w) for w in every if w.path == selector] or [
        ("", w) for w in every if "/" in tail[1:] and w.path.endswith(tail)
    ]
    if named:
        return named
    try:
        infos = network.layers.select(selector)
    except LayerError as error:
        close = suggest(str(selector), ["/".join(w.path.split("/")[-2:]) for w in every])
        if isinstance(selector, str) and close.startswith("Did you"):
            raise LayerError(f"The model has no weight {sanitise(selector)!r}. {close}") from error
        raise
    pairs = [(info.path, weight) for info in infos for weight in info.layer.weights]
    if not pairs:
        raise LayerError(
            f"Layer {sanitise(infos[0].path)!r} ({infos[0].kind}) has no weights. "
            "kviz layers lists which have."
        )
    return pairs


def _weights(network: Network, pairs: list[tuple[str, Any]]) -> Weights:
    owners = _owners(network)
    values: dict[str, Array] = {}
    layers: dict[str, str] = {}
    forms: dict[str, KernelForm] = {}
    seen: set[int] = set()
    for layer, weight in pairs:
        if id(weight) in seen:
            continue
        seen.add(id(weight))
        path = str(weight.path)
        while path in values:
            path += "#"
        array = np.asarray(weight.value)
        halved = array.dtype.kind == "V" or array.dtype == "bfloat16"
        values[path] = array.astype(np.float32) if halved else array
        info = owners.get(id(weight))
        layers[path] = layer or (info.path if info else path.rpartition("/")[0])
        if info is not None:
            forms[path] = _form(info, values[path])
    made = made_by(network, weights, layer_names=list(values))
    return Weights(values, layers, forms, made, network.notes)


def _owners(network: Network) -> dict[int, LayerInfo]:
    """Return by a weight's identity the layer that it belongs to, where the layers are known."""
    try:
        infos = [info for info in network.layers if not info.contains]
    except (LayerError, ModelError):
        return {}
    return {id(weight): info for info in infos for weight in getattr(info.layer, "weights", [])}


def _form(info: LayerInfo, value: Array) -> KernelForm:
    """Return how a weight is to be drawn: what its axes mean depends on its layer."""
    if value.ndim < 3 or info.window is None:
        return "grid"
    if info.window.transposed:
        return "transposed"
    if isinstance(info.layer, keras.layers.DepthwiseConv1D | keras.layers.DepthwiseConv2D):
        return "depthwise"
    channels = info.input_shape[1 if info.data_format == "channels_first" else -1]
    return "rgb" if value.ndim == 4 and value.shape[2] == channels == 3 else "grid"


def _array(tensor: Any) -> Array:
    """Return a tensor's numbers; on the CPU its own memory, so that nothing is copied."""
    return np.asarray(memoryview(tensor))


def _check(info: LayerInfo, part: Array) -> None:
    """Refuse maps of no size, or of a shape that the layer cannot have given."""
    expected = info.output_shape[1:]
    if info.data_format == "channels_first":
        expected = (*expected[1:], expected[0])
    fits = all(size in (None, n) for size, n in zip(expected, part.shape[1:], strict=True))
    if not fits or 0 in part.shape:
        raise ImageError(too_small(info.path))


def too_small(path: str) -> str:
    """Return what to say where a layer gives maps without cells."""
    return (
        f"The images are too small for layer {sanitise(path)!r}: its window does not fit into "
        f"what reaches it. Give larger images; {_resizing()} resizes what is read."
    )


def _resizing() -> str:
    option = spelled("target_size")
    return option if command() is not None else f"kviz.load_images(…, {option}=)"


def pictures(pixels: dict[str, Array]) -> Array | None:
    """Return a copy of the first input that can be shown as a picture, or None."""
    found = next((array for array in pixels.values() if is_picture(array)), None)
    return None if found is None else kept(found)


def kept(array: Array) -> Array:
    """Return a copy: what the caller does to the array later is not in the result."""
    array = array.copy()
    array.flags.writeable = False
    return array


def activation_model(
    model: ModelLike,
    layer_names: Selector = None,
    *,
    outputs: bool = False,
    pooling: Pooling = None,
) -> Any:
    """Return a `keras.Model` from a model's inputs to the feature maps of its layers.

    It is a model like any other: `summary`, `predict` on arrays and on `tf.data`, use as a layer, `fit`
    of a head on one of its maps, `save`, `export`. Its weights are the caller's own, trainable as they
    are, and it works in inference mode.

    Args:
        model: a `Network`, whose preprocessing is included where that is a layer or a name; a
            `keras.Model` or a path.
        layer_names: as `activations` takes it, by default every Conv2D and MaxPooling2D.
        outputs: whether to give the model's outputs too.
        pooling: `"avg"` or `"max"` over space, one number per channel `(N, channels)`; None for maps.

    Returns:
        A `kviz.ActivationModel`, with `.layer_table`. It takes what the model takes, in its own order
        of axes, and gives a dict of float32 maps `(N, H, W, channels)` by layer path in order of
        execution; with `outputs` it gives `{"maps": …, "outputs": …}`. Of a model that does not know
        its inputs' shapes, a `keras.Model` that finds its layers as soon as it gets data.

    Raises:
        LayerError: if a layer is not there, not reached, or has no spatial output.
        OptionError: if the preprocessing is a function, or `pooling` is none of these.

    >>> model = activation_model("models/squeezenet.keras", "pool*")
    >>> model.output["pool1"].shape
    (None, 56, 56, 64)
    """
    network = as_network(model)
    preprocess = network.preprocess
    if not isinstance(preprocess, str | keras.Layer | None):
        raise OptionError(
            "A function as preprocess= cannot be part of a Keras model. Pass network.model, and give "
            "the result inputs that are preprocessed."
        )
    if network.input_shapes is not None and not network.engine.needs_sizes:
        # By their paths, so that what is not there is said now and not from within Keras.
        layer_names = [info.path for info in network.layers.select(layer_names, maps=True)]
    return make_activation_model(
        network.model, layer_names, outputs=outputs, pooling=pooling, preprocess=preprocess,
        deferred=network.input_shapes is None or network.engine.needs_sizes,
    )  # fmt: skip
