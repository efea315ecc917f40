"""The options that commands share. Each is named, for the verb, as the verb's own parameter."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from kviz._caller import spelled
from kviz._checks import MOST, bytes_of, sanitise, suggest, validate_choice
from kviz.cli import device as devices
from kviz.cli.command import option
from kviz.cli.lists import say_list
from kviz.cli.typed import words_typed
from kviz.errors import OptionError
from kviz.preprocess_names import application_names, validate_preprocess
from kviz.shelf import BASELINES, METHODS, METRICS, Shelf

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def stacked(*decorators: Decorator) -> Decorator:
    """Return one decorator that does what these do, written above a function in this order."""

    def decorated(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorated


def repeated(*names: str, help: str, callback: Any = None, **more: Any) -> Decorator:  # noqa: A002
    """Return an option that may be given several times: a list, None where it is not given."""
    callback = callback or (lambda _ctx, _param, values: list(values) or None)
    said = f"{help} Repeat the option for several."
    return option(*names, multiple=True, help=said, callback=callback, **more)


class Number(click.FloatRange):
    """A number of a range, in which NaN and infinity do not lie."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number.", param, ctx)
        return number


ABOVE_ZERO = Number(0, min_open=True)


def _one_each(_ctx: click.Context, _param: click.Parameter, names: tuple[str, ...]) -> Any:
    for name in names:
        if "," in name:
            raise click.UsageError(
                f"--method takes one name. Repeat it for several: --method "
                f"{sanitise(' --method '.join(name.split(',')), 120)}"
            )
        METHODS.validate(name)
    return list(dict.fromkeys(names)) or None


def _metrics(_ctx: click.Context, _param: click.Parameter, names: tuple[str, ...]) -> Any:
    for name in names:
        METRICS.validate(name)
    return list(names) or None


def _baselines(_ctx: click.Context, _param: click.Parameter, names: tuple[str, ...]) -> Any:
    for name in names:
        # Noise would give an image another value in another place.
        validate_choice("baselines", name, [cover for cover in BASELINES if cover != "noise"])
    return list(names) or None


def validate_settings(names: Sequence[str], settings: Mapping[str, Any]) -> None:
    """Raise an `OptionError` for what none of some methods takes, before they are imported.

    Another package's method is left to itself: it may have options and bounds from elsewhere, and may
    read its values in its own way, of which its file need not tell.
    """
    if not settings:
        return
    from kviz.option_values import validate_option

    cards = [METHODS.card(name) for name in names]
    own = [card for card in cards if not card.package]
    for given, value in settings.items():
        having = [card for card in own if given in card.options]
        if not having and own == cards:
            raise OptionError(
                f"{names[0]} has no option {sanitise(repr(spelled(given)))}. "
                f"{suggest(given, map(spelled, cards[0].options))}"
            )
        for card in having:
            one = card.options[given]
            if one.check == "as_method" and isinstance(value, str):
                METHODS.validate(value)
            validate_option(given, one, value)


def _settings(
    _ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]
) -> dict[str, Any]:
    """Return values by name: JSON where it is that, else text."""
    found: dict[str, Any] = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not name or not mark:
            raise click.UsageError(f"--set takes NAME=VALUE. Received: {sanitise(text)}")
        if name in found:
            raise click.UsageError(f"--set gives {sanitise(name)} twice. Give it once.")
        # What Python calls these is understood too.
        value = {"None": "null", "True": "true", "False": "false"}.get(value, value)
        try:
            found[name] = json.loads(value)
        except (ValueError, RecursionError):
            # JSON has no .5, people have.
            found[name] = float(value) if re.fullmatch(r"-?\.[0-9]+", value) else value
    return found


def _cmap(_ctx: click.Context, _param: click.Parameter, name: str | None) -> str | None:
    if name is not None:
        from kviz.draw.colours import palette

        palette(name)
    return name


def cmap(default: str) -> Decorator:
    """Return the option of the colour map."""
    return option(
        "--cmap",
        metavar="NAME",
        callback=_cmap,
        help=f"A Matplotlib colour map; by default {default}.",
    )


layers = repeated(
    "--layers",
    "layer_names",
    metavar="GLOB",
    help='Layers by path, glob, kind or index, such as conv1, "conv*" or Conv2D.',
)
classes = repeated(
    "--class",
    "class_index",
    metavar="NAME|INDEX",
    help="A class to explain, by default the predicted one.",
)
settings = option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_settings,
    help="A method's option, such as steps=128. Repeat the option for several.",
)
seed = option(
    "--seed",
    type=click.IntRange(0, MOST),
    default=0,
    show_default=True,
    help="Seed of all that is random.",
)
columns = option(
    "--columns", type=click.IntRange(1), default=16, show_default=True, help="Channels per row."
)

_class_names = option(
    "--class-names",
    metavar="FILE",
    help="Class names: JSON, a name per line, or the folder of the training data.",
)
_target_size = option(
    "--target-size",
    type=click.IntRange(1),
    nargs=2,
    metavar="H W",
    help="Height and width of the images, where the model takes any.",
)


def method(name: str, default: str = "grad_cam") -> Decorator:
    """Return the option of attribution methods, for the verb's parameter of this name."""
    text = f"A method that kviz methods lists; by default {default}."
    return repeated("--method", name, metavar="NAME", callback=_one_each, help=text)


output = option(
    "--output",
    metavar="NAME|PLACE",
    help="Which output, of a model that has several: its name, or its place from 0.",
)


metrics = stacked(
    repeated(
        "--metric",
        "metrics",
        metavar="NAME",
        callback=_metrics,
        help="A metric that kviz evaluate --list names; by default deletion, insertion, mu_fidelity.",
    ),
    repeated(
        "--baseline",
        "baselines",
        metavar="NAME",
        callback=_baselines,
        help="What covers pixels; by default black and blur.",
    ),
    option(
        "--nulls",
        type=click.IntRange(1),
        default=4,
        show_default=True,
        help="How many maps of random numbers to compare with.",
    ),
)


def _batch_size(default: int) -> Decorator:
    return option(
        "--batch-size",
        type=click.IntRange(1),
        default=default,
        show_default=True,
        help="Batch size: images processed at once.",
    )


def listing(shelf: Shelf) -> Decorator:
    """Return the option that lists what there is, and ends the command."""

    def listed(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
        if wanted:
            say_list(shelf, as_json="--json" in words_typed(ctx))
            ctx.exit()

    return option(
        "--list", is_flag=True, is_eager=True, expose_value=False, callback=listed,
        help=f"List the {shelf.word}s and stop.",
    )  # fmt: skip


model_file = click.argument("model")
trust = option(
    "--trust", is_flag=True, help="Also load files that can run code, such as Lambda layers."
)
imports = option(
    "--import",
    "custom_objects",
    multiple=True,
    metavar="MODULE",
    help="Module with the model's own classes, such as my_layers or keras_hub. Its code runs; what "
    "it imports from elsewhere stays unknown. Repeat the option for several.",
)
as_json = option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def _size(_ctx: click.Context, _param: click.Parameter, size: str | None) -> str | None:
    if size is not None:
        bytes_of(size)
    return size


max_memory = option(
    "--max-memory",
    callback=_size,
    metavar="SIZE",
    help="The most memory for the model and its images, such as 8GB, beyond TensorFlow itself; by "
    "default 4GB, or half of what is free.",
)
device = devices.device
dry_run = option(
    "--dry-run",
    is_flag=True,
    help="Tell the passes, memory and seconds that it would take and what it would write, and stop.",
)
max_layers = option(
    "--max-layers",
    type=click.IntRange(1),
    metavar="N",
    help="The most layers a model may have, repeated ones counted each time; by default 5,000.",
)


def _preprocess(_ctx: click.Context, _param: click.Parameter, text: str | None) -> str | None:
    if text is not None and (known := application_names()):
        validate_preprocess(text, known)
    return text


loading = stacked(
    option(
        "--preprocess",
        metavar="NAME|RANGE",
        callback=_preprocess,
        help="What the model expects of pixels: a range such as 0..1 or -1..1, or the name of the "
        "keras.applications module that prepares them, such as vgg16.",
    ),
    trust,
    imports,
    max_memory,
    max_layers,
    device,
    as_json,
)
model = stacked(model_file, loading)


def _inputs(
    _ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]
) -> dict[str, list[str]]:
    """Return the files of each input, by its name."""
    found: dict[str, list[str]] = {}
    for text in texts:
        name, mark, path = text.partition("=")
        if not name or not mark or not path:
            raise click.UsageError(f"--input takes NAME=PATH. Received: {sanitise(text, 120)}")
        found.setdefault(name, []).append(path)
    return found


reading = stacked(
    repeated(
        "--bands",
        "bands",
        type=click.IntRange(1),
        metavar="BAND",
        help="A band of the files, from 1, in the order that the model takes.",
    ),
    _target_size,
    option(
        "--fit",
        type=click.Choice(["crop", "stretch", "pad"]),
        default="crop",
        show_default=True,
        help="How a photo gets the model's shape.",
    ),
    _batch_size(32),
    _class_names,
)

photos = stacked(
    click.argument("images", nargs=-1, metavar="[IMAGE...]"),
    _class_names,
)

images = stacked(
    click.argument("images", nargs=-1, metavar="IMAGE..."),
    option(
        "--input",
        "inputs",
        multiple=True,
        metavar="NAME=PATH",
        callback=_inputs,
        help="Photos or a .npy of one input, of a model of several, in place of IMAGE. "
        "Repeat the option for each.",
    ),
    reading,
)

noise = stacked(
    _target_size,
    option(
        "--colours-of",
        "statistics",
        multiple=True,
        metavar="IMAGE",
        help="Photos whose colours it should have; by default ImageNet's.",
    ),
    _batch_size(16),
    _class_names,
)


heat = stacked(
    cmap("viridis, or bwr for signed maps"),
    option(
        "--alpha",
        type=Number(0, 1),
        help="How opaque a map is; by default as its values are large, at most 0.8.",
    ),
    option(
        "--percentile",
        type=Number(0, 100, min_open=True),
        default=99,
        show_default=True,
        help="Percentile of the absolute values at which colours end.",
    ),
    option(
        "--sign",
        type=click.Choice(["all", "positive", "negative", "absolute"]),
        default="all",
        show_default=True,
        help="Which values are drawn.",
    ),
    option(
        "--scale",
        type=click.Choice(["each", "shared"]),
        default="each",
        show_default=True,
        help="Whether maps share one colour scale.",
    ),
)


force = option("--force", is_flag=True, help="Also replace files that kviz did not write.")


def out(default: str) -> Decorator:
    """Return the options of where a result goes."""
    return stacked(
        option(
            "--out",
            "-o",
            default=default,
            show_default=True,
            metavar="PATH",
            help="Folder, or a .npz, .html, .pdf or .svg file.",
        ),
        option(
            "--format",
            "form",
            type=click.Choice(["png", "npz", "html", "pdf", "svg"]),
            help="Pictures, numbers, one page or one figure; by default as --out ends, else png.",
        ),
        force,
    )


def ascent(steps: int, folder: str) -> Decorator:
    """Return the options of what climbs: how far, from where, and where it is written."""
    return stacked(
        option(
            "--steps",
            type=click.IntRange(1),
            default=steps,
            show_default=True,
            help="The most steps to take.",
        ),
        seed,
        out(folder),
        option("--gif", "film", is_flag=True, help="Write an animation of all steps, too."),
    )


def parametrization(default: str | None, text: str) -> Decorator:
    """Return the option of what an image is made in."""
    return option(
        "--parametrization",
        type=click.Choice(["pixel", "fourier", "maco"]),
        default=default,
        show_default=default is not None,
        help=text,
    )
