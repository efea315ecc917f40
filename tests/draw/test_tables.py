"""Tables as plain text: nothing in a cell is markup, and nothing breaks a line."""

from dataclasses import FrozenInstanceError

import pytest

from kviz.draw.tables import Table, narrowed, text


def table(*cells, caption="Layers", headers=None):
    return Table(caption, headers or [f"h{n}" for n in range(len(cells))], [cells])


def test_columns_stand_below_each_other():
    made = Table("Layers", ("name", "kind"), [("conv1", "Conv2D"), ("a_longer_name", "Add")])
    assert text(made).splitlines() == [
        "Layers",
        "name           kind",
        "conv1          Conv2D",
        "a_longer_name  Add",
    ]


@pytest.mark.parametrize(
    "cell",
    ["[red]x", "[/]", "[bold]y[/bold]", ":smile:", "🐱", "猫", "блок", "{x}", "<b>", "a\\[b", "%s"],
)
def test_markup_and_emoji_are_literal(cell):
    made = text(table(cell, caption=cell, headers=[cell]))
    assert made.splitlines() == [cell] * 3


@pytest.mark.parametrize(
    "cell", ["a\nb", "a\rb", "a\u202eb", "a\x1bb", "a\x00b", "a\ud800b", "a\tb"]
)
def test_no_control_character_gets_through(cell):
    made = text(table(cell, caption=cell, headers=["h"]))
    assert made.splitlines() == ["a?b", "h", "a?b"]


def test_a_long_cell_is_cut_and_said_so():
    made = text(table("x" * 5000)).splitlines()[2]
    assert len(made) == 200
    assert made.endswith("…")


def test_numbers_and_none_are_text():
    assert text(table(1, None, 2.5)).splitlines()[2].split() == ["1", "None", "2.5"]


def test_no_line_ends_in_blanks_and_a_long_row_is_not_wrapped():
    made = text(table(*["x" * 150] * 20))
    assert len(made.splitlines()) == 3
    assert all(line == line.rstrip() for line in made.splitlines())


def test_a_width_folds_cells_and_loses_nothing():
    made = text(table("abcdefghij" * 6, "Conv2D"), width=40)
    lines = made.splitlines()[2:]
    assert max(map(len, lines)) <= 40
    assert "".join(line.split()[0] for line in lines) == "abcdefghij" * 6


def test_no_rows():
    assert text(Table("Nothing", ("name",), [])).splitlines() == ["Nothing", "name"]


def test_a_table_is_frozen():
    with pytest.raises(FrozenInstanceError):
        table("x").caption = "other"


def test_a_narrow_terminal_loses_columns_and_no_words():
    table = Table("t", ("a", "bb", "ccc"), [("x" * 10, "y" * 10, "z" * 10)])
    assert narrowed(table, 34, ["a", "bb"]) == (table, [])
    fitting, left_out = narrowed(table, 22, ["bb", "a"])
    assert (list(fitting.headers), left_out) == (["a", "ccc"], ["bb"])
    assert narrowed(table, 1, ["bb", "a"])[1] == ["bb", "a"]
