"""kviz deep-dream."""

from __future__ import annotations

from typing import Any

import click

from kviz.cli import options as take
from kviz.cli.job import Job


@click.command(short_help="Show more of what layers see in a photo.")
@take.model
@take.images
@take.repeated(
    "--layers", "layer_names", metavar="GLOB", help="Whose maps grow, by default one in the middle."
)
@click.option("--octaves", type=click.IntRange(1), default=4, show_default=True, help="Sizes.")
@click.option(
    "--octave-scale",
    type=take.Number(1, min_open=True),
    default=1.4,
    show_default=True,
    help="From size to size.",
)
@click.option(
    "--step-size",
    type=take.ABOVE_ZERO,
    default=1.5,
    show_default=True,
    help="Levels of 255 per step.",
)
@take.ascent(20, "dreams")
def deep_dream(**options: Any) -> None:
    """Show in each IMAGE more of what layers of MODEL see in it."""
    job = Job(options)
    job.end(job.run("deep_dream", doing="Dreaming", **options))
