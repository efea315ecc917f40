"""The command line: thin, lazy, one command a verb. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from kviz import __version__
from kviz.errors import KvizError, KvizWarning

if TYPE_CHECKING:
    from kviz.network.network import Network
    from kviz.results import Progress, Synthesis


class _Group(click.Group):
    """Ends every failure in one plain line: 1 for what a user can mend, 2 for wrong usage."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise  # click's own, and a reader such as head that has seen enough
        except KeyboardInterrupt:
            _say("stopped; nothing was written.")
            ctx.exit(130)
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            if isinstance(error, KvizError):
                _say(str(error))
            elif isinstance(error, MemoryError):
                _say("the memory is used up. Try a smaller --batch-size, fewer --layers or images.")
            else:
                _say(
                    f"unexpected {type(error).__name__}; this is a fault of kviz. "
                    "kviz --debug COMMAND … shows where."
                )
            ctx.exit(1)


def _say(message: str) -> None:
    click.echo(f"kviz: {message}", err=True)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kviz")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """Look inside any Keras convnet: MODEL is a saved .keras file, IMAGE a photo."""
    # This process is kviz's own, so it may choose; TensorFlow's start-up talk is no user's business.
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if debug else "3")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A sign that the terminal's encoding lacks is shown by its number.
        sys.stdout.reconfigure(errors="backslashreplace")
    if not debug:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", KvizWarning)
        warnings.showwarning = lambda message, *_, **__: _say(f"note: {message}")


Command = Callable[..., Any]


def _model_options(command: Command) -> Command:
    for option in (
        click.option(
            "--trust", is_flag=True, help="Also load files that can run code: Lambda layers, .h5."
        ),
        click.option(
            "--preprocess",
            metavar="NAME",
            help="Preprocess pixels as this keras.applications module does: vgg16 …",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts."),
        click.argument("model"),
    ):
        command = option(command)
    return command


def _image_options(command: Command) -> Command:
    for option in (
        click.option("--class-names", metavar="FILE", help="Class names, JSON or a name a line."),
        click.option(
            "--batch-size",
            type=click.IntRange(1),
            default=32,
            show_default=True,
            help="Images in flight at once.",
        ),
        click.option(
            "--fit",
            type=click.Choice(["crop", "stretch", "pad"]),
            default="crop",
            show_default=True,
            help="How a photo gets the model's shape.",
        ),
        click.option(
            "--size",
            type=click.IntRange(1),
            nargs=2,
            metavar="H W",
            help="Resize photos to this, where the model takes any size.",
        ),
        click.argument("images", nargs=-1, required=True, metavar="IMAGE..."),
    ):
        command = option(command)
    return command


_format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["png", "npz", "html"]),
    help="Pictures, numbers or one page; by default as --out ends, else png.",
)


def _picture_options(command: Command) -> Command:
    for option in (
        _format_option,
        click.option(
            "--columns",
            type=click.IntRange(1),
            default=16,
            show_default=True,
            help="Channels a row.",
        ),
        click.option(
            "--layers",
            multiple=True,
            metavar="GLOB",
            help="Layers by path, glob, kind or index. Repeat the option for several.",
        ),
    ):
        command = option(command)
    return command


@main.command(short_help="List layers, shapes and receptive fields.")
@_model_options
def layers(model: str, as_json: bool, preprocess: str | None, trust: bool) -> None:
    """List the layers that MODEL calls: shapes, kernels, receptive fields, output sizes."""
    table = _load(model, preprocess, None, trust).layers
    if as_json:
        _print_json([info.facts() for info in table])
    else:
        from kviz.draw.tables import narrowed, text

        # A pipe gets lines as long as they are, a terminal what fits.
        shown = table.table()
        left_out: list[str] = []
        if sys.stdout.isatty():
            optional = ("padding", "weights", "kind", "params", "index", "output size", "stride")
            shown, left_out = narrowed(shown, shutil.get_terminal_size().columns, optional)
        click.echo(text(shown))
        if left_out:
            _say(f"note: no room for {', '.join(left_out)}; a wider window or --json shows them.")


@main.command(short_help="Name the best classes for photos.")
@_model_options
@_image_options
@click.option(
    "--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes to name."
)
@click.option("--class", "classes", multiple=True, help="Show this class too, by name or index.")
def predict(
    model: str,
    images: tuple[str, ...],
    top: int,
    classes: tuple[str, ...],
    as_json: bool,
    preprocess: str | None,
    class_names: str | None,
    trust: bool,
    **options: Any,
) -> None:
    """Name the best classes for each IMAGE."""
    import kviz
    from kviz.images import image_paths

    image_paths(images)  # a missing photo is said at once, TensorFlow takes seconds
    network = _load(model, preprocess, class_names, trust)
    pixels, names = _pixels(images, network, options)
    with _progress("Predicting") as progress:
        result = kviz.predict(
            network,
            pixels,
            top,
            class_index=classes,
            batch_size=options["batch_size"],
            names=names,
            progress=progress,
        )
    if as_json:
        score = "probability" if result.probability else "score"
        _print_json(
            [
                {
                    "image": name,
                    "classes": [
                        {"class_index": index, "name": label, score: value}
                        for index, label, value in row
                    ],
                }
                for name, row in zip(names, result.rows, strict=True)
            ]
        )
    else:
        click.echo(repr(result))


@main.command(short_help="Draw the feature maps for photos.")
@_model_options
@_image_options
@_picture_options
@click.option("--out", default="maps", show_default=True, help="Folder, or a .npz or .html file.")
@click.option("--cmap", default="viridis", show_default=True, help="A Matplotlib colour map.")
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
def activations(
    model: str,
    images: tuple[str, ...],
    layers: tuple[str, ...],
    out: str,
    form: str | None,
    as_json: bool,
    preprocess: str | None,
    class_names: str | None,
    trust: bool,
    **options: Any,
) -> None:
    """Draw the feature maps of MODEL for each IMAGE, a mosaic a layer.

    By default of every Conv2D and MaxPooling2D.
    """
    import kviz
    from kviz.images import image_paths

    path, form = _form(out, form)
    image_paths(images)  # a missing photo is said at once, TensorFlow takes seconds
    network = _load(model, preprocess, class_names, trust)
    pixels, names = _pixels(images, network, options)
    with _progress("Computing") as progress:
        maps = kviz.activations(
            network,
            pixels,
            layers or None,
            options["batch_size"],
            names=names,
            progress=progress,
        )
    drawing = {key: options[key] for key in ("columns", "cmap", "scale", "sort", "channel")}
    drawing["show_image"] = options["show_image"]
    written = _write(maps, path, form, "activations", drawing)
    shares = maps.empty_shares
    if as_json:
        _print_json(
            {
                "files": [str(file) for file in written],
                "layers": [
                    {
                        "path": name,
                        "kind": maps.kinds[name],
                        "shape": array.shape,
                        "min": float(array.min()),
                        "max": float(array.max()),
                        "empty_shares": shares[name].tolist(),
                    }
                    for name, array in maps.items()
                ],
            }
        )
        return
    _print_written(
        written,
        [
            (
                name,
                f"{' × '.join(map(str, array.shape[1:]))}",
                f"{100 * shares[name][i]:.0f} % empty",
            )
            for i in range(len(pixels))
            for name, array in maps.items()
        ],
    )


@main.command(short_help="Draw the kernels.")
@_model_options
@_picture_options
@click.option(
    "--out", default="kernels", show_default=True, help="Folder, or a .npz or .html file."
)
def weights(
    model: str,
    layers: tuple[str, ...],
    out: str,
    form: str | None,
    columns: int,
    as_json: bool,
    preprocess: str | None,
    trust: bool,
) -> None:
    """Draw the kernels of MODEL, in colour where they read RGB.

    By default of every Conv2D; --layers also takes a weight's path, such as conv1/kernel.
    """
    import kviz

    path, form = _form(out, form)
    network = _load(model, preprocess, None, trust)
    values = kviz.weights(network, layers or None)
    written = _write(values, path, form, "weights", {"columns": columns})
    if as_json:
        _print_json(
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
    _print_written(written, drawn)


@main.command(short_help="Show which pixels decide, by any method.")
@_model_options
@_image_options
@click.option("--method", default="grad_cam", show_default=True, help="A name that --list lists.")
@click.option(
    "--compare", metavar="A,B,C", help="Several methods side by side, instead of --method."
)
@click.option("--class", "class_index", metavar="NAME|INDEX", help="By default the predicted one.")
@click.option(
    "--layers", "layer_names", metavar="GLOB", help="The layer, for methods that take one."
)
@click.option(
    "--option",
    "-o",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A method's option, such as steps=128.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="For methods that draw.")
@click.option(
    "--list",
    "listed",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, value: _list_methods(ctx) if value else None,
    help="List the methods and stop.",
)
@_format_option
@click.option(
    "--out", default="attribution", show_default=True, help="Folder, or a .npz or .html file."
)
def attribute(
    model: str,
    images: tuple[str, ...],
    method: str,
    compare: str | None,
    class_index: str | None,
    layer_names: str | None,
    settings: tuple[str, ...],
    seed: int,
    out: str,
    form: str | None,
    as_json: bool,
    preprocess: str | None,
    class_names: str | None,
    trust: bool,
    **options: Any,
) -> None:
    """Show which pixels of each IMAGE decide what MODEL says."""
    import kviz
    from kviz.images import image_paths

    path, form = _form(out, form)
    chosen = [name.strip() for name in (compare or method).split(",")]
    if compare and form != "png":
        raise click.UsageError("--compare writes pictures only.")
    if compare and settings:
        raise click.UsageError("--option belongs to one method; leave it out with --compare.")
    given = dict(_setting(text) for text in settings)
    if layer_names:
        given["layer_names"] = layer_names
    image_paths(images)
    network = _load(model, preprocess, class_names, trust)
    pixels, names = _pixels(images, network, options)
    facts = []
    for name in chosen:
        with _progress(name) as progress:
            found = kviz.attribute(
                network, pixels, name, class_index=class_index, seed=seed,
                batch_size=options["batch_size"], names=names, progress=progress, **given,
            )  # fmt: skip
        facts.append(found)
    if compare:
        from kviz.results import save_compared

        written = save_compared(facts, path)
    else:
        written = _write(facts[0], path, form, "attribution", {})
    if as_json:
        _print_json(
            {
                "files": [str(file) for file in written],
                "maps": [
                    {
                        "method": found.method,
                        "image": names[index],
                        "class": found.class_names[index],
                        "score": float(found.scores[index]),
                        "completeness_gap": None
                        if found.gaps is None
                        else float(found.gaps[index]),
                    }
                    for found in facts
                    for index in range(len(found.maps))
                ],
                "notes": [note for found in facts for note in found.notes],
            }
        )
        return
    for found in facts:
        click.echo(repr(found))
        for note in found.notes:
            click.echo(f"note: {note}")
    click.echo(f"Wrote {len(written)} file{'s' * (len(written) > 1)} to {path}")


def _dream_options(steps: int, out: str) -> Callable[[Command], Command]:
    def decorated(command: Command) -> Command:
        for option in (
            click.option("--gif", is_flag=True, help="Write the way as an animation too."),
            click.option(
                "--seed", type=int, default=0, show_default=True, help="For what is drawn."
            ),
            click.option(
                "--steps", type=click.IntRange(1), default=steps, show_default=True, help="At most."
            ),
            _format_option,
            click.option(
                "--out", default=out, show_default=True, help="Folder, or a .npz or .html file."
            ),
        ):
            command = option(command)
        return command

    return decorated


def _noise_options(command: Command) -> Command:
    for option in (
        click.option(
            "--colours-of",
            multiple=True,
            metavar="IMAGE",
            help="Photos whose colours it should have; by default ImageNet's.",
        ),
        click.option(
            "--size",
            type=click.IntRange(1),
            nargs=2,
            metavar="H W",
            help="The image's, where the model takes any size.",
        ),
        click.option(
            "--batch-size",
            type=click.IntRange(1),
            default=16,
            show_default=True,
            help="Images in flight at once.",
        ),
        click.option("--class-names", metavar="FILE", help="Class names, JSON or a name a line."),
    ):
        command = option(command)
    return command


_PARAMETRIZATIONS = click.Choice(["pixel", "fourier", "maco"])


@main.command(short_help="Change a photo until the model sees another class.")
@_model_options
@_image_options
@click.option("--class", "class_index", metavar="NAME|INDEX", help="What it is to be taken for.")
@click.option(
    "--away", is_flag=True, help="Get away from the class (by default the predicted one)."
)
@click.option(
    "--step", "step_size", type=float, help="A step's length; by default it begins small and grows."
)
@click.option("--max-norm", type=float, help="How far from the photo it may go.")
@click.option("--norm", type=click.Choice(["l2", "linf"]), default="l2", show_default=True)
@click.option("--random-start", is_flag=True, help="Begin at a random place within --max-norm.")
@click.option("--confidence", type=float, help="Go on until the class is this probable.")
@_dream_options(100, "fooled")
def fool(
    model: str,
    images: tuple[str, ...],
    class_index: str | None,
    away: bool,
    preprocess: str | None,
    class_names: str | None,
    trust: bool,
    **options: Any,
) -> None:
    """Change each IMAGE as little as it takes for MODEL to see another class in it."""
    import kviz
    from kviz.images import image_paths

    if class_index is None and not away:
        raise click.UsageError("fool needs --class, what the photo is to be taken for, or --away.")
    path, form = _form(options["out"], options["form"])
    image_paths(images)
    network = _load(model, preprocess, class_names, trust)
    pixels, names = _pixels(images, network, options)
    keys = (
        "step_size",
        "max_norm",
        "norm",
        "steps",
        "random_start",
        "confidence",
        "seed",
        "batch_size",
    )
    with _progress("Fooling") as progress:
        found = kviz.fool(
            network, pixels, class_index, targeted=not away, names=names, film=options["gif"],
            progress=progress, **{key: options[key] for key in keys},
        )  # fmt: skip
    _show_dreams(found, path, form, options)


@main.command("class-image", short_help="Draw what the model would most take for a class.")
@_model_options
@_noise_options
@click.option(
    "--class",
    "classes",
    multiple=True,
    required=True,
    metavar="NAME|INDEX",
    help="The class. Repeat the option for several.",
)
@click.option("--parametrization", type=_PARAMETRIZATIONS, default="fourier", show_default=True)
@_dream_options(256, "class_images")
def class_image(
    model: str,
    classes: tuple[str, ...],
    preprocess: str | None,
    class_names: str | None,
    trust: bool,
    **options: Any,
) -> None:
    """Draw the image that MODEL would most take for a class."""
    import kviz

    path, form = _form(options["out"], options["form"])
    network = _load(model, preprocess, class_names, trust)
    with _progress("Dreaming") as progress:
        found = kviz.class_image(
            network, list(classes), **_begun(network, options), progress=progress
        )
    _show_dreams(found, path, form, options)


@main.command(short_help="Draw what each filter of a layer answers to most.")
@_model_options
@_noise_options
@click.option("--layer", required=True, metavar="PATH", help="The layer, by path, glob or index.")
@click.option(
    "--filter",
    "filters",
    multiple=True,
    type=click.IntRange(0),
    metavar="INDEX",
    help="A filter from 0, by default all. Repeat the option for several.",
)
@click.option(
    "--parametrization",
    type=_PARAMETRIZATIONS,
    help="By default pixel for filters that see few pixels, else fourier.",
)
@_dream_options(100, "patterns")
def filters(
    model: str,
    layer: str,
    filters: tuple[int, ...],
    preprocess: str | None,
    class_names: str | None,
    trust: bool,
    **options: Any,
) -> None:
    """Draw the image that each filter of a layer of MODEL answers to most."""
    import kviz

    path, form = _form(options["out"], options["form"])
    network = _load(model, preprocess, class_names, trust)
    with _progress("Dreaming") as progress:
        found = kviz.filter_patterns(
            network, layer, filters or None, **_begun(network, options), progress=progress
        )
    _show_dreams(found, path, form, options)


@main.command(short_help="Show more of what layers see in a photo.")
@_model_options
@_image_options
@click.option(
    "--layers",
    multiple=True,
    metavar="GLOB",
    help="Layers whose maps grow, by default one in the middle. Repeat the option for several.",
)
@click.option("--octaves", type=click.IntRange(1), default=4, show_default=True, help="Sizes.")
@click.option(
    "--octave-scale", type=float, default=1.4, show_default=True, help="From size to size."
)
@click.option(
    "--step", "step_size", type=float, default=1.5, show_default=True, help="Levels of 255 a step."
)
@_dream_options(20, "dreams")
def dream(
    model: str,
    images: tuple[str, ...],
    layers: tuple[str, ...],
    preprocess: str | None,
    class_names: str | None,
    trust: bool,
    **options: Any,
) -> None:
    """Show in each IMAGE more of what layers of MODEL see in it."""
    import kviz
    from kviz.images import image_paths

    path, form = _form(options["out"], options["form"])
    image_paths(images)
    network = _load(model, preprocess, class_names, trust)
    pixels, names = _pixels(images, network, options)
    keys = ("octaves", "octave_scale", "step_size", "steps", "seed", "batch_size")
    with _progress("Dreaming") as progress:
        found = kviz.deep_dream(
            network, pixels, list(layers) or None, names=names, film=options["gif"],
            progress=progress, **{key: options[key] for key in keys},
        )  # fmt: skip
    _show_dreams(found, path, form, options)


@main.command(short_help="Make one page of all of it.")
@_model_options
@_image_options
@click.option("--out", default="report.html", show_default=True, help="A .html file.")
@click.option("--class", "class_index", metavar="NAME|INDEX", help="By default the predicted one.")
@click.option(
    "--methods", metavar="A,B,C", help="Attribution methods, of those attribute --list lists."
)
@click.option(
    "--layers",
    multiple=True,
    metavar="GLOB",
    help="Whose feature maps, by path, glob, kind or index. Repeat the option for several.",
)
@click.option(
    "--pattern-layer", metavar="PATH", help="Whose filters' patterns; by default a middle one."
)
@click.option("--quick", is_flag=True, help="Leave out dreams and slow methods.")
@click.option("--seed", type=int, default=0, show_default=True, help="For what is drawn.")
@click.option(
    "--max-mb",
    type=click.FloatRange(0, min_open=True),
    default=20,
    show_default=True,
    help="How large the page may get; larger maps are averaged down.",
)
@click.option("--full", is_flag=True, help="Let the page get as large as it is.")
def report(
    model: str,
    images: tuple[str, ...],
    layers: tuple[str, ...],
    methods: str | None,
    max_mb: float,
    full: bool,
    as_json: bool,
    preprocess: str | None,
    class_names: str | None,
    trust: bool,
    **options: Any,
) -> None:
    """Make one page of what MODEL sees in each IMAGE: a file that opens in any browser.

    Layers, predictions, feature maps, what decides, kernels, dreams. It needs no network and no server.
    """
    import kviz
    from kviz.images import image_paths

    image_paths(images)  # a missing photo is said at once, TensorFlow takes seconds
    network = _load(model, preprocess, class_names, trust)
    pixels, names = _pixels(images, network, options)
    chosen = [name.strip() for name in methods.split(",")] if methods else None
    keys = ("class_index", "pattern_layer", "quick", "seed", "batch_size")
    with _progress_by_part() as progress:
        made = kviz.report(
            network, pixels, options["out"], methods=chosen, layer_names=layers or None,
            max_mb=None if full else max_mb, names=names, progress=progress,
            **{key: options[key] for key in keys},
        )  # fmt: skip
    if as_json:
        _print_json({"file": str(made.path), **made.facts})
        return
    for part, why in made.facts["skipped"].items():
        if not options["quick"] or "quick" not in why:
            _say(f"note: {part} left out. {why}")
    size = len(made.html.encode()) / 1e6
    seconds = sum(made.facts["seconds"].values())
    click.echo(f"Wrote {made.path}: {size:.1f} MB, in {seconds:.0f} s. Open it in a browser.")


def _begun(network: Network, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a verb that begins with noise."""
    from kviz.images import load_images

    colours = options["colours_of"]
    return {
        "statistics": load_images(list(colours), network) if colours else None,
        "target_size": options["size"] or None,
        "film": options["gif"],
        **{key: options[key] for key in ("parametrization", "steps", "batch_size", "seed")},
    }


def _show_dreams(found: Synthesis, path: Path, form: str, options: dict[str, Any]) -> None:
    """Write images and, where it was asked for, their animation; say what came of them."""
    written = _write(found, path, form, found.verb, {})
    if options["gif"]:
        film = path / f"{found.verb}.gif" if path.is_dir() else path.with_suffix(".gif")
        written += found.save(film)
    if options["as_json"]:
        table = found.tables()[0]
        _print_json(
            {
                "files": [str(file) for file in written],
                "images": [dict(zip(table.headers, row, strict=True)) for row in table.rows],
                "notes": found.notes,
            }
        )
        return
    click.echo(repr(found))
    for note in found.notes:
        click.echo(f"note: {note}")
    click.echo(f"Wrote {len(written)} file{'s' * (len(written) > 1)} to {path}")


def _setting(text: str) -> tuple[str, Any]:
    """Return an option's name and its value: JSON where it is that, else text."""
    name, mark, value = text.partition("=")
    if not mark:
        raise click.UsageError(f"--option takes NAME=VALUE. Received: {text}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, None if value == "None" else value


def _list_methods(ctx: click.Context) -> None:
    with _start_up_talk_kept_back():
        from kviz.attribution import method_names
    click.echo("\n".join(method_names()))
    ctx.exit()


def _form(out: str, form: str | None) -> tuple[Path, str]:
    if not out:
        raise click.UsageError("--out is empty. It takes a folder, or a .npz or .html file.")
    path = Path(out)
    suffix = path.suffix.lstrip(".") if path.suffix in (".npz", ".html") else None
    if form and suffix and form != suffix:
        raise click.UsageError(f"--format {form} and --out {out} contradict each other.")
    return path, form or suffix or "png"


def _write(result: Any, path: Path, form: str, name: str, drawing: dict[str, Any]) -> list[Path]:
    with _progress("Writing") as progress:
        if form == "png" or path.suffix == f".{form}":
            written: list[Path] = result.save(path, progress=progress, **drawing)
            return written
        from kviz.files import whole_folder

        with whole_folder(path) as folder:
            result.save(folder / f"{name}.{form}", progress=progress, **drawing)
        return [path / f"{name}.{form}"]


def _print_written(written: list[Path], facts: Sequence[tuple[str, ...]]) -> None:
    from kviz.draw.tables import Table, text

    if written[0].suffix != ".png":
        click.echo(f"Wrote {written[0]}")
        return
    headers = ("file", "layer", "shape", "channels zero everywhere")[: 1 + len(facts[0])]
    rows = [(file, *fact) for file, fact in zip(written, facts, strict=True)]
    count = f"{len(written)} picture{'s' * (len(written) > 1)}"
    click.echo(text(Table(f"Wrote {count}", headers, rows)))


def _load(model: str, preprocess: str | None, class_names: str | None, trust: bool) -> Network:
    with _start_up_talk_kept_back() as screen, _progress("Loading", screen):
        from kviz.network.loading import load_model

        return load_model(model, preprocess=preprocess, class_names=class_names, trust=trust)


def _pixels(
    images: tuple[str, ...], network: Network, options: dict[str, Any]
) -> tuple[Any, tuple[str, ...]]:
    from kviz.images import image_paths, load_images

    paths = image_paths(images)
    size = options["size"] or None
    try:
        pixels = load_images(paths, network, fit=options["fit"], target_size=size)
    except KvizError as error:
        said = str(error).replace("target_size=(height, width)", "--size H W")
        raise type(error)(said.replace("target_size=", "--size ")) from error
    return pixels, tuple(path.name for path in paths)


@contextmanager
def _progress(what: str, screen: TextIO | None = None) -> Iterator[Progress]:
    """Show a bar on a terminal's error stream while the body runs; give what moves it."""
    with _progress_by_part(screen) as progress:
        progress(what, 0, None)
        yield lambda done, total: progress(what, done, total)


@contextmanager
def _progress_by_part(screen: TextIO | None = None) -> Iterator[Callable[[str, int, Any], None]]:
    """Show a bar for each part that is told of, as `_progress` does."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = Console(file=screen or sys.stderr)
    if not console.is_terminal:
        yield lambda _part, _done, _total: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        tasks: dict[str, Any] = {}

        def tell(part: str, done: int, total: int | None) -> None:
            if part not in tasks:
                tasks[part] = bars.add_task(part, total=total)
            bars.update(tasks[part], completed=done, total=total)

        yield tell


@contextmanager
def _start_up_talk_kept_back() -> Iterator[TextIO]:
    """Keep back what TensorFlow's C++ code writes to the error stream while it starts.

    It does so before any setting of ours can reach it. Gives the error stream itself; where the
    body fails for a reason that is not the user's, what was kept back is shown.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3":
        yield sys.stderr
        return
    sys.stderr.flush()
    screen = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
    with screen, tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield screen
        except KvizError:
            raise
        except BaseException:
            kept.seek(0)
            screen.write(kept.read().decode(errors="replace"))
            raise
        finally:
            screen.flush()
            os.dup2(screen.fileno(), 2)


def _print_json(value: Any) -> None:
    # JSON has no NaN and no infinity; scripts get null.
    plain = json.loads(json.dumps(value, default=str), parse_constant=lambda _: None)
    click.echo(json.dumps(plain, indent=2))


if __name__ == "__main__":
    main()
