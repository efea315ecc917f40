"""Fooling images: the least that has to change before a network sees something else.

C. Szegedy et al., "Intriguing properties of neural networks", ICLR 2014. One ascent, by its settings:
FGSM (I. Goodfellow et al., ICLR 2015) is one step of the norm linf; PGD (A. Madry et al., ICLR 2018) is
`max_norm` and `random_start`; small steps that grow until the class is the predicted one, as by
default, walk to a change that is small.

What grows by default is the margin: the class's unnormalised score less the largest of the others'. In
100 steps it fooled 228 of 240 cases of twelve small nets on Fashion-MNIST, the cross-entropy 226, the
class's score alone 204; where all three arrived their changes were 1, 1.2 and 1.4 times as large. On
the shipped convnet all arrived, and they were 1, .96 and 1.2 times; on SqueezeNet 1, .95 and 1.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from kviz._caller import spelled
from kviz._checks import sanitise, validate_choice, validate_names
from kviz._types import Array, ClassIndex, Images, ModelLike, Progress, ScoreLike
from kviz.engine.heads import Head
from kviz.engine.passes import Passes, Score
from kviz.errors import ModelError, OptionError
from kviz.given import read_images
from kviz.inputs import answering_head, looked_at, one_target
from kviz.look import predict
from kviz.network.loading import as_network
from kviz.network.network import Network
from kviz.results import Predictions, Synthesis
from kviz.results.made_by import MadeBy, made_by
from kviz.scores import ClassScore, LossScore, MarginScore, as_score
from kviz.synthesis._ascent import Ascent, Climbed, Hold, Run, climb, joined, picked
from kviz.synthesis._attack import Attack, radii_of
from kviz.synthesis._moves import Norm, Step
from kviz.synthesis._parametrizations import Pixels
from kviz.synthesis._pieces import Between, Near, Whole
from kviz.synthesis._taken import Taken, hold_as_files

Objective = Literal["margin", "cross_entropy", "logit"]
_SCORES: dict[Objective, Any] = {
    "margin": MarginScore, "cross_entropy": LossScore, "logit": lambda score: score,
}  # fmt: skip

# The first step as a share of all a picture could change, and how steps grow: so small that 227 x 227
# photos change by about 1 % of their range, so quickly that 100 steps lead across all of it.
_FIRST = {"l2": 2e-4, "linf": 1e-3}
_GROWTH = 1.1


def fool(  # noqa: PLR0913 - a verb's options
    model: ModelLike,
    images: Images,
    class_index: ClassIndex | None = None,
    *,
    targeted: bool = True,
    objective: Objective = "margin",
    score: ScoreLike | None = None,
    output: int | str | None = None,
    step_size: float | None = None,
    max_norm: float | Sequence[float] | None = None,
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
    is tried. With other `bounds` pixels are no whole numbers. An interrupt returns the best so far.

    Args:
        model: a `Network`, a `keras.Model` or a path.
        images: as `activations` takes them.
        class_index: the class to aim at, by index or name: one for all images or a list of one for
            each. With `targeted=False` the class to get away from, by default the predicted one.
        targeted: go to the class; False goes away from it.
        objective: what grows (or, not targeted, falls): `"margin"`, the class's unnormalised score less
            the largest of the others'; `"cross_entropy"`, minus the loss; `"logit"`, the class's alone.
        score: what grows or falls instead, a function of the outputs or a score of `kviz.scores`.
        output: which output of a model that has several, as `attribute` takes it.
        step_size: a step's length: in each pixel for `"linf"`, of the whole change for `"l2"`; by
            default it begins small and grows.
        max_norm: how far from the original an image may go, by `norm`; several for the success curve:
            how many images are fooled within each.
        norm: `"l2"` or `"linf"`.
        steps: how many at most, 1 or more.
        random_start: begin at a random place within `max_norm`.
        confidence: go on until the class's probability is at least this.
        bounds: the values that an image may have; by default 0-255 for images, none for other inputs.
            `(0, 1)` where the model takes such arrays, or give `kviz.Network(model,
            preprocess="0..1")` and pixels.
        input_name: the input that is changed, of a model that has several.
        batch_size: images processed at once.
        seed: for the random start.
        names: what the images are called; by default the files' names.
        film: whether to keep frames for an animation.
        progress: called with (steps done, steps).

    Returns:
        A `Synthesis`: the images, the change, both predictions; `.arrived` says which are fooled, and
        `.arrived_within` by which of several `max_norm`.

    Raises:
        OptionError: on a class that there is not, no steps, a step or norm of 0 or less.
        ModelError: if the output has no classes.
        ImageError: if images do not fit the model or lie outside the bounds, or have values in 0-1 and
            no bounds.
        LayerError: if the score does not depend on the pixels.

    >>> found = fool("models/squeezenet.keras", "notebooks/images/cat.png", "pizza")
    >>> found.arrived.tolist(), found.predictions
    ([True], (('Egyptian cat', 'pizza'),))
    """
    radii, several = radii_of(max_norm), np.ndim(max_norm) == 1  # type: ignore[arg-type]
    attack = Attack(
        targeted=targeted, step_size=step_size, max_norm=radii[0], norm=norm,
        random_start=random_start, confidence=confidence, bounds=bounds,
    )  # fmt: skip
    run = Run(steps=steps, batch_size=batch_size, seed=seed, film=film, progress=progress)
    validate_names(names)
    rising = _rising(objective, score, output)
    if class_index is None and targeted:
        raise OptionError("fool takes the class to aim at, class_index=, or targeted=False.")
    network = as_network(model)
    images, names, said = read_images(images, network, names)
    given = network.pixels(images)
    pixels = {name: np.asarray(array, np.float32) for name, array in given.items()}
    specs = network.specs(pixels)
    explained = looked_at(pixels, specs, input_name)
    head = answering_head(network, rising, specs)
    if head.is_map or not head.has_classes:
        raise ModelError(
            f"fool needs an output of classes, (N, classes). {sanitise(repr(head.name))} gives "
            f"{'a class for each position' if head.is_map else 'values'}."
        )
    attack = attack.on(given[explained])
    run = replace(run, bounds=attack.drawn_between)
    notes = list(said)
    if attack.rounded:
        exact, pixels[explained] = pixels[explained], np.rint(pixels[explained])
        if (exact != pixels[explained]).any():
            notes += ["The originals were rounded to whole numbers 0-255, as files have them."]
    target = one_target(class_index, network, len(pixels[explained]), head)
    passes = Passes(network.engine, rising, pixels, explained)
    verdict = Taken(attack.targeted, attack.confidence, head.name)
    attacks = [replace(attack, max_norm=radius) for radius in radii]

    def gone(batch_size: int) -> tuple[Array, tuple[Climbed, Array]]:
        chunks = list(network.engine.chunks(pixels, batch_size))
        classes = target
        if (target < 0).any():
            classes = np.concatenate(
                [verdict.predicted(passes, chunk)[: stop - start] for start, stop, chunk in chunks]
            )
        return classes, _gone(passes, attacks, verdict, chunks, classes, run)

    target, (went, within) = network.engine.fitting(batch_size, gone)
    pixels = {name: array[: len(went.images)] for name, array in pixels.items()}
    after = {**pixels, explained: went.images}
    was, now = (
        predict(network, inputs, top=1, output=head.name, batch_size=batch_size)
        for inputs in (pixels, after)
    )
    settings = {
        **attack.settings(), "max_norm": radii if several else attack.max_norm,
        "objective": objective if score is None else None, "score": score, "output": output,
        "steps": steps, "input_name": explained, "batch_size": batch_size, "seed": seed,
    }  # fmt: skip
    made = made_by(network, fool, pixels, class_index=target, **settings)
    found = _result(network, target, went, (pixels[explained], was, now), names, made, head)
    found = replace(found, notes=(*found.notes, *notes), bounds=attack.drawn_between)
    if not several:
        return found
    return replace(found, max_norms=np.array(radii, np.float32), arrived_within=within)


def _rising(objective: Objective, score: ScoreLike | None, output: int | str | None) -> Score:
    """Return what grows."""
    validate_choice("objective", objective, _SCORES)
    if score is None:
        rising: Score = _SCORES[objective](ClassScore(output))
        return rising
    if objective != "margin":
        raise OptionError(f"{spelled('objective')} is for a class; score= is told by itself.")
    return as_score(score, output)


def _gone(
    passes: Passes,
    attacks: Sequence[Attack],
    verdict: Taken,
    chunks: Sequence[tuple[int, int, Sequence[Array]]],
    target: Array,
    run: Run,
) -> tuple[Climbed, Array]:
    """Return where attacks lead, the first that an image arrives by, and which have arrived by each.

    What has arrived within one radius is within the next, bool `(attacks, N)`.
    """
    parts: list[Climbed] = []
    counts, within = [], []
    for first, stop, chunk in chunks:
        own = target[np.arange(first, first + len(chunk[0])).clip(max=stop - 1)]
        originals, count = chunk[passes.place], len(chunk[0])
        tries = []
        for place, attack in enumerate(attacks):
            start = attack.start(originals, (run.seed, first))
            share = run.part(len(parts) * len(attacks) + place, len(chunks) * len(attacks))
            ascent = _ascent(attack, originals[0].size, verdict)
            tries.append(_arrived(passes, ascent, verdict, chunk, own, start, share))
            if tries[-1].stopped:
                break
        arrived = np.zeros((len(attacks), count), bool)
        arrived[: len(tries)] = [went.arrived for went in tries]
        which = np.where(arrived.any(axis=0), arrived.argmax(axis=0), len(tries) - 1)
        every = joined(tries, [count] * len(tries))
        parts.append(picked(every, which * count + np.arange(count)))
        within.append(np.logical_or.accumulate(arrived)[:, : stop - first])
        counts.append(stop - first)
        if parts[-1].stopped:
            break
    return joined(parts, counts), np.concatenate(within, axis=1)


def _ascent(attack: Attack, size: int, verdict: Taken) -> Ascent:
    radius, norm, bounds = attack.radius, attack.norm, attack.bounds
    holds: list[Hold] = [Near(radius, norm)] if radius else []
    if bounds:
        holds.append(Between(*bounds))
    reach = np.sqrt(size) if norm == "l2" else 1.0
    length, growth = float(_FIRST[norm] * attack.span * reach), _GROWTH
    if attack.step_size:
        length, growth = attack.step_size, 1.0
    return Ascent(
        move=Step(length, norm, growth, down=not attack.targeted),
        parametrization=Pixels(),
        holds=tuple(holds),
        whole=Whole(radius, norm) if attack.rounded else None,
        verdict=verdict,
    )


def _arrived(
    passes: Passes,
    ascent: Ascent,
    verdict: Taken,
    chunk: Sequence[Array],
    target: Array,
    start: Array,
    run: Run,
) -> Climbed:
    """Return where an ascent leads, each image as far ahead of the runner-up as a file needs."""
    rounded = ascent.whole is not None
    # What is ahead by next to nothing may not be as a file, in a batch of its own: go on then.
    before: Climbed | None = None
    held = np.zeros(len(target), bool)
    for margin in (0.0, 0.01, 0.1):
        ahead = replace(ascent, verdict=replace(verdict, margin=margin))
        went = climb(passes, ahead, chunk, target, start, run)
        if before is not None:
            # Each image is what it is in a batch of its own.
            both = joined([before, went], [len(target)] * 2)
            went = picked(both, np.arange(len(target)) + len(target) * ~held)
        kept = hold_as_files(passes, verdict, went, chunk, target) if rounded else went.arrived
        before, held = went, kept | ~went.arrived
        if went.stopped or held.all():
            break
    return replace(went, arrived=kept)


def _result(
    network: Network,
    target: Array,
    went: Climbed,
    seen: tuple[Array, Predictions, Predictions],
    names: Sequence[str],
    made: MadeBy,
    head: Head,
) -> Synthesis:
    """Return what came of it; `seen` are the originals, and the predictions before and after."""
    originals, before, after = seen
    count = len(went.images)
    labels = tuple(head.label(int(index), network.class_names) for index in target[:count])
    changed = (went.images - originals).reshape(count, -1)
    norms = np.stack([np.linalg.norm(changed, axis=1), np.abs(changed).max(axis=1)], axis=1)
    names = tuple(names)[:count]
    notes = [
        *network.notes,
        *([head.note] if head.note else []),
        *_notes(went, labels, names, norms[:, 1] > 0, made.settings["targeted"]),
    ]
    return Synthesis(
        images=went.images,
        scores=went.scores,
        labels=labels,
        verb="fool",
        score_name=made.settings["objective"] or "score",
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
        names=names,
        made_by=made,
        notes=tuple(notes),
    )


def _notes(
    went: Climbed, labels: Sequence[str], names: Sequence[str], changed: Array, targeted: bool
) -> list[str]:
    """Return what is to be said of images that are as they were, or did not arrive."""
    seen = np.isfinite(went.scores).sum(axis=0) - 1
    # A score that is no number says nothing of how many steps were gone.
    taken = np.where(seen < 0, len(went.scores) - 1, seen)
    goal = "as" if targeted else "as anything but"
    notes = []
    for index, label in enumerate(labels):
        name = sanitise(names[index] if index < len(names) else f"image {index}", 60)
        label = sanitise(label, 60)
        if went.arrived[index] and not changed[index]:
            notes.append(f"{name} is classified {goal} {label} as it is.")
        elif not went.arrived[index]:
            notes.append(
                f"{name} is not classified {goal} {label} after {taken[index]} steps; this is the "
                "nearest."
            )
    return [*notes, "Interrupted: the best so far."] if went.stopped else notes
