"""The page in Chromium: it opens from disk, works by mouse and keyboard, and nobody's name runs."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from hostile import HOSTILE
from PIL import Image

from kviz._checks import sanitise
from kviz.arrays import stretched
from kviz.draw.colours import palette
from kviz.files import slug

AXE = Path(__file__).with_name("axe.min.js")


def pixels(locator):
    """Return what a canvas shows."""
    url = locator.evaluate("canvas => canvas.toDataURL()")
    data = io.BytesIO(base64.b64decode(url.partition(",")[2]))
    return np.asarray(Image.open(data).convert("RGB"))


def levels(colours, cmap):
    """Return the level of each colour; every one must be of the colour map."""
    table = palette(cmap).astype(int)
    codes = np.full(1 << 24, -1)
    codes[table @ (65536, 256, 1)] = np.arange(256)
    found = codes[colours.astype(int) @ (65536, 256, 1)]
    assert found.min() >= 0
    return found


def drawn(page):
    page.wait_for_selector("html[data-drawn]", state="attached")


def layer(page, path):
    return page.locator(f"#layer-{slug(path)}")


@pytest.mark.some(every=3)
@pytest.mark.parametrize("path", ["conv1", "fire6_squeeze1x1", "fire9_expand3x3"])
@pytest.mark.parametrize("scale", ["channel", "layer"])
def test_a_mosaic_is_the_tile_that_kviz_draws(opened, made, path, scale):
    page = opened(made.path)
    page.select_option("#maps-scale", scale)
    # Of which each level has a colour of its own; neighbours in viridis share some.
    page.select_option("#maps-cmap", "gray")
    drawn(page)
    (tile,) = made.maps.tiles(path, scale=scale)
    off = np.abs(levels(pixels(layer(page, path).locator("canvas")), "gray") - tile.levels)
    maps = made.maps[path][0]
    # Half a step of the page's numbers, in levels, and one for the rounding.
    step = np.ptp(maps, axis=(0, 1)) / 255
    if scale == "channel":
        gain = 64 / np.maximum(maps.std(axis=(0, 1)), 1e-12)
    else:
        gain = np.full(len(step), 255 / (maps.max() - maps.min()))
    bound = 1 + float((0.5 * step * gain)[step > 0].max())
    assert off.max() <= bound
    assert off.mean() <= 0.5


def test_colours_of_the_whole_model_are_one_scale(opened, made):
    page = opened(made.path)
    page.select_option("#maps-scale", "model")
    page.select_option("#maps-cmap", "gray")
    drawn(page)
    low = min(float(maps.min()) for maps in made.maps.values())
    high = max(float(maps.max()) for maps in made.maps.values())
    found = pixels(layer(page, "fire5_expand1x1").locator("canvas"))[:27, :27, 0].astype(int)
    expected = stretched(made.maps["fire5_expand1x1"][0, :, :, 0], low, high)
    assert np.abs(found - palette("gray")[expected][..., 0]).max() <= 2


def test_a_click_in_the_graph_leads_to_the_layer(opened, made):
    page = opened(made.path, reduced_motion="reduce")
    page.locator("svg a.node", has_text="fire5_expand3x3").click()
    assert page.evaluate("location.hash") == "#layer-fire5_expand3x3"
    page.wait_for_timeout(100)
    assert page.evaluate("document.activeElement.id") == "layer-fire5_expand3x3"
    top = layer(page, "fire5_expand3x3").bounding_box()["y"]
    assert 0 <= top < 450


def test_a_channel_is_enlarged_by_a_click_and_read_by_the_keyboard(opened, made, squeezenet):
    page = opened(made.path)
    drawn(page)
    canvas = layer(page, "fire2_expand3x3").locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    # Channel 18 is the third of the second row, each 57 of 911 wide.
    scale = box["width"] / 911
    canvas.click(position={"x": (2 * 57 + 10.5) * scale, "y": (57 + 20.5) * scale})
    page.wait_for_selector("dialog[open]")
    heading = page.locator("#channel-h")
    assert heading.inner_text() == "fire2_expand3x3, channel 18"

    def told():
        value = page.locator("#channel-value").inner_text()
        row, column, number = re.fullmatch(r"Row (\d+), column (\d+): (\S+)", value).groups()
        return int(row), int(column), float(number)

    # A browser gives a click's place in whole pixels of the screen, of which a cell has one here.
    row, column, _ = told()
    assert max(abs(row - 20), abs(column - 10)) <= 1
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert told()[:2] == (row + 1, column + 2)
    row, column, number = told()
    channel = made.maps["fire2_expand3x3"][0, :, :, 18]
    tolerance = np.ptp(channel) / 510 + 1e-3 * abs(channel[row, column])
    assert abs(number - channel[row, column]) <= tolerance
    field = squeezenet.layers["fire2_expand3x3"].receptive_field
    style = page.locator("#channel-photo .field").evaluate(
        "e => ['top', 'left', 'height', 'width'].map(key => parseFloat(e.style[key]))"
    )
    top, left = (float(field.offset[a] + at * field.stride[a]) for a, at in ((0, row), (1, column)))
    expected = [100 * pixel / 227 for pixel in (top, left, field.size[0], field.size[1])]
    np.testing.assert_allclose(style, expected, atol=1e-3)
    kernel = made.weights["fire2_expand3x3/kernel"][..., 18]
    words = page.locator("#channel-kernel-detail").inner_text()
    assert words.startswith("Kernel, 3 × 3, 16 input channels; from ")
    assert abs(float(words.split()[-2]) - np.abs(kernel).max()) < 1e-3
    panels = pixels(page.locator("#channel-kernel")).astype(int)
    blue_white_red = palette("bwr")[stretched(kernel, -np.abs(kernel).max(), np.abs(kernel).max())]
    assert np.abs(panels[4:7, 8:11] - blue_white_red[:, :, 6].astype(int)).max() <= 3
    page.keyboard.press("PageDown")
    page.wait_for_timeout(100)
    assert heading.inner_text() == "fire2_expand3x3, channel 19"
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


def test_the_value_follows_the_pointer(opened, made):
    page = opened(made.path)
    drawn(page)
    section = layer(page, "conv1")
    canvas = section.locator("canvas")
    canvas.scroll_into_view_if_needed()
    scale = canvas.bounding_box()["width"] / 1823
    canvas.hover(position={"x": (114 + 56.5) * scale, "y": 30.5 * scale})
    page.wait_for_timeout(100)
    words = section.locator("output").inner_text()
    channel, row, column, number = re.fullmatch(
        r"channel (\d+), row (\d+), column (\d+): (\S+)", words
    ).groups()
    assert channel == "1"
    plane = made.maps["conv1"][0, :, :, 1]
    value = plane[int(row), int(column)]
    assert abs(float(number) - value) <= np.ptp(plane) / 510 + 1e-3 * abs(value)


def test_everything_is_reached_by_the_tab_key(opened, hostile):
    page = opened(hostile.path)
    drawn(page)
    expected = page.evaluate(
        """() => [...document.querySelectorAll('a, button, input, select, summary, [tabindex="0"]')]
        .filter(e => e.checkVisibility() && !e.closest('dialog') && !e.disabled)
        .map((e, at) => (e.dataset.stop = at, at)).length"""
    )
    stops, seen_without = [], []
    for _ in range(expected + 5):
        page.keyboard.press("Tab")
        stop, outlined = page.evaluate(
            """() => { const e = document.activeElement;
            return [e.dataset?.stop ?? null, getComputedStyle(e).outlineStyle !== 'none']; }"""
        )
        if stop is None:
            break
        stops.append(int(stop))
        if not outlined:
            seen_without.append(stop)
    assert stops == list(range(expected))
    assert seen_without == []


@pytest.mark.parametrize(
    ("which", "scheme"),
    [
        ("made", "light"),
        ("hostile", "dark"),
        pytest.param("made", "dark", marks=pytest.mark.slow),
        pytest.param("hostile", "light", marks=pytest.mark.slow),
    ],
)
def test_nothing_serious_for_those_who_do_not_see(opened, request, which, scheme):
    page = opened(request.getfixturevalue(which).path, scheme=scheme, bypass_csp=True)
    drawn(page)
    page.add_script_tag(path=AXE)

    def failures():
        found = page.evaluate("axe.run()")["violations"]
        return [
            (one["id"], one["nodes"][0]["html"][:200])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]

    assert failures() == []
    page.locator("article.layer button").first.click()
    page.wait_for_selector("dialog[open]")
    assert failures() == []


def test_no_name_is_more_than_text(opened, hostile):
    page = opened(hostile.path)
    drawn(page)
    page.locator("article.layer button").first.click()
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.select_option("#why-photo", "1")
    page.select_option("#why-photo", "0")
    page.select_option("#why-with", "gradient")
    page.wait_for_timeout(300)
    assert page.evaluate("typeof pwned") == "undefined"
    assert page.locator("script[src], img[src=x], [onload], [onerror]").count() == 0
    assert page.locator("h1").inner_text() == sanitise(HOSTILE["model"])
    text = page.locator("body").inner_text()
    for name in (HOSTILE["layer"], HOSTILE["file"], *HOSTILE["class"]):
        assert " ".join(sanitise(name, 200).split()) in " ".join(text.split())
    assert sanitise(HOSTILE["block"]) in page.locator("details summary bdi").all_inner_texts()


def test_a_nested_model_opens_where_it_is_asked_for(opened, hostile):
    page = opened(hostile.path)
    nested = page.locator(f"#graph-{slug(HOSTILE['block'])}")
    assert nested.get_attribute("open") is None
    page.locator("svg a.node.model").first.click()
    page.wait_for_timeout(300)
    assert nested.get_attribute("open") is not None
    assert nested.locator("svg a.node").count() == 1


def test_small_pixels_are_squares_and_photos_can_be_changed(opened, hostile):
    page = opened(hostile.path)
    drawn(page)
    image = page.locator(".card img").first
    assert image.evaluate("e => getComputedStyle(e).imageRendering") == "pixelated"
    canvas = page.locator("article.layer canvas").first
    before = pixels(canvas)
    page.select_option("#maps-image", "1")
    drawn(page)
    assert (pixels(canvas) != before).any()


def test_the_last_photo_chosen_is_the_one_that_is_seen(opened, hostile):
    page = opened(hostile.path)
    drawn(page)
    canvas = page.locator("article.layer canvas").first
    before = pixels(canvas)
    # The numbers of the second photo take their time.
    page.evaluate("""() => {
        const unpack = Response.prototype.arrayBuffer;
        Response.prototype.arrayBuffer = async function () {
            await new Promise((done) => setTimeout(done, 300));
            return unpack.call(this);
        };
    }""")
    for photo in "10":
        page.select_option("#maps-image", photo)
        page.wait_for_timeout(150)
    page.wait_for_timeout(3000)
    drawn(page)
    np.testing.assert_array_equal(pixels(canvas), before)


def test_a_link_that_leads_nowhere_stops_nothing(opened, hostile):
    page = opened(hostile.path)
    page.evaluate("location.hash = '%'")
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")


@pytest.mark.some(every=2)
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_window(opened, made, width):
    page = opened(made.path, width=width)
    drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_a_script_the_photos_and_tables_are_there(opened, made):
    page = opened(made.path, ready=False, java_script_enabled=False)
    assert "switched off here" in page.locator("noscript").inner_text()
    assert page.locator("#answer th", has_text="Egyptian cat").is_visible()
    assert page.locator("#dreams img").first.is_visible()


def test_printed_it_is_without_controls(opened, made):
    page = opened(made.path)
    drawn(page)
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator("#maps .controls").is_visible()
    assert page.locator("article.layer canvas").last.is_visible()


def test_in_a_notebook_it_is_a_page_in_a_frame(opened, hostile, tmp_path):
    outer = tmp_path / "notebook.html"
    outer.write_text(f"<!doctype html>{hostile.report._repr_html_()}", encoding="utf-8")
    page = opened(outer, ready=False)
    page.frame_locator("iframe").locator("html[data-ready]").wait_for(state="attached")
    assert page.frame_locator("iframe").locator("h1").inner_text() == sanitise(HOSTILE["model"])
    assert page.evaluate("typeof pwned") == "undefined"
