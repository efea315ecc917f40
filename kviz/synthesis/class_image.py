"""Class images: what a network would most like to see as a class.

K. Simonyan, A. Vedaldi, A. Zisserman, "Deep Inside Convolutional Networks", ICLR 2014 workshop: the
image of the highest unnormalised score, less a penalty. In pixels with J. Yosinski's blur (2015), in
Fourier's coefficients with random views (C. Olah et al., Distill 2017), or in phases only (MACO); of
signals, volumes and features, in units of their own deviation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from kviz._types import Array, ClassIndex, ModelLike, Progress, ScoreLike
from kviz.inputs import answering_head, one_target
from kviz.look import predict
from kviz.network.loading import as_network
from kviz.network.network import Network
from kviz.originals import array_sha256
from kviz.results import Predictions, Synthesis
from kviz.results.made_by import made_by
from kviz.scores import ClassScore, LossScore, as_score
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
from kviz.synthesis._pieces import Between, Blur, Bright, Crop, Jitter, Noise, Rough, Turn

Name = Literal["pixel", "fourier", "maco", "values"]


def class_image(  # noqa: PLR0913 - a verb's options
    model: ModelLike,
    class_index: ClassIndex,
    *,
    parametrization: Name | None = None,
    score: ScoreLike | None = None,
    output: int | str | None = None,
    steps: int = 256,
    target_size: int | tuple[int, ...] | None = None,
    statistics: Array | None = None,
    batch_size: int = 16,
    seed: int = 0,
    film: bool = False,
    progress: Progress | None = None,
) -> Synthesis:
    """Make the image that a network most takes for a class: a photo, a signal, a volume or features.

    Where the network takes the image for a like class after all, a quarter of the steps more are gone
    against all other classes.

    Args:
        model: a `Network`, a `keras.Model` or a path. Photos are made of pixels 0-255: a model that
            takes 0-1 is `kviz.Network(model, preprocess="0..1")`.
        class_index: a class by index or name, or a list of them: an image each.
        parametrization: of photos `"pixel"`, `"fourier"` (by default) or `"maco"`; of what else
            there is `"values"`, in units of its data's deviation.
        score: what grows, by default the class's unnormalised score.
        output: which output of a model that has several, as `attribute` takes it.
        steps: how many, 1 or more.
        target_size: for models that take any size: height and width, a signal's length, a volume's
            three, or one number for all of them.
        statistics: photos `(N, H, W, channels)` in 0-255 whose colours it should have, by default those
            of ImageNet; else what the model takes, whose mean and deviation count a channel at a time,
            by default 0 and 1.
        batch_size: images processed at once.
        seed: for where it begins and for the random views; each image's place is put behind it.
        film: whether to keep frames for an animation.
        progress: called with (steps done, steps).

    Returns:
        A `Synthesis`: images, photos in 0-255; `.arrived` says which are classified as their class.

    Raises:
        OptionError: on a class that there is not, no steps, a size that does not fit.
        LayerError: if the score does not depend on the pixels.

    >>> class_image("models/squeezenet.keras", "pizza", steps=8).images.shape
    (1, 227, 227, 3)
    """
    examples = validate_examples(statistics, target_size, parametrization)
    run = Run(steps=steps, batch_size=batch_size, seed=seed, film=film, progress=progress)
    rising = as_score(score, output)
    network = as_network(model)
    several = isinstance(class_index, Sequence | np.ndarray) and not isinstance(class_index, str)
    wanted: list[Any] = list(class_index) if several else [class_index]  # type: ignore[arg-type]
    canvas = canvas_of(network, target_size)
    head = answering_head(network, rising, network.specs(blank_of(network, canvas)))
    target = one_target(wanted, network, len(wanted), head)
    made_of = parametrized(parametrization, canvas, examples)
    ascent, run = _ascent(made_of, canvas), replace(run, bounds=drawn_between(made_of))
    climbed = begun(network, rising, ascent, target, canvas, run)
    best, found = _taken_for(network, climbed, head.name, batch_size)
    wrong = np.flatnonzero(best != target[: len(best)])
    several = head.has_classes and not head.is_map and found.scores.shape[1] > 1
    if several and len(wrong) and not climbed.stopped and isinstance(rising, ClassScore):
        # The unnormalised score can lift a like class higher still: then on against all others.
        ascent, more = replace(ascent, transforms=()), replace(run, steps=max(1, steps // 4))
        again = begun(
            network, LossScore(rising), ascent, target[wrong], canvas, more,
            params=climbed.params[wrong],
        )  # fmt: skip
        climbed = _amended(climbed, again, wrong[: len(again.images)])
        best, found = _taken_for(network, climbed, head.name, batch_size)
    count = len(climbed.images)
    notes = [*network.notes, *([head.note] if head.note else [])]
    notes += notes_of_range(network, canvas, examples)
    if climbed.stopped:
        notes.append("Interrupted: the image so far.")
    taken: dict[str, Any] = {"arrived": np.ones(count, bool)}
    if head.has_classes:
        # The values of a regression name no class.
        taken = {
            "arrived": best == target[:count],
            "predictions": tuple(("", row[0].name) for row in found.rows),
            "confidences": np.array([(np.nan, row[0].score) for row in found.rows], np.float32),
            "target_scores": found.scores[np.arange(count), target[:count]],
            "classes": np.array([(-1, row[0].class_index) for row in found.rows], np.int32),
            "is_probability": found.is_probability,
        }
    return Synthesis(
        images=climbed.images,
        scores=climbed.scores,
        labels=tuple(head.label(int(index), network.class_names) for index in target[:count]),
        verb="class_image",
        score_name="logit" if isinstance(rising, ClassScore) and head.has_classes else "score",
        bounds=run.bounds,
        **taken,
        stopped=climbed.stopped,
        frames=climbed.frames,
        made_by=made_by(
            network, class_image, class_index=target, parametrization=made_of.name,
            score=score, output=output, steps=steps, batch_size=batch_size, target_size=canvas.size,
            seed=seed, statistics=None if examples is None else array_sha256(np.asarray(examples)),
        ),
        notes=tuple(notes),
    )  # fmt: skip


def _amended(climbed: Climbed, again: Climbed, places: Any) -> Climbed:
    """Return an ascent whose images at some places went on, and its frames with theirs behind."""
    images, frames = climbed.images.copy(), climbed.frames
    images[places] = again.images
    if frames is not None and again.frames is not None:
        more = frames[-1:].repeat(len(again.frames) - 1, axis=0)
        more[:, places] = again.frames[1:]
        frames = np.concatenate([frames, more])
    return replace(climbed, images=images, frames=frames, stopped=again.stopped)


def _taken_for(
    network: Network, climbed: Climbed, output: int | str | None, batch_size: int
) -> tuple[Any, Predictions]:
    """Return the predicted classes, and what says so."""
    found = predict(network, climbed.images, top=1, output=output, batch_size=batch_size)
    return np.array([row[0][0] for row in found.rows]), found


def _ascent(parametrization: Parametrization, canvas: Canvas) -> Ascent:
    """Return the pieces for a parametrization; lengths are shares of the image's side."""
    if isinstance(parametrization, Values):
        return of_values(parametrization, canvas, smooth=True)
    name, size = parametrization.name, canvas.size
    reach = float(max(1, min(size) // 16))
    if name == "pixel":
        return Ascent(
            # Two levels of 255 in the mean of all pixels.
            move=Step(2 * float(np.sqrt(size[0] * size[1] * 3))),
            parametrization=parametrization,
            transforms=(Jitter(reach), Turn(5.0, 0.95, 1.05)),
            penalties=(Bright(5.0), Rough(125.0)),
            holds=(Blur(4, 0.5), Between()),
        )
    if name == "fourier":
        return Ascent(
            move=Adam(0.02),
            parametrization=parametrization,
            transforms=(Jitter(reach), Turn(10.0, 0.9, 1.1)),
            penalties=(Bright(1.0), Rough(14.0)),
        )
    return Ascent(
        move=Adam(0.1),
        parametrization=parametrization,
        transforms=(Crop(0.4, 1.0), Noise(8.0)),
    )
