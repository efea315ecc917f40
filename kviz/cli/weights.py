"""kviz weights."""

from __future__ import annotations

from typing import Any

from kviz.cli import options as take
from kviz.cli.command import command
from kviz.cli.job import Job


@command(
    short_help="Draw the kernels.",
    examples=(
        "kviz weights model.keras",
        "kviz weights model.keras --layers conv1/kernel --out kernels.pdf",
    ),
)
@take.model
@take.layers
@take.out("kernels")
@take.columns
def weights(layer_names: list[str] | None, columns: int, **options: Any) -> None:
    """Draw the kernels of MODEL, in colour where they read RGB.

    By default of every Conv2D; --layers also takes a weight's path, such as conv1/kernel.
    """
    job = Job(options)
    network = job.network  # first, while TensorFlow's talk is kept back

    import kviz

    job.end(kviz.weights(network, layer_names), columns=columns)
