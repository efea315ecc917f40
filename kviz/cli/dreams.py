"""How the commands end that make images: written, animated where it was asked for, told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kviz.cli.job import Job
from kviz.cli.output import print_json, print_written

if TYPE_CHECKING:
    from kviz.results import Synthesis


def end(job: Job, found: Synthesis) -> None:
    """Write images and, where frames were kept, their animation; say what came of them."""
    path = job.target.path
    written = job.target.write(found, found.verb)
    if found.frames is not None:
        film = path / f"{found.verb}.gif" if path.is_dir() else path.with_suffix(".gif")
        written += found.save(film)
    if job.as_json:
        table = found.tables()[0]
        print_json(
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
    print_written(written, path)
