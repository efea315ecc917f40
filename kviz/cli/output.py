"""Where a result goes: checked before the work, written whole, told in words or in JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from kviz._checks import sanitise
from kviz.cli import child
from kviz.cli.progress import bar
from kviz.files import try_to_write, whole_files, whole_folder
from kviz.marks import is_marked


@dataclass(frozen=True)
class Target:
    """Where a result is written.

    Attributes:
        path: a folder, or a file.
        form: `"png"` for pictures, `"npz"` for numbers, `"html"` for a page, `"pdf"` or `"svg"` for one
            figure.
        force: whether files are replaced that kviz did not write.
    """

    path: Path
    form: str
    force: bool = False

    @classmethod
    def of(cls, out: str, form: str | None, *, film: bool = False, force: bool = False) -> Target:
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
        films = [path.with_suffix(".gif")] if suffix and film else []
        try_to_write(path, *films, file=bool(suffix), force=force)
        return cls(path, form or suffix or "png", force)

    def write(self, found: Any, **drawing: Any) -> list[Path]:
        """Write a result, and beside it the animation where frames were kept; all or nothing.

        Args:
            found: a result; its verb names what is put into a folder.
            **drawing: how pictures are drawn.

        Returns:
            The files written.
        """
        film = getattr(found, "frames", None) is not None
        with bar("Writing") as progress:
            drawing["progress"] = progress
            if self.form != "png" and self.path.suffix == f".{self.form}":
                paths = [self.path, *[self.path.with_suffix(".gif")] * film]
                with whole_files(*paths, force=self.force) as (part, *films):
                    found.save(part, **drawing)
                    for one in films:
                        found.save(one)
                return paths
            with whole_folder(self.path, force=self.force) as parts:
                inside = parts if self.form == "png" else parts / f"{found.verb}.{self.form}"
                made = found.save(inside, **drawing)
                if film:
                    made += found.save(parts / f"{found.verb}.gif")
        return [self.path / one.relative_to(parts) for one in made]

    def older(self, written: list[Path]) -> list[Path]:
        """Return what earlier runs of kviz wrote where this one wrote, and stays there.

        Args:
            written: the files that this one wrote.
        """
        if self.path.suffix == f".{self.form}":
            return []
        # Of several photos each has a folder of its own, named by its number.
        photos = self.path.glob("[0-9][0-9][0-9]_*/")
        folders = sorted({self.path, *photos, *(file.parent for file in written)})
        there = (file for folder in folders for file in sorted(folder.iterdir()))
        endings = (".png", ".gif", ".npz", ".html", ".pdf", ".svg")
        return [
            file
            for file in there
            if file.suffix in endings and file not in written and file.is_file() and is_marked(file)
        ]


def print_json(facts: dict[str, Any]) -> None:
    """Print facts for a script."""
    click.echo(json.dumps(facts, indent=2))
