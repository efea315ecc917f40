"""kviz filter-patterns."""

from __future__ import annotations

from typing import Any

import click

from kviz.cli import options as take
from kviz.cli.command import command
from kviz.cli.job import Job


@command(
    short_help="Draw what each filter of a layer answers to most.",
    examples=(
        "kviz filter-patterns model.keras --layers conv2",
        "kviz filter-patterns model.keras --layers conv2 --filter 0 --filter 7",
    ),
)
@take.model
@take.repeated(
    "--layers", "layer_names", required=True, metavar="GLOB", help="The layer: one is meant."
)
@take.repeated(
    "--filter",
    "filter_indices",
    type=click.IntRange(0),
    metavar="INDEX",
    help="A filter from 0, by default all.",
)
@take.noise
@take.parametrization(None, "By default pixel for filters that see few pixels, else fourier.")
@take.dry_run
@take.ascent(100, "patterns")
def filter_patterns(**options: Any) -> None:
    """Draw the image that each filter of a layer of MODEL answers to most."""
    job = Job(options)
    job.end(job.run("filter_patterns", doing="Dreaming", **options))
