"""Tiles as Matplotlib figures."""

import gc
import io
import sys
import types
import weakref

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from draw_tiles import HOSTILE, noise, opened, tile
from PIL import Image

from kviz.draw.charts import curves
from kviz.draw.colours import coloured, palette
from kviz.draw.plots import NARROWEST, draw_into, figure
from kviz.draw.tile_png import tile_png
from kviz.errors import OptionError
from kviz.tiles import NEUTRAL, laid_out, mosaic


def test_a_figure_has_an_axes_a_tile_with_title_and_detail():
    tiles = [tile(noise(9, 9), title=f"conv{n}", detail=f"detail {n}") for n in range(3)]
    drawn = figure(tiles)
    assert [axes.get_title(loc="left") for axes in drawn.axes] == ["conv0", "conv1", "conv2"]
    assert [axes.get_xlabel() for axes in drawn.axes] == ["detail 0", "detail 1", "detail 2"]
    for axes, made in zip(drawn.axes, tiles, strict=True):
        picture = axes.images[0]
        np.testing.assert_array_equal(picture.get_array(), made.levels)
        assert picture.get_clim() == (0, 255)
        colours = picture.cmap(np.arange(256))[:, :3]
        np.testing.assert_allclose(colours * 255, palette("viridis"), atol=1e-9)


def test_colour_bars_stand_where_limits_are_given_and_nowhere_else():
    tiles = [tile(noise(9, 9), limits=(-2.5, 7.5)), tile(noise(9, 9)), tile(noise(9, 9, 3))]
    bars = [axes.child_axes for axes in figure(tiles).axes]
    assert [len(found) for found in bars] == [1, 0, 0]
    assert bars[0][0].get_ylim() == (-2.5, 7.5)


def test_a_colour_bar_has_the_tiles_colours():
    drawn = figure([tile(noise(9, 9), cmap="bwr", limits=(-1, 1))])
    mesh = drawn.axes[0].child_axes[0].collections[-1]
    np.testing.assert_allclose(mesh.cmap(np.arange(256))[:, :3] * 255, palette("bwr"), atol=1e-9)


@pytest.mark.parametrize(
    ("shape", "count", "columns"),
    [((455, 1823), 3, 1), ((63, 271), 5, 3), ((9, 9), 3, 3), ((9, 9), 9, 4), ((9, 9), 1, 1)],
)
def test_columns_by_default(shape, count, columns):
    drawn = figure([tile(noise(*shape))] * count)
    assert drawn.axes[0].get_gridspec().ncols == columns
    assert len(drawn.axes) == count


def test_columns_as_asked():
    assert figure([tile(noise(9, 9))] * 3, columns=2).axes[0].get_gridspec().ncols == 2
    with pytest.raises(OptionError, match="columns takes"):
        figure([tile(noise(9, 9))], columns=0)


def boxes(drawn):
    drawn.canvas.draw()
    renderer = drawn.canvas.get_renderer()
    return [axes.get_tightbbox(renderer) for axes in drawn.axes], drawn.bbox


SIZES = [(63, 271), (767, 191, 3), (4, 4), (1, 900), (1000, 1), (15, 63, 3), (1000, 512, 3)]


@pytest.mark.parametrize("limits", [None, (-123.456, 0.001)])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_no_tile_overlaps_another_or_leaves_the_figure(count, limits):
    names = ["short", "block_with_a_long_name/" * 6, "words " * 30, "x" * 300] * 2
    tiles = [
        tile(noise(*size), title=name, detail=name, limits=limits)
        for size, name in zip(SIZES[:count], names, strict=False)
    ]
    found, whole = boxes(figure(tiles))
    for index, box in enumerate(found):
        assert whole.x0 - 1 <= box.x0
        assert box.x1 <= whole.x1 + 1
        assert whole.y0 - 1 <= box.y0
        assert box.y1 <= whole.y1 + 1
        for other in found[:index]:
            across = min(box.x1, other.x1) - max(box.x0, other.x0)
            down = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert across < 1 or down < 1


@pytest.mark.parametrize("size", SIZES)
def test_a_picture_keeps_its_shape_and_a_figure_is_no_endless_strip(size):
    drawn = figure([tile(noise(*size), limits=(0, 1))])
    drawn.canvas.draw()
    box = drawn.axes[0].get_window_extent()
    assert box.width / box.height == pytest.approx(size[1] / size[0], rel=0.02)
    width, height = drawn.get_size_inches()
    assert width <= 12
    assert height <= 16


def test_lines_of_a_shrunk_mosaic_do_not_vanish():
    grid = mosaic(np.full((256, 10, 10), 255, np.uint8), 64)
    drawn = figure([tile(grid, cmap="gray")], width=3)
    drawn.canvas.draw()
    box = drawn.axes[0].get_window_extent()
    pixels = np.asarray(drawn.canvas.buffer_rgba())[..., 0]
    row = pixels[int(pixels.shape[0] - (box.y0 + box.y1) / 2), int(box.x0) + 2 : int(box.x1) - 2]
    dips = (row[1:-1] < row[:-2]) & (row[1:-1] <= row[2:])
    assert dips.sum() >= 60


@pytest.mark.parametrize(
    "text", ["$x^2$", "a $ b $ c", r"\$x$ {y", "50 $", "[red]x[/]", r"$\frac{1}"]
)
def test_signs_of_mathematics_and_markup_are_text(text):
    drawn = figure([tile(noise(9, 9), title=text, detail=text)])
    drawn.canvas.draw()
    assert drawn.axes[0].get_title(loc="left") == text
    assert drawn.axes[0].get_xlabel() == text
    assert not drawn.axes[0]._left_title.get_parse_math()
    assert not drawn.axes[0].xaxis.label.get_parse_math()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_titles_in_a_figure_stay_one_line(text):
    drawn = figure([tile(noise(9, 9), title=text, detail=text, alt=text)])
    drawn.canvas.draw()
    assert drawn.axes[0].get_title(loc="left").isprintable()
    assert drawn.axes[0].get_xlabel().isprintable()
    assert drawn.kviz_alt.isprintable()


def test_a_style_sheet_draws_no_grid_over_the_picture():
    with plt.style.context("ggplot"):
        drawn = figure([tile(noise(9, 9))])
        drawn.canvas.draw()
    axes = drawn.axes[0]
    assert not any(line.get_visible() for line in axes.get_xgridlines() + axes.get_ygridlines())


def test_gaps_are_grey_in_pictures_files_and_figures():
    levels, gaps = laid_out(noise(5, 3, 3), 3)
    made = tile(levels, gaps=gaps)
    picture = coloured(made)
    assert (picture[gaps] == NEUTRAL).all()
    np.testing.assert_array_equal(picture[~gaps], palette("viridis")[levels[~gaps]])
    assert not (palette("viridis") == NEUTRAL).all(axis=1).any(), "no value has this colour"
    image = opened(made)
    assert image.mode == "P", "one byte a pixel all the same"
    pixels = np.asarray(image.convert("RGB"))[::-1][:: 800 // 11][:7][::-1, :: 800 // 11]
    np.testing.assert_array_equal(pixels[gaps], picture[gaps])
    off = np.abs(pixels[~gaps].astype(int) - picture[~gaps])
    assert (off[levels[~gaps] != 254] == 0).all()
    assert off.max() <= 4, "the two brightest levels share a colour"
    np.testing.assert_array_equal(figure([made]).axes[0].images[0].get_array(), picture)
    rgb = tile(noise(5, 3, 3), gaps=np.eye(5, 3, dtype=bool))
    assert (coloured(rgb)[0, 0] == NEUTRAL).all()


def test_a_row_of_many_is_wider_and_its_words_do_not_meet():
    words = (
        "cat.png · score 34.29 · colours from 0 to 0.439, 99th percentile, over the image in grey"
    )
    row = [tile(noise(64, 64, 3), title="cat.png", detail="the image")]
    for name in ("Egyptian cat", "tabby", "tiger cat"):
        title = f"Grad-CAM · {name}"
        row.append(tile(noise(64, 64), title=title, detail=words, limits=(0, 0.44)))
        row.append(tile(noise(64, 64, 3), title=title, detail=words))
    drawn = figure(row * 2, columns=7)
    assert drawn.get_size_inches()[0] == pytest.approx(7 * NARROWEST)
    drawn.set_dpi(80)  # letters are wider on coarse screens
    drawn.canvas.draw()
    texts = [
        text.get_window_extent()
        for axes in drawn.axes
        for text in (axes._left_title, axes.xaxis.label)
    ]
    for index, box in enumerate(texts):
        assert box.x1 <= drawn.bbox.x1 + 1
        for other in texts[:index]:
            across = min(box.x1, other.x1) - max(box.x0, other.x0)
            down = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert across < 1 or down < 1


def test_a_column_is_as_wide_as_its_pictures_so_that_a_row_is_equally_high():
    drawn = figure([tile(noise(40, 40, 3)), tile(noise(40, 122))] * 2, columns=2)
    drawn.canvas.draw()
    extents = [axes.get_window_extent() for axes in drawn.axes]
    heights = [box.height for box in extents]
    assert heights == pytest.approx([heights[0]] * 4, rel=0.03)
    assert extents[1].width / extents[0].width == pytest.approx(122 / 40, rel=0.03)


def test_size_and_caption_as_asked():
    drawn = figure([tile(noise(9, 9))], figsize=(3, 2), caption=False)
    assert tuple(drawn.get_size_inches()) == (3, 2)
    assert drawn.axes[0].get_title(loc="left") == drawn.axes[0].get_xlabel() == ""
    assert drawn.kviz_alt == "Four panels."
    assert figure([tile(noise(9, 9))] * 2, columns=2, width=3.5).get_size_inches()[0] == 3.5


def test_axes_of_the_callers():
    own, (left, right) = plt.subplots(1, 2, layout="constrained")
    made = [tile(noise(9, 9), title="first", limits=(0, 1)), tile(noise(9, 9, 3), title="second")]
    assert draw_into([left, right], made) is own
    assert [axes.get_title(loc="left") for axes in (left, right)] == ["first", "second"]
    np.testing.assert_array_equal(left.images[0].get_array(), made[0].levels)
    assert len(own.axes) == 3, "a colour bar beside the first"
    with pytest.raises(OptionError, match="as many axes as there are pictures, which is 2"):
        draw_into([left], made)
    plt.close(own)


def test_a_figure_is_nobodys_but_the_callers():
    own = plt.figure()
    drawn = figure([tile(noise(2, 2))])
    assert plt.get_fignums() == [own.number]
    assert plt.gcf() is own
    gone = weakref.ref(drawn)
    del drawn
    gc.collect()
    assert gone() is None


def test_a_diagram_is_the_same_in_every_style_and_changes_none():
    lines = {"猫 $x^2$": np.arange(4.0) ** 2, "_b": np.array([1, np.nan, 3, 2])}
    plain = curves(lines, "t", "step", "score").levels
    for style in ("dark_background", "ggplot", "bmh", "fivethirtyeight", "Solarize_Light2"):
        with plt.style.context(style):
            before = dict(mpl.rcParams)
            drawn = curves(lines, "t", "step", "score").levels
            assert dict(mpl.rcParams) == before
        # Where the axes begin is rounded to whole pixels in another way.
        assert np.abs(drawn.astype(int) - plain).mean() < 8, style
        assert (drawn[:3] == 255).all(), style


def test_nothing_to_draw_and_an_unknown_colour_map():
    with pytest.raises(OptionError, match="no tiles"):
        figure([])
    with pytest.raises(OptionError, match="no colour map 'nope'"):
        figure([tile(noise(2, 2), cmap="nope")])
    with pytest.raises(OptionError, match="no colour map 'nope'"):
        tile_png(tile(noise(2, 2), cmap="nope"))


def test_a_notebook_shows_a_figure_once_with_its_alternative_text(monkeypatch):
    drawn = figure([tile(noise(9, 9), alt="First."), tile(noise(9, 9), alt="Second.")])
    large = figure([tile(noise(600, 600), alt="Noise.")])
    shown = []
    fake = types.ModuleType("IPython.display")
    fake.display = lambda *values, **options: shown.append((values, options))
    package = types.ModuleType("IPython")
    package.display = fake
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", fake)
    drawn._ipython_display_()
    ((bundle,), options), *more = shown
    assert not more
    assert bundle["text/plain"] == "First.\nSecond."
    assert options == {"raw": True, "metadata": {"image/png": {"alt": "First.\nSecond."}}}
    with Image.open(io.BytesIO(bundle["image/png"])) as image:
        assert image.format == "PNG"
        assert image.width == pytest.approx(100 * drawn.get_size_inches()[0], abs=1)
    # A large one would fill the notebook as a PNG.
    large._ipython_display_()
    ((bundle,), options) = shown[1]
    assert options["metadata"] == {"image/jpeg": {"alt": "Noise."}}
    with Image.open(io.BytesIO(bundle["image/jpeg"])) as image:
        assert image.format == "JPEG"
        assert image.width == pytest.approx(100 * large.get_size_inches()[0], abs=1)
