"""The shell of a page: templates, and beside them the style sheet and the script as they are bundled.

What is in the page is allowed to run by its hash alone, so that nothing that comes from a model's or a
photo's name can.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib.resources import files
from typing import Any

from kviz._checks import sanitise
from kviz.draw.numbers import told_number
from kviz.files import slug
from kviz.web.packing import NAME_LENGTH, script_json


def render(template: str, context: dict[str, Any]) -> str:
    """Return a template of `kviz/web/templates/` filled in.

    Args:
        template: its file's name.
        context: what it shows; a name that it lacks is an error.

    Returns:
        HTML, every value escaped.
    """
    style, script = bundle()
    made = _environment().get_template(template)
    text: str = made.render(**context, style=style, script=script)
    return text


def macro(template: str, name: str, *arguments: Any) -> str:
    """Return what a macro of a template makes.

    Args:
        template: the file's name.
        name: the macro's.
        *arguments: what it takes.

    Returns:
        HTML, every value escaped.
    """
    return str(getattr(_environment().get_template(template).module, name)(*arguments))


@functools.cache
def policy(*, live: bool) -> str:
    """Return what a page may do, as the header Content-Security-Policy says it.

    Args:
        live: whether the page may also talk to who served it, and show what it is sent.

    >>> policy(live=False).partition(";")[0]
    "default-src 'none'"
    """
    style, script = map(_digest, bundle())
    parts = [
        "default-src 'none'",
        f"img-src data:{' blob:' if live else ''}",
        *(("media-src blob:", "connect-src 'self'") if live else ()),
        f"style-src '{style}'",
        f"script-src '{script}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(parts)


@functools.cache
def bundle() -> tuple[Any, Any]:
    """Return the style sheet and the script, which a template takes as they are."""
    from markupsafe import Markup

    folder = files("kviz.web") / "bundle"
    texts = [(folder / name).read_text(encoding="utf-8") for name in ("page.css", "page.js")]
    # Our own files, which hold nothing of anyone else's.
    style, script = map(Markup, texts)
    return style, script


@functools.cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=PackageLoader("kviz.web", "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "sanitise": lambda value: sanitise(value, NAME_LENGTH),
        "short": lambda value, length: sanitise(value, length),
        "slug": slug,
        # Escaped in its own way, which a script element needs.
        "script_json": lambda value: Markup(script_json(value)),  # noqa: S704
        # Our own words and hashes.
        "policy": lambda live: Markup(policy(live=live)),  # noqa: S704
        "share": told_share,
        "number": told_number,
        "percent": lambda value: f"{100 * value:.0f} %",
        "times": lambda values: " × ".join("?" if v is None else str(v) for v in values),
    }
    return environment


def told_share(share: float) -> str:
    """Return a share of 1 as people read it: what is not nothing is not said to be 0 %.

    >>> [told_share(share) for share in (0.0, 0.0001, 0.0123, 0.5, 0.9999, 1.0)]
    ['0 %', 'under 0.1 %', '1.2 %', '50 %', '99.9 %', '100 %']
    """
    if 0 < share < 0.001:
        return "under 0.1 %"
    if 0.999 < share < 1:
        return "99.9 %"
    return f"{100 * share:.1f}".removesuffix(".0") + " %"


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
