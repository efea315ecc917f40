"""save_figure: a result, or any figure, as a file for a paper or a slide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from kviz._checks import sanitise, validate_number
from kviz.draw.figures import DPI, is_figure, write_figure
from kviz.errors import OptionError
from kviz.results.result import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CM = 2.54


def save_figure(
    drawn: Result | Figure,
    path: str | Path,
    *,
    width_cm: float | None = None,
    dpi: float = DPI,
    force: bool = False,
    **options: Any,
) -> Path:
    """Write a result's figure, or any Matplotlib figure, as PDF, SVG or PNG.

    Letters keep their size on paper, so that a figure made for a column of 8.5 cm can be read there.

    Args:
        drawn: a result, drawn anew for this width, or a figure.
        path: a file ending in `.pdf`, `.svg` (their text is text) or `.png`.
        width_cm: how wide it is on paper; by default as it is.
        dpi: pixels an inch, of a PNG file and of the photos and maps in others.
        force: replace a file that kviz did not write too.
        **options: as the result's `plot` takes them.

    Returns:
        The path.

    Raises:
        OptionError: if it is neither, or an option has a value outside what it takes.
        OutputError: if it ends otherwise, or cannot be written, or would replace what kviz did not
            write.

    >>> import tempfile, numpy as np
    >>> from kviz.results import Activations
    >>> maps = Activations({"conv1": np.ones((1, 2, 2, 1), "float32")}, {"conv1": "Conv2D"})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_figure(maps, f"{folder}/conv1.svg", width_cm=8.5).name
    'conv1.svg'
    """
    dpi = validate_number("dpi", dpi, above=0, below=10_000)
    width = None
    if width_cm is not None:
        width = validate_number("width_cm", width_cm, above=0, below=500) / CM
    if isinstance(drawn, Result):
        if width is not None:
            options = {"width": width, **options}
        write_figure(drawn.plot(**options), path, dpi, force=force)
        return Path(path)
    if not is_figure(drawn) or options:
        what = f"the options {', '.join(options)}" if options else type(drawn).__name__
        raise OptionError(
            f"save_figure takes a result with its options, or a figure. Received: {sanitise(what)}"
        )
    size: Any = drawn.get_size_inches()
    try:
        if width is not None:
            drawn.set_size_inches(width, size[1] * width / size[0])
        write_figure(drawn, path, dpi, force=force)
    finally:
        drawn.set_size_inches(size)
    return Path(path)
