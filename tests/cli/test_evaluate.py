"""kviz evaluate on a small model."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from commands import fine, one_line

import kviz
from kviz.cli import main

QUICK = ("--metric", "deletion", "--baseline", "black", "--nulls", "2")


def run(*words):
    return CliRunner().invoke(main, ["evaluate", "m.keras", "p.png", *words])


@pytest.mark.usefixtures("workplace")
def test_it_is_the_verb():
    methods = ("--method", "saliency", "--method", "gradient")
    told = json.loads(
        fine(run(*QUICK, *methods, "--class", "1", "--seed", "3", "-o", "all.npz", "--json"))
    )
    expected = kviz.evaluate(
        "m.keras", "p.png", ["saliency", "gradient"], "deletion", baselines=["black"], nulls=2,
        class_index=1, seed=3,
    )  # fmt: skip
    found = kviz.load_result("all.npz")
    np.testing.assert_allclose(found.values, expected.values, atol=1e-6)
    np.testing.assert_allclose(found.null_values, expected.null_values, atol=1e-6)
    assert [one["method"] for one in told["measures"]] == ["saliency", "gradient"]
    (image,) = told["images"]
    assert image["values"][0]["class"]["class_index"] == 1
    assert len(image["values"][0]["nulls"]["random"]) == 2


def test_a_page_and_pictures(workplace):
    out = fine(run(*QUICK))
    assert "Deletion, black: lower is better; 1 image\nmethod" in out
    assert sorted(path.name for path in (workplace / "evaluation").iterdir()) == [
        "01_deletion_black_curves.png", "01_deletion_black_values.png",
    ]  # fmt: skip
    fine(run(*QUICK, "-o", "e.html"))
    page = (workplace / "e.html").read_text(encoding="utf-8")
    assert "another" not in page, "there is one photo"
    assert "inverted" in page


@pytest.mark.usefixtures("workplace")
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--metric", "deltion"), "There is no metric 'deltion'. Did you mean 'deletion'"),
        (("--baseline", "noise"), "another value in another place"),
        (("--method", "grad_cm"), "'grad_cam'"),
    ],
)
def test_a_mistake_is_one_line(words, said):
    assert said in one_line(run(*words))


def test_metrics_are_listed():
    listed = CliRunner().invoke(main, ["evaluate", "--list"])
    assert "mu_fidelity\n" in fine(listed)
