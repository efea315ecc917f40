"""kviz class-image."""

from __future__ import annotations

from typing import Any

from kviz.cli import options as take
from kviz.cli.command import command
from kviz.cli.job import Job


@command(
    short_help="Draw the image that the model finds most typical of a class.",
    examples=(
        "kviz class-image model.keras --class tabby",
        "kviz class-image model.keras --class tabby --class pizza --steps 512 --gif",
    ),
)
@take.model
@take.repeated(
    "--class", "class_index", required=True, metavar="NAME|INDEX", help="The class to draw."
)
@take.noise
@take.parametrization(None, "What is optimised: pixels, or frequencies; by default fourier.")
@take.output
@take.dry_run
@take.ascent(256, "class_images")
def class_image(**options: Any) -> None:
    """Draw the image that MODEL finds most typical of a class."""
    job = Job(options)
    job.end(job.run("class_image", doing="Dreaming", **options))
