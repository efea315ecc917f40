"""kviz fool."""

from __future__ import annotations

from typing import Any

import click

from kviz.cli import options as take
from kviz.cli.command import command, option
from kviz.cli.job import Job


@command(
    short_help="Change a photo until the model sees another class.",
    examples=(
        "kviz fool model.keras cat.jpg --class pizza",
        "kviz fool model.keras cat.jpg --away --norm linf --max-norm 4",
    ),
)
@take.model
@take.images
@take.repeated(
    "--class",
    "class_index",
    metavar="NAME|INDEX",
    help="The class that each photo should be classified as.",
)
@option(
    "--away",
    is_flag=True,
    help="Aim at any class but this one, by default the predicted one.",
)
@option(
    "--objective",
    type=click.Choice(["margin", "cross_entropy", "logit"]),
    default="margin",
    show_default=True,
    help="What grows: the class's logit less the runner-up's, minus the loss, or the logit alone.",
)
@option(
    "--step-size",
    type=take.ABOVE_ZERO,
    help="A step's length; by default it begins small and grows.",
)
@take.repeated(
    "--max-norm",
    type=take.ABOVE_ZERO,
    help="The largest distance from the photo.",
)
@option(
    "--norm",
    type=click.Choice(["l2", "linf"]),
    default="l2",
    show_default=True,
    help="How distance is measured: l2 over all pixels, linf in the one that changes most.",
)
@option("--random-start", is_flag=True, help="Begin at a random place within --max-norm.")
@option(
    "--confidence",
    type=take.Number(0, 1, min_open=True, max_open=True),
    help="Go on until the class is this probable.",
)
@take.output
@take.dry_run
@take.ascent(100, "fooled")
def fool(
    class_index: list[str] | None, away: bool, max_norm: list[float] | None, **options: Any
) -> None:
    """Change each IMAGE as little as it takes for MODEL to see another class in it."""
    if class_index is None and not away:
        raise click.UsageError("fool needs --class, the class to aim at, or --away.")
    if options["random_start"] and max_norm is None:
        raise click.UsageError("--random-start needs --max-norm: the place is drawn within it.")
    options["max_norm"] = max_norm[0] if max_norm and len(max_norm) == 1 else max_norm
    job = Job(options)
    wanted: Any = class_index
    if class_index:
        wanted = class_index * job.repeat(len(class_index))
    job.end(job.run("fool", wanted, doing="Fooling", targeted=not away, **options))
