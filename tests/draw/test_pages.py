"""HTML in which every name is text, read back with the standard library's parser."""

import base64
import io
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from kviz.draw.pages import html
from kviz.draw.tables import Table
from kviz.tiles import Tile, laid_out

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "</title><script>alert(1)</script>",
    '" onload="alert(1)',
    "' onload='alert(1)",
    "{{7*7}}",
    "{% for x in y %}",
    "]]>",
    "<!--",
    "&lt;b&gt;",
    "a\nb",
    "a\u202eb",
    "a\ud800b",
    "x" * 5000,
    "",
]
ELEMENTS = set(
    "html head meta title style body main h1 p strong table caption thead tbody tr th td "
    "figure img".split()
)


class Read(HTMLParser):
    """What a browser would find: elements with their attributes, and all text."""

    def __init__(self, page):
        super().__init__()
        self.elements = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += f"{data} "

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def tile(alt="Panels.", shape=(4, 4), **options):
    return Tile(np.full(shape, 77, np.uint8), "conv1", "Conv2D", alt, **options)


def picture(attributes):
    data = attributes["src"].removeprefix("data:image/png;base64,")
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


@pytest.mark.parametrize("title", [None, "Page"])
@pytest.mark.parametrize("name", HOSTILE)
def test_every_name_is_text(name, title):
    whole = {"title": name} if title else {}
    page = html(
        tables=[Table(name, (name,), [(name,)])], tiles=[tile(alt=name)], notes=[name], **whole
    )
    page.encode("utf-8")
    read = Read(page)
    assert {tag for tag, _ in read.elements} <= ELEMENTS
    allowed = {
        "alt", "class", "src", "style", "scope", "lang", "charset", "name", "content", "http-equiv"
    }  # fmt: skip
    assert {key for _, attributes in read.elements for key in attributes} <= allowed
    assert len(read.all("img")) == 1
    assert "49" not in read.text.replace(name, "")
    assert "\u202e" not in page
    assert len(page) < 30_000


def test_names_come_out_as_they_are():
    name = "<i>блок</i> 猫 & 🐱 {{x}}"
    read = Read(html(title=name, tables=[Table("t", ("h",), [(name,)])], tiles=[tile(alt=name)]))
    assert read.text.count(name) == 3
    assert read.all("img")[0]["alt"] == name


def test_a_fragment_is_no_page_and_a_page_needs_nothing_else():
    fragment = html(tables=[Table("t", ("h",), [("c",)])])
    assert "<html" not in fragment
    assert "<style" not in fragment
    page = html(title="Feature maps", tiles=[tile()])
    assert page.startswith("<!doctype html>")
    found = [(k, v) for _, attributes in Read(page).elements for k, v in attributes.items()]
    assert not [key for key, _ in found if key == "href"]
    assert all(value.startswith("data:") for key, value in found if key == "src")
    assert "url(" not in page
    assert "<script" not in page
    policy = next(m["content"] for m in Read(page).all("meta") if "http-equiv" in m)
    assert "default-src 'none'" in policy
    assert Read(page).all("html")[0]["lang"] == "en"


def test_tables_have_captions_and_column_headers():
    page = Read(html(tables=[Table("Layers", ("name", "kind"), [("conv1", "Conv2D"), ("a", "b")])]))
    assert [th["scope"] for th in page.all("th")] == ["col", "col"]
    assert len(page.all("caption")) == 1
    assert len(page.all("td")) == 4
    assert page.text.split() == ["Layers", "name", "kind", "conv1", "Conv2D", "a", "b"]


def test_pictures_are_the_tiles():
    read = Read(html(tiles=[tile("One."), tile("Two.", (9, 1000))]))
    assert [image["alt"] for image in read.all("img")] == ["One.", "Two."]
    with picture(read.all("img")[1]) as image:
        assert image.width == 1000
        assert image.text["Description"] == "Two."


@pytest.mark.parametrize(
    ("shape", "max_side", "step"),
    [((100, 100), None, 1), ((720, 720), 720, 1), ((721, 5), 720, 2), ((10, 2200), 720, 4)],
)
def test_large_pictures_are_averaged_down_and_say_so(shape, max_side, step, monkeypatch):
    seen = []
    monkeypatch.setattr("kviz.draw.pages.tile_png", lambda tile: seen.append(tile) or b"")
    levels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    html(tiles=[Tile(levels, "conv1", "Conv2D", "alt")], max_side=max_side)
    assert max(seen[0].levels.shape) <= (max_side or 10_000)
    assert (f"mean of {step} × {step} pixels shown" in seen[0].detail) == (step > 1)
    first = seen[0].levels[:1, : shape[1] // step]
    means = levels[:step, : shape[1] // step * step].reshape(-1, shape[1] // step, step)
    np.testing.assert_allclose(first[0], means.mean(axis=(0, 2)), atol=0.51)


@pytest.mark.parametrize("colours", [(), (3,)])
@pytest.mark.parametrize("step", [1, 2, 3])
def test_lines_between_panels_stay_lines_when_a_picture_is_averaged_down(
    step, colours, monkeypatch
):
    """Panels of 11 pixels and lines of one: means of blocks, in which a line has no weight."""
    seen = []
    monkeypatch.setattr("kviz.draw.pages.tile_png", lambda tile: seen.append(tile) or b"")
    panels = np.random.default_rng(0).integers(0, 256, (4, 11, 11, *colours), np.uint8)
    levels, gaps = laid_out(panels, columns=2)
    html(tiles=[Tile(levels, "", "", "", gaps=gaps)], max_side=-(-len(levels) // step))
    for row, column in np.ndindex(seen[0].gaps.shape):
        block = np.s_[row * step : (row + 1) * step, column * step : (column + 1) * step]
        assert seen[0].gaps[row, column] == gaps[block].any()
        if not gaps[block].all():
            mean = levels[block][~gaps[block]].mean(axis=0)
            np.testing.assert_allclose(seen[0].levels[row, column], mean, atol=0.51)


def test_of_panels_of_a_pixel_more_than_grey_is_left(monkeypatch):
    seen = []
    monkeypatch.setattr("kviz.draw.pages.tile_png", lambda tile: seen.append(tile) or b"")
    levels, gaps = laid_out(np.full((256, 1, 1), 7, np.uint8))
    html(tiles=[Tile(levels, "", "", "", gaps=gaps)], max_side=16)
    assert not seen[0].gaps.any()
    assert (seen[0].levels == 7).all()


def test_notes_stand_above_all():
    text = Read(html(notes=["Take care."], tables=[Table("Layers", ("h",), [])])).text
    assert text.index("Take care.") < text.index("Layers")
