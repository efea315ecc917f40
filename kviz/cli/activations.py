"""kviz activations."""

from __future__ import annotations

from typing import Any

import click

from kviz.cli import options as take
from kviz.cli.command import command, option
from kviz.cli.job import Job


@command(
    short_help="Draw the feature maps for photos.",
    examples=(
        "kviz activations model.keras cat.jpg --out maps.html",
        'kviz activations model.keras cat.jpg --layers "conv*" --sort mean',
    ),
)
@take.model
@take.images
@take.layers
@take.out("maps")
@take.dry_run
@take.columns
@take.cmap("viridis")
@option(
    "--scale",
    type=click.Choice(["channel", "layer", "raw"]),
    default="channel",
    show_default=True,
    help="What shares a colour scale.",
)
@option("--sort", type=click.Choice(["mean", "deadness"]), help="Order of the channels.")
@option("--channel", type=click.IntRange(0), help="One channel alone.")
@option("--show-image", is_flag=True, help="Put the photo beside each mosaic.")
def activations(**options: Any) -> None:
    """Draw the feature maps of MODEL for each IMAGE, one mosaic per layer.

    By default of every Conv2D and MaxPooling2D.
    """
    job = Job(options)
    keys = ("columns", "cmap", "scale", "sort", "channel", "show_image")
    drawing = {key: options.pop(key) for key in keys}
    maps = job.run("activations", doing="Computing", **options)
    job.end(maps, **drawing)
