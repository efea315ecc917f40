"""A certificate: what a map was put to, beside what maps get that know nothing, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kviz._checks import sanitise
from kviz.draw.numbers import told_number
from kviz.results.null_names import MIDDLE, MOVED, RANDOM

# The nulls: the map itself moved to other places, random numbers, a blob in the middle.
CALLED = {MOVED: "moved elsewhere", RANDOM: "random pixels", MIDDLE: "the middle"}
# A map that is as like as this to what it was has hardly changed, and is much the same.
ALIKE, SAME = 0.5, 0.8
# Of a class that the network gives less than this, shares are of next to nothing.
LITTLE = 0.01
NOT_SHOWN = (
    "Not shown: that the map is right, or holds for other photos. Photos with pixels covered are like "
    "none that the network has learned from."
)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Deletion or insertion of one map with one baseline, beside its nulls.

    Attributes:
        metric: `"deletion"` or `"insertion"`.
        baseline: what stood where pixels were not.
        value: the area under the curve, as `kviz.metrics.Deletion` has it.
        first: the score when the map's first pixels are removed, or shown alone.
        nulls: the areas of each null's draws, by its name.
        null_firsts: the scores with their first pixels, the same.
    """

    metric: Literal["deletion", "insertion"]
    baseline: str
    value: float
    first: float
    nulls: dict[str, tuple[float, ...]]
    null_firsts: dict[str, tuple[float, ...]]


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What one map was put to: `kviz.Attribution.certify` makes one for each image and class.

    Chance is the map itself, moved to other places: as large, as smooth, as scattered, but knowing
    nothing of where things are. Random numbers alone would not do: scattered pixels spoil a photo
    sooner than any patch does, and show less of one.

    Attributes:
        on: what the score is called: `"probability"`, or `"score"` of what is no class's.
        whole: that of the whole image.
        part: the share of the pixels that come first.
        tested: deletion and insertion, with each baseline.
        flat: whether the map has one value everywhere, so that there is nothing to test.
        gap: how far the map is from adding up to what the score rose by; None where it need not.
        top_layer: the last layer that has weights, "" where none was shuffled.
        top: the rank correlation of the map with the one that is made when the top layer's weights are
            shuffled; None where it cannot be made again.
        every: the same with all layers' weights shuffled.
        noise: how much noise was added, its deviation as a share of the image's range.
        steady: the rank correlations of the map with those of the noisy image.
        untested: what could not be tested, and why.
    """

    on: Literal["probability", "score"]
    whole: float
    part: float
    tested: tuple[Beside, ...]
    flat: bool = False
    gap: float | None = None
    top_layer: str = ""
    top: float | None = None
    every: float | None = None
    noise: float = 0.0
    steady: tuple[float, ...] = ()
    untested: tuple[str, ...] = ()

    @property
    def beaten(self) -> tuple[str, ...]:
        """The metrics in which the map comes before all its moved copies, the mean of the baselines."""
        return tuple(name for name in ("deletion", "insertion") if self._comes_first(name))

    @property
    def better_than_chance(self) -> bool:
        """Whether it does so in both; of maps that know nothing one in `1 / luck` does."""
        return len(self.beaten) == 2 and not self.flat

    @property
    def luck(self) -> float:
        """The share of maps that know nothing that would be judged better than chance."""
        moves = min((len(one.nulls[MOVED]) for one in self.tested), default=0)
        return 1 / (1 + moves) ** 2

    def _comes_first(self, metric: str) -> bool:
        return not self._as_well(metric, MOVED)

    def _as_well(self, metric: str, null: str) -> int:
        """Return how many of a null's draws do as well as the map, the mean of the baselines."""
        tested = self._of(metric)
        own = sum(one.value for one in tested)
        others = [
            sum(draw) for draw in zip(*(one.nulls.get(null, ()) for one in tested), strict=False)
        ]
        if metric == "deletion":
            return sum(other <= own for other in others)
        return sum(other >= own for other in others)

    @property
    def flag(self) -> str:
        """The verdict in a few words."""
        if not self.better_than_chance:
            return "no better than chance"
        return "better than chance" + ", not than the middle" * self._middle_does_better()

    def verdict(self) -> str:
        """Return in one sentence whether the map does better than chance."""
        if self.flat:
            return (
                "No better than chance: the map is the same everywhere, and tells pixels not apart."
            )
        several = len({one.baseline for one in self.tested}) > 1
        if self.better_than_chance:
            copies = min(len(one.nulls[MOVED]) for one in self.tested)
            return (
                f"{self.flag.capitalize()}: it beats itself moved to {copies} other places, in "
                f"deletion and in insertion{', on average of the baselines' * several} (by luck one "
                f"map in {1 / self.luck:.0f} does)."
            )
        lost = {name: self._as_well(name, MOVED) for name in ("deletion", "insertion")}
        copies = min(len(one.nulls[MOVED]) for one in self.tested)
        some = " and ".join(
            f"{count} of {copies} in {name}" for name, count in lost.items() if count
        )
        return f"No better than chance: of the same map moved elsewhere {some} do as well."

    def words(self) -> list[str]:
        """Return what was found as sentences, the verdict first and what is not shown last."""
        found = [self.verdict()]
        if self.flat:
            return found
        if self._middle_does_better():
            found.append("A blob in the middle of the image does better than the map.")
        if self._as_well("deletion", RANDOM):
            found.append(
                "Random pixels do as well in deletion: they spoil a photo sooner than a patch does."
            )
        found += map(self._removal, self._of("deletion"))
        found += map(self._showing, self._of("insertion"))
        if self.top is not None and self.every is not None:
            top = sanitise(self.top_layer.rpartition("/")[2], 40)
            found.append(
                f"{_changed(self.top >= ALIKE, self.every >= ALIKE)}: rank correlation "
                f"{_correlation(self.top)} (top layer, {top}), {_correlation(self.every)} (all layers)."
            )
        if self.steady:
            least = min(self.steady)
            changed = "Much" if least >= SAME else "Partly" if least >= ALIKE else "Not"
            changed += " the same"
            found.append(
                f"{changed} under noise of {_percent(self.noise)} of the image's range: rank "
                f"correlation {_range(self.steady, _correlation)}."
            )
        found += [f"Not tested with {sanitise(why, 170)}." for why in self.untested]
        if self.gap is not None:
            found.append(f"Adds up as its method promises, off by {_percent(abs(self.gap))}.")
        return [*found, NOT_SHOWN]

    def _of(self, metric: str) -> list[Beside]:
        return [one for one in self.tested if one.metric == metric]

    def _removal(self, one: Beside) -> str:
        part = f"with {_percent(self.part)} of the pixels ({sanitise(one.baseline, 24)})"
        if self._is_little():
            beside = _beside(one.null_firsts, _short)
            takes = f"from {_short(self.whole)} to {_short(one.first)} {part}"
            return f"Takes the {self.on} {takes}; {beside}."

        def removed(first: float) -> str:
            return _number((self.whole - first) / abs(self.whole))

        beside = _beside(one.null_firsts, removed, " %")
        rises = "; below 0 it rises" * ("-" in f"{removed(one.first)} {beside}")
        return f"Removes {removed(one.first)} % of the {self.on} {part}; {beside}{rises}."

    def _showing(self, one: Beside) -> str:
        part = f"while its pixels come, first ones first ({sanitise(one.baseline, 24)})"
        if self._is_little():
            return f"Shows {_short(one.value)} on average {part}; {_beside(one.nulls, _short)}."

        def given(value: float) -> str:
            return _number(value / abs(self.whole))

        beside = _beside(one.nulls, given, " %")
        more = "; the whole image is 100 %" * (one.value > 1.005 * abs(self.whole))
        return f"Shows {given(one.value)} % of it on average {part}; {beside}{more}."

    def _is_little(self) -> bool:
        """Whether a share of the score would be one of next to nothing."""
        return abs(self.whole) < (LITTLE if self.on == "probability" else sys.float_info.min)

    def _middle_does_better(self) -> bool:
        """Whether the blob's insertion less its deletion is above the map's."""
        if not self.tested or any(MIDDLE not in one.nulls for one in self.tested):
            return False
        signs = [1 if one.metric == "insertion" else -1 for one in self.tested]
        pairs = list(zip(signs, self.tested, strict=True))
        own = sum(sign * one.value for sign, one in pairs)
        middle = sum(sign * max(one.nulls[MIDDLE], default=0) for sign, one in pairs)
        return middle > own

    def facts(self) -> dict[str, Any]:
        """Return its numbers and words, as `Result.facts` has them."""
        return {
            "better_than_chance": self.better_than_chance,
            **{key: value for key, value in vars(self).items() if key != "tested"},
            "tested": [dict(vars(one)) for one in self.tested],
            "words": self.words(),
        }


def _changed(top: bool, every: bool) -> str:
    """Return what shuffling changes, by whether the map is alike afterwards."""
    if top == every:
        return f"{'Hardly changes' if top else 'Changes'} when the weights are shuffled"
    first, second = (
        ("all weights", "the top layer's") if top else ("the top layer's weights", "all")
    )
    return f"Changes when {first} are shuffled, hardly when {second} are"


def _beside(
    nulls: Mapping[str, Sequence[float]], form: Callable[[float], str], unit: str = ""
) -> str:
    said = [
        f"{CALLED.get(name, sanitise(name, 24))} {_range(values, form)}{unit}"
        for name, values in nulls.items()
        if values
    ]
    return ", ".join(said)


def _range(values: Sequence[float], form: Callable[[float], str]) -> str:
    """Return from where to where values go."""
    ends = sorted({form(min(values)), form(max(values))}, key=float)
    return " to ".join(ends)


def _percent(share: float) -> str:
    return f"{_number(share)} %"


def _number(share: float) -> str:
    return _plain(100 * share, "{:.0f}")


def _short(value: float) -> str:
    return told_number(value, 2)


def _correlation(value: float) -> str:
    return _plain(value, "{:.2f}")


def _plain(number: float, form: str) -> str:
    """Return a number in a form, 0 without a sign."""
    text = form.format(number)
    return text.lstrip("-") if float(text) == 0 else text
