"""Tiles as PNG files, read back with Pillow."""

import matplotlib as mpl
import numpy as np
import pytest
from draw_tiles import HOSTILE, noise, opened, tile

from kviz.draw.colours import palette


def parts(made):
    """Return the decoded picture's caption and panel part, and by what the panel is enlarged."""
    pixels = np.asarray(opened(made))
    height, width = made.levels.shape[:2]
    for zoom in range(min(pixels.shape[1] // width, pixels.shape[0] // height), 0, -1):
        panel = pixels[len(pixels) - zoom * height :, : zoom * width]
        if (panel[::zoom, ::zoom] != made.levels).any():
            continue
        large = made.levels.repeat(zoom, axis=0).repeat(zoom, axis=1)
        if (panel == large).all():
            return pixels[: len(pixels) - zoom * height], panel, zoom
    raise AssertionError("The levels are not in the picture.")


@pytest.mark.parametrize(
    ("shape", "zoom"),
    [
        ((4, 4), 200),
        ((63, 271), 2),
        ((113, 640), 1),
        ((300, 959), 1),
        ((455, 1823), 1),
        ((3000, 2), 1),
        ((700, 1), 2),
        ((1, 1), 800),
        ((1, 5000), 1),
    ],
)
def test_the_panel_holds_the_levels_exactly_enlarged_by_a_whole_number(shape, zoom):
    made = tile(noise(*shape))
    image = opened(made)
    assert image.mode == "P"
    assert parts(made)[2] == zoom
    assert image.getpalette() == palette("viridis").ravel().tolist()


@pytest.mark.parametrize("cmap", ["viridis", "bwr", "gray"])
def test_colours_of_the_file_are_those_of_the_colour_map(cmap):
    made = tile(noise(30, 400), cmap=cmap)
    pixels = np.asarray(opened(made).convert("RGB"))
    expected = np.rint(mpl.colormaps[cmap](made.levels)[..., :3] * 255)
    np.testing.assert_array_equal(pixels[-60::2, ::2], expected)


@pytest.mark.parametrize("shape", [(3, 3, 3), (100, 1200, 3), (900, 1, 3)])
def test_colour_tiles_are_kept_exactly(shape):
    made = tile(noise(*shape))
    assert opened(made).mode == "RGB"
    parts(made)


def test_title_and_alternative_text_travel_in_the_file():
    made = tile(noise(4, 4), title="блок1 · 猫 🐱", alt="Карты признаков: ein Kätzchen, 猫 🐱.")
    shown = {"Title": "блок1 · 猫 🐱", "Description": made.alt, "Software": "kviz"}
    assert opened(made).text == shown


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_titles_become_one_line_without_control_characters(text):
    made = tile(noise(4, 4), title=text, detail=text, alt=text)
    noted = opened(made).text
    assert noted["Title"].isprintable()
    assert noted["Description"].isprintable()
    harmless = tile(made.levels, title="?".join(["aa"]), detail="a", alt="a")
    assert len(parts(made)[0]) == len(parts(harmless)[0])


def ink(made):
    """Return where the caption differs from its paper: the first and last columns, and rows."""
    caption = parts(made)[0]
    marks = caption != caption[0, 0]
    marks = marks if marks.ndim == 2 else marks.any(axis=2)
    columns, rows = np.flatnonzero(marks.any(axis=0)), np.flatnonzero(marks.any(axis=1))
    return columns[0], columns[-1], rows[0], rows[-1], caption.shape


@pytest.mark.some(every=2)
@pytest.mark.parametrize("shape", [(4, 4), (1, 1), (5, 1823), (2000, 3), (4, 4, 3)])
@pytest.mark.parametrize(
    "text", ["short", "words in a row " * 30, "x" * 400, "W" * 5000, "block/" * 60 + " end", "g"]
)
def test_captions_wrap_and_stay_inside(shape, text):
    made = tile(noise(*shape), title=text, detail=text)
    left, right, top, bottom, (height, width, *_) = ink(made)
    assert left >= 5
    assert right < width - 5
    assert top >= 5
    assert bottom < height - 5


def test_a_longer_title_takes_more_lines_and_none_is_lost():
    one = parts(tile(noise(4, 4), title="x"))[0]
    long = parts(tile(noise(4, 4), title="word " * 70))[0]
    broken = parts(tile(noise(4, 4), title="x" * 350))[0]
    assert len(one) < len(long)
    assert len(one) < len(broken)
    # Each letter leaves the same ink, whatever line it is on.
    levels = palette("viridis").astype(int).sum(axis=1)
    inks = [(levels[part] - levels[part[0, 0]]).sum() for part in (one, broken)]
    detail = (levels[np.asarray(parts(tile(noise(4, 4), title=""))[0])] - levels[0]).sum()
    assert (inks[1] - detail) / (inks[0] - detail) == pytest.approx(350, rel=0.05)


def test_an_empty_title():
    assert len(parts(tile(noise(4, 4), title="", detail=""))[0]) > 0


def test_the_caption_can_be_read_on_its_paper():
    for cmap in ("viridis", "bwr", "gray", "tab10", "Blues"):
        made = tile(noise(4, 4), cmap=cmap)
        colours = np.asarray(opened(made).convert("RGB"))[: len(parts(made)[0])].astype(float)
        bright = colours @ (0.2126, 0.7152, 0.0722)
        # WCAG asks 3:1 of large text.
        linear = (bright / 255) ** 2.2
        assert (linear.max() + 0.05) / (linear.min() + 0.05) > 3, cmap
