"""kviz report."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from kviz._checks import sanitise
from kviz.cli import child
from kviz.cli import options as take
from kviz.cli.command import command, option
from kviz.cli.group import say_note
from kviz.cli.job import Job
from kviz.cli.output import print_json
from kviz.files import try_to_write
from kviz.reports.planned import planned


@command(
    short_help="Explain photos on one page, for any browser.",
    examples=(
        "kviz report model.keras cat.jpg --quick",
        "kviz report model.keras cat.jpg --class tabby --method rise --out cat.html",
    ),
)
@take.model
@take.images
@option(
    "--out", "-o", default="report.html", show_default=True, metavar="PATH", help="A .html file."
)
@take.force
@take.dry_run
@option("--quick", is_flag=True, help="Leave out dreams and slow methods.")
@take.classes
@take.output
@take.method("methods", "grad_cam, saliency, integrated_gradients and occlusion")
@take.layers
@take.repeated(
    "--pattern-layers",
    "pattern_layer_names",
    metavar="GLOB",
    help="Layers whose filters' patterns are drawn; by default one in the middle.",
)
@option(
    "--certify",
    is_flag=True,
    help="Test the attributions: some 450 passes for each method, photo and class.",
)
@take.seed
@option(
    "--max-mb",
    type=take.ABOVE_ZERO,
    default=20,
    show_default=True,
    help="How large the page may get; larger maps are averaged down.",
)
@option(
    "--edition",
    type=click.Choice(["page", "mail"]),
    default="page",
    show_default=True,
    help="mail: at most 2 MB, to be sent.",
)
@option("--full", is_flag=True, help="Set no limit to the page's size.")
def report(out: str, full: bool, **options: Any) -> None:
    """Make one page of what MODEL sees in each IMAGE: a file that opens in any browser.

    It holds layers, predictions, feature maps, attributions, kernels and dreams, and needs no network
    and no server. --quick makes it in seconds.
    """
    begun = child.begun()
    path = Path(out)
    if path.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(
            f"--out takes a file ending in .html. Received: {sanitise(out, 120)}"
        )
    if full and options["edition"] == "mail":
        raise click.UsageError("--full and --edition mail exclude one another.")
    if options["quick"] and options["pattern_layer_names"]:
        raise click.UsageError("--quick makes no patterns. Leave out --pattern-layers, or --quick.")
    child.begin_writing(path)
    try_to_write(path, file=True, force=options["force"])
    job = Job(options)
    if full:
        options["max_mb"] = None

    def doing(photos: int) -> dict[str, float]:
        return planned(
            photos, options["methods"], quick=options["quick"], certify=options["certify"]
        )

    made = job.run("report", path, doing=doing, **options)
    if job.dry_run:
        job.say_plan(f"html to {path}")
        return
    if job.as_json:
        print_json({"files": [str(made.path)], **made.facts()})
        return
    facts = made.facts()
    for one in facts["skipped"]:
        if one["reason"] != "quick":
            part = f"{one['part']}: {one['item']}" if one["item"] else one["part"]
            say_note(f"{part} left out. {one['why']}")
    job.say_unnamed()
    size = len(made.html.encode()) / 1e6
    seconds = time.perf_counter() - begun
    click.echo(f"Wrote {made.path}: {size:.1f} MB, in {seconds:.0f} s. Open it in a browser.")
