"""Reading a network: feature maps, weights and predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from kviz.backend import keras
from kviz.errors import LayerError, ModelError, OptionError, near, shown
from kviz.images import image_paths, load_images
from kviz.layers import Selector
from kviz.models import Network, as_network
from kviz.results import Activations, Array, Predictions, Progress, Weights

CHUNK = 32


def activations(
    model: Any,
    images: Any,
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
            a model of several inputs a list of arrays, or a dict by the inputs' names.
        layer_names: a path, a glob (`"block?_conv*"`), a Keras layer class or its name, an index as
            `model.summary()` counts, or a list of these; by default every Conv2D and MaxPooling2D.
        batch_size: images in flight at once; the result does not depend on it.
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
    network = as_network(model)
    images, names = _read(images, network, names)
    pixels = network.pixels(images)
    function, infos = network.function(pixels, layer_names)
    total = len(next(iter(pixels.values())))
    maps: dict[str, Array] = {}
    for start, stop, chunk in _chunks(network, pixels, batch_size):
        for info, tensor in zip(infos, function(*chunk)[1], strict=True):
            part = _array(tensor)[: stop - start]
            if start == 0 and stop == total:
                maps[info.path] = part.astype(np.float32, copy=False)
                continue
            if start == 0:
                maps[info.path] = np.empty((total, *part.shape[1:]), np.float32)
            maps[info.path][start:stop] = part
        if progress:
            progress(stop, total)
    return Activations(
        maps=maps,
        kinds={info.path: info.kind for info in infos},
        images=_pictures(pixels),
        names=names,
        made_by=_made_by(
            network, verb="activations", layer_names=list(maps), batch_size=batch_size
        ),
        notes=network.notes,
    )


def predict(
    model: Any,
    images: Any,
    top: int = 5,
    *,
    class_index: int | str | Sequence[int | str] = (),
    batch_size: int = CHUNK,
    names: Sequence[str] = (),
    progress: Progress | None = None,
) -> Predictions:
    """Return what a network answers for images: the best classes with their scores.

    Args:
        model: a `Network`, a `keras.Model` or a path.
        images: as `activations` takes them.
        top: how many classes to show, 1 or more.
        class_index: classes to show besides, by index or name.
        batch_size: images in flight at once.
        names: what the images are called; by default the files' names.
        progress: called with (images done, images in all).

    Returns:
        `Predictions`: all scores `(N, classes)` float32, and the best of them by name. Of several
        outputs the first vector is meant.

    Raises:
        OptionError: if `top` is below 1 or there is no such class.
        ModelError: if no output is a vector of scores.
        ImageError: if the images do not fit the model.

    >>> predictions = predict("models/squeezenet.keras", "notebooks/images/cat.png", top=1)
    >>> predictions.rows[0][0][:2]
    (285, 'Egyptian cat')
    """
    if top < 1:
        raise OptionError(f"top takes a whole number from 1. Received: {top}")
    network = as_network(model)
    wanted = [class_index] if isinstance(class_index, int | str) else list(class_index)
    asked = tuple(network.class_index(which) for which in wanted)
    images, names = _read(images, network, names)
    pixels = network.pixels(images)
    function, _ = network.function(pixels, outputs=True)
    total = len(next(iter(pixels.values())))
    parts = []
    for start, stop, chunk in _chunks(network, pixels, batch_size):
        outputs = keras.tree.flatten(function(*chunk)[0])
        vectors = [output for output in outputs if output.shape.rank == 2]
        if not vectors:
            shapes = ", ".join(str(tuple(output.shape)) for output in outputs)
            raise ModelError(
                f"The model gives no vector of scores. Expected (N, classes). Received: {shapes}"
            )
        parts.append(_array(vectors[0])[: stop - start])
        if progress:
            progress(stop, total)
    scores = np.concatenate(parts).astype(np.float32, copy=False)
    if asked and max(asked) >= scores.shape[1]:
        raise OptionError(
            f"Class indices go from 0 to {scores.shape[1] - 1}. Received: {max(asked)}"
        )
    named = network.class_names if len(network.class_names or ()) == scores.shape[1] else None
    sums = scores.sum(axis=1) if scores.shape[1] > 1 else np.ones(len(scores))
    inside = bool((scores >= 0).all() and (scores <= 1).all())
    return Predictions(
        scores=scores,
        top=top,
        class_names=named,
        probability=inside and bool(np.allclose(sums, 1, atol=1e-3)),
        names=names,
        asked=asked,
        made_by=_made_by(network, verb="predict", top=top, batch_size=batch_size),
        notes=network.notes,
    )


def weights(model: Any, layer_name: Selector = None) -> Weights:
    """Return kernels, biases and other weights by name.

    Args:
        model: a `Network`, a `keras.Model` or a path.
        layer_name: a layer's path or another selector, as `activations` takes it, or a weight's path
            as `model.weights` prints it (`"conv1/kernel"`), or its end; by default every Conv2D.

    Returns:
        `Weights`: arrays by weight path.

    Raises:
        LayerError: if there is no such layer or weight, or the layer has no weights.

    >>> weights("models/squeezenet.keras", "conv1")["conv1/kernel"].shape
    (3, 3, 3, 64)
    """
    network = as_network(model)
    if layer_name is None:
        layer_name = keras.layers.Conv2D
    selectors = [layer_name] if isinstance(layer_name, str | int | type) else list(layer_name)
    pairs = [pair for selector in selectors for pair in _weights_of(network, selector)]
    return _weights(network, pairs)


def _weights_of(network: Network, selector: str | int | type) -> list[tuple[str, Any]]:
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
        close = near(str(selector), ["/".join(w.path.split("/")[-2:]) for w in every])
        if isinstance(selector, str) and close.startswith("Did you"):
            raise LayerError(f"The model has no weight {shown(selector)!r}. {close}") from error
        raise
    pairs = [(info.path, weight) for info in infos for weight in info.layer.weights]
    if not pairs:
        raise LayerError(
            f"Layer {shown(infos[0].path)!r} ({infos[0].kind}) has no weights. "
            "kviz layers lists which have."
        )
    return pairs


def _weights(network: Network, pairs: list[tuple[str, Any]]) -> Weights:
    values: dict[str, Array] = {}
    layers: dict[str, str] = {}
    seen: set[int] = set()
    for layer, weight in pairs:
        if id(weight) in seen:
            continue
        seen.add(id(weight))
        path = str(weight.path)
        while path in values:
            path += "#"
        array = np.asarray(weight.value)
        values[path] = (
            array.astype(np.float32)
            if array.dtype.kind == "V" or array.dtype == "bfloat16"
            else array
        )
        layers[path] = layer or path.rpartition("/")[0]
    return Weights(values, layers, _made_by(network, verb="weights"), network.notes)


def _read(images: Any, network: Network, names: Sequence[str]) -> tuple[Any, tuple[str, ...]]:
    if isinstance(images, str | Path):
        paths = image_paths(images)
        images = load_images(paths, network)
        names = names or [path.name for path in paths]
    return images, tuple(names)


def _array(tensor: Any) -> Array:
    """Return a tensor's numbers; on the CPU its own memory, so that nothing is copied."""
    return np.asarray(memoryview(tensor))


def _pictures(pixels: dict[str, Array]) -> Array | None:
    return next((a for a in pixels.values() if a.ndim == 4 and a.shape[-1] in (1, 3)), None)


def _chunks(
    network: Network, pixels: dict[str, Array], batch_size: int
) -> Iterator[tuple[int, int, list[Array]]]:
    """Give (start, stop, arrays) for at most `batch_size` images at a time."""
    if batch_size < 1:
        raise OptionError(f"batch_size takes a whole number from 1. Received: {batch_size}")
    fixed = network.fixed_batch
    step = fixed or batch_size
    total = len(next(iter(pixels.values())))
    for start in range(0, total, step):
        stop = min(start + step, total)
        network.reset_states()
        chunk = [array[start:stop] for array in pixels.values()]
        if fixed and stop - start < fixed:
            # Built for a fixed number of images, a model takes no fewer; the last one is repeated.
            more = fixed - (stop - start)
            chunk = [np.concatenate([array, array[-1:].repeat(more, axis=0)]) for array in chunk]
        yield start, stop, chunk


def _made_by(network: Network, **settings: Any) -> dict[str, Any]:
    return {
        "kviz": version("keras-kviz"),
        "keras": keras.__version__,
        "tensorflow": version("tensorflow"),
        "numpy": np.__version__,
        "model": network.name,
        **settings,
    }
