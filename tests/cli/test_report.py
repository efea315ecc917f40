"""kviz report: what is repeated."""

import json

import pytest
from click.testing import CliRunner

from kviz.cli import main


@pytest.mark.usefixtures("workplace")
def test_several_classes_and_methods():
    words = ("report", "m.keras", "p.png", "--quick", "--class", "2", "--class", "0")
    methods = ("--method", "gradient", "--method", "saliency")
    done = CliRunner().invoke(main, [*words, *methods, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["files"] == ["report.html"]
    (image,) = told["images"]
    assert [one["class_index"] for one in image["explained"]] == [2, 0]
    assert image["rival"] is None
    assert [(one["method"], one["class"]["class_index"]) for one in told["attributions"]] == [
        ("gradient", 2), ("gradient", 0), ("saliency", 2), ("saliency", 0)
    ]  # fmt: skip


@pytest.mark.usefixtures("workplace")
def test_a_quick_report_says_nothing_of_what_it_was_told_to_leave_out():
    words = ["report", "m.keras", "p.png", "--quick", "--method", "lrp"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "left out" not in done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("workplace")
def test_maps_are_certified_where_it_is_asked_for():
    words = ["report", "m.keras", "p.png", "--quick", "--method", "gradient", "--json"]
    told = json.loads(CliRunner().invoke(main, [*words, "--certify"]).stdout)
    assert "certificates: gradient" in told["seconds"]
    assert {one["certificate"]["on"] for one in told["attributions"]} == {"probability"}
