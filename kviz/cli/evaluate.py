"""kviz evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kviz._checks import sanitise
from kviz.cli import options as take
from kviz.cli.command import command, option
from kviz.cli.job import Job
from kviz.errors import ImageError
from kviz.shelf import METRICS


@command(
    short_help="Measure whether maps can be trusted, beside what chance gets.",
    examples=(
        "kviz evaluate model.keras cat.jpg --method grad_cam --method saliency",
        "kviz evaluate model.keras photos/*.jpg --metric deletion --out evaluation.html",
    ),
)
@take.model
@take.images
@take.method("methods")
@take.metrics
@option(
    "--regions",
    metavar="PATH",
    help="Where things are: a folder of masks named like the photos, or a COCO JSON file.",
)
@take.classes
@take.output
@take.seed
@take.out("evaluation")
@take.dry_run
@take.listing(METRICS)
def evaluate(
    methods: list[str] | None,
    baselines: list[str] | None,
    regions: str | None,
    class_index: Any,
    **options: Any,
) -> None:
    """Measure whether methods' maps of each IMAGE can be trusted; by default those of grad_cam.

    Each value stands beside those of maps that know nothing of the model: random numbers, the middle
    of the image, its edges, the map inverted, the map of another photo.
    """
    if regions is not None and not Path(regions).exists():
        raise ImageError(f"There is no file or folder {sanitise(regions, 120)} with regions.")
    job = Job(options)
    if baselines:
        options["baselines"] = baselines
    if class_index and len(class_index) == 1:
        class_index = class_index[0]
    names = methods or ["grad_cam"]
    options.update(class_index=class_index, regions=regions)
    job.end(job.run("evaluate", names, doing="Measuring", **options))
