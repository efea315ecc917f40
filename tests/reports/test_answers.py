"""The answer to a photo in one sentence, for every kind of output, and what it is made of."""

import dataclasses
import math

import numpy as np
import pytest

from kviz.reports.answers import answer_of, verdict_of
from kviz.reports.evidence import first_method, nothing
from kviz.results import Attribution, Predictions, Synthesis
from kviz.results.made_by import MadeBy

NAMES = ("cat", "dog", "pig")


def predicted(scores, kind="classes", **options):
    scores = np.array([scores], np.float32)
    options = {"class_names": NAMES[: scores.shape[1]], **options}
    return Predictions(scores, top=5, kind=kind, **options)


def attributed(values, which=0, method="grad_cam", **options):
    maps = np.asarray(values, np.float32)[None, None]
    return Attribution(
        maps=maps, raw=maps, scores=np.ones((1, 1), np.float32),
        classes=np.full((1, 1), which, np.int32), class_names=(NAMES[which],), method=method,
        title="Grad-CAM", **options,
    )  # fmt: skip


def changed(levels, arrived=True, bounds=(0.0, 255.0)):
    return Synthesis(
        images=np.zeros((1, 4, 4, 3), np.float32), scores=np.zeros((2, 1), np.float32), verb="fool",
        labels=("dog",), arrived=np.array([arrived]), bounds=bounds,
        norms=np.array([[1.0, levels]], np.float32), predictions=(("cat", "dog"),),
        confidences=np.array([[0.5, 0.6]], np.float32), classes=np.array([[0, 1]]),
    )  # fmt: skip


LEFT = np.pad(np.ones((3, 3)), ((3, 3), (0, 6)))


def test_one_sentence_says_all_of_it():
    answer = answer_of(
        predicted([0.37, 0.36, 0.27]), 0, {"grad_cam": attributed(LEFT)}, changed(20.4)
    )
    assert answer.sentence == (
        "cat 37 %, dog 36 %: undecided; evidence in the centre left; another class at ±21 of 255"
    )
    facts = answer.facts()
    assert facts["margin"] == pytest.approx(0.01)
    assert (facts["margin_of"], facts["verdict"]) == ("probability", "undecided")
    assert facts["runner_up"]["name"] == "dog"
    assert facts["where"] == [{"name": "centre left", "row": 1, "column": 0, "share": 1.0}]
    assert (facts["where_method"], facts["where_kind"]) == ("grad_cam", "evidence")
    assert facts["fooled_at"]["levels"] == pytest.approx(20.4)
    assert facts["fooled_at"]["class"]["name"] == "dog"


@pytest.mark.parametrize(
    ("margin", "verdict"),
    [(0.5, "sure"), (0.499, "leaning"), (0.1, "leaning"), (0.099, "undecided"), (0, "undecided")],
)
def test_a_verdict_goes_by_the_margin(margin, verdict):
    assert verdict_of(margin) == verdict


@pytest.mark.parametrize(
    ("given", "sentence", "margin", "verdict"),
    [
        (predicted([0.999, 0.001]), "cat over 99 %, dog under 1 %: sure", 0.998, "sure"),
        (predicted([0.374, 0.366, 0.26]), "cat 37.4 %, dog 36.6 %: undecided", 0.008, "undecided"),
        (predicted([0.0, 1.0]), "dog 100 %, cat 0 %: sure", 1.0, "sure"),
        (predicted([1.0]), "cat 100 %, the only class", None, None),
        # Three to one is a difference of probabilities of a half, and of logits of log 3.
        (
            predicted([math.log(3) + 0.01, 0], is_probability=False),
            "cat logit 1.11, dog 0: sure", 1.1086, "sure",
        ),
        (
            predicted([math.log(3) - 0.01, 0], is_probability=False),
            "cat logit 1.09, dog 0: leaning", 1.0886, "leaning",
        ),
        # One unit's probability is the sigmoid of its logit, once: .75 for log 3.
        (
            predicted([-math.log(3) + 0.01, math.log(3) - 0.01], "unit", is_probability=False),
            "dog logit 1.09, cat −1.09: leaning", 2.177, "leaning",
        ),
        (predicted([-900, 900], "unit", is_probability=False),
         "dog logit 900, cat −900: sure", 1800, "sure"),
        (predicted([0.93, 0.2, 0.71], "labels"), "cat 93 %, pig 71 %: leaning", 0.42, "leaning"),
        (
            predicted([0.1, 0.2, 0.15], "labels"),
            "dog 20 %, no label over 50 %: sure", 0.6, "sure",
        ),
        (predicted([3.14159], "values"), "output 0 is 3.142", None, None),
        (
            predicted([1, 2, 3, 4, 5], "values", class_names=None),
            "output 0 is 1, output 1 is 2, output 2 is 3 and 2 more", None, None,
        ),
        (
            predicted([0.1, 0.7, 0.2], "class map", maps=np.zeros((1, 4, 4), int)),
            "dog 70 %, pig 20 %, cat 10 % of the pixels", None, None,
        ),
        (predicted([0.0, 0, 0], "label map"), "no class at any pixel", None, None),
        (
            Predictions(
                np.zeros((1, 0), np.float32), 5, kind="image", is_probability=False,
                maps=np.linspace(-1, 1, 48).reshape(1, 4, 4, 3),
            ),
            "an image of 4 × 4, values from −1 to 1", None, None,
        ),
    ],
)  # fmt: skip
def test_every_kind_of_output_has_a_sentence(given, sentence, margin, verdict):
    answer = answer_of(given, 0)
    assert answer.sentence == sentence
    assert answer.verdict == verdict
    assert answer.margin == (None if margin is None else pytest.approx(margin, abs=1e-3))


@pytest.mark.parametrize("kind", ["classes", "labels", "unit"])
@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_scores_that_are_not_finite_are_said_to_be(kind, score):
    answer = answer_of(predicted([0.5, score], kind), 0)
    assert answer.sentence == "no class can be told: its scores are not all finite"
    assert answer.verdict is answer.margin is answer.runner_up is None


def test_another_class_than_the_predicted_one_is_named():
    given = predicted([0.9, 0.1])
    answer = answer_of(given, 0, {"grad_cam": attributed(LEFT, which=1)})
    assert answer.sentence == "cat 90 %, dog 10 %: sure; evidence for dog in the centre left"
    against = answer_of(given, 0, {"grad_cam": attributed(-LEFT)})
    assert against.sentence == "cat 90 %, dog 10 %: sure; evidence nowhere, all is against it"
    assert (against.where, against.where_method) == ([], "grad_cam")


def test_what_knows_only_sizes_is_sensitive():
    made = MadeBy(settings={"reduce": "max_abs"})
    found = {"saliency": attributed(LEFT, method="saliency", made_by=made)}
    answer = answer_of(predicted([0.9, 0.1]), 0, found)
    assert answer.sentence == "cat 90 %, dog 10 %: sure; most sensitive in the centre left"
    assert answer.where_kind == "sensitivity"


def test_a_map_that_is_zero_gives_way_to_the_next_and_says_why():
    empty = attributed(np.zeros((9, 9)), layers=("conv",), negative=np.ones((1, 1), bool))
    found = {"grad_cam": empty, "gradient": attributed(LEFT)}
    assert first_method(found, 0) == "gradient"
    assert answer_of(predicted([0.9, 0.1]), 0, found).where_method == "gradient"
    assert nothing(empty, empty.explained(0)[0]) == (
        "Grad-CAM is zero everywhere: no evidence for cat at layer conv. "
        "All of it is against the class, which its ReLU cuts off."
    )
    plain = dataclasses.replace(empty, layers=(), negative=None)
    assert nothing(plain, plain.explained(0)[0]) == (
        "Grad-CAM is zero everywhere: no evidence for cat in any pixel."
    )
    assert nothing(found["gradient"], found["gradient"].explained(0)[0]) == ""
    assert first_method({"grad_cam": empty}, 0) is None
    assert answer_of(predicted([0.9, 0.1]), 0, {"grad_cam": empty}).where_method is None


def test_of_changes_those_count_that_arrived_in_levels_of_255():
    given = predicted([0.9, 0.1])
    assert answer_of(given, 0, fooled=changed(3, arrived=False)).fooled_at is None
    small = answer_of(given, 0, fooled=changed(0.002, bounds=(-1.0, 1.0)))
    assert small.sentence.endswith("another class at ±0.26 of 255")
    assert small.fooled_at.levels == pytest.approx(0.255)


def test_names_are_text_of_one_line():
    given = predicted([0.9, 0.1], class_names=("a\nb" + "c" * 200, "d"))
    assert answer_of(given, 0).sentence == f"a?b{'c' * 32}… 90 %, d 10 %: sure"
