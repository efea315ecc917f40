"""kviz attribute."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from kviz.cli import options as take
from kviz.cli.command import command, option
from kviz.cli.job import Job
from kviz.cli.progress import start_up_talk_kept_back
from kviz.shelf import METHODS

if TYPE_CHECKING:
    from kviz.attribution import Method


def _made(names: list[str], settings: dict[str, Any]) -> list[Method]:
    """Return methods with those of the options that they have; what none of them has is refused."""
    with start_up_talk_kept_back():
        from kviz.attribution import method_class, method_named
    known = [{field.name for field in fields(method_class(name))} for name in names]
    unknown = settings.keys() - set().union(*known)
    return [
        method_named(name, **{key: settings[key] for key in settings if key in own | unknown})
        for name, own in zip(names, known, strict=True)
    ]


@command(
    short_help="Show the evidence for a class in each pixel, by any method.",
    examples=(
        "kviz attribute model.keras cat.jpg --class tabby",
        "kviz attribute model.keras cat.jpg --method grad_cam --method rise --set masks=4000",
    ),
)
@take.model
@take.images
@take.method("method")
@take.settings
@take.classes
@take.layers
@take.output
@option(
    "--resize",
    type=click.Choice(["bilinear", "nearest", "aligned"]),
    default="bilinear",
    show_default=True,
    help="How a layer's map gets the image's size; aligned: each cell where its layer looks.",
)
@take.seed
@option(
    "--certify",
    is_flag=True,
    help="Test each map: against chance, shuffled weights and noise; some 450 passes each.",
)
@take.out("attribution")
@take.dry_run
@take.heat
@take.listing(METHODS)
def attribute(
    method: list[str] | None,
    settings: dict[str, Any],
    class_index: Any,
    certify: bool,
    **options: Any,
) -> None:
    """Show which pixels of each IMAGE are evidence for a class; by grad_cam or other methods.

    Several methods are drawn side by side; --set and --layers are for those that have such an option.
    kviz methods says which method is good for what.
    """
    import kviz

    names = method or ["grad_cam"]
    job = Job(options)
    keys = ("cmap", "alpha", "percentile", "sign", "scale")
    drawing = {key: options.pop(key) for key in keys}
    if layer_names := options.pop("layer_names"):
        settings["layer_names"] = layer_names
    take.validate_settings(names, settings)
    made = _made(names, settings)
    if class_index and len(class_index) > 1:
        class_index = [class_index]  # all of them for each photo
    found = [
        job.run("attribute", one, doing=name, class_index=class_index, **options)
        for name, one in zip(names, made, strict=True)
    ]
    if certify:
        found = [
            job.certified(one, batch_size=options["batch_size"], seed=options["seed"])
            for one in found
        ]
    alone = len(found) == 1 or job.dry_run
    job.end(found[0] if alone else kviz.compare(found), **drawing)
