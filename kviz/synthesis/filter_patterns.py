"""Filter patterns: the input that each filter of a layer answers to most.

D. Erhan et al., "Visualizing Higher-Layer Features of a Deep Network", 2009: the image of the highest
mean activation of a filter's map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from kviz._checks import sanitise
from kviz._types import Array, ModelLike, Progress, Selector
from kviz.engine.backend import tf
from kviz.engine.graph import picked
from kviz.engine.layers import LayerInfo
from kviz.engine.passes import Seen
from kviz.engine.receptive_fields import ReceptiveField
from kviz.errors import LayerError, OptionError
from kviz.network.loading import as_network
from kviz.network.network import Network
from kviz.originals import array_sha256
from kviz.results import Synthesis
from kviz.results.made_by import made_by
from kviz.synthesis._ascent import Ascent, Climbed, Run
from kviz.synthesis._begin import (
    begun,
    blank_of,
    canvas_of,
    drawn_between,
    notes_of_range,
    of_values,
    parametrized,
    validate_examples,
)
from kviz.synthesis._moves import Adam, Step
from kviz.synthesis._parametrizations import Canvas, Parametrization, Values
from kviz.synthesis._pieces import Between, Jitter, Turn

# A filter is dead that is silent from so many starts, each of four times the contrast.
_STARTS = 4


@dataclass(frozen=True)
class PatternScore:
    """The mean of a filter's map, each image's own; its index is given as the image's class.

    Where the layer ends in a ReLU, what that holds back counts a tenth for the gradient: a filter that
    is silent at first would have none.

    Args:
        layer_name: the layer's path.
    """

    layer_name: str

    def of(self, seen: Seen, target: Any) -> tuple[Any, Any]:
        """Return the scores, as `kviz.scores.Score.of`."""
        info = seen.table[self.layer_name]
        maps = seen.traced.by_path[info.path].outputs
        axis = 1 if info.data_format == "channels_first" else maps.shape.rank - 1
        space = [at for at in range(1, maps.shape.rank) if at != axis]
        values = tf.reduce_mean(maps, space)
        leaking = _leaking(maps)
        if leaking is not None:
            steered = tf.reduce_mean(leaking, space)
            values = steered + tf.stop_gradient(values - steered)
        return picked(values, target), target


def _leaking(tensor: Any) -> Any:
    """Return maps with a tenth of what a ReLU at their end holds back, None where there is none."""
    op = tensor.op
    if op.type == "Relu":
        return tf.nn.leaky_relu(op.inputs[0], 0.1)
    if op.type == "Relu6":
        return 0.9 * tensor + 0.1 * op.inputs[0]
    if op.type == "Identity":
        return _leaking(op.inputs[0])
    if op.type == "ConcatV2":
        *parts, axis = op.inputs
        leaking = [_leaking(part) for part in parts]
        return None if any(part is None for part in leaking) else tf.concat(leaking, axis)
    return None


def filter_patterns(  # noqa: PLR0913 - a verb's options
    model: ModelLike,
    layer_names: Selector,
    filter_indices: Sequence[int] | int | None = None,
    *,
    parametrization: Literal["pixel", "fourier", "maco", "values"] | None = None,
    steps: int = 100,
    target_size: int | tuple[int, ...] | None = None,
    statistics: Array | None = None,
    batch_size: int = 16,
    seed: int = 0,
    film: bool = False,
    progress: Progress | None = None,
) -> Synthesis:
    """Make the image that each filter of a layer answers to most.

    The backward pass ends at the layer, and many filters go in one batch. A filter whose map has no
    gradient, or stays zero, from each of four starts is dead: `.arrived` is False for it, and it is not
    drawn.

    Args:
        model: a `Network`, a `keras.Model` or a path; of a model that takes 0-1 as `class_image`.
        layer_names: a layer with maps, as `network.layers.select` takes it: one.
        filter_indices: filters from 0, by default all.
        parametrization: of photos `"pixel"`, `"fourier"` or `"maco"`; by default pixels for filters
            that see fewer than 16 of them a side, which are about single ones, else Fourier. Of what
            else there is `"values"`, as `class_image` has it.
        steps: how many, 1 or more.
        target_size: as `class_image` takes it.
        statistics: as `class_image` takes it.
        batch_size: images processed at once.
        seed: for where it begins; each image's place is put behind it.
        film: whether to keep frames for an animation.
        progress: called with (steps done, steps).

    Returns:
        A `Synthesis`: images, photos in 0-255, the mean of a filter's map as its score.

    Raises:
        LayerError: if there is no such layer, or it has no maps.
        OptionError: on a filter that there is not, no steps, a size that does not fit.

    >>> filter_patterns("models/squeezenet.keras", "conv1", [0, 5], steps=4).labels
    ('conv1 filter 0', 'conv1 filter 5')
    """
    examples = validate_examples(statistics, target_size, parametrization)
    run = Run(steps=steps, batch_size=batch_size, seed=seed, film=film, progress=progress)
    network = as_network(model)
    canvas = canvas_of(network, target_size)
    # A model that is traced only for known sizes knows its layers then.
    network.specs(blank_of(network, canvas))
    info, filters = _layer(network, layer_names)
    wanted = _chosen(filter_indices, info.path, filters)
    if parametrization is None and canvas.is_photo:
        field = info.receptive_field
        small = isinstance(field, ReceptiveField) and not field.whole and max(field.size) < 16
        parametrization = "pixel" if small else "fourier"
    made_of = parametrized(parametrization, canvas, examples)
    ascent, run = _ascent(made_of, canvas), replace(run, bounds=drawn_between(made_of))
    score = PatternScore(info.path)
    target = np.array(wanted, np.int32)
    found = begun(network, score, ascent, target, canvas, run, attempt=0)
    for attempt in range(1, _STARTS):
        dead = np.flatnonzero(~_alive(found))
        if not len(dead) or found.stopped:
            break
        again = begun(network, score, ascent, target[dead], canvas, run, attempt=attempt)
        found = replace(found, stopped=True) if again.stopped else _amended(found, again, dead)
    count = len(found.images)
    alive = _alive(found)
    labels = [f"{info.path} filter {index}" for index in wanted[:count]]
    notes = [*network.notes, *notes_of_range(network, canvas, examples)]
    notes += ["Interrupted: the images so far."] if found.stopped else []
    silent = [label for label, moved in zip(labels, alive, strict=True) if not moved]
    if silent:
        notes.append(f"Dead, silent from {_STARTS} starts: {sanitise(', '.join(silent), 200)}")
    return Synthesis(
        images=found.images,
        scores=found.scores,
        labels=tuple(labels),
        verb="filter_patterns",
        score_name="mean activation",
        arrived=alive,
        bounds=run.bounds,
        stopped=found.stopped,
        frames=found.frames,
        made_by=made_by(
            network, filter_patterns, layer_names=info.path, filter_indices=wanted,
            parametrization=made_of.name, steps=steps, target_size=canvas.size,
            batch_size=batch_size, seed=seed,
            statistics=None if examples is None else array_sha256(np.asarray(examples)),
        ),
        notes=tuple(notes),
    )  # fmt: skip


def _amended(found: Climbed, again: Climbed, places: Any) -> Climbed:
    """Return an ascent whose images at some places are another's."""
    changed: dict[str, Any] = {}
    for key, axis in (("images", 0), ("moved", 0), ("scores", 1), ("frames", 1)):
        whole, part = getattr(found, key), getattr(again, key)
        if whole is not None:
            changed[key] = whole.copy()
            changed[key][(slice(None),) * axis + (places,)] = part
    return replace(found, **changed)


def _chosen(filter_indices: Any, path: str, filters: int) -> list[int]:
    """Return the filters that were asked for, all by default."""
    if filter_indices is None:
        return list(range(filters))
    try:
        given = list(filter_indices)
    except TypeError:
        given = [filter_indices]
    whole = [isinstance(index, int | np.integer) for index in given]
    if (
        not given
        or not all(whole)
        or bool in map(type, given)
        or not set(given) <= set(range(filters))
    ):
        raise OptionError(
            f"Layer {sanitise(path)!r} has filters 0 to {filters - 1}. Received: {sanitise(given)}"
        )
    return [int(index) for index in given]


def _alive(found: Climbed) -> Any:
    return found.moved & (found.scores[-1] != 0)


def _layer(network: Network, layer_names: Any) -> tuple[LayerInfo, int]:
    """Return a layer and the number of its filters."""
    infos = network.layers.select(layer_names, maps=True)
    if len(infos) != 1 or not infos[0].spatial:
        raise LayerError(
            f"filter_patterns takes one layer with maps. Received: {sanitise(layer_names)}, "
            f"which means {sanitise(', '.join(info.path for info in infos), 120)}"
        )
    shape = infos[0].output_shape
    filters = shape[1] if infos[0].data_format == "channels_first" else shape[-1]
    if filters is None:
        raise LayerError(f"The number of filters of {sanitise(infos[0].path)!r} is not known.")
    return infos[0], int(filters)


def _ascent(parametrization: Parametrization, canvas: Canvas) -> Ascent:
    if isinstance(parametrization, Values):
        return of_values(parametrization, canvas, smooth=False)
    name, size = parametrization.name, canvas.size
    if name == "pixel":
        pixels = size[0] * size[1] * 3
        return Ascent(
            move=Step(0.02 * 255 * float(np.sqrt(pixels))),
            parametrization=parametrization,
            holds=(Between(),),
        )
    return Ascent(
        move=Adam(0.05),
        parametrization=parametrization,
        transforms=(Jitter(float(max(1, min(size) // 32))), Turn(5.0, 0.95, 1.05)),
    )
