"""Tables and tiles as HTML: in a notebook's cell, or as one file that needs nothing else."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from kviz._checks import sanitise
from kviz.arrays import Levels
from kviz.draw.tables import Table
from kviz.draw.tile_png import tile_png
from kviz.marks import HTML_MARK
from kviz.tiles import Gaps, Tile

_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
caption { text-align: left; font-weight: 600; padding: .5rem 0; }
th, td { padding: .2rem .9rem .2rem 0; text-align: left; border-bottom: 1px solid #8886; }
figure { margin: 2rem 0; }
img { max-width: 100%; height: auto; }
"""

_TEMPLATE = """\
{%- macro table(t) -%}
<table class="kviz">
<caption>{{ t.caption | sanitise(200) }}</caption>
<thead><tr>{% for h in t.headers %}<th scope="col">{{ h | sanitise(200) }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in t.rows %}<tr>{% for cell in row %}<td>{{ cell | sanitise(200) }}</td>{% endfor %}</tr>
{% endfor %}</tbody></table>
{%- endmacro -%}
{%- macro content() -%}
{% for note in notes %}<p><strong>{{ note | sanitise(400) }}</strong></p>
{% endfor %}{% for t in tables %}{{ table(t) }}
{% endfor %}{% for p in pictures %}<figure>
<img src="data:image/png;base64,{{ p.data }}" alt="{{ p.alt | sanitise(1000) }}"
{%- if not whole %} style="max-width: 100%"{% endif %}>
</figure>
{% endfor %}
{%- endmacro -%}
{%- if whole -%}
<!doctype html>
<html lang="en"><head><meta charset="utf-8">@MARK@"><title>{{ title | sanitise(200) }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src '@HASH@';
 base-uri 'none'; form-action 'none'">
<style>@STYLE@</style></head><body><main><h1>{{ title | sanitise(200) }}</h1>
{{ content() }}</main></body></html>
{% else %}{{ content() }}{% endif %}"""


@functools.cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters["sanitise"] = sanitise
    # The page allows this one style sheet, by its hash, and nothing else.
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    whole = _TEMPLATE.replace("@STYLE@", _STYLE).replace("@HASH@", f"sha256-{digest}")
    whole = whole.replace("@MARK@", HTML_MARK)
    return environment.from_string(whole)


def html(
    *,
    title: str | None = None,
    tables: Sequence[Table] = (),
    tiles: Sequence[Tile] = (),
    notes: Sequence[str] = (),
    max_side: int | None = None,
) -> str:
    """Return tables and tiles as HTML in which every name is text.

    Args:
        title: a whole page's title; None gives a fragment, for a notebook's cell.
        tables: shown first.
        tiles: shown below them, each with its alternative text.
        notes: warnings, shown above all.
        max_side: tiles larger than this are averaged down to it, and say so.

    Returns:
        The HTML.

    >>> "&lt;b&gt;" in html(title="<b>")
    True
    """
    pictures = [
        {"data": base64.b64encode(tile_png(_reduced(tile, max_side))).decode(), "alt": tile.alt}
        for tile in tiles
    ]
    text: str = _template().render(
        whole=title is not None, title=title, tables=tables, pictures=pictures, notes=notes
    )
    return text


def _reduced(tile: Tile, max_side: int | None) -> Tile:
    step = -(-max(tile.levels.shape[:2]) // max_side) if max_side else 1
    if step < 2:
        return tile
    # Averaged: to pick every n-th pixel would lose lines of the grid.
    if tile.gaps is None:
        levels, gaps = np.asarray(Image.fromarray(tile.levels).reduce(step)), None
    else:
        levels, gaps = _without_gaps(tile.levels, tile.gaps, step)
    return replace(
        tile,
        levels=levels,
        gaps=gaps,
        detail=f"{tile.detail} · mean of {step} × {step} pixels shown",
    )


def _without_gaps(levels: Levels, gaps: Gaps, step: int) -> tuple[Levels, Gaps]:
    """Return the means of what is no gap, and where a gap is drawn: lines stay lines.

    Levels stay levels of the tile's colours: as RGB a file would be twice as large.
    """

    def mean(array: Any) -> Any:
        return np.asarray(Image.fromarray(array.astype(np.float32)).reduce(step))

    share, flat = mean(gaps), levels.reshape(*levels.shape[:2], -1)
    weight = np.maximum(1 - share, 1e-6)
    means = np.stack(
        [mean(np.where(gaps, 0, channel)) / weight for channel in np.moveaxis(flat, -1, 0)], axis=-1
    )
    # A line through a block of pixels has this share of it.
    lines = share > 1 / step - 1e-3
    # Panels of a pixel or two lie in every block; of these only what is nothing but gap stays.
    lines = lines if lines.mean() < 0.5 else share > 1 - 1e-3
    return means.round().clip(0, 255).astype(np.uint8).reshape(
        *share.shape, *levels.shape[2:]
    ), lines
