"""A command at work: what it was given is checked, model and photos are read, and a verb runs."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from kviz import _process
from kviz._checks import sanitise
from kviz.cli import child
from kviz.cli.group import say_note
from kviz.cli.imports import imported
from kviz.cli.output import Target, print_json
from kviz.cli.progress import bar, bars, start_up_talk_kept_back

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from kviz.network.network import Network


class Job:
    """One run of a command.

    It takes what concerns reading and writing out of the command's options, and says at once what of it
    cannot be; what is left is the verb's own.

    Args:
        options: what the command was given, by the verb's names.

    Attributes:
        as_json: whether a script reads what is printed.
        target: where the result goes, None for nowhere.
        names: what the photos are called.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        child.begin()
        self.as_json: bool = options.pop("as_json")
        self.target = None
        if "out" in options:
            self.target = Target.of(
                options.pop("out"), options.pop("form"),
                film=options.get("film", False), force=options.pop("force"),
            )  # fmt: skip
        self._model = options.pop("model")
        self._loading: dict[str, Any] = {
            key: options.pop(key)
            for key in ("preprocess", "class_names", "trust")
            if key in options
        }
        self._modules: tuple[str, ...] = options.pop("custom_objects")
        self.names: list[str] = []
        self._photos: list[Path] = []
        self._reading: dict[str, Any] = {}
        # Here, since a missing photo is said at once, and TensorFlow takes seconds.
        if "images" in options:
            self._photos = _paths(options.pop("images"))
            self._reading = {key: options.pop(key) for key in ("fit", "target_size")}
            self.names = [path.name for path in self._photos]
        if "statistics" in options:
            options["statistics"] = _paths(options["statistics"]) or None

    @cached_property
    def network(self) -> Network:
        """The model."""
        with start_up_talk_kept_back() as screen, bar("Loading", screen):
            from kviz.network.loading import load_model

            if self._modules:
                self._loading["custom_objects"] = imported(self._modules)
            self._watch_memory()
            return load_model(self._model, **self._loading)

    def _watch_memory(self) -> None:
        """Bound what a model takes that is not trusted, beyond what was imported to load it."""
        if self._loading.get("trust"):
            return
        from kviz.engine.backend import tf

        if most := self._loading.get("max_memory"):
            allowed = import_module(".engine.memory", "kviz").bytes_of(most)
        else:
            allowed = _process.allowance(gpu=bool(tf.config.list_physical_devices("GPU")))
        with suppress(OSError, ValueError):  # a file that is not there is said later
            # Its weights are in memory as the file's bytes, as numbers and as variables.
            size = 4 * os.stat(self._model).st_size  # noqa: PTH116 - what was typed may be no path
            child.begin_watch(allowed + size)

    @cached_property
    def pixels(self) -> Any:
        """The photos as the model takes them."""
        from kviz.images import load_images

        return load_images(self._photos, self.network, **self._reading)

    def repeat(self, count: int) -> None:
        """Take each photo so often, one after another."""
        self.pixels = self.pixels.repeat(count, axis=0)
        self.names = [name for name in self.names for _ in range(count)]

    def run(self, verb: str, *given: Any, doing: str | None, **options: Any) -> Any:
        """Run a verb on the model and, where the command takes such, on the photos.

        Args:
            verb: its name.
            *given: what it takes behind these.
            doing: what the bar says; None for a verb that names its parts itself.
            **options: its options.

        Returns:
            The verb's result.
        """
        import kviz

        looked_at = [self.network]
        if self.names:
            looked_at.append(self.pixels)
            options["names"] = self.names
        if options.get("statistics"):
            options["statistics"] = kviz.load_images(
                options["statistics"], self.network, target_size=options["target_size"]
            )
        with bar(doing) if doing else bars() as progress:
            return getattr(kviz, verb)(*looked_at, *given, **options, progress=progress)

    def end(self, found: Any, **drawing: Any) -> None:
        """Write a result, its pictures drawn so, and say what came of it."""
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


def _paths(images: Sequence[str]) -> list[Path]:
    from kviz.images import image_paths

    return image_paths(images) if images else []
