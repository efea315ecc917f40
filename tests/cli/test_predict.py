"""kviz predict: the best classes, as a table and as JSON."""

import json

import numpy as np
import pytest
from commands import CAT, COFFEE, MODEL, fine

import kviz


def test_table(run):
    lines = fine(run("predict", MODEL, CAT)).splitlines()
    assert lines[0] == "cat.png"
    assert lines[1].split() == ["rank", "class", "name", "probability"]
    assert lines[2].split()[:4] == ["1", "285", "Egyptian", "cat"]
    assert len(lines) == 7


def test_json(run):
    out = fine(run("predict", MODEL, CAT, COFFEE, "--top", 2, "--also", "pizza", "--json"))
    told = json.loads(out)
    assert (told["verb"], told["files"]) == ("predict", [])
    cat, coffee = told["images"]
    assert (cat["name"], coffee["name"]) == ("cat.png", "coffee.png")
    assert [row["class_index"] for row in cat["classes"]][::2] == [285, 963]
    assert cat["classes"][0]["name"] == "Egyptian cat"
    assert 0 < cat["classes"][0]["score"] < 1
    assert cat["classes"][0]["is_probability"] is True
    scores = [row["score"] for row in cat["classes"]]
    assert scores == sorted(scores, reverse=True)


def test_classes_asked_by_name_and_index(run):
    out = fine(run("predict", MODEL, CAT, "--top", "1", "--also", "PIZZA", "--also", "0"))
    assert [line.split()[1] for line in out.splitlines()[2:]] == ["285", "963", "0"]


def test_what_json_lacks_becomes_null(run, monkeypatch):
    scores = np.array([[np.nan, np.inf, 0.5]], "float32")
    monkeypatch.setattr(
        "kviz.look.predict", lambda *_, **__: kviz.Predictions(scores, 3, names=("cat.png",))
    )
    out = fine(run("predict", MODEL, CAT, "--json"))
    found = json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert sorted(map(str, (row["score"] for row in found["images"][0]["classes"]))) == [
        "0.5", "None", "None"
    ]  # fmt: skip
