"""Where a result goes: checked before the work, written whole, told in words or in JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from kviz._checks import sanitise
from kviz.cli import child
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
        form: `"png"` for pictures, `"npz"` for numbers, `"html"` for a page, `"pdf"` or `"svg"` for one
            figure.
    """

    path: Path
    form: str

    @classmethod
    def of(cls, out: str, form: str | None) -> Target:
        """Return what `--out` and `--format` mean, and say now what could not be written later."""
        if not out:
            raise click.UsageError(
                "--out is empty. It takes a folder, or a file: .npz, .html, .pdf or .svg."
            )
        path = Path(out)
        ending = path.suffix.lstrip(".")
        suffix = ending if ending in ("npz", "html", "pdf", "svg") else None
        if form and suffix and form != suffix:
            raise click.UsageError(
                f"--format {form} and --out {sanitise(out, 120)} contradict each other."
            )
        child.begin_writing(path)
        try_to_write(path, file=bool(suffix))
        return cls(path, form or suffix or "png")

    def write(self, found: Any, **drawing: Any) -> list[Path]:
        """Write a result, and beside it the animation where frames were kept.

        Args:
            found: a result; its verb names what is put into a folder.
            **drawing: how pictures are drawn.

        Returns:
            The files written.
        """
        written: list[Path]
        with bar("Writing") as progress:
            if self.form == "png" or self.path.suffix == f".{self.form}":
                written = found.save(self.path, progress=progress, **drawing)
            else:
                name = f"{found.verb}.{self.form}"
                with whole_folder(self.path) as folder:
                    found.save(folder / name, progress=progress, **drawing)
                written = [self.path / name]
        if getattr(found, "frames", None) is None:
            return written
        inside = self.path.is_dir()
        film = self.path / f"{found.verb}.gif" if inside else self.path.with_suffix(".gif")
        return [*written, *found.save(film)]


def print_json(facts: dict[str, Any]) -> None:
    """Print facts for a script."""
    click.echo(json.dumps(facts, indent=2))
