"""kviz predict."""

from __future__ import annotations

from typing import Any

import click

from kviz.cli import options as take
from kviz.cli.job import Job
from kviz.cli.output import print_json


@click.command(short_help="Name the best classes for photos.")
@take.model
@take.images
@click.option(
    "--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes to name."
)
@take.repeated("--also", metavar="NAME|INDEX", help="A class to show besides.")
@take.output("output")
def predict(also: list[str] | None, **options: Any) -> None:
    """Name the best classes for each IMAGE."""
    job = Job(options)
    found = job.run("predict", doing="Predicting", also=also or (), **options)
    if not job.as_json:
        click.echo(repr(found))
        return
    score = "probability" if found.is_probability else "score"
    print_json(
        [
            {
                "image": name,
                "classes": [
                    {"class_index": index, "name": label, score: value}
                    for index, label, value in row
                ],
            }
            for name, row in zip(job.names, found.rows, strict=True)
        ]
    )
