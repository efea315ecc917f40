"""Figures as files: text stays text, photos are as fine as asked, the figure stays as it was."""

import re

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from kviz.draw.figures import write_figure
from kviz.draw.plots import figure
from kviz.errors import OutputError
from kviz.tiles import Tile


@pytest.fixture
def drawn():
    levels = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    return figure([Tile(levels, "conv1 · 4 × 4", "a detail", "What is seen.", limits=(0, 2.5))])


def test_svg_holds_text_and_not_the_paths_of_letters(drawn, tmp_path):
    before = dict(mpl.rcParams), drawn.dpi
    write_figure(drawn, tmp_path / "f.svg")
    svg = (tmp_path / "f.svg").read_text(encoding="utf-8")
    said = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {"conv1 · 4 × 4", "a detail", "0.0", "2.5"} <= set(said)
    assert "DejaVuSans-" not in svg, "a letter as a path"
    assert "What is seen." in svg
    assert (dict(mpl.rcParams), drawn.dpi) == before
    width = float(re.search(r'<svg[^>]* width="([\d.]+)pt"', svg)[1])
    assert width == pytest.approx(72 * drawn.get_size_inches()[0], rel=1e-4)


def test_pdf_and_png(drawn, tmp_path):
    write_figure(drawn, tmp_path / "f.pdf")
    pdf = (tmp_path / "f.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"/Subject (What is seen.)" in pdf
    assert b"/Type /Font" in pdf
    write_figure(drawn, tmp_path / "f.png", dpi=50)
    with Image.open(tmp_path / "f.png") as image:
        assert image.width == pytest.approx(50 * drawn.get_size_inches()[0], abs=1)
        assert image.text["Description"] == "What is seen."


@pytest.mark.parametrize("name", ["f", "f.jpg", "f.svgz", "f.npz"])
def test_other_endings_are_refused(drawn, tmp_path, name):
    with pytest.raises(OutputError, match=r"ending in \.pdf, \.svg, \.png\. Received"):
        write_figure(drawn, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_said_plainly(drawn, tmp_path):
    with pytest.raises(OutputError, match="its folder does not exist"):
        write_figure(drawn, tmp_path / "no" / "f.svg")
