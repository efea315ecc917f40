"""Table, rows of text under headers, and its form for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kviz.errors import shown


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
        grid.add_row(*(Text(shown(cell, 200)) for cell in row))
    output = StringIO()
    Console(file=output, width=width or 10_000, color_system=None).print(grid)
    lines = [shown(table.caption, 200), *output.getvalue().splitlines()]
    return "\n".join(line.rstrip() for line in lines)
