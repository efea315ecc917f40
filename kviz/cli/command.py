"""Command: how the help of all commands reads, its own options first and two examples last."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import click

# What commands share comes behind what is their own, by what it is about.
SECTIONS = {
    "What is written": ("out", "store", "form", "force", "film", "as_json"),
    "How it is drawn": (
        "columns", "cmap", "scale", "sort", "channel", "show_image", "alpha", "percentile", "sign",
    ),
    "How the work is shared and stored": (
        "shard", "shard_size", "engine", "workers", "address", "max_bad", "dtype", "compression",
    ),
    "How images are read": (
        "inputs", "fit", "target_size", "bands", "path_column", "image_column", "label_column",
    ),
    "How the model is loaded": (
        "preprocess", "class_names", "trust", "custom_objects", "max_memory", "max_layers",
    ),
    "How it runs": ("batch_size", "seed", "device", "dry_run"),
}  # fmt: skip


class Option(click.Option):
    """An option whose help says what it takes in a word, and no range."""

    def make_metavar(self, ctx: click.Context) -> str:
        """Return what stands behind the option's name."""
        if self.metavar is None and isinstance(self.type, click.IntRange):
            return "N"
        if self.metavar is None and isinstance(self.type, click.FloatRange):
            return "FRACTION" if self.type.max == 1 else "NUMBER"
        return super().make_metavar(ctx)

    def get_help_extra(self, ctx: click.Context) -> click.types.OptionHelpExtra:
        """Return what the help says besides: the default, but no range."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        return extra


class Command(click.Command):
    """A command whose help has sections.

    Args:
        *args: as click has them.
        examples: command lines, the first the one that most people want.
        **options: as click has them.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.examples = tuple(examples)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, and behind them those that commands share."""
        sections: dict[str, list[click.Parameter]] = {
            "Options": [],
            **{key: [] for key in SECTIONS},
        }
        place = {
            name: (title, at) for title, some in SECTIONS.items() for at, name in enumerate(some)
        }
        for param in self.get_params(ctx):
            if isinstance(param, click.Option):
                sections[place.get(param.name or "", ("Options", 0))[0]].append(param)
        for title, params in sections.items():
            params.sort(key=lambda param: place.get(param.name or "", ("", 0))[1])
            rows = [row for param in params if (row := param.get_help_record(ctx))]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples as they are typed."""
        super().format_epilog(ctx, formatter)
        write_examples(formatter, self.examples)


def write_examples(formatter: click.HelpFormatter, examples: Sequence[str]) -> None:
    """Write command lines, none of them folded."""
    if examples:
        with formatter.section("Examples"):
            for line in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


option = partial(click.option, cls=Option)
command = partial(click.command, cls=Command)
