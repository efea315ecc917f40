"""kviz run: a verb over a data set, a command per verb."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kviz._checks import sanitise
from kviz.cli import options as take
from kviz.cli.command import Command, option
from kviz.cli.group import say_note
from kviz.cli.imports import imported
from kviz.cli.job import Job
from kviz.cli.progress import counting_bar
from kviz.errors import ImageError
from kviz.shelf import METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kviz.dataset import Dataset, Done


def _part(_ctx: click.Context, _param: click.Parameter, text: str | None) -> Any:
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise click.UsageError(
            f"--shard takes I/N, the I-th of N parts, such as 1/4. Received: {sanitise(text)}"
        )
    return int(found[1]), int(found[2])


_statistics = take.repeated(
    "--statistic",
    "statistics",
    metavar="NAME[=VALUE]",
    help="Computed over all images, such as moments, histogram=64 or top_k=9.",
)


def _one(option: str) -> Callable[..., Any]:
    """Return what takes one of an option that other commands take several of."""

    def one(_ctx: click.Context, _param: click.Parameter, values: tuple[Any, ...]) -> Any:
        if len(values) > 1:
            raise click.UsageError(
                f"Over a data set, give {option} once; run each into its own STORE."
            )
        if values and option == "--method":
            METHODS.validate(values[0])
        return values[0] if values else None

    return one


_one_class = option(
    "--class",
    "class_index",
    multiple=True,
    callback=_one("--class"),
    metavar="NAME|INDEX",
    help="The class, the same for all images; by default the predicted one of each.",
)
_data = take.stacked(
    take.model_file,
    click.argument("source"),
    option(
        "--out", "-o", "store", required=True, metavar="STORE", help="The folder of the results."
    ),
    option("--resume", is_flag=True, help="Go on with what is in STORE, or begin."),
)
_how = take.stacked(
    take.reading,
    take.loading,
    take.dry_run,
    option(
        "--shard",
        metavar="I/N",
        callback=_part,
        help="Only the I-th of N parts, so that any scheduler can share STORE among processes.",
    ),
    option(
        "--shard-size",
        type=click.IntRange(1),
        default=256,
        show_default=True,
        help="Images written together; after a crash at most this many are computed again.",
    ),
    option(
        "--engine",
        type=click.Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="local: this process; ray: actors of Ray, one per GPU.",
    ),
    option("--workers", type=click.IntRange(1), help="How many actors of Ray."),
    option(
        "--address",
        metavar="HOST:PORT",
        help="Address of a Ray cluster; by default Ray starts on this machine.",
    ),
    option(
        "--max-bad",
        type=click.IntRange(0),
        metavar="N",
        help="Stop when more than N images cannot be read.",
    ),
    option(
        "--dtype",
        type=click.Choice(["float32", "float16"]),
        default="float32",
        show_default=True,
        help="Type of real numbers in STORE.",
    ),
    option(
        "--compression",
        type=click.Choice(["lz4", "zstd", "none"]),
        default="lz4",
        show_default=True,
        help="zstd is smaller, lz4 is faster.",
    ),
    option("--path-column", metavar="NAME", help="A table's column of paths."),
    option("--image-column", metavar="NAME", help="A table's column of images' bytes."),
    option("--label-column", metavar="NAME", help="A table's column of labels."),
)


@click.group(
    short_help="Run a command over a data set: streamed, resumable, on many machines.",
    epilog="""\b
Examples:
  kviz run predict model.keras photos/ --out scores
  kviz run activations model.keras photos/ --out stats --statistic moments""",
)
def run() -> None:
    """Run a command over all images of SOURCE and write what it finds into STORE.

    SOURCE is a folder whose subfolders are labels, a glob, a list file (.txt), a .csv or .parquet of
    paths and labels, a .parquet of image bytes, TFRecords, WebDataset tars, or a .npy. A run that was
    stopped goes on with --resume.
    """


@run.command(
    cls=Command,
    short_help="Name the most likely class of each image.",
    examples=(
        "kviz run predict model.keras photos/ --out scores",
        "kviz run predict model.keras list.csv --out scores --shard 1/4",
    ),
)
@_data
@option("--top-k", type=click.IntRange(1), help="Keep so many scores; by default all.")
@take.output
@_statistics
@_how
def predict(**options: Any) -> None:
    """Keep the scores of each image, and count right answers where there are labels."""
    _run("predict", options)


@run.command(
    cls=Command,
    short_help="Keep feature maps, pooled ones, or statistics.",
    examples=(
        "kviz run activations model.keras photos/ --out maps --pooling avg",
        "kviz run activations model.keras photos/ --out maps --statistic moments",
    ),
)
@_data
@take.layers
@option("--pooling", type=click.Choice(["avg", "max"]), help="One number per channel.")
@_statistics
@_how
def activations(**options: Any) -> None:
    """Keep the feature maps of each image.

    By default of every Conv2D and MaxPooling2D. With --statistic none are kept unless --pooling is
    given.
    """
    _run("activations", options)


@run.command(
    cls=Command,
    short_help="Keep attributions: the evidence for a class in each pixel.",
    examples=(
        "kviz run attribute model.keras photos/ --out evidence",
        "kviz run attribute model.keras photos/ --out evidence --method saliency --resume",
    ),
)
@_data
@option(
    "--method",
    multiple=True,
    callback=_one("--method"),
    metavar="NAME",
    help="A method that kviz methods lists; by default grad_cam.",
)
@take.settings
@_one_class
@take.layers
@take.output
@option(
    "--resize",
    type=click.Choice(["bilinear", "nearest", "aligned", "none"]),
    default="bilinear",
    show_default=True,
    help="How a layer's map gets the image's size; none keeps it small.",
)
@take.seed
@_statistics
@_how
def attribute(settings: dict[str, Any], resize: str, layer_names: Any, **options: Any) -> None:
    """Keep an attribution map of each image."""
    if layer_names:
        settings["layer_names"] = layer_names
    take.validate_settings([options["method"] or "grad_cam"], settings)
    _run("attribute", options, **{**settings, "resize": None if resize == "none" else resize})


@run.command(
    cls=Command,
    short_help="Measure whether methods' maps can be trusted.",
    examples=(
        "kviz run evaluate model.keras photos/ --out trust --method grad_cam",
        "kviz run evaluate model.keras photos/ --out trust --metric deletion",
    ),
)
@_data
@take.method("methods")
@take.metrics
@_one_class
@take.output
@take.seed
@_how
def evaluate(methods: Any, baselines: Any, **options: Any) -> None:
    """Keep what metrics say of each image's maps, and of maps by chance."""
    options["methods"] = methods or ["grad_cam"]
    if baselines:
        options["baselines"] = baselines
    _run("evaluate", options)


@run.command(
    cls=Command,
    short_help="Change each image until the model sees another class.",
    examples=(
        "kviz run fool model.keras photos/ --out fooled",
        "kviz run fool model.keras photos/ --out fooled --class pizza --no-images",
    ),
)
@_data
@_one_class
@option(
    "--max-norm",
    type=take.ABOVE_ZERO,
    multiple=True,
    callback=_one("--max-norm"),
    help="The largest distance from the image.",
)
@option(
    "--norm",
    type=click.Choice(["l2", "linf"]),
    default="l2",
    show_default=True,
    help="How distance is measured.",
)
@option(
    "--steps", type=click.IntRange(1), default=100, show_default=True, help="Most steps to take."
)
@option("--no-images", "keep_images", is_flag=True, help="Keep only what came of each.")
@take.output
@take.seed
@_how
def fool(keep_images: bool, **options: Any) -> None:
    """Keep the changed images, and how far each had to go; without --class away from its own."""
    _run("fool", options, keep_images=not keep_images)


# What concerns the model and what is printed.
_OF_THE_JOB = (
    "as_json", "model", "preprocess", "class_names", "trust", "max_memory", "max_layers",
    "custom_objects", "device", "dry_run",
)  # fmt: skip


def _run(verb: str, options: dict[str, Any], **more: Any) -> None:
    source, store = options.pop("source"), options.pop("store")
    if not re.search(r"[*?[]", source) and not Path(source).exists():
        raise ImageError(f"There is no file or folder {sanitise(source, 120)}.")
    if options["device"] and options["engine"] == "ray":
        raise click.UsageError("--device is for this process: Ray gives each of its actors a GPU.")
    modules = options["custom_objects"]
    job = Job({key: options.pop(key) for key in _OF_THE_JOB})
    if options["engine"] == "ray":  # this process keeps no GPU's memory from the actors
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    network = job.network
    given = {key: value for key, value in options.items() if value is not None}
    if job.dry_run:
        job.plan_run(verb, source, store, given, **more)
        return

    from kviz import dataset

    with _telling(job.as_json) as told:
        found = dataset.run(
            verb, network, source, store, progress=told,
            custom_objects=imported(modules) if modules else None,
            **given, **more,
        )  # fmt: skip
    _end(job, found, told.last)


class _Told:
    """What was told of a run."""

    def __init__(self, tell: Callable[[Done], None]) -> None:
        self.last: Done | None = None
        self._tell = tell

    def __call__(self, done: Done) -> None:
        self._tell(done)
        self.last = done


@contextmanager
def _telling(as_json: bool) -> Iterator[_Told]:
    """Tell how far a run is, by a bar or a line of JSON a shard, and what a stopped one has."""
    with counting_bar("Running") as moved:
        told = _Told(_print_line() if as_json else moved)
        try:
            yield told
        except KeyboardInterrupt:
            if told.last is not None:
                say_note(
                    f"{told.last.shards} of {told.last.shard_count} shards are finished; "
                    "--resume goes on."
                )
            raise


def _print_line() -> Callable[[Done], None]:
    shards = -1

    def tell(done: Done) -> None:
        nonlocal shards
        if done.shards != shards:
            shards = done.shards
            click.echo(json.dumps({"event": "shard", **_facts(done)}))

    return tell


def _facts(done: Done) -> dict[str, Any]:
    return {**done._asdict(), "rate": round(done.rate, 3), "seconds": round(done.seconds, 3)}


def _end(job: Job, found: Dataset, done: Done | None) -> None:
    """Say what was done, what was wrong, and where it is."""
    facts = found.facts()
    if job.as_json:
        click.echo(json.dumps({"event": "end", **(_facts(done) if done else {}), **facts}))
        return
    click.echo(found.text())
    for result in found.summaries():
        click.echo(f"\n{result.text()}")
    so_far = "" if found.complete else " so far"
    if facts.get("bad"):
        click.echo(f"Images that could not be read: {facts['bad']:,} (the index says why).")
    if facts["accuracy"] is not None:
        click.echo(
            f"Accuracy{so_far}: {facts['accuracy']:.2%} of the {facts['labelled']:,} images whose "
            "label is a class of the model."
        )
    if facts.get("unmatched"):
        names = ", ".join(repr(sanitise(name, 30)) for name in found.unknown_labels())
        click.echo(
            f"Images whose label is no class of the model: {facts['unmatched']:,} ({names}). "
            "Labels are class names or numbers."
        )
    if done is not None and done.rate:
        click.echo(f"{done.rate:,.1f} images a second, {done.seconds:,.1f} s")
    if not found.complete:
        left = len(found.missing)
        click.echo(f"Shards still missing, which other parts or processes compute: {left:,}.")
    for note in facts.get("notes", ()):
        say_note(note)
    click.echo(f"Wrote {sanitise(found.path, 200)}")
