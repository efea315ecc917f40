"""kviz deep-dream."""

from __future__ import annotations

from typing import Any

import click

from kviz.cli import options as take
from kviz.cli.command import command, option
from kviz.cli.job import Job


@command(
    short_help="Show more of what layers see in a photo.",
    examples=(
        "kviz deep-dream model.keras cat.jpg",
        "kviz deep-dream model.keras cat.jpg --layers block4 --steps 40 --gif",
    ),
)
@take.model
@take.images
@take.repeated(
    "--layers",
    "layer_names",
    metavar="GLOB",
    help="Layers whose maps are made to grow; by default one in the middle.",
)
@option(
    "--octaves",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="How many sizes of the photo are worked on.",
)
@option(
    "--octave-scale",
    type=take.Number(1, min_open=True),
    default=1.4,
    show_default=True,
    help="How much larger each size is than the one before.",
)
@option(
    "--step-size",
    type=take.ABOVE_ZERO,
    default=1.5,
    show_default=True,
    help="Levels of 255 per step.",
)
@take.dry_run
@take.ascent(20, "dreams")
def deep_dream(**options: Any) -> None:
    """Show in each IMAGE more of what layers of MODEL see in it."""
    job = Job(options)
    job.end(job.run("deep_dream", doing="Dreaming", **options))
