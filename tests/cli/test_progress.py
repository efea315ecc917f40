"""The bar of many parts: how much of all is done, and how long the rest takes."""

import io

import pytest

from kviz.cli import child
from kviz.cli.progress import left_of, share_done, whole_bar

PLANNED = {"maps": 1.0, "dreams": 2.0, "page": 1.0}


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("part", "done", "total", "share"),
    [
        ("maps", 0, 1, 0.0),
        ("maps", 1, 1, 0.25),
        ("dreams", 1, 4, 0.375),
        ("dreams", 1, None, 0.75),
        # What did not come is done.
        ("page", 0, 1, 0.75),
        ("page", 1, 1, 1.0),
        ("certificates", 0, 1, None),
    ],
)
def test_all_parts_count_by_what_they_take(part, done, total, share):
    assert share_done(PLANNED, part, done, total) == share


def test_the_rest_takes_as_long_as_what_was_done_tells():
    assert left_of(30, 0.75) == "about 10 s left"
    assert left_of(60, 0.25) == "about 3 min left"
    assert left_of(60, 0.01) == left_of(60, None) == ""


def test_one_bar_is_shown_on_a_terminal_and_none_elsewhere():
    screen = Terminal()
    with whole_bar(PLANNED, screen) as tell:
        tell("maps", 1, 1)
        tell("attribution: [red]", 1, 2)
        tell("dreams", 1, 2)
    text = screen.getvalue()
    assert "50%" in text
    assert "left" in text
    assert "dreams" in text
    elsewhere = io.StringIO()
    with whole_bar(PLANNED, elsewhere) as tell:
        tell("maps", 1, 1)
    assert elsewhere.getvalue() == ""


def test_seconds_are_those_since_the_program_began(monkeypatch):
    monkeypatch.setattr(child, "_begun", child.begun() - 60)
    assert child.begun() == child._begun
    monkeypatch.setattr(child, "_begun", None)
    assert child.begun() <= child.begun()
