"""Which of a table's columns, a record's keys or a file's arrays hold images, paths and labels."""

from __future__ import annotations

from collections.abc import Sequence

from kviz._caller import spelled
from kviz.dataset.sources.source import no_column

# The usual names, the likeliest first.
PATHS = (
    "path", "file", "filename", "file_name", "filepath", "file_path", "image_path", "img_path",
    "image_file", "image", "img", "photo", "uri", "url",
)  # fmt: skip
IMAGES = (
    "image/encoded", "image", "images", "x", "img", "image_raw", "image_bytes", "bytes", "jpg", "jpeg",
    "png", "webp", "data", "photo",
)  # fmt: skip
LABELS = (
    "label", "labels", "y", "class", "category", "target", "image/class/label", "image/class/text",
    "class_name", "class_id", "label_name", "cls", "fine_label", "targets",
)  # fmt: skip


def chosen(
    option: str,
    given: str | None,
    known: Sequence[str],
    usual: Sequence[str],
    what: str,
    wanted: str,
) -> str | None:
    """Return the name of a column: the one that was asked for, or one of a usual name.

    Args:
        option: by which one asks for it.
        given: what was asked for.
        known: the names that there are.
        usual: names that it has usually, the likeliest first.
        what: has those names, for messages.
        wanted: what the column holds, for messages.

    Returns:
        The name; None of labels that nobody asked for and that are not there.

    Raises:
        OptionError: if there is none, and which there are.

    >>> chosen("label_column", None, ["File", "Class"], LABELS, "a.csv", "labels")
    'Class'
    """
    if given is not None:
        if given in known:
            return given
        raise no_column(spelled(option), f"column {given[:40]!r}", what, list(known))
    folded = {name.casefold().strip(): name for name in reversed(known)}
    for name in usual:
        if name in folded:
            return folded[name]
    if usual is LABELS:
        return None
    raise no_column(spelled(option), wanted, what, list(known))
