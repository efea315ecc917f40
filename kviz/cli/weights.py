"""kviz weights."""

from __future__ import annotations

from typing import Any

import click

from kviz.cli import options as take
from kviz.cli.job import Job
from kviz.cli.output import print_json, print_pictures


@click.command(short_help="Draw the kernels.")
@take.model
@take.layers
@take.out("kernels")
@take.columns
def weights(layer_names: list[str] | None, columns: int, **options: Any) -> None:
    """Draw the kernels of MODEL, in colour where they read RGB.

    By default of every Conv2D; --layers also takes a weight's path, such as conv1/kernel.
    """
    import kviz

    job = Job(options)
    values = kviz.weights(job.network, layer_names)
    written = job.target.write(values, "weights", columns=columns)
    if job.as_json:
        print_json(
            {
                "files": [str(file) for file in written],
                "weights": [
                    {"path": name, "layer": values.layers[name], "shape": value.shape}
                    for name, value in values.items()
                ],
            }
        )
        return
    drawn = [(name, " × ".join(map(str, v.shape))) for name, v in values.items() if v.ndim > 1]
    print_pictures(written, drawn)
