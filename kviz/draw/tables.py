"""Table, rows of text under headers, and its form for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kviz._checks import sanitise


@dataclass(frozen=True)
class Table:
    """Rows under headers; every cell is shown as text, whatever is in it."""

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]


def text(table: Table, width: int | None = None) -> str:
    """Return a table as plain text.

    Args:
        table: the table.
        width: columns to fit it into; by default as wide as it needs.

    Returns:
        Lines, each without trailing blanks.

    >>> print(text(Table("Layers", ("name", "kind"), [("[b]conv1", "Conv2D")])))
    Layers
    name      kind
    [b]conv1  Conv2D
    """
    from io import StringIO

    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for header in table.headers:
        grid.add_column(Text(header), overflow="fold")
    for row in table.rows:
        grid.add_row(*(Text(sanitise(cell, 200)) for cell in row))
    output = StringIO()
    # Left to itself rich shows a table in a notebook, too, whatever file it is to write to.
    console = Console(file=output, width=width or 10_000, color_system=None, force_jupyter=False)
    console.print(grid)
    lines = [sanitise(table.caption, 200), *output.getvalue().splitlines()]
    return "\n".join(line.rstrip() for line in lines)


def narrowed(table: Table, width: int, optional: Sequence[str]) -> tuple[Table, list[str]]:
    """Leave columns out until a table fits.

    Args:
        table: the table.
        width: columns of a terminal.
        optional: headers that may be left out, the first ones first.

    Returns:
        The table that fits, or that is as narrow as it gets, and the headers left out.

    >>> narrowed(Table("", ("a", "b"), [("long", "longer")]), 6, ["a"])[1]
    ['a']
    """
    left_out: list[str] = []
    for header in (None, *optional):
        if header is not None and header in table.headers:
            left_out.append(header)
        kept = [place for place, name in enumerate(table.headers) if name not in left_out]
        widest = [
            max(len(str(row[place])) for row in (table.headers, *table.rows)) for place in kept
        ]
        if sum(widest) + 2 * len(kept) - 2 <= width:
            break
    if not left_out:
        return table, left_out
    rows = [[row[place] for place in kept] for row in table.rows]
    return Table(table.caption, [table.headers[place] for place in kept], rows), left_out
