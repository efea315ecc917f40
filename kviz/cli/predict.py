"""kviz predict."""

from __future__ import annotations

from typing import Any

import click

from kviz.cli import options as take
from kviz.cli.job import Job


@click.command(short_help="Name the best classes for photos.")
@take.model
@take.images
@click.option(
    "--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes to name."
)
@take.repeated("--also", metavar="NAME|INDEX", help="A class to show besides.")
@take.output
def predict(also: list[str] | None, **options: Any) -> None:
    """Name the best classes for each IMAGE."""
    job = Job(options)
    job.end(job.run("predict", doing="Predicting", also=also or (), **options))
