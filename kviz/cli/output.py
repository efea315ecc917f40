"""Where a result goes: checked before the work, written whole, told in words or in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from kviz._checks import sanitise
from kviz.cli.progress import bar
from kviz.files import whole_file, whole_folder


class _Tried(Exception):  # noqa: N818 - nothing went wrong
    """Ends a trial."""


def try_to_write(path: Path, *, file: bool) -> None:
    """Raise an OutputError now where a file or folder could not be written after the work."""
    with suppress(_Tried), (whole_file if file else whole_folder)(path):
        raise _Tried


@dataclass(frozen=True)
class Target:
    """Where a result is written.

    Attributes:
        path: a folder, or a file.
        form: `"png"` for pictures, `"npz"` for numbers, `"html"` for a page.
    """

    path: Path
    form: str

    @classmethod
    def of(cls, out: str, form: str | None) -> Target:
        """Return what `--out` and `--format` mean, and say now what could not be written later."""
        if not out:
            raise click.UsageError("--out is empty. It takes a folder, or a .npz or .html file.")
        path = Path(out)
        suffix = path.suffix.lstrip(".") if path.suffix in (".npz", ".html") else None
        if form and suffix and form != suffix:
            raise click.UsageError(
                f"--format {form} and --out {sanitise(out, 120)} contradict each other."
            )
        try_to_write(path, file=bool(suffix))
        return cls(path, form or suffix or "png")

    def write(self, result: Any, name: str, **drawing: Any) -> list[Path]:
        """Write a result.

        Args:
            result: with `save`.
            name: what a file in a folder is called.
            **drawing: how pictures are drawn.

        Returns:
            The files written.
        """
        with bar("Writing") as progress:
            if self.form == "png" or self.path.suffix == f".{self.form}":
                written: list[Path] = result.save(self.path, progress=progress, **drawing)
                return written
            with whole_folder(self.path) as folder:
                result.save(folder / f"{name}.{self.form}", progress=progress, **drawing)
            return [self.path / f"{name}.{self.form}"]


def print_json(value: Any) -> None:
    """Print a value as JSON, which has no NaN and no infinity: scripts get null."""
    plain = json.loads(json.dumps(value, default=str), parse_constant=lambda _: None)
    click.echo(json.dumps(plain, indent=2))


def print_written(written: Sequence[Path], path: Path) -> None:
    """Say how many files were written, and where."""
    click.echo(f"Wrote {len(written)} file{'s' * (len(written) > 1)} to {sanitise(path, 200)}")


def print_pictures(written: Sequence[Path], facts: Sequence[tuple[str, ...]]) -> None:
    """Print a table of pictures: each one's file, and what is in it."""
    from kviz.draw.tables import Table, text

    if written[0].suffix != ".png":
        click.echo(f"Wrote {sanitise(written[0], 200)}")
        return
    headers = ("file", "layer", "shape", "channels zero everywhere")[: 1 + len(facts[0])]
    rows = [(file, *fact) for file, fact in zip(written, facts, strict=True)]
    count = f"{len(written)} picture{'s' * (len(written) > 1)}"
    click.echo(text(Table(f"Wrote {count}", headers, rows)))
