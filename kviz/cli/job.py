"""A command at work: what it was given is checked, model and photos are read, and a verb runs."""

from __future__ import annotations

import os
import warnings
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from kviz import _process
from kviz._checks import bytes_of, sanitise
from kviz.cli import child
from kviz.cli.device import hide_others, use_device
from kviz.cli.group import say_note
from kviz.cli.imports import imported
from kviz.cli.output import Target, print_json
from kviz.cli.progress import bar, start_up_talk_kept_back, whole_bar
from kviz.cli.standard_input import with_standard_input
from kviz.errors import ImageError, KvizWarning
from kviz.network.model_paths import size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kviz._types import Progress
    from kviz.cli.costs import Cost
    from kviz.network.network import Network
    from kviz.results import Attribution, Predictions
    from kviz.serve.photos import Photo


def watch_memory(model: str, *, trust: bool, most: str | None = None) -> None:
    """Bound what a model takes that is not trusted, beyond what was imported to load it.

    Args:
        model: its file.
        trust: whether it is.
        most: what it may take, as `--max-memory` has it.
    """
    if trust:
        return
    from kviz.engine.backend import tf

    gpu = bool(tf.config.list_physical_devices("GPU"))
    allowed = bytes_of(most) if most else _process.allowance(gpu=gpu)
    with suppress(OSError, ValueError):  # a file that is not there is said later
        # Its weights are in memory as the file's bytes, as numbers and as variables.
        size = 4 * os.stat(model).st_size  # noqa: PTH116 - what was typed may be no path
        child.begin_watch(allowed + size)


class Job:
    """One run of a command.

    It takes what concerns reading and writing out of the command's options, and says at once what of it
    cannot be; what is left is the verb's own.

    Args:
        options: what the command was given, by the verb's names.

    Attributes:
        as_json: whether a script reads what is printed.
        target: where the result goes, None for nowhere.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        child.begin()
        self.as_json: bool = options.pop("as_json")
        self._device: str | None = options.pop("device", None)
        hide_others(self._device)
        self.dry_run: bool = options.pop("dry_run", False)
        self._costs: list[Cost] = []
        self._planned: tuple[Any, int] = (None, 1)
        self.target = None
        if "out" in options:
            self.target = Target.of(
                options.pop("out"), options.pop("form"),
                film=options.get("film", False), force=options.pop("force"),
            )  # fmt: skip
        self._model = options.pop("model")
        self._loading: dict[str, Any] = {
            key: options.pop(key)
            for key in ("preprocess", "class_names", "trust", "max_memory", "max_layers")
            if key in options
        }
        self._modules: tuple[str, ...] = options.pop("custom_objects")
        self._photos: list[Path] = []
        self._inputs: dict[str, list[Path]] = {}
        self._reading: dict[str, Any] = {}
        # Here, since a missing model or photo is said at once, and TensorFlow takes seconds.
        size_of(Path(self._model))
        if "images" in options and "inputs" not in options:
            # They are sent as they are, none as well as several.
            self._photos = _paths(options.pop("images"))
        elif "images" in options:
            self._photos = _paths(options.pop("images"))
            self._inputs = {name: _paths(some) for name, some in options.pop("inputs").items()}
            if bool(self._photos) == bool(self._inputs):
                raise click.UsageError("Give IMAGE..., or --input NAME=PATH for each input.")
            self._reading = {key: options.pop(key) for key in ("fit", "target_size", "bands")}
        if "statistics" in options:
            options["statistics"] = _paths(options["statistics"]) or None

    @cached_property
    def network(self) -> Network:
        """The model."""
        return self.another(self._model)

    def another(self, model: str) -> Network:
        """Return a model, read as the command was told to read its own.

        Args:
            model: its file.
        """
        with start_up_talk_kept_back() as screen, bar("Loading", screen):
            from kviz.network.loading import load_model

            use_device(self._device)
            if self._modules:
                self._loading["custom_objects"] = imported(self._modules)
            trust, most = (self._loading.get(key) for key in ("trust", "max_memory"))
            watch_memory(model, trust=bool(trust), most=most)
            return load_model(model, **self._loading)

    def say_unnamed(self) -> None:
        """Say how classes get names, where the model's have none."""
        if not self.network.class_names and (self.network.classes or 0) > 1:
            say_note(
                "the model comes without class names; --class-names FILE gives them: a name per line, "
                "JSON, or the folder of the training data."
            )

    @property
    def folders(self) -> list[Path]:
        """Where the photos are."""
        return [path.absolute().parent for path in self._photos]

    def as_sent(self) -> list[Photo]:
        """Return the photos as a browser would send them."""
        from kviz.images import is_array_file
        from kviz.serve.photos import Photo

        made = []
        for path in self._photos:
            if is_array_file(path):
                pixels, names = self._read([path])
                several = zip(pixels, names, strict=True)
                made += [Photo(array=array[None], name=name) for array, name in several]
            else:
                made.append(Photo(file=path.read_bytes(), name=path.name))
        return made

    @cached_property
    def given(self) -> tuple[Any, list[str]]:
        """The photos as the model takes them, and what they are called."""
        network = self.network  # first, while TensorFlow's talk is kept back

        from kviz.given import read_inputs

        if not self._inputs:
            self._validate_is_one_input(network)
        with _decoders_kept_back() as screen, bar("Reading", screen) as progress:
            if self._inputs:
                return read_inputs(self._inputs, network, **self._reading)
            return self._read(self._photos, progress)

    def _read(self, photos: list[Path], progress: Progress | None = None) -> tuple[Any, list[str]]:
        from kviz.images import read_files

        return read_files(photos, self.network, progress=progress, **self._reading)

    def _validate_is_one_input(self, network: Network) -> None:
        names = network.engine.input_names
        if len(names) > 1:
            some = " ".join(f"--input {sanitise(name, 30)}=PATH" for name in names[:5])
            raise ImageError(f"The model takes {len(names)} inputs. Give each of them: {some}")

    def repeat(self, count: int) -> int:
        """Take each photo so often, one after another; return how many there were."""
        pixels, names = self.given
        if isinstance(pixels, dict):
            repeated: Any = {name: array.repeat(count, axis=0) for name, array in pixels.items()}
        else:
            repeated = pixels.repeat(count, axis=0)
        total = len(names)
        self.given = (repeated, [name for name in names for _ in range(count)])
        return total

    def batches(self, size: int) -> Iterator[tuple[int, int, Any, list[str]]]:
        """Give photos as they are read, so many at once: the first answer need not wait for the last.

        Args:
            size: how many.

        Returns:
            How many were given before and how many there are, images and their names.
        """
        from kviz.images import is_array_file, several_sizes

        if self._inputs or any(map(is_array_file, self._photos)):
            pixels, names = self.given
            yield 0, len(names), pixels, names
            return
        self._validate_is_one_input(self.network)
        first: tuple[int, ...] = ()
        for start in range(0, len(self._photos), size):
            with _decoders_kept_back():
                pixels, names = self._read(self._photos[start : start + size])
            first = first or pixels.shape[1:]
            if pixels.shape[1:] != first:
                raise several_sizes(first[:2], pixels.shape[1:3])
            yield start, len(self._photos), pixels, names

    def predicted(
        self, pixels: Any, names: list[str], place: tuple[int, int], **options: Any
    ) -> Predictions:
        """Return what the model answers for some of the photos, which come behind so many of all."""
        import kviz

        before, total = place
        with bar("Predicting") as progress:

            def tell(done: int, _: int) -> None:
                progress(before + done, total)

            return kviz.predict(self.network, pixels, names=names, progress=tell, **options)

    def run(
        self,
        verb: str,
        *given: Any,
        doing: str | Callable[[int], Mapping[str, float]],
        **options: Any,
    ) -> Any:
        """Run a verb on the model and, where the command takes such, on the photos.

        Args:
            verb: its name.
            *given: what it takes behind these.
            doing: what the bar says; of a verb of many parts what tells, by the number of images, what
                each of them takes beside the others.
            **options: its options.

        Returns:
            The verb's result.
        """
        import kviz

        looked_at = [self.network]
        if self._photos or self._inputs:
            pixels, options["names"] = self.given
            looked_at.append(pixels)
        if options.get("statistics"):
            options["statistics"] = kviz.load_images(
                options["statistics"], self.network, target_size=options["target_size"]
            )
        if self.dry_run:
            self._plan(verb, given, options)
            return None
        names = options.get("names", ())
        with bar(doing) if isinstance(doing, str) else whole_bar(doing(len(names))) as progress:
            return getattr(kviz, verb)(*looked_at, *given, **options, progress=progress)

    def _plan(self, verb: str, given: tuple[Any, ...], options: dict[str, Any]) -> None:
        """Note what a verb would cost."""
        from kviz.cli.costs import costs_of
        from kviz.cli.plan import noise_for

        pixels = self.given[0] if self._photos or self._inputs else None
        self._costs += costs_of(verb, self.network, pixels, given, options)
        size = options["batch_size"]
        if pixels is None:
            pixels = noise_for(self.network, options["target_size"], size)
        self._planned = pixels, size

    def certified(self, found: Attribution, **options: Any) -> Attribution:
        """Return an attribution of the photos with certificates of its maps."""
        if self.dry_run:
            from kviz.cli.costs import unknown

            self._costs.append(unknown("certificates"))
            return found
        with bar(f"Testing {sanitise(found.method, 24)}") as progress:
            return found.certify(self.network, self.given[0], **options, progress=progress)

    def plan_run(self, verb: str, source: str, store: str, options: Any, **own: Any) -> None:
        """Say what a verb over a data set would cost."""
        from kviz.cli.costs import plan_run

        found = plan_run(verb, self.network, source, store, options, **own)
        self._costs, self._planned = found.costs, (found.pixels, options["batch_size"])
        # How much actors of Ray compute at once, and how fast they are, is not known here.
        timed = options["engine"] == "local"
        self.say_plan(f"a store to {store}", images=found.images, timed=timed)

    def say_plan(self, writes: str, *, timed: bool = True, **more: Any) -> None:
        """Say what was planned, and where its result would go."""
        from kviz.cli.plan import plan, say_plan

        told = plan(self.network, self._planned[0], self._costs, self._planned[1], writes)
        if not timed:
            told["seconds"] = None
        say_plan(told | more, as_json=self.as_json)

    def end(self, found: Any, **drawing: Any) -> None:
        """Write a result, its pictures drawn so, and say what came of it."""
        if self.dry_run:
            assert self.target is not None  # noqa: S101 - what has --dry-run writes something
            self.say_plan(f"{self.target.form} to {self.target.path}")
            return
        written = self.target.write(found, **drawing) if self.target else []
        if self.target and (older := self.target.older(written)):
            names = ", ".join(sanitise(file.name, 60) for file in older[:3])
            more = f" and {len(older) - 3} more" if len(older) > 3 else ""
            say_note(
                f"files of earlier runs stay in {sanitise(self.target.path, 80)}: {names}{more}."
            )
        if self.as_json:
            print_json({"files": [str(file) for file in written], **found.facts()})
            return
        click.echo(found.text())
        for note in found.notes:
            say_note(note)
        if self.target:
            many = f"{len(written)} files to {sanitise(self.target.path, 200)}"
            click.echo(f"Wrote {many if len(written) > 1 else sanitise(written[0], 200)}")


@contextmanager
def _decoders_kept_back() -> Iterator[TextIO]:
    """Keep back what libtiff writes of broken files, and say notes all the same."""
    try:
        with warnings.catch_warnings(record=True) as said, start_up_talk_kept_back() as screen:
            warnings.simplefilter("always", KvizWarning)
            yield screen
    finally:
        for one in said:
            say_note(str(one.message))


def _paths(images: Sequence[str]) -> list[Path]:
    from kviz.images import image_paths

    return image_paths(with_standard_input(images)) if images else []
