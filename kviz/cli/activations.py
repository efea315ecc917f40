"""kviz activations."""

from __future__ import annotations

from typing import Any

import click

from kviz.cli import options as take
from kviz.cli.job import Job


@click.command(short_help="Draw the feature maps for photos.")
@take.model
@take.images
@take.layers
@take.out("maps")
@take.columns
@click.option("--cmap", help="A Matplotlib colour map; by default viridis.")
@click.option(
    "--scale",
    type=click.Choice(["channel", "layer", "raw"]),
    default="channel",
    show_default=True,
    help="What shares a colour scale.",
)
@click.option("--sort", type=click.Choice(["mean", "deadness"]), help="Order of the channels.")
@click.option("--channel", type=click.IntRange(0), help="One channel alone.")
@click.option("--show-image", is_flag=True, help="Put the photo beside each mosaic.")
def activations(**options: Any) -> None:
    """Draw the feature maps of MODEL for each IMAGE, one mosaic per layer.

    By default of every Conv2D and MaxPooling2D.
    """
    job = Job(options)
    keys = ("columns", "cmap", "scale", "sort", "channel", "show_image")
    drawing = {key: options.pop(key) for key in keys}
    maps = job.run("activations", doing="Computing", **options)
    job.end(maps, **drawing)
