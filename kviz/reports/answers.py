"""What the model answers to each photo, as one sentence and as the fields that it is made of.

Such as: Egyptian cat 37 %, tabby 36 %: undecided; evidence in the centre left; another class at ±21
of 255. How sure an answer is goes by its margin: of two classes the difference of their
probabilities, of a label that stands for itself that of its being there and not. From .5 on it is sure
(three to one where nothing else is likely), below .1 undecided (55 to 45), leaning in between. It is
the model's own number: a model can be sure and wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from kviz._checks import sanitise
from kviz._types import Array
from kviz.draw.numbers import told_number, told_range
from kviz.reports.evidence import first_method, sizes_only
from kviz.reports.regions import Region, hot_spots, placed
from kviz.results import Attribution, Predictions, Synthesis
from kviz.results.result import class_facts

Verdict = Literal["sure", "leaning", "undecided"]
SURE, LEANING = 0.5, 0.1
# So long can a name be in a sentence; so many values of a regression stand in one.
_NAME, _VALUES = 36, 3


@dataclass(frozen=True)
class Fooled:
    """How far a photo was changed until the model classified it otherwise.

    Attributes:
        levels: the largest change of a value, in levels of 255.
        found: the class that it is classified as then, as `class_facts` has it.
    """

    levels: float
    found: dict[str, Any]

    def facts(self) -> dict[str, Any]:
        """Return the same as a dict."""
        return {"levels": self.levels, "class": self.found}


@dataclass(frozen=True)
class Answer:
    """What is said of one photo.

    Attributes:
        sentence: all of it.
        verdict: how sure the model is, None where it chooses among no classes.
        margin: of the first class to the runner-up, in `margin_of`; None where there is none.
        margin_of: `"probability"` or `"logit"`, None as `margin`.
        runner_up: the second class, as `class_facts` has it, or None.
        where: the fewest regions with more than half of the strongest twentieth of the evidence.
        where_method: the method that says so, None without one.
        where_kind: `"evidence"`, or `"sensitivity"` of a method that knows only sizes.
        fooled_at: None where nobody tried, or it came to nothing.
    """

    sentence: str
    verdict: Verdict | None = None
    margin: float | None = None
    margin_of: str | None = None
    runner_up: dict[str, Any] | None = None
    where: list[Region] = field(default_factory=list)
    where_method: str | None = None
    where_kind: str | None = None
    fooled_at: Fooled | None = None

    def facts(self) -> dict[str, Any]:
        """Return the same as JSON has it."""
        return {
            **vars(self),
            "where": [region.facts() for region in self.where],
            "fooled_at": self.fooled_at and self.fooled_at.facts(),
        }


def verdict_of(margin: float) -> Verdict:
    """Return how sure an answer is, by the difference of two probabilities.

    >>> verdict_of(0.5), verdict_of(0.1), verdict_of(0.01)
    ('sure', 'leaning', 'undecided')
    """
    return "sure" if margin >= SURE else "leaning" if margin >= LEANING else "undecided"


def answer_of(
    predictions: Predictions,
    image: int,
    attributions: Mapping[str, Attribution] | None = None,
    fooled: Synthesis | None = None,
) -> Answer:
    """Return what the model answers to one photo.

    Args:
        predictions: what it answers.
        image: which of the photos, from 0.
        attributions: maps by method, of the first class explained first; the first method whose map of
            it is not zero says where the evidence is.
        fooled: the photos changed, where that was tried.
    """
    answer = _decided(predictions, image)
    more: dict[str, Any] = {}
    said = [answer.sentence]
    method = first_method(attributions or {}, image)
    if method is not None and attributions:
        found = attributions[method]
        one = found.explained(image)[0]
        regions = hot_spots(one.map)
        kind = "sensitivity" if sizes_only(found) else "evidence"
        more |= {"where": regions, "where_method": method, "where_kind": kind}
        best = int(predictions.scores[image].argmax())
        whose = ""
        if one.class_index != best and predictions.kind != "values":
            whose = f" for {sanitise(one.label, _NAME)}"
        elif predictions.kind == "values" and predictions.scores.shape[1] > 1:
            whose = f" for more of {one.label}"
        what = "most sensitive" if kind == "sensitivity" else "evidence"
        said.append(f"{what}{whose} {placed(regions)}")
    if (changed := _fooled(fooled, image)) is not None:
        more["fooled_at"] = changed
        said.append(f"another class at ±{_levels(changed.levels)} of 255")
    return Answer(**(vars(answer) | more | {"sentence": "; ".join(said)}))


def _decided(predictions: Predictions, image: int) -> Answer:
    """Return what is said of the classes alone."""
    scores, kind = predictions.scores[image], predictions.kind
    if kind == "image" and predictions.maps is not None:
        made = predictions.maps[image]
        size = " × ".join(map(str, made.shape[:-1]))
        return Answer(f"an image of {size}, values from {told_range(made.min(), made.max())}")
    if kind == "values":
        several = [
            f"{predictions.label(i)} is {told_number(x)}" for i, x in enumerate(scores[:_VALUES])
        ]
        rest = len(scores) - _VALUES
        return Answer(", ".join(several) + (f" and {rest} more" if rest > 0 else ""))
    order = np.argsort(-scores, kind="stable")
    if kind.endswith("map"):
        shares = [(i, float(scores[i])) for i in order[:3].tolist() if scores[i] > 0]
        named = ", ".join(f"{_name(predictions, i)} {_percent(x)}" for i, x in shares)
        return Answer(f"{named} of the pixels" if named else "no class at any pixel")
    if not np.isfinite(scores).all():
        return Answer("no class can be told: its scores are not all finite")
    if kind == "labels":
        return _labelled(predictions, scores, order.tolist())
    return _classified(predictions, scores, order.tolist())


def _classified(predictions: Predictions, scores: Array, order: list[int]) -> Answer:
    """Return what is said of classes of which one is chosen."""
    first = order[0]
    told = _numbers(scores[order[:2]], predictions.is_probability)
    if len(order) < 2:
        return Answer(f"{_name(predictions, first)} {told[0]}, the only class")
    second = order[1]
    likely = scores if predictions.is_probability else _probabilities(scores, predictions.kind)
    verdict = verdict_of(float(likely[first]) - float(likely[second]))
    what = "" if predictions.is_probability else "logit "
    return Answer(
        f"{_name(predictions, first)} {what}{told[0]}, {_name(predictions, second)} {told[1]}: "
        f"{verdict}",
        verdict=verdict,
        margin=float(scores[first]) - float(scores[second]),
        margin_of="probability" if predictions.is_probability else "logit",
        runner_up=_told(predictions, second, scores),
    )


def _labelled(predictions: Predictions, scores: Array, order: list[int]) -> Answer:
    """Return what is said of labels of which each is there or not."""
    likely = scores if predictions.is_probability else _sigmoid(scores)
    there = [index for index in order if likely[index] > 0.5]
    shown = there[:3] or order[:1]
    named = ", ".join(f"{_name(predictions, i)} {_percent(float(likely[i]))}" for i in shown)
    rest = f" and {len(there) - 3} more" if len(there) > 3 else ""
    # Of those shown the one that is nearest to being decided otherwise.
    margin = float(np.abs(2 * likely[shown].astype(np.float64) - 1).min())
    verdict = verdict_of(margin)
    return Answer(
        f"{named}{rest}{'' if there else ', no label over 50 %'}: {verdict}",
        verdict=verdict,
        margin=margin,
        margin_of="probability",
        runner_up=_told(predictions, order[1], scores) if len(order) > 1 else None,
    )


def _probabilities(logits: Array, kind: str) -> Array:
    """Return what logits are as probabilities; one unit's stand there with both signs."""
    if kind == "unit":
        return _sigmoid(logits)
    logits = logits.astype(np.float64)
    powers = np.exp(logits - logits.max())
    likely: Array = powers / powers.sum()
    return likely


def _sigmoid(logits: Array) -> Array:
    # Without the power of a large number, which would be infinite.
    likely: Array = np.exp(-np.logaddexp(0, -logits.astype(np.float64)))
    return likely


def _fooled(fooled: Synthesis | None, image: int) -> Fooled | None:
    if fooled is None or fooled.norms is None or not fooled.arrived[image]:
        return None
    low, high = fooled.bounds
    after = fooled.facts()["images"][image]["after"]
    return Fooled(255 * float(fooled.norms[image, 1]) / (high - low), after)


def _told(predictions: Predictions, index: int, scores: Array) -> dict[str, Any]:
    return class_facts(
        index, predictions.label(index), float(scores[index]), predictions.is_probability
    )


def _name(predictions: Predictions, index: int) -> str:
    return sanitise(predictions.label(index), _NAME)


def _numbers(scores: Sequence[float] | Array, is_probability: bool) -> list[str]:
    """Return scores as they stand beside one another: with more digits where two would look alike.

    >>> _numbers([0.372, 0.368], True), _numbers([0.372, 0.2], True), _numbers([4.21, -1.0], False)
    (['37.2 %', '36.8 %'], ['37 %', '20 %'], ['4.21', '−1'])
    """
    if not is_probability:
        return [told_number(score, 3) for score in scores]
    told = [_percent(float(score)) for score in scores]
    if len(set(told)) < len(told):
        told = [f"{100 * score:.1f} %" for score in scores]
    return told


def _percent(share: float) -> str:
    """Return a share in whole percent, and none that is not all or nothing as such.

    >>> _percent(0.372), _percent(0.9999), _percent(1.0), _percent(1e-9)
    ('37 %', 'over 99 %', '100 %', 'under 1 %')
    """
    if 0.995 <= share < 1:
        return "over 99 %"
    return "under 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def _levels(levels: float) -> str:
    """Return levels, never fewer than there are.

    >>> _levels(20.3), _levels(0.42)
    ('21', '0.42')
    """
    return f"{math.ceil(levels - 1e-6)}" if levels >= 1 else f"{levels:.2g}"
