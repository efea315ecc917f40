"""Every link of a built site leads to a file of it, and every anchor to a place in one.

    python .ci/check_links.py build/site/html

Dead ones are printed, a line each, and the exit code is 1. Links out of the site are not followed.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag's links and its place."""
        for key, value in attrs:
            if key in ("href", "src", "poster") and value is not None:
                self.links.append(value)
            elif key == "id" or (key == "name" and tag == "a"):
                self.places.add(value or "")


def dead_links(folder: Path) -> list[str]:
    """Return what leads nowhere, as `page: link`.

    Args:
        folder: the site.
    """
    paths = sorted(folder.resolve().rglob("*.html"))
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in paths}
    dead = []
    for path, page in pages.items():
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            missing = place and target in pages and place not in pages[target].places
            inside = target.is_relative_to(folder.resolve())
            if not (inside and target.is_file()) or missing:
                dead.append(f"{path.relative_to(folder.resolve())}: {link}")
    return dead


if __name__ == "__main__":
    sys.exit("\n".join(dead_links(Path(sys.argv[1]))) or None)
