"""Facts have one shape for every verb, and JSON holds them."""

import json

import numpy as np
import pytest
from one_of_each import ALL, attribution, fooled, synthesis

import kviz
from kviz.results import Activations, Predictions

CLASS = {"class_index", "name", "score", "is_probability"}


def classes_in(value):
    """Give every dict that speaks of a class."""
    if isinstance(value, dict):
        if "class_index" in value or "is_probability" in value:
            yield value
        for item in value.values():
            yield from classes_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from classes_in(item)


@pytest.mark.parametrize("kind", ALL)
def test_one_shape(kind):
    result = ALL[kind]()
    facts = result.facts()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["verb"] == facts["made_by"]["verb"] == result.verb
    assert facts["notes"] == list(result.notes)
    told = facts.keys() - {"verb", "made_by", "notes"}
    if kind == "statistics":
        assert told == {"count", "layers", "predicted"}
    else:
        assert told <= {"images", "layers", "measures"}
    if kind in ("weights", "statistics"):
        assert "images" not in facts
    else:
        assert [image["name"] for image in facts["images"]] == [
            result._image_name(0), result._image_name(1),
        ]  # fmt: skip
    for layer in facts.get("layers", []):
        assert "path" in layer
    told = list(classes_in({key: facts[key] for key in ("images", "layers") if key in facts}))
    assert all(one.keys() == CLASS for one in told)
    assert {type(one["class_index"]) for one in told} <= {int}
    assert {type(one["score"]) for one in told} <= {float}
    assert {type(one["is_probability"]) for one in told} <= {bool}
    if kind not in ("weights", "activations", "statistics"):
        assert told


def test_facts_are_the_results_numbers():
    predicted = ALL["predictions"]().facts()["images"]
    assert predicted[0] == {
        "name": "cat.png",
        "classes": [
            {"class_index": 1, "name": "b", "score": 0.75, "is_probability": True},
            {"class_index": 0, "name": "a", "score": 0.125, "is_probability": True},
        ],
    }
    maps = ALL["activations"]()
    layer = maps.facts()["layers"][0]
    assert (layer["path"], layer["kind"], layer["shape"]) == ("conv", "Conv2D", [4, 5, 3])
    first, second = layer["images"]
    one = maps["conv"][0]
    assert (first["min"], first["max"]) == (one.min(), one.max())
    assert first["mean"] == pytest.approx(one.astype(float).mean())
    assert (first["empty_share"], first["empty_channels"]) == (1 / 3, [1])
    assert second["empty_channels"] == []
    found = attribution(classes=3, signed=True, gaps=np.arange(6.0).reshape(2, 3))
    told = found.facts()["images"][1]["maps"][2]
    assert told["class"] == {
        "class_index": 2, "name": "c", "score": 5.0, "is_probability": False,
    }  # fmt: skip
    assert told["completeness_gap"] == 5.0
    assert told["method"] == "grad_cam"
    assert (told["min"], told["max"]) == (found.maps[1, 2].min(), found.maps[1, 2].max())


def test_facts_of_images_that_were_made():
    one, two = synthesis().facts()["images"]
    assert (one["made_for"], one["made_for_score"], one["arrived"]) == ("a", 0.75, True)
    assert (one["first_score"], one["last_score"], one["steps"]) == (0.0, 4.0, 2)
    assert one["before"] is None
    assert two["after"] == {
        "class_index": 2, "name": "c", "score": 0.5, "is_probability": True,
    }  # fmt: skip
    one, _ = fooled().facts()["images"]
    assert (one["before"]["name"], one["after"]["name"]) == ("a", "b")
    assert (one["l2"], one["largest_change"]) == (3.0, 1.0)
    scores = np.full((3, 2), np.nan, "float32")
    bare = synthesis(scores=scores, predictions=(), target_scores=None).facts()["images"][0]
    assert (bare["last_score"], bare["after"], bare["made_for_score"]) == (None, None, None)


def test_a_score_that_is_no_classs_has_no_index_and_what_is_not_finite_is_none():
    maps = np.full((1, 2, 2), np.inf, "float32")
    minus = np.array([-1], "int32")
    found = kviz.Attribution(maps, maps, np.ones(1), minus, ("score",), "saliency")
    (told,) = found.facts()["images"][0]["maps"]
    assert told["class"]["class_index"] is None
    assert told["max"] is None
    scores = np.array([[-3.0, 12.5]], "float32")
    (row,) = Predictions(scores, 1, is_probability=False).facts()["images"][0]["classes"]
    assert row == {
        "class_index": 1, "name": "class 1", "score": 12.5, "is_probability": False,
    }  # fmt: skip
    assert Activations({}, {}).facts()["images"] == []
