"""Figures as files: PDF and SVG, whose text stays text, and PNG."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kviz._checks import sanitise
from kviz.errors import OutputError
from kviz.files import whole_file
from kviz.marks import MARK, PDF_MARK, SVG_MARK

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# What a result is saved as where a file has this ending; `save_figure` writes PNG too.
DRAWN = (".pdf", ".svg")
ENDINGS = (*DRAWN, ".png")
DPI = 300


def write_figure(
    figure: Figure, path: str | Path, dpi: float = DPI, *, force: bool = False
) -> None:
    """Write a figure, whole or not at all, with its alternative text inside.

    Args:
        figure: any Matplotlib figure.
        path: a file ending in `.pdf`, `.svg` or `.png`.
        dpi: pixels an inch, of the photos and maps in it.
        force: replace a file that kviz did not write too.

    Raises:
        OutputError: if it ends otherwise, or cannot be written.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise OutputError(
            f"A figure is a file ending in {', '.join(ENDINGS)}. Received: {sanitise(path, 120)}"
        )
    alt = sanitise(getattr(figure, "kviz_alt", ""), 4000)
    key = {".pdf": "Subject", ".svg": "Description", ".png": "Description"}[ending]
    notes = {key: alt} if alt else {}
    with whole_file(path, force=force) as part:
        if ending == ".svg":
            start, end, rest = _svg(figure, dpi, notes).partition("?>\n")
            part.write_text(f"{start}{end}{SVG_MARK}\n{rest}", encoding="utf-8")
            return
        if ending == ".png":
            notes["Software"] = MARK
        figure.savefig(part, format=ending[1:], dpi=dpi, metadata=notes)
        if ending == ".pdf":
            with part.open("ab") as file:  # behind a PDF's end a comment may stand
                file.write(PDF_MARK.encode())


def is_figure(value: object) -> bool:
    """Return whether something is a Matplotlib figure."""
    from matplotlib.figure import Figure

    return isinstance(value, Figure)


def _svg(figure: Figure, dpi: float, notes: dict[str, str]) -> str:
    """Return a figure as SVG whose text is text.

    Matplotlib draws letters as paths unless a setting says otherwise, which other threads share.
    """
    from matplotlib.backends.backend_mixed import MixedModeRenderer
    from matplotlib.backends.backend_svg import RendererSVG

    class TextRenderer(RendererSVG):
        def _draw_text_as_path(self, *arguments: Any) -> None:
            self._draw_text_as_text(*arguments)  # type: ignore[no-untyped-call]

    file, own = io.StringIO(), figure.dpi
    width, height = figure.get_size_inches()
    try:
        figure.dpi = 72
        renderer: Any = MixedModeRenderer(  # type: ignore[no-untyped-call]
            figure, width, height, dpi,
            TextRenderer(72 * width, 72 * height, file, image_dpi=dpi, metadata=notes),  # type: ignore[no-untyped-call]
        )  # fmt: skip
        figure.draw(renderer)
        renderer.finalize()
    finally:
        figure.dpi = own
    return file.getvalue()
