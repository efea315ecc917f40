"""kviz layers."""

from __future__ import annotations

import shutil
import sys
from typing import Any

import click

from kviz.cli import options as take
from kviz.cli.command import command
from kviz.cli.group import say_note
from kviz.cli.job import Job
from kviz.cli.output import print_json

# What a narrow terminal can do without, the first ones first.
_OPTIONAL = (
    "output size", "padding", "weights", "stride", "kernel", "index", "receptive field", "output shape",
)  # fmt: skip


@command(
    short_help="List layers, shapes and receptive fields.",
    examples=(
        "kviz layers model.keras",
        "kviz layers model.keras --json > layers.json",
    ),
)
@take.model
def layers(**options: Any) -> None:
    """List the layers that MODEL calls: shapes, kernels, receptive fields, output sizes."""
    job = Job(options)
    table = job.network.layers
    if job.as_json:
        told = [info.facts() for info in table]
        print_json({"files": [], "verb": "layers", "layers": told, "notes": job.network.notes})
        return
    from kviz.draw.tables import narrowed, text

    # A pipe gets lines as long as they are, a terminal what fits.
    shown, width = table.table(), None
    left_out: list[str] = []
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        shown, left_out = narrowed(shown, width, _OPTIONAL)
    click.echo(text(shown, width))
    if left_out:
        say_note(f"no room for {', '.join(left_out)}; a wider window or --json shows them.")
