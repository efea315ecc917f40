"""What the verbs share: what is made, its colours or values, a pass a batch, a seed an image."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from kviz._caller import spelled
from kviz._checks import sanitise, validate_choice
from kviz._types import Array
from kviz.engine.model_inputs import built_shape
from kviz.engine.passes import Passes, Score
from kviz.errors import OptionError
from kviz.given import takes_bytes
from kviz.images import is_small, validate_size
from kviz.network.network import Network
from kviz.synthesis._ascent import Ascent, Climbed, Penalty, Run, climb, joined
from kviz.synthesis._moves import Adam
from kviz.synthesis._parametrizations import (
    Canvas,
    Fourier,
    Maco,
    Parametrization,
    Pixels,
    Values,
    colours_of,
    usual_colours,
)
from kviz.synthesis._pieces import Bright, Jitter, Rough

_OF_PHOTOS = ("pixel", "fourier", "maco")
# Of what has so many axes; the last is their channels'.
_SHAPES = {
    0: "features (N, F)",
    1: "signals (N, L, channels)",
    2: "photos (N, H, W, channels)",
    3: "volumes (N, D, H, W, channels)",
}
# How far values lie from their mean in what is drawn, in deviations.
_SPAN = 2


def validate_examples(statistics: Any, target_size: Any, parametrization: Any) -> Array | None:
    """Return examples that say what the data are like, float32, checked as far as that needs no model.

    Args:
        statistics: as a model takes them, photos in 0-255; or None.
        target_size: as `canvas_of` takes it.
        parametrization: as `parametrized` takes it.

    Raises:
        OptionError: if one of them is not what it takes.
    """
    validate_choice("parametrization", parametrization, (None, *_OF_PHOTOS, "values"))
    if target_size is not None:
        # One number can be a signal's length.
        axes = len(target_size) if isinstance(target_size, tuple | list) else 1
        validate_size(target_size, (None,) * (axes if axes in (1, 3) else 2))
    if statistics is None:
        return None
    try:
        examples = np.asarray(statistics, np.float32)
    except (TypeError, ValueError):
        examples = np.zeros(0, np.float32)
    if examples.ndim == 4 and examples.size and is_small(np.asarray(statistics)):
        raise OptionError(
            f"{spelled('statistics')} takes photos in 0-255. Received: values up to {examples.max():g}"
        )
    photos = examples.ndim == 4
    if (
        examples.ndim - 2 not in _SHAPES
        or not np.isfinite(examples).all()
        or not examples.size
        or (photos and not (examples.min() >= 0 and examples.max() <= 255))
    ):
        raise OptionError(
            f"{spelled('statistics')} takes photos (N, H, W, channels) in 0-255, or what else a model "
            f"takes. Received: {sanitise(getattr(statistics, 'shape', repr(statistics)))}"
        )
    return examples


def canvas_of(network: Network, target_size: Any) -> Canvas:
    """Return what is to be made for a model.

    Args:
        network: the network.
        target_size: a number for each axis, or one for all; None for the model's own. A photo's side
            that is free is 224 then.

    Raises:
        OptionError: if it does not fit the model, is missing, or the model takes something else.
    """
    shapes = network.input_shapes
    if shapes is None:
        # Of a model that does not say, photos.
        shapes = [built_shape(network.model) or (None, None, None, 3)]
    if len(shapes) != 1 or len(shapes[0]) - 2 not in _SHAPES:
        raise OptionError(
            f"This verb is for models of one input: {', '.join(_SHAPES.values())}. "
            f"Received: one that takes {sanitise(shapes, 120)}"
        )
    (_, *own, channels) = shapes[0]
    what = _SHAPES[len(own)]
    if channels is None and len(own) != 2:
        raise OptionError(f"The model takes {what} and leaves open how many its last axis has.")
    if target_size is not None:
        if not own:
            raise OptionError(
                f"{spelled('target_size')} is not for features. The model takes {what}."
            )
        size = validate_size(target_size, tuple(own))
    elif None in own and len(own) != 2:
        raise OptionError(
            f"The model takes {what} of any size; {spelled('target_size')} says which: "
            f"{'a length' if len(own) == 1 else f'{len(own)} lengths'}."
        )
    else:
        size = tuple(side or 224 for side in own)
    # What moves, what it remembers, its gradient and its pixels, before the model sees any.
    network.engine.memory.ask(8 * 4 * math.prod(size) * (channels or 3))
    return Canvas(size, channels or 3)


def parametrized(name: str | None, canvas: Canvas, examples: Array | None) -> Parametrization:
    """Return a parametrization by its name.

    Args:
        name: `"pixel"`, `"fourier"` or `"maco"`, by default this; for what is no photo `"values"`.
        canvas: what is made.
        examples: those whose colours or values count; None for ImageNet's colours, or values of mean 0
            and standard deviation 1.
    """
    channels = canvas.channels
    names = _OF_PHOTOS if canvas.is_photo else ("values",)
    what = _SHAPES[len(canvas.size)]
    if name not in (None, *names):
        raise OptionError(
            f"{spelled('parametrization')} takes {' or '.join(map(repr, names))} for a model of "
            f"{what}. Received: {name!r}"
        )
    if examples is not None and (
        examples.ndim != len(canvas.size) + 2 or examples.shape[-1] != channels
    ):
        wanted = f"{what.rsplit(', ', 1)[0]}, {channels})"
        raise OptionError(
            f"{spelled('statistics')} takes {wanted} for this model. Received: {examples.shape}"
        )
    if not canvas.is_photo:
        return _values(examples, channels)
    if name == "pixel":
        return Pixels()
    colours = usual_colours(channels) if examples is None else colours_of(examples)
    return Maco(canvas.size, colours) if name == "maco" else Fourier(canvas.size, colours)


def _values(examples: Array | None, channels: int) -> Values:
    if examples is None:
        return Values(np.zeros(channels, np.float32), np.ones(channels, np.float32))
    flat = examples.reshape(-1, channels)
    mean: Array = flat.mean(0, dtype=np.float64)
    deviation: Array = flat.std(0, dtype=np.float64)
    if not deviation.any():
        raise OptionError(
            f"{spelled('statistics')} takes several examples, which differ. Received: {len(examples)} "
            "that do not"
        )
    return Values(mean.astype(np.float32), deviation.astype(np.float32))


def of_values(values: Values, canvas: Canvas, *, smooth: bool) -> Ascent:
    """Return the pieces of an ascent in values, for what is no photo.

    Of a score that is linear in the values the penalty makes them a deviation large on average, however
    many they are: as far from the mean as the data.

    Args:
        values: their parametrization.
        canvas: what is made.
        smooth: whether what is rough counts against it: the fastest wave along an axis five times as
            much as the slowest.
    """
    weight = float(np.sqrt(np.prod(canvas.shape))) / 2
    unit = np.where(values.deviation > 0, values.deviation, 1)
    penalties: list[Penalty] = [Bright(weight, values.mean, unit)]
    if smooth and canvas.size:
        penalties.append(Rough(weight / len(canvas.size), unit))
    reach = min(canvas.size, default=0) // 32
    return Ascent(
        move=Adam(0.1),
        parametrization=values,
        transforms=(Jitter(float(reach)),) if reach else (),
        penalties=tuple(penalties),
    )


def drawn_between(parametrization: Parametrization) -> tuple[float, float]:
    """Return the values that are drawn as black and white."""
    if not isinstance(parametrization, Values):
        return (0.0, 255.0)
    reach = _SPAN * parametrization.deviation
    return float((parametrization.mean - reach).min()), float((parametrization.mean + reach).max())


def blank_of(network: Network, canvas: Canvas, count: int = 1) -> dict[str, Array]:
    """Return so many empty images of what is made, by the name of the model's input."""
    blank = np.zeros((count, *canvas.shape), np.float32)
    return dict.fromkeys(network.pixels(blank[:1]), blank)


def notes_of_range(network: Network, canvas: Canvas, examples: Array | None) -> list[str]:
    """Return what is to be said where it is not known which values a model takes.

    Args:
        network: the network.
        canvas: what is made.
        examples: what says which values those are that are no pixels, or None.
    """
    if not canvas.is_photo:
        if examples is not None:
            return []
        return [
            "Made of values of mean 0 and standard deviation 1; where the model's data have others, "
            "statistics= says which."
        ]
    blank = blank_of(network, canvas)
    if network.preprocess is not None or takes_bytes(network, blank, next(iter(blank))):
        return []
    return [
        f"Made of pixels 0-255; where the model takes other values, {spelled('preprocess')} says how."
    ]


def begun(
    network: Network,
    score: Score,
    ascent: Ascent,
    target: Array,
    canvas: Canvas,
    run: Run,
    *,
    attempt: int | None = None,
    params: Array | None = None,
) -> Climbed:
    """Go up for each target, a batch at a time, from noise unless parameters are given.

    Args:
        network: the network.
        score: what grows.
        ascent: the pieces.
        target: int32 `(N,)`.
        canvas: what the parametrization makes.
        run: how far; each image's own place is put behind the seed.
        attempt: which one it is, where there are several: of other noise, of four times the contrast.
        params: to begin with, `(N, …)`.
    """
    blank = blank_of(network, canvas, len(target))
    passes = Passes(network.engine, score, blank, *blank)
    seed = (run.seed,) if attempt is None else (run.seed, attempt)

    def climbed(batch_size: int) -> Climbed:
        parts: list[Climbed] = []
        counts = []
        chunks = list(network.engine.chunks(blank, batch_size))
        for start, stop, chunk in chunks:
            places = np.arange(start, start + len(chunk[0])).clip(max=stop - 1)
            if params is None:
                seeds = [(*seed, int(place)) for place in places]
                contrast = 4.0 ** (attempt or 0)
                first = ascent.parametrization.start(seeds, canvas, contrast)
            else:
                first = params[places]
            went = climb(
                passes, ascent, chunk, target[places], first, run.part(len(parts), len(chunks))
            )
            parts.append(went)
            counts.append(stop - start)
            if went.stopped:
                break
        return joined(parts, counts)

    return network.engine.fitting(run.batch_size, climbed)
