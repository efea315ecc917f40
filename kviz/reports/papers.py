"""The papers of methods, as they are cited: from what a method's docstring says under "Paper"."""

from __future__ import annotations

import inspect
import re
from typing import Any

from kviz._checks import sanitise
from kviz.attribution.method import Method
from kviz.attribution.registry import method_class

# Authors, "title", venue and year, and where in it: as all docstrings of methods write it.
_CITED = re.compile(
    r'(?P<authors>[^"]+), "(?P<title>[^"]+)", (?P<venue>[^,;]*?) ?(?P<year>\d{4})\b'
)
_JOURNALS = ("Nature Machine Intelligence", "PLOS ONE", "IEEE TIP")
_SPECIAL = re.compile(r"([&%$#_{}])")


def paper_of(method: type[Method]) -> str:
    """Return what a method's docstring says under "Paper" as one line, "" where it says nothing.

    >>> paper_of(method_class("occlusion"))[:23]
    'M. Zeiler, R. Fergus, "'
    """
    found = re.search(r"^Papers?: (.*?)(?:\n\s*\n|\Z)", inspect.getdoc(method) or "", re.M | re.S)
    return " ".join(found[1].split()) if found else ""


def bibtex_of(paper: str) -> list[str]:
    r"""Return a paper's BibTeX, line by line; nothing of what is not written as papers are here.

    Args:
        paper: authors, title in quotation marks, venue and year; several with semicolons between.

    >>> print(*bibtex_of('A. Roe, B. Doe, "On Nets: & more", ICML 2017, section 2.'), sep="\n")
    @inproceedings{roe2017nets,
      author = {A. Roe and B. Doe},
      title = {{On Nets: \& more}},
      booktitle = {ICML},
      year = {2017},
    }
    """
    lines: list[str] = []
    for found in _CITED.finditer(paper):
        authors = found["authors"].strip("; ").removesuffix(" et al.")
        several = " and ".join(authors.split(", "))
        if "et al." in found["authors"]:
            several += " and others"
        venue = found["venue"].strip()
        kind, where = "misc", ""
        if venue in _JOURNALS:
            kind, where = "article", "journal"
        elif venue:
            kind, where = "inproceedings", "booktitle"
        first = authors.split(", ")[0].split()[-1]
        words = [word for word in re.findall(r"[A-Za-z]+", found["title"]) if len(word) > 3]
        key = re.sub(r"\W", "", f"{first}{found['year']}{words[0] if words else ''}").lower()
        lines += [
            f"@{kind}{{{key},",
            f"  author = {{{_escaped(several)}}},",
            f"  title = {{{{{_escaped(found['title'])}}}}},",
            *([f"  {where} = {{{_escaped(venue)}}},"] if where else []),
            f"  year = {{{found['year']}}},",
            "}",
        ]
    return lines


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def papers_of(methods: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the papers of methods, as facts have them.

    Args:
        methods: by name the settings that each was run with, in which a method within it has a name.

    Returns:
        For each method `method`, `title`, `paper` as one line and `bibtex` line by line; also for those
        that others work on, once each.
    """
    names: dict[str, None] = {}
    for name, settings in methods.items():
        names[name] = None
        names |= dict.fromkeys(
            value["name"]
            for value in settings.values()
            if isinstance(value, dict) and "name" in value
        )
    told = []
    for name in names:
        kind = method_class(name)
        paper = paper_of(kind)
        told.append(
            {
                "method": name,
                "title": kind.display_name or name,
                "paper": sanitise(paper, 400),
                "bibtex": bibtex_of(paper),
            }
        )
    return told
