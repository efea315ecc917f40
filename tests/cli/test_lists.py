"""kviz methods, attribute --list, evaluate --list and help: what files say, without TensorFlow."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from commands import ROOT, fine, one_line

from kviz.cli import main
from kviz.shelf import METHODS, METRICS


def run(*words):
    return CliRunner().invoke(main, list(words))


@pytest.mark.parametrize(
    ("words", "shelf"),
    [
        (("methods",), METHODS),
        (("attribute", "--list"), METHODS),
        (("evaluate", "--list"), METRICS),
    ],
)
def test_all_are_listed_with_cost_paper_and_advice(words, shelf):
    said = fine(run(*words))
    plain = " ".join(said.split())
    for card in shelf.cards():
        assert f"\n  {card.name} " in said
        for part in (card.cost, card.source, card.when, card.when_not):
            assert part.replace("`", "") in plain
    assert said.startswith("Start with grad_cam: ") == (shelf is METHODS)
    assert max(map(len, said.splitlines())) <= 100
    (told,) = json.loads(fine(run(*words, "--json"))).values()
    assert told == [card.facts() for card in shelf.cards()]


def test_both_lists_of_methods_are_one():
    assert fine(run("methods")) == fine(run("attribute", "--list"))


@pytest.mark.parametrize("name", ["grad_cam", "grad-cam", "rise", "deletion"])
def test_help_tells_of_a_method_or_a_metric(name):
    said = fine(run("help", name))
    plain = " ".join(said.split())
    shelf = METRICS if name == "deletion" else METHODS
    card = shelf.card(name.replace("-", "_"))
    for text in (card.title, card.summary, card.paper, card.equation, card.when, card.cost):
        assert text.replace("`", "") in plain
    for option, one in card.options.items():
        assert f"\n  {option}={one.default}\n" in said
        assert one.help.replace("`", "") in plain
    assert json.loads(fine(run("help", name, "--json"))) == card.facts()


def test_help_tells_of_commands():
    assert fine(run("help", "predict")) == fine(run("predict", "--help"))
    assert fine(run("help", "class-image")) == fine(run("class-image", "--help"))
    assert fine(run("help")) == fine(run("--help"))
    said = run("help", "grad_cm")
    assert said.exit_code == 2
    assert "Did you mean 'grad_cam'" in said.stderr


LIGHT = (
    ("methods",), ("attribute", "--list"), ("evaluate", "--list", "--json"), ("help", "occlusion"),
    ("help", "road"), ("help", "report"),
)  # fmt: skip


def test_nothing_of_it_needs_tensorflow():
    code = f"""
import sys
from click.testing import CliRunner
from kviz.cli import main
for words in {LIGHT!r}:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    loaded = {{"tensorflow", "keras", "matplotlib", "numpy"}} & set(sys.modules)
    assert not loaded, (words, loaded)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_name_that_is_hostile_is_one_line():
    done = run("help", "a\nb\x1b[31m")
    assert done.exit_code == 2
    assert "\x1b" not in done.stderr
    assert one_line(run("layers", "lost.keras"))
