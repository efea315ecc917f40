"""The mark that every file of kviz carries, by which it is known again: others are not written over.

It stands at a fixed place of the file itself, never in what a file may embed: a document that holds a
picture of kviz's is not kviz's.
"""

from __future__ import annotations

import re
from pathlib import Path

MARK = "kviz"

# What is put into a file so that it is known again.
HTML_MARK = f'<meta name="generator" content="{MARK}'
SVG_MARK = f"<!-- Created with {MARK} -->"
PDF_MARK = f"%{MARK}\n"
ZIP_MARK = MARK.encode()  # the archive's comment
WEBP_MARK = b"kviz\0\0\0\0"  # a last, empty chunk: readers skip those that they do not know

_HEAD, _TAIL = 1 << 16, 64
_HEADS = re.compile(
    b"|".join(
        [
            rb'\s*<!doctype html>\s*<html lang="en">\s*<head>\s*<meta charset="utf-8">\s*'
            + re.escape(HTML_MARK.encode()),
            rb"<\?xml[^>]*>\s*" + re.escape(SVG_MARK.encode()),
            rb"\x89PNG\r\n\x1a\n(?:(?!IDAT).)*?tEXtSoftware\0" + ZIP_MARK,
            # Before the comment there is at most a table of 256 colours.
            rb"GIF8[79]a.{7,900}?!\xfe." + ZIP_MARK,
        ]
    ),
    re.DOTALL,
)
_TAILS = {b"PK\3\4": b"\4\0" + ZIP_MARK, b"%PDF-": PDF_MARK.encode(), b"RIFF": WEBP_MARK}


def is_marked(path: str | Path) -> bool:
    """Return whether kviz wrote a file, or there is nothing in it.

    Args:
        path: a regular file.

    >>> is_marked("notebooks/images/cat.png")
    False
    """
    try:
        with Path(path).open("rb") as file:
            head = file.read(_HEAD)
            file.seek(max(0, Path(path).stat().st_size - _TAIL))
            tail = file.read(_TAIL)
    except OSError:  # what cannot be read cannot be known
        return False
    ends = (tail.endswith(end) for start, end in _TAILS.items() if head.startswith(start))
    return not head or any(ends) or _HEADS.match(head) is not None
