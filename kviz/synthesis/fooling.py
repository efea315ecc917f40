"""Fooling images: the least that has to change before a network sees something else.

C. Szegedy et al., "Intriguing properties of neural networks", ICLR 2014. One ascent, by its settings:
FGSM (I. Goodfellow et al., ICLR 2015) is one step of the norm linf; PGD (A. Madry et al., ICLR 2018) is
`max_norm` and `random_start`; small steps that grow until the class is the predicted one, as by
default, walk to a change that is small.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image

from kviz._checks import sanitise, validate_choice, validate_int
from kviz._types import Array, ClassIndex, Images, ModelLike, Progress, ScoreLike
from kviz.engine.backend import tf
from kviz.engine.graph import last_operation, unnormalise
from kviz.engine.heads import choose_output
from kviz.engine.passes import Passes
from kviz.engine.tracing import Trace
from kviz.errors import ImageError, ModelError, OptionError
from kviz.images import png
from kviz.inputs import class_label, looked_at, one_target, passes_for
from kviz.look import predict, read_images
from kviz.network.loading import as_network
from kviz.network.network import Network
from kviz.results import Synthesis
from kviz.results.made_by import made_by
from kviz.synthesis._ascent import Ascent, Climbed, Hold, climb, joined, picked
from kviz.synthesis._moves import Norm, Step
from kviz.synthesis._parametrizations import Pixels
from kviz.synthesis._pieces import Between, Near, Whole

# The first step as a share of all a picture could change, and how steps grow: so small that 227 x 227
# photos change by about 1 % of their range, so quickly that 100 steps reach any class.
_FIRST = {"l2": 2e-4, "linf": 1e-3}
_GROWTH = 1.1
# By how much a probability is larger than another for more than rounding: 16 times a float's.
_AHEAD = 1 + 2e-6


def fool(
    model: ModelLike,
    images: Images,
    class_index: ClassIndex | None = None,
    *,
    targeted: bool = True,
    score: ScoreLike | None = None,
    step_size: float | None = None,
    max_norm: float | None = None,
    norm: Norm = "l2",
    steps: int = 100,
    random_start: bool = False,
    confidence: float | None = None,
    bounds: tuple[float, float] | None = None,
    input_name: str | None = None,
    batch_size: int = 32,
    seed: int = 0,
    names: Sequence[str] = (),
    film: bool = False,
    progress: Progress | None = None,
) -> Synthesis:
    """Change images until the network takes them for a class, and stop as soon as it does.

    The network is asked about whole numbers 0-255, so that a picture fools it as a PNG file too; that
    is tried. An interrupt returns the best so far.

    Args:
        model: a `Network`, a `keras.Model` or a path.
        images: as `activations` takes them.
        class_index: the class to be taken for, by index or name: one for all images or a list of one
            for each. With `targeted=False` the class to get away from, by default the predicted one.
        targeted: go to the class; False goes away from it.
        score: what grows (or, not targeted, falls), by default the class's unnormalised score.
        step_size: a step's length: in each pixel for `"linf"`, of the whole change for `"l2"`; by
            default it begins small and grows.
        max_norm: how far from the original an image may go, by `norm`.
        norm: `"l2"` or `"linf"`.
        steps: how many at most, 1 or more.
        random_start: begin at a random place within `max_norm`.
        confidence: go on until the class's probability is at least this.
        bounds: the values that an image may have; by default 0-255 for images, none for other inputs.
        input_name: the input that is changed, of a model that has several.
        batch_size: images in flight at once.
        seed: for the random start.
        names: what the images are called; by default the files' names.
        film: whether to keep frames for an animation.
        progress: called with (steps done, steps).

    Returns:
        A `Synthesis`: the images, the change, both predictions; `.arrived` says which are fooled.

    Raises:
        OptionError: on a class that there is not, no steps, a step or norm of 0 or less.
        ImageError: if images do not fit the model or lie outside the bounds.
        LayerError: if the score does not depend on the pixels.

    >>> found = fool("models/squeezenet.keras", "notebooks/images/cat.png", "pizza")
    >>> found.arrived.tolist(), found.predictions
    ([True], (('Egyptian cat', 'pizza'),))
    """
    _check(norm, steps, step_size, max_norm, confidence, random_start, seed)
    network = as_network(model)
    images, names = read_images(images, network, names)
    pixels = {name: np.asarray(array, np.float32) for name, array in network.pixels(images).items()}
    explained = looked_at(pixels, network.specs(pixels), input_name)
    originals = pixels[explained]
    photo = originals.ndim == 4
    bounds = _between(bounds) if bounds is not None else (0.0, 255.0) if photo else None
    if bounds and (originals.min() < bounds[0] or originals.max() > bounds[1]):
        raise ImageError(
            f"Expected images between {bounds[0]:g} and {bounds[1]:g}. Received: values from "
            f"{originals.min():g} to {originals.max():g}. What a model takes instead of 0-255 is "
            "told by preprocess= of kviz.Network, or by bounds=."
        )
    rounded = photo and bounds == (0.0, 255.0)
    if rounded:
        originals = pixels[explained] = np.rint(originals)
    if class_index is None and targeted:
        raise OptionError(
            "fool takes the class that an image is to be taken for, or targeted=False."
        )
    target = one_target(class_index, network, len(originals))
    passes = passes_for(network, score, pixels, explained)
    # Whatever the score is, one unit for two named classes speaks for the second.
    binary = network.classes == 1 and len(network.class_names or ()) == 2
    verdict = Taken(targeted, confidence, getattr(score, "output", None), binary)
    if (target < 0).any():
        target = np.concatenate(
            [
                verdict.predicted(passes, c)[: b - a]
                for a, b, c in network.engine.chunks(pixels, batch_size)
            ]
        )
    if rounded and norm == "linf" and max_norm and max_norm < 1:
        raise OptionError(
            f"Pixels are whole numbers, so max_norm is 1 or more. Received: {max_norm}"
        )
    # Pixels are as many whole numbers apart.
    radius = max_norm or np.inf
    if rounded and norm == "linf":
        radius = float(np.floor(radius))
    holds: list[Hold] = [Near(radius, norm)] if max_norm else []
    if bounds:
        holds.append(Between(*bounds))
    span = bounds[1] - bounds[0] if bounds else max(float(np.ptp(originals)), 1.0)
    reach = np.sqrt(originals[0].size) if norm == "l2" else 1.0
    ascent = Ascent(
        move=Step(
            step_size or float(_FIRST[norm] * span * reach),
            norm,
            1.0 if step_size else _GROWTH,
            down=not targeted,
        ),
        parametrization=Pixels(),
        holds=tuple(holds),
        whole=Whole(max_norm, norm) if rounded else None,
        verdict=verdict,
    )
    parts, counts = [], []
    for first, stop, chunk in network.engine.chunks(pixels, batch_size):
        own = target[np.arange(first, first + len(chunk[0])).clip(max=stop - 1)]
        start = chunk[passes.place]
        if random_start and max_norm:
            start = np.stack(
                [_random(array, radius, norm, (seed, first + at)) for at, array in enumerate(start)]
            )
            if bounds:
                start = start.clip(*bounds)
        # What is ahead by next to nothing may not be as a file, in a batch of its own: go on then.
        before: Climbed | None = None
        held = np.zeros(len(own), bool)
        for margin in (0.0, 0.01, 0.1):
            went = climb(
                passes, replace(ascent, verdict=replace(verdict, margin=margin)), chunk, own, start,
                steps=steps, seed=seed, film=film, progress=progress,
            )  # fmt: skip
            if before is not None:
                # Each image is what it is in a batch of its own.
                both = joined([before, went], [len(own)] * 2)
                went = picked(both, np.arange(len(own)) + len(own) * ~held)
            kept = _as_files(passes, verdict, went, chunk, own) if rounded else went.arrived
            before, held = went, kept | ~went.arrived
            if went.stopped or held.all():
                break
        parts.append(replace(went, arrived=kept))
        counts.append(stop - first)
        if went.stopped:
            break
    return _result(
        network, pixels, explained, target, joined(parts, counts), names, verdict, batch_size,
        {"targeted": targeted, "step_size": step_size, "max_norm": max_norm, "norm": norm,
         "steps": steps, "random_start": random_start, "confidence": confidence, "bounds": bounds,
         "seed": seed},
    )  # fmt: skip


def _between(bounds: Any) -> tuple[float, float]:
    try:
        low, high = map(float, bounds)
    except (TypeError, ValueError):
        low = high = 0.0
    if not low < high:
        raise OptionError(f"bounds takes a lower and an upper value. Received: {sanitise(bounds)}")
    return low, high


def _check(
    norm: str,
    steps: int,
    step_size: Any,
    max_norm: Any,
    confidence: Any,
    random_start: bool,
    seed: int,
) -> None:
    validate_choice("norm", norm, ("l2", "linf"))
    validate_int("steps", steps)
    validate_int("seed", seed, 0)
    for option, value in (("step_size", step_size), ("max_norm", max_norm)):
        if value is not None and not 0 < value < np.inf:
            raise OptionError(f"{option} takes a number above 0. Received: {value}")
    if confidence is not None and not 0 < confidence < 1:
        raise OptionError(f"confidence takes a probability between 0 and 1. Received: {confidence}")
    if random_start and max_norm is None:
        raise OptionError("random_start needs max_norm: the place is drawn within it.")


@dataclass(frozen=True)
class Taken:
    """Whether the predicted class is the target, or, not targeted, is not.

    Args:
        targeted: whether it is to be.
        confidence: the least probability, or None.
        output: which output has the classes.
        binary: whether one unit speaks for the second of two classes.
        margin: by how much it has to be ahead of its rival.
    """

    targeted: bool
    confidence: float | None
    output: int | str | None
    binary: bool
    margin: float = 0.0

    def __call__(self, traced: Trace, target: Any) -> tuple[Any, Any]:
        """Return whether and how nearly, as `Verdict`."""
        logits, independent = self._logits(traced)
        own, rival = _rivals(logits, target)
        near = own - rival if self.targeted else rival - own
        arrived = near > self.margin
        if independent:
            # Of two sigmoids that are both 1, or nearly so, none is ahead, whatever their logits say:
            # in another batch it can be the other way round.
            one, other = _rivals(choose_output(traced.outputs, self.output), target)
            arrived &= one > _AHEAD * other if self.targeted else other > _AHEAD * one
        if self.confidence is not None:
            best = own if self.targeted else rival
            log = best - tf.reduce_logsumexp(logits, 1)
            sure = tf.sigmoid(best) if independent else tf.exp(log)
            arrived &= sure >= self.confidence
        return arrived, tf.cast(near, tf.float32)

    def predicted(self, passes: Passes, chunk: Sequence[Any]) -> Array:
        """Return the predicted classes of images, as the model itself has them in its precision."""

        def run(*arguments: Any) -> Any:
            inputs = dict(zip(passes.specs, arguments[:-1], strict=True))
            traced = passes.engine.traced(inputs, as_it_is=True)
            logits, _ = self._logits(traced)
            output = choose_output(traced.outputs, self.output)
            # Probabilities can be level where logits are not.
            return tf.argmax(logits if output.shape[1] == 1 else output, 1, tf.int32)

        target = tf.zeros(len(chunk[0]), "int32")
        found: Array = passes.compiled(("predicted", self), run)(*chunk, target).numpy()
        return found

    def _logits(self, traced: Trace) -> tuple[Any, bool]:
        """Return unnormalised scores `(N, classes)`, and whether each is a probability's own."""
        output = choose_output(traced.outputs, self.output)
        logits = unnormalise(output)
        if logits.shape.rank != 2:
            raise ModelError(
                f"The output is of shape {sanitise(logits.shape)}. fool needs one of classes, "
                "(N, classes)."
            )
        if logits.shape[1] == 1:
            half = logits / 2
            pair = [-half, half] if self.binary else [half, -half]
            return tf.concat(pair, 1), False
        return logits, last_operation(output).type == "Sigmoid"


def _rivals(scores: Any, target: Any) -> tuple[Any, Any]:
    """Return a class's scores and the best of the others'."""
    own = tf.gather(scores, target, axis=1, batch_dims=1)
    mask = tf.one_hot(target, tf.shape(scores)[1], on_value=True, off_value=False)
    others = tf.where(mask, tf.constant(-np.inf, scores.dtype), scores)
    return own, tf.reduce_max(others, 1)


def _random(image: Array, radius: float, norm: Norm, seed: tuple[int, int]) -> Array:
    """Return an image at a random place within a radius."""
    random = np.random.default_rng(seed)
    if norm == "linf":
        way = random.uniform(-radius, radius, image.shape)
    else:
        way = random.normal(size=image.shape)
        way *= radius * random.random() ** (1 / image.size) / np.linalg.norm(way)
    moved: Array = (image + way).astype(np.float32)
    return moved


def _as_files(
    passes: Passes, verdict: Taken, went: Climbed, chunk: list[Array], target: Array
) -> Array:
    """Return which of an ascent's images hold, written as PNG files and read back."""
    files = np.stack([_as_file(image) for image in went.images])
    inputs = [files if place == passes.place else x for place, x in enumerate(chunk)]
    holds: Array = (verdict.predicted(passes, inputs) == target) == verdict.targeted
    return went.arrived & holds


def _as_file(image: Array) -> Array:
    """Return an image written as PNG and read back; as it is where PNG has no such colours."""
    if image.shape[-1] not in (1, 3):
        return image
    levels = np.squeeze(image, -1) if image.shape[-1] == 1 else image
    with Image.open(io.BytesIO(png(levels.astype(np.uint8)))) as file:
        read: Array = np.asarray(file, np.float32).reshape(image.shape)
    return read


def _result(
    network: Network,
    pixels: dict[str, Array],
    explained: str,
    target: Array,
    went: Climbed,
    names: Sequence[str],
    verdict: Taken,
    batch_size: int,
    settings: dict[str, Any],
) -> Synthesis:
    count = len(went.images)
    originals, images = pixels[explained][:count], went.images
    target = target[:count]
    labels = [class_label(network, int(index)) for index in target]
    before, after = (
        predict(network, {**{n: a[:count] for n, a in pixels.items()}, explained: array},
                top=1, output=verdict.output,
                batch_size=batch_size)
        for array in (originals, images)
    )  # fmt: skip
    changed = (images - originals).reshape(count, -1)
    norms = np.stack([np.linalg.norm(changed, axis=1), np.abs(changed).max(axis=1)], axis=1)
    notes = list(network.notes)
    seen = np.isfinite(went.scores).sum(axis=0) - 1
    # A score that is no number says nothing of how many steps were gone.
    taken = np.where(seen < 0, len(went.scores) - 1, seen)
    for index in range(count):
        name = names[index] if index < len(names) else f"image {index}"
        goal = "for" if verdict.targeted else "for anything but"
        if went.arrived[index] and not changed[index].any():
            notes.append(
                f"{sanitise(name, 60)} is taken {goal} {sanitise(labels[index], 60)} as it is."
            )
        elif not went.arrived[index]:
            notes.append(
                f"{sanitise(name, 60)} is not taken {goal} {sanitise(labels[index], 60)} after "
                f"{taken[index]} steps; this is the nearest."
            )
    if went.stopped:
        notes.append("Interrupted: the best so far.")
    return Synthesis(
        images=images,
        scores=went.scores,
        labels=tuple(labels),
        verb="fool",
        arrived=went.arrived,
        originals=originals,
        norms=norms.astype(np.float32),
        predictions=tuple(
            (one[0][1], two[0][1]) for one, two in zip(before.rows, after.rows, strict=True)
        ),
        confidences=np.array(
            [[row[0][2] for row in found.rows] for found in (before, after)], np.float32
        ).T,
        classes=np.array(
            [
                (one[0].class_index, two[0].class_index)
                for one, two in zip(before.rows, after.rows, strict=True)
            ],
            np.int32,
        ),
        is_probability=after.is_probability,
        stopped=went.stopped,
        frames=went.frames,
        names=tuple(names)[:count],
        made_by=made_by(network, "fool", pixels, class_index=target, **settings),
        notes=tuple(notes),
    )
