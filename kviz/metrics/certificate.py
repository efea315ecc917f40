"""certify: one map after another put to chance, to shuffled weights and to noise, in seconds.

What is drawn at random follows from the seed and what is in an image. Of the two curves of a map the
end points are those of all others, and its ranks turned round serve the other one: an image and class
take some 450 forward passes, and five maps of the method's own.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kviz._checks import sanitise, validate_int
from kviz._types import Array, Images, ModelLike, Progress, ScoreLike
from kviz.attribution.methods._baselines import baseline_of
from kviz.engine.other_weights import OtherWeights
from kviz.errors import ImageError, OptionError
from kviz.given import read_images
from kviz.metrics.again import Again
from kviz.metrics.judge import Judge
from kviz.metrics.measures._alike import rank_correlation
from kviz.metrics.measures._noisy import noisy
from kviz.metrics.measures._ranked import ranks_of, scores_by_rank
from kviz.metrics.measures._shuffled import shuffled
from kviz.metrics.metric import On, Trial
from kviz.metrics.nulls import shared_names, shared_nulls
from kviz.network.loading import as_network
from kviz.network.network import Network
from kviz.results.attribution import Attribution
from kviz.results.certificate import Beside, Certificate
from kviz.results.null_names import EDGES, MOVED

STEPS, PART = 16, 0.1
MOVES = 4
NOISE, SAMPLES = 0.02, 3
# What random numbers are drawn for.
PLACES = 200
# What stands in for a model's weights is one for all that ask.
_shuffling = threading.Lock()


def certify(
    attribution: Attribution,
    model: ModelLike,
    images: Images | None = None,
    *,
    score: ScoreLike | None = None,
    batch_size: int = 32,
    seed: int = 0,
    progress: Progress | None = None,
) -> Attribution:
    """Return an attribution with a certificate of each map, as `Attribution.certify` says.

    Args:
        attribution: what `attribute` returned, or what was loaded.
        model: as `Attribution.certify` takes it, and so all others.
        images: the images.
        score: what was explained.
        batch_size: images processed at once.
        seed: for what is drawn at random.
        progress: called with (classes done, classes in all).

    >>> import kviz
    >>> network = kviz.load_model("models/fashion_cnn.keras")
    >>> found = kviz.attribute(network, "notebooks/images/fashion/8_bag.png", "gradient")
    >>> certified = certify(found, network)
    >>> len(certified.certificates), found.certificates
    (1, ())
    """
    batch_size, seed = validate_int("batch_size", batch_size), validate_int("seed", seed, 0)
    network, settings = as_network(model), attribution.made_by.settings
    if images is None:
        images = _own_images(attribution, network)
    if score is None and settings.get("score") is not None:
        raise OptionError(
            f"The attribution by {sanitise(attribution.method, 40)} is of a score of its own. "
            "Give it again: score= takes it."
        )
    images, _, _ = read_images(images, network, ())
    options = {
        "class_index": None, "score": score, "output": settings.get("output"),
        "input_name": settings.get("input_name"), "batch_size": batch_size, "seed": seed,
    }  # fmt: skip
    pixels = network.pixels(images)
    judge = Judge.of(network, pixels, _one_a_class(attribution), options, 1)
    on: On = "probability" if judge.tells_probability else "score"
    found: list[list[Certificate]] = []
    for place in range(len(judge.found)):
        found.append(network.engine.fitting(batch_size, _Certifying(judge, place, on).all))
        if progress:
            progress(place + 1, len(judge.found))
    covers = [str(cover) for cover in _baselines(judge.images)]
    told = {"seed": seed, "steps": STEPS, "baselines": covers, "moves": MOVES, "noise": NOISE}
    return replace(
        attribution,
        certificates=tuple(one for row in zip(*found, strict=True) for one in row),
        made_by=replace(attribution.made_by, settings={**settings, "certificate": told}),
    )


def _own_images(found: Attribution, network: Network) -> Array:
    if found.images is None or len(network.engine.input_names) > 1:
        what = "its images" if found.images is None else "all inputs of the model"
        raise OptionError(
            f"The attribution by {sanitise(found.method, 40)} does not hold {what}. "
            "Give them: images= takes them, as attribute does."
        )
    return found.images


def _one_a_class(found: Attribution) -> list[Attribution]:
    """Return an attribution for each of the classes that an image has."""
    if found.classes.ndim == 1:
        return [replace(found, certificates=())]
    count = found.classes.shape[1]
    several = ("maps", "raw", "scores", "classes", "gaps", "negative")
    return [
        replace(
            found, class_names=found.class_names[place::count], certificates=(),
            **{
                key: value[:, place]
                for key in several if (value := getattr(found, key)) is not None
            },
        )
        for place in range(count)
    ]  # fmt: skip


def _baselines(images: Array) -> tuple[Any, ...]:
    """Return what covers inputs: a blur is of pictures, and a table has no mean of its own."""
    return {2: (0,), 4: ("black", "blur")}.get(images.ndim, (0, "mean"))


@dataclass(frozen=True)
class _Certifying:
    """One of a judge's attributions, of one class an image."""

    judge: Judge
    place: int
    on: On

    def all(self, batch_size: int) -> list[Certificate]:
        """Return a certificate an image."""
        return [
            one
            for start, stop, trial in self.judge.trials(self.place, batch_size)
            for one in self._of(trial, start)[: stop - start]
        ]

    def _of(self, trial: Trial, start: int) -> list[Certificate]:
        self._check_score(trial, start)
        columns = {"gap": _gaps(trial), **_remade(trial)}
        return [
            Certificate(
                on=self.on, part=PART, whole=whole, tested=tested, flat=bool(np.ptp(own) == 0),
                **dict(zip(columns, row, strict=True)),
            )
            for (whole, tested), own, *row in zip(
                _tested(trial), trial.maps[0], *columns.values(), strict=True
            )
        ]  # fmt: skip

    def _check_score(self, trial: Trial, start: int) -> None:
        """Raise an OptionError where the network gives other scores than were explained."""
        found = self.judge.found[self.place]
        said = found.scores[start : start + trial.maps.shape[1]]
        given = np.asarray(trial.request.scores()[0], np.float64)[: len(said)]
        if not np.allclose(given, said, rtol=0.01, atol=0.01):
            place = int(np.abs(given - said).argmax())
            raise OptionError(
                f"The attribution by {sanitise(found.method, 40)} is of a score of {said[place]:.4g}, "
                f"and this network gives {given[place]:.4g}. Give the network, the images and the "
                "score that it was made of."
            )


def _gaps(trial: Trial) -> list[Any]:
    return [None] * trial.maps.shape[1] if trial.gaps is None else trial.gaps.tolist()


def _tested(trial: Trial) -> Iterator[tuple[float, tuple[Beside, ...]]]:
    """Give for each image its whole score, and deletion and insertion beside their nulls."""
    request = trial.on("probability")
    names, ranks = _ranked(trial)
    maps, pixels = len(ranks), ranks[0, 0].size
    grid = np.round(np.linspace(0, pixels, STEPS + 1)).astype(np.int32)
    part = np.int32(min(max(1, round(PART * pixels)), pixels))
    counts = np.unique([*grid, part])
    inner, at = counts[1:-1], grid / pixels
    # What is shown is always what comes first; what is removed first is shown last.
    both = np.concatenate([ranks, pixels - 1 - ranks]).swapaxes(0, 1)
    which = np.repeat(np.arange(2 * maps, dtype=np.int32), len(inner))
    shown = np.concatenate([np.tile(inner, maps), np.tile(pixels - inner, maps)])
    which, shown = np.append(which, np.int32(0)), np.append(shown, np.int32(0))
    wholes = np.asarray(request.scores()[0], np.float64)
    found: list[list[Beside]] = [[] for _ in wholes]
    for cover in _baselines(np.asarray(request.images)):
        low = baseline_of(cover, request)
        scores = scores_by_rank(request, both, which, shown.astype(np.int32), low)
        if not np.isfinite(scores).all():
            raise ImageError(
                "The certificate needs scores that are finite: this one is NaN or infinite for images "
                f"that are partly covered ({cover})."
            )
        for tests, whole, row in zip(found, wholes, scores, strict=True):
            parts = row[:-1].reshape(2, maps, len(inner))
            ends = np.full((maps, 1), row[-1]), np.full((maps, 1), whole)
            showing = np.hstack([ends[0], parts[0], ends[1]])
            removing = np.hstack([ends[1], parts[1], ends[0]])
            for metric, curves in (("deletion", removing), ("insertion", showing)):
                values = np.trapezoid(curves[:, np.searchsorted(counts, grid)], at, axis=-1)
                firsts = curves[:, np.searchsorted(counts, part)]
                tests.append(_beside(metric, str(cover), names, values, firsts))
    yield from zip(wholes.tolist(), map(tuple, found), strict=True)


def _ranked(trial: Trial) -> tuple[list[str], Array]:
    """Return the nulls' names, and the ranks `(1 + nulls, N, *size)` of the map and of these."""
    images, size = np.asarray(trial.request.images), trial.maps.shape[2:]
    shared = [name for name in shared_names(images, 1) if name != EDGES]
    nulls = shared_nulls(images, size, 1, trial.request.seed)[: len(shared)]
    ranks = ranks_of(replace(trial, maps=np.concatenate([trial.maps, nulls])))
    axes = tuple(range(len(size)))
    moved = [
        [np.roll(own, tuple(by), axes) for by in random.integers(size, size=(MOVES, len(size)))]
        for own, random in zip(ranks[0], trial.randoms(PLACES), strict=True)
    ]
    ranked = np.concatenate([ranks[:1], np.stack(moved, axis=1), ranks[1:]])
    return [*[MOVED] * MOVES, *shared], ranked


def _beside(metric: Any, baseline: str, names: list[str], values: Array, firsts: Array) -> Beside:
    def of_nulls(numbers: Array) -> dict[str, tuple[float, ...]]:
        pairs = list(zip(names, numbers[1:].tolist(), strict=True))
        return {
            kind: tuple(number for name, number in pairs if name == kind)
            for kind in dict.fromkeys(names)
        }

    return Beside(
        metric=metric, baseline=baseline, value=float(values[0]), first=float(firsts[0]),
        nulls=of_nulls(values), null_firsts=of_nulls(firsts),
    )  # fmt: skip


def _remade(trial: Trial) -> dict[str, list[Any]]:
    """Return what comes of maps that are made again, by the certificate's fields, an image each."""
    count = trial.maps.shape[1]
    if trial.again is None:
        return {
            "untested": [("shuffled weights and noise: it is not known how the map was made",)]
            * count
        }
    found: dict[str, list[Any]] = {}
    untested: tuple[str, ...] = ()
    for what, work in (("shuffled weights", _shuffled), ("noise", _steady)):
        try:
            found |= work(trial.again, trial)
        except (ImageError, OptionError) as error:
            untested += (f"{what}: {error}".rstrip("."),)
    return found | {"untested": [untested] * count}


def _shuffled(again: Again, trial: Trial) -> dict[str, list[Any]]:
    """Return how like the maps are with the top layer's weights shuffled, and with all."""
    maps, similar = trial.maps[0], []
    with _shuffling:
        numbers = _kept(trial)
        top, weights = "", numbers
        for path, weights in shuffled(replace(trial, other_weights=lambda: numbers)):
            if not top:
                top = path
                similar.append(rank_correlation(maps, again(weights=weights)))
        similar.append(rank_correlation(maps, again(weights=weights)))
    return {
        "top_layer": [top] * len(maps), "top": similar[0].tolist(), "every": similar[1].tolist(),
    }  # fmt: skip


def _kept(trial: Trial) -> OtherWeights:
    """Return what stands in for the weights, with all that was compiled for it.

    It is made once for a model, and anew when the model has been changed.
    """
    engine = trial.network.engine
    _, kept = engine.noted("weights to shuffle", lambda: ((), []), [])
    if not kept:
        kept.append(trial.other_weights())
    numbers: OtherWeights = kept[0]
    return numbers


def _steady(again: Again, trial: Trial) -> dict[str, list[Any]]:
    """Return how like the maps are to those of noisy images."""
    maps, count = trial.maps[0], trial.maps.shape[1]
    images = noisy(trial, SAMPLES, NOISE)
    similar = np.stack([rank_correlation(maps, again(images=one)) for one in images], axis=1)
    return {"noise": [NOISE] * count, "steady": list(map(tuple, similar.tolist()))}
