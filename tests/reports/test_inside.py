"""The pane Inside in Chromium: what is drawn, said and saved of layers is what was computed."""

import base64
import io
import re
from fractions import Fraction
from urllib.parse import parse_qs

import keras
import numpy as np
import pytest
from hostile import HOSTILE
from PIL import Image

import kviz
from kviz._checks import sanitise
from kviz.arrays import stretched
from kviz.draw.colours import palette


def drawn(page):
    page.wait_for_selector("#inside[data-drawn]", state="attached")


def look(page, **state):
    """Look at something by the address, as a link does, and wait until it is drawn."""
    page.evaluate(
        "text => { location.hash = text }", "&".join(f"{k}={v}" for k, v in state.items())
    )
    page.wait_for_timeout(50)
    drawn(page)


def choose(page, control, value):
    page.select_option(control, value)
    drawn(page)


def address(page):
    found = parse_qs(page.evaluate("location.hash.slice(1)"))
    return {key: values[0] for key, values in found.items()}


def pixels(page, canvas):
    url = page.locator(canvas).evaluate("canvas => canvas.toDataURL()")
    data = io.BytesIO(base64.b64decode(url.partition(",")[2]))
    return np.asarray(Image.open(data).convert("RGB")).astype(int)


def number(text):
    """Return a number as the page writes it: its minus is no hyphen."""
    return float(text.replace("−", "-"))


def levels(colours, cmap):
    """Return the level of each colour; every one must be of the colour map."""
    table = palette(cmap).astype(int)
    codes = np.full(1 << 24, -1)
    codes[table @ (65536, 256, 1)] = np.arange(256)
    found = codes[colours @ (65536, 256, 1)]
    assert found.min() >= 0
    return found


def tile(picture, place, side, columns=16):
    """Return the tile at a place of a mosaic of squares."""
    top, left = (at * (side + 1) for at in divmod(place, columns))
    return picture[top : top + side, left : left + side]


@pytest.mark.some(every=3)
@pytest.mark.parametrize("path", ["conv1", "fire6_squeeze1x1", "fire9_expand3x3"])
@pytest.mark.parametrize("scale", ["channel", "layer"])
def test_a_mosaic_is_the_tile_that_kviz_draws(opened, made, path, scale):
    page = opened(made.path)
    look(page, layer=path)
    choose(page, "#maps-scale", scale)
    # Of which each level has a colour of its own; neighbours in viridis share some.
    choose(page, "#maps-cmap", "gray")
    (expected,) = made.maps.tiles(path, scale=scale)
    off = np.abs(levels(pixels(page, "#mosaic"), "gray") - expected.levels)
    maps = made.maps[path][0]
    # Half a step of the page's numbers, in levels, and one for the rounding.
    step = np.ptp(maps, axis=(0, 1)) / 255
    if scale == "channel":
        gain = 64 / np.maximum(maps.std(axis=(0, 1)), 1e-12)
    else:
        gain = np.full(len(step), 255 / (maps.max() - maps.min()))
    assert off.max() <= 1 + float((0.5 * step * gain)[step > 0].max())
    assert off.mean() <= 0.5


def test_colours_of_the_whole_model_are_one_scale(opened, made):
    page = opened(made.path)
    look(page, layer="fire5_expand1x1")
    choose(page, "#maps-scale", "model")
    choose(page, "#maps-cmap", "gray")
    low = min(float(maps.min()) for maps in made.maps.values())
    high = max(float(maps.max()) for maps in made.maps.values())
    found = tile(pixels(page, "#mosaic"), 0, 27)[..., 0]
    expected = stretched(made.maps["fire5_expand1x1"][0, :, :, 0], low, high)
    assert np.abs(found - palette("gray")[expected][..., 0]).max() <= 2
    words = page.locator("#mosaic-scale").inner_text()
    ends = [number(end) for end in re.fullmatch(r"Colours from (\S+) to (\S+)\.", words).groups()]
    assert ends == pytest.approx([low, high], rel=1e-3)


def test_channels_are_sorted_by_activity_and_by_their_weight_to_a_class(opened, made):
    page = opened(made.path)
    path = "fire9_expand3x3"
    look(page, layer=path)
    choose(page, "#maps-cmap", "gray")
    by_number = pixels(page, "#mosaic")
    own = [tile(by_number, channel, 13) for channel in range(256)]

    def order_is(expected):
        picture = pixels(page, "#mosaic")
        for place in (0, 1, 17, 100, 255):
            np.testing.assert_array_equal(tile(picture, place, 13), own[expected[place]])

    choose(page, "#maps-sort", "mean")
    assert address(page)["sort"] == "mean"
    expected = np.argsort(-made.maps[path][0].mean(axis=(0, 1)), kind="stable")
    order_is(expected)
    words = page.locator("#maps-first").inner_text()
    assert [int(one) for one in re.findall(r"(\d+): ", words)] == expected[:5].tolist()
    assert words.endswith(", … (mean; the highest first).")
    options = page.locator("#maps-sort option").all_inner_texts()
    assert options[3:] == ["weight to Egyptian cat", "weight to tabby"]
    for at, index in enumerate((285, 281)):
        choose(page, "#maps-sort", f"weight-{at}")
        order_is(np.argsort(-weights_of(made, index), kind="stable"))
    page.reload()
    drawn(page)
    assert page.input_value("#maps-sort") == "weight-1"
    assert page.input_value("#maps-cmap") == "viridis"


def weights_of(made, index):
    """Return Grad-CAM's weights of fire9_expand3x3: a 1 × 1 convolution and a mean come behind it."""
    kernel = made.weights["conv10/kernel"]
    # Of what conv10 reads the second half; each of 13 × 13 cells has its share of the mean.
    return kernel[0, 0, 256:, index] / 13**2


@pytest.mark.parametrize("path", ["conv1", "fire2_expand3x3", "fire9_expand3x3", "conv10"])
def test_channels_are_sorted_by_their_value_at_a_place_of_the_photo(opened, made, squeezenet, path):
    page = opened(made.path)
    look(page, layer=path)
    choose(page, "#maps-cmap", "gray")
    page.click("#sort-here")
    drawn(page)
    assert page.input_value("#maps-sort") == "place"
    photo = page.locator("#channel-photo")
    photo.scroll_into_view_if_needed()
    size = photo.bounding_box()["width"]
    # The left eye.
    photo.click(position={"x": 0.33 * size, "y": 0.43 * size})
    drawn(page)
    assert place_of(page) == pytest.approx([0.43, 0.33], abs=0.01)
    maps = made.maps[path][0]
    sorted_there(page, maps, cell_at(squeezenet, path, maps.shape, place_of(page)))
    page.focus("#channel-photo")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    drawn(page)
    cell = cell_at(squeezenet, path, maps.shape, place_of(page))
    assert place_of(page) == pytest.approx(middle_of(squeezenet, *cell, path=path), abs=1e-4)
    found = address(page)
    words = sorted_there(page, maps, cell)
    # The channel is the first there, and on its own map the place is moved too.
    assert page.locator("#channel-h").inner_text().startswith(f"Channel {first_of(words)}")
    page.focus("#channel-map")
    page.keyboard.press("ArrowLeft")
    drawn(page)
    sorted_there(page, maps, (cell[0], cell[1] - 1))
    page.focus("#channel-map")
    page.keyboard.press("ArrowRight")
    drawn(page)
    assert address(page) == found
    page.reload()
    drawn(page)
    assert page.locator("#maps-first").inner_text() == words
    # A click on a channel chooses it, and leaves the place by which they are sorted.
    page.locator("#mosaic").click(position={"x": 9, "y": 9})
    drawn(page)
    assert (address(page)["ch"], address(page)["at"]) == (first_of(words), found["at"])
    # Another layer is looked at in the same place.
    page.click("#layer-before" if path == "conv10" else "#layer-after")
    drawn(page)
    assert address(page)["at"] == found["at"]


def test_a_place_is_found_in_maps_that_are_carried_smaller_or_see_all(opened, tmp_path):
    keras.utils.set_random_seed(0)
    inputs = keras.Input((201, 150, 3))
    large = keras.layers.Conv2D(8, 3, padding="same", name="large")(inputs)
    one = keras.layers.GlobalAveragePooling2D(keepdims=True, name="one")(large)
    # Each cell of it sees all.
    spread = keras.layers.UpSampling2D((6, 5), name="spread")(one)
    larger = keras.layers.UpSampling2D(2, name="larger")(large)
    both = [keras.layers.GlobalAveragePooling2D()(maps) for maps in (spread, larger)]
    outputs = keras.layers.Dense(3, activation="softmax")(keras.layers.Concatenate()(both))
    model = keras.Model(inputs, outputs)
    photo = np.random.default_rng(0).integers(0, 256, (1, 201, 150, 3), np.uint8)
    network = kviz.Network(model)
    report = kviz.report(
        network, photo, tmp_path / "small.html", methods=(), quick=True, max_mb=0.7,
        layer_names=["large", "larger", "one", "spread"],
    )  # fmt: skip
    page = opened(report.path)
    for path, where in (
        ("large", (0.5, 0.2)), ("larger", (0.99, 0.7)), ("one", (0.1, 0.9)), ("spread", (0.78, 0.35)),
    ):  # fmt: skip
        look(page, layer=path, sort="place", at=f"{where[0]},{where[1]}")
        maps = kviz.activations(network, photo, path)[path][0]
        words = page.locator("#maps-first").inner_text()
        first, value, row, column = re.match(
            r"Channel (\d+): (\S+?)(?:, .+)? \(value at row (\d+), column (\d+);", words
        ).groups()
        height, width = page.locator("#channel-map").evaluate("e => [e.height, e.width]")
        factor = -(-maps.shape[0] // height)
        assert (factor > 1) == (path in ("large", "larger"))
        # The cell is the one that lies there, and its value the mean of its block.
        assert (int(row), int(column)) == (int(where[0] * height), int(where[1] * width))
        top, left = int(row) * factor, int(column) * factor
        means = maps[top : top + factor, left : left + factor].mean(axis=(0, 1))
        step = float(np.ptp(maps, axis=(0, 1)).max()) / 255
        assert number(value) == pytest.approx(float(means[int(first)]), rel=1e-3, abs=step)
        assert means[int(first)] >= means.max() - step


def first_of(words):
    return re.match(r"Channel (\d+)", words)[1]


def cell_at(network, path, shape, place):
    """Return the cell whose receptive field's middle is nearest to a place."""
    rows = [middle_of(network, row, 0, path=path)[0] for row in range(shape[0])]
    columns = [middle_of(network, 0, column, path=path)[1] for column in range(shape[1])]
    return tuple(
        int(np.argmin(np.abs(np.array(middles) - share)))
        for middles, share in zip((rows, columns), place, strict=True)
    )


def sorted_there(page, maps, cell):
    """Check what is first and in which order the tiles stand; return what is said of the first."""
    values = maps[cell]
    off = np.ptp(maps, axis=(0, 1)) / 510 + 1e-6
    words = page.locator("#maps-first").inner_text()
    first, row, column = re.fullmatch(
        r"Channel (.+), … \(value at row (\d+), column (\d+); the highest first\)\.", words
    ).groups()
    assert (int(row), int(column)) == cell
    order = read_out(page, 12)
    told = [one.split(": ") for one in first.split(", ")]
    assert [int(channel) for channel, _ in told] == order[:5]
    for channel, value in told:
        known = pytest.approx(float(values[int(channel)]), rel=1e-3, abs=float(off[int(channel)]))
        assert number(value) == known
    # So does each tile, under the keys and under the pointer.
    last = page.locator("#mosaic-value").inner_text()
    assert last.endswith(" at the chosen place")
    page.keyboard.press("Home")
    assert (
        page.locator("#mosaic-value").inner_text().endswith(f"; {told[0][1]} at the chosen place")
    )
    page.hover("#mosaic", position={"x": 2, "y": 2})
    tip = page.locator("#mosaic-tip").inner_text()
    label = rf"channel {order[0]}(, .+)?"
    assert re.fullmatch(rf"{label}: {re.escape(told[0][1])} at the chosen place; here \S+", tip)
    # A byte a value, so that near ones can change places, and no others.
    for place, channel in enumerate(order):
        later = np.setdiff1d(np.arange(len(values)), order[: place + 1])
        assert (values[channel] + off[channel] >= values[later] - off[later]).all()
    return words


def read_out(page, count):
    """Return which channels come first in the mosaic, as the arrow keys tell."""
    page.focus("#mosaic")
    page.keyboard.press("Home")
    found = []
    for _ in range(count):
        words = page.locator("#mosaic-value").inner_text()
        found.append(int(re.match(r"channel (\d+)", words)[1]))
        page.keyboard.press("ArrowRight")
    return found


def test_the_channels_of_the_last_layer_are_called_as_their_classes(opened, made, squeezenet):
    page = opened(made.path)
    look(page, layer="conv10")
    names = page.locator("#mosaic-names span")
    assert names.all_inner_texts() == list(squeezenet.class_names[:64])
    page.click("#mosaic-all")
    drawn(page)
    assert names.count() == 1000
    # A name lies below its tile, within its column.
    canvas = page.locator("#mosaic").bounding_box()
    name = names.nth(285).bounding_box()
    size = page.locator("#mosaic").evaluate("e => [e.width, e.height]")
    scale = canvas["width"] / size[0]
    row, column = divmod(285, 8)
    strip = (size[1] + 1) / 125 - 14
    assert name["x"] == pytest.approx(canvas["x"] + column * 14 * scale, abs=1)
    assert name["y"] == pytest.approx(canvas["y"] + (row * (14 + strip) + 13) * scale, abs=1)
    assert name["width"] <= 13 * scale + 1
    look(page, layer="conv10", ch=285)
    assert page.locator("#channel-h").inner_text() == "Channel 285: Egyptian cat"
    page.locator("#mosaic").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#mosaic-value").inner_text().startswith("channel 286, cougar: mean ")


def test_a_layer_is_told_in_words_and_its_values_counted(opened, made):
    page = opened(made.path)
    look(page, layer="fire9_expand3x3")
    maps = made.maps["fire9_expand3x3"][0]
    dead = int((maps == 0).all(axis=(0, 1)).sum())
    assert page.locator("#layer-words").inner_text() == (
        "Conv2D with kernel 3 × 3, stride 1, padding same; 147,712 parameters. It makes 256 channels "
        f"of 13 × 13. Receptive field: 207 × 207 px, stride 16. {dead} of 256 channels are dead for "
        "this photo: zero everywhere."
    )
    assert page.locator("#tree [aria-selected=true] .dead").inner_text() == f"{dead} dead"
    words = page.locator("#histogram-words").inner_text()
    low, high, zero, most, start, end = (
        float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?", words)
    )
    assert (low, high) == (0, pytest.approx(float(maps.max()), rel=1e-3))
    # What is almost zero is carried as zero.
    assert zero == pytest.approx(100 * (maps == 0).mean(), abs=1)
    counts, edges = np.histogram(maps[maps > 0], bins=40, range=(0, maps.max()))
    bars = page.locator("#histogram rect.fill").evaluate_all(
        "all => all.map(e => +e.getAttribute('height'))"
    )
    np.testing.assert_allclose(np.array(bars) / 100, counts / counts.max(), atol=0.04)
    assert (start, end) == pytest.approx(tuple(edges[:2]), rel=1e-3)
    assert most == pytest.approx(100 * counts[0] / maps.size, abs=0.2)
    assert words in page.locator("#histogram svg").get_attribute("aria-label")


def test_what_a_group_holds_is_scrolled_into_view(opened, made):
    """Though it is opened at the lower edge of the tree; the page stays where it is."""
    page = opened(made.path)
    group = page.locator("#tree .row.group", has_text="fire9").first
    group.evaluate(
        """one => {
        const tree = document.querySelector('#tree');
        scrollTo({ top: scrollY + tree.getBoundingClientRect().bottom - innerHeight + 8,
                   behavior: 'instant' });
        tree.scrollTop += one.getBoundingClientRect().bottom - tree.getBoundingClientRect().bottom;
        }"""
    )
    before = page.evaluate("scrollY")
    group.click()
    last = group.locator("xpath=following-sibling::ul/li").last
    tree, row, held = (one.bounding_box() for one in (page.locator("#tree"), group, last))
    assert held["y"] + held["height"] <= tree["y"] + tree["height"] + 1
    assert row["y"] >= tree["y"]
    assert page.evaluate("scrollY") == before


def test_the_tree_folds_is_searched_and_worked_by_keys(opened, made):
    page = opened(made.path)
    tree = page.locator("#tree")
    focused = "document.activeElement.querySelector('.name').textContent"
    page.locator("#tree [tabindex='0']").focus()
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "fire2…"
    assert not tree.get_by_text("fire2_expand1x1").is_visible()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) == "fire2_expand1x1"
    page.keyboard.press("Enter")
    drawn(page)
    assert address(page) == {"layer": "fire2_expand1x1"}
    assert page.locator("#layer-h").inner_text() == "fire2_expand1x1 Conv2D"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(focused) == "fire2…"
    assert not tree.get_by_text("fire2_expand1x1").is_visible()
    page.fill("#tree-search", "MAXPOOL")
    assert page.locator("#tree-found").inner_text() == "3 of 42 layers"
    seen = tree.locator("[role=treeitem]:visible .name").all_inner_texts()
    assert seen == ["pool1", "pool3", "pool5"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    drawn(page)
    assert address(page)["layer"] == "pool5"


def test_the_graph_marks_the_layer_and_its_path_and_is_moved(opened, made):
    page = opened(made.path, reduced_motion="reduce")
    page.locator("svg a.node", has_text="fire5_expand3x3").click()
    drawn(page)
    assert address(page) == {"layer": "fire5_expand3x3"}
    heading = page.locator("#layer-h").bounding_box()
    assert page.locator("nav").bounding_box()["height"] <= heading["y"] < 850
    along = page.locator("svg a.node.along text:first-of-type").all_text_contents()
    told = made.report.facts()["layers"]
    # By the layers' sources, walked here.
    before, after = {"fire5_expand3x3"}, {"fire5_expand3x3"}
    for entry in reversed(told):
        if entry["path"] in before:
            before |= set(entry["sources"])
    for entry in told:
        if after & set(entry["sources"]):
            after.add(entry["path"])
    assert set(along) == before | after
    assert "fire5_expand1x1" not in along
    box = page.locator(".drawing.shown .graph")
    node = page.locator("svg a.node[aria-current]").bounding_box()
    frame = box.bounding_box()
    assert frame["y"] <= node["y"] <= frame["y"] + frame["height"] - node["height"]
    width = page.locator(".drawing.shown svg").bounding_box()["width"]
    page.click("#graph-in")
    assert page.locator(".drawing.shown svg").bounding_box()["width"] == pytest.approx(
        1.25 * width, rel=1e-3
    )
    page.click("#graph-fit")
    assert page.locator(".drawing.shown svg").bounding_box()["width"] <= frame["width"]
    before_drag = box.evaluate("e => e.scrollTop")
    page.mouse.move(frame["x"] + 20, frame["y"] + 150)
    page.mouse.down()
    page.mouse.move(frame["x"] + 20, frame["y"] + 90, steps=3)
    page.mouse.up()
    assert box.evaluate("e => e.scrollTop") == pytest.approx(before_drag + 60, abs=1)
    assert address(page) == {"layer": "fire5_expand3x3"}


def test_a_channel_is_chosen_by_a_click_and_read_by_the_keyboard(opened, made, squeezenet):
    page = opened(made.path)
    look(page, layer="fire2_expand3x3")
    canvas = page.locator("#mosaic")
    canvas.scroll_into_view_if_needed()
    # Channel 18 is the third of the second row, each 57 of 911 wide.
    scale = canvas.bounding_box()["width"] / 911
    canvas.click(position={"x": (2 * 57 + 10.5) * scale, "y": (57 + 20.5) * scale})
    drawn(page)
    heading = page.locator("#channel-h")
    assert heading.inner_text() == "Channel 18"
    assert address(page)["ch"] == "18"
    page.focus("#channel-map")

    def told():
        value = page.locator("#channel-value").inner_text()
        row, column, number = re.fullmatch(r"Row (\d+), column (\d+): (\S+)", value).groups()
        return int(row), int(column), float(number)

    # A browser gives a click's place in whole pixels of the screen, of which a cell has one here.
    row, column, _ = told()
    assert max(abs(row - 20), abs(column - 10)) <= 2
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert told()[:2] == (row + 1, column + 2)
    row, column, number = told()
    assert place_of(page) == pytest.approx(middle_of(squeezenet, row, column), abs=1e-4)
    channel = made.maps["fire2_expand3x3"][0, :, :, 18]
    assert abs(number - channel[row, column]) <= np.ptp(channel) / 510 + 1e-3 * abs(
        channel[row, column]
    )
    np.testing.assert_allclose(field(page), expected_field(squeezenet, row, column), atol=1e-3)
    kernel = made.weights["fire2_expand3x3/kernel"][..., 18]
    words = page.locator("#channel-kernel-detail").inner_text()
    assert words.startswith("Kernel, 3 × 3, 16 input channels; from ")
    assert abs(float(words.split()[-2]) - np.abs(kernel).max()) < 1e-3
    panels = pixels(page, "#channel-kernel")
    blue_white_red = palette("bwr")[stretched(kernel, -np.abs(kernel).max(), np.abs(kernel).max())]
    assert np.abs(panels[4:7, 8:11] - blue_white_red[:, :, 6].astype(int)).max() <= 3
    page.keyboard.press("PageDown")
    drawn(page)
    assert heading.inner_text() == "Channel 19"
    page.reload()
    drawn(page)
    assert heading.inner_text() == "Channel 19"
    page.go_back()
    drawn(page)
    assert heading.inner_text() == "Channel 18"


def place_of(page):
    return [float(share) for share in address(page)["at"].split(",")]


def middle_of(network, *cell, path="fire2_expand3x3"):
    """Return where the middle of what a cell sees lies, as shares of the photo."""
    seen = network.layers[path].receptive_field
    steps = zip(seen.centre, seen.stride, cell, strict=True)
    return [float(centre + at * stride + Fraction(1, 2)) / 227 for centre, stride, at in steps]


def field(page):
    return page.locator("#channel-photo .field").evaluate(
        "e => ['top', 'left', 'height', 'width'].map(key => parseFloat(e.style[key]))"
    )


def expected_field(network, row, column):
    """Return what of the photo a cell sees, in hundredths of it, without what is beyond the border."""
    seen = network.layers["fire2_expand3x3"].receptive_field
    first = np.array(
        [float(seen.offset[a] + at * seen.stride[a]) for a, at in ((0, row), (1, column))]
    )
    ends = np.clip(first + np.array(seen.size), 0, 227)
    first = np.clip(first, 0, 227)
    return [*(100 * first / 227), *(100 * (ends - first) / 227)]


def test_a_field_over_the_border_is_framed_where_there_is_photo(opened, made, squeezenet):
    page = opened(made.path)
    for place, row, column in (("0,0", 0, 0), ("1,1", 55, 55)):
        look(page, layer="fire2_expand3x3", ch=18, at=place)
        assert field(page) == pytest.approx(expected_field(squeezenet, row, column), abs=1e-3)
    assert squeezenet.layers["fire2_expand3x3"].receptive_field.offset[0] < 0


@pytest.mark.parametrize("path", ["fire2_expand3x3", "conv10"])
def test_one_channel_is_drawn_on_a_linear_scale_with_its_bar(opened, made, path):
    page = opened(made.path)
    look(page, layer=path, ch=3)
    channel = made.maps[path][0, :, :, 3]
    ends = [number(page.locator(f"#channel-{end}").inner_text()) for end in ("low", "high")]
    signed = channel.min() < 0
    peak = float(np.abs(channel).max())
    low, high = (-peak, peak) if signed else (float(channel.min()), float(channel.max()))
    assert ends == pytest.approx([low, high], rel=1e-3)
    cmap = "bwr" if signed else "viridis"
    expected = palette(cmap)[stretched(channel, low, high)].astype(int)
    # One step of the page's numbers is one level, which moves a colour by a little.
    assert np.abs(pixels(page, "#channel-map") - expected).max() <= 6
    bar = pixels(page, "#channel-bar")[0]
    np.testing.assert_array_equal(bar[[0, -1]], palette(cmap)[[0, -1]])


def test_the_value_follows_the_pointer_and_the_tile_is_framed(opened, made):
    page = opened(made.path)
    look(page, layer="conv1")
    canvas = page.locator("#mosaic")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    scale = box["width"] / 1823
    canvas.hover(position={"x": (114 + 56.5) * scale, "y": 30.5 * scale})
    words = page.locator("#mosaic-value").inner_text()
    channel, row, column, number = re.fullmatch(
        r"channel (\d+), row (\d+), column (\d+): (\S+)", words
    ).groups()
    assert channel == "1"
    plane = made.maps["conv1"][0, :, :, 1]
    value = plane[int(row), int(column)]
    assert abs(float(number) - value) <= np.ptp(plane) / 510 + 1e-3 * abs(value)
    assert page.locator("#mosaic-tip").inner_text() == f"channel 1: {number}"
    frame = page.locator("#mosaic-outline").bounding_box()
    assert (frame["x"], frame["width"]) == pytest.approx(
        (box["x"] + 114 * scale, 113 * scale), abs=1
    )


def test_arrow_keys_move_in_the_mosaic_and_enter_opens_a_channel(opened, made):
    page = opened(made.path)
    look(page, layer="fire2_squeeze1x1")
    page.focus("#mosaic")
    maps = made.maps["fire2_squeeze1x1"][0]
    for key, channel in (
        ("ArrowRight", 1),
        ("End", 15),
        ("ArrowRight", 15),
        ("ArrowDown", 15),
        ("ArrowLeft", 14),
    ):
        page.keyboard.press(key)
        words = page.locator("#mosaic-value").inner_text()
        found, mean, low, high = re.fullmatch(
            r"channel (\d+): mean (\S+), from (\S+) to (\S+)", words
        ).groups()
        assert int(found) == channel
        plane = maps[..., channel]
        assert [float(mean), float(low), float(high)] == pytest.approx(
            [plane.mean(), plane.min(), plane.max()], rel=1e-3
        )
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.id === 'channel-h'")
    assert page.locator("#channel-h").inner_text() == "Channel 14"
    assert address(page) == {"layer": "fire2_squeeze1x1", "ch": "14"}


def test_files_of_a_channel_hold_its_map(opened, made, tmp_path):
    page = opened(made.path, accept_downloads=True)
    look(page, layer="fire2_expand3x3", ch=18)
    channel = made.maps["fire2_expand3x3"][0, :, :, 18]
    step = np.ptp(channel) / 510 + 1e-6
    for kind in ("csv", "npy", "png"):
        with page.expect_download() as waiting:
            page.click(f"#channel-{kind}")
        assert waiting.value.suggested_filename == f"cat.png_fire2_expand3x3_18.{kind}"
        waiting.value.save_as(tmp_path / f"map.{kind}")
    rows = np.loadtxt(tmp_path / "map.csv", delimiter=",", skiprows=1)[:, 1:]
    np.testing.assert_allclose(rows, channel, atol=step)
    found = np.load(tmp_path / "map.npy")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, channel, atol=step)
    picture = np.asarray(Image.open(tmp_path / "map.png").convert("RGB")).astype(int)
    assert picture.shape == (504, 504, 3)
    np.testing.assert_array_equal(picture[::9, ::9], pixels(page, "#channel-map"))


def test_a_channel_says_what_it_counts_for_each_class(opened, made):
    page = opened(made.path)
    look(page, layer="fire9_expand3x3", ch=24)
    lines = page.locator("#channel-classes li").all()
    assert len(lines) == 2
    for line, name, index in zip(lines, ("Egyptian cat", "tabby"), (285, 281), strict=True):
        weights = weights_of(made, index)
        side, said = (
            span.inner_text() for span in (line.locator("span").first, line.locator(".quiet"))
        )
        sign = (
            "neither for nor against"
            if weights[24] == 0
            else "for"
            if weights[24] > 0
            else "against"
        )
        assert side == f"{sign} {name}"
        value, rank = re.fullmatch(r"(\S+), rank (\d+) of 256", said).groups()
        assert number(value) == pytest.approx(weights[24], rel=1e-3)
        assert int(rank) == 1 + int((weights > weights[24]).sum())


def test_the_pattern_of_a_channel_is_with_it(opened, made):
    page = opened(made.path)
    (path, drawn_for), *_ = page.evaluate(
        "Object.entries(JSON.parse(document.getElementById('told').textContent).patterns)"
    )
    labels = [one["made_for"] for one in made.report.facts()["patterns"] if one["arrived"]]
    assert [f"{path} filter {channel}" for channel in drawn_for] == sorted(
        labels, key=lambda at: int(at.split()[-1])
    )
    channel, place = next(iter(drawn_for.items()))
    look(page, layer=path, ch=channel)
    source = page.locator("#channel-pattern").evaluate("e => e.src")
    figure = page.locator("#patterns figure").nth(place)
    assert figure.locator("img").evaluate("e => e.src") == source
    assert figure.locator("bdi").inner_text() == f"{path} filter {channel}"


def test_kernels_are_with_the_first_convolution_alone(opened, made):
    page = opened(made.path)
    look(page, layer="conv1")
    kernel = made.weights["conv1/kernel"][..., 17]
    words = page.locator("#kernels-words").inner_text()
    assert words.startswith(
        "The 64 kernels of the first convolution: 3 × 3 over 3 channels, as col"
    )
    found = tile(pixels(page, "#kernels"), 17, 3)
    assert np.abs(found - (127.5 + 127.5 * kernel / np.abs(kernel).max())).max() <= 2
    look(page, layer="fire2_expand3x3")
    assert not page.locator("#layer-kernels").is_visible()


def test_a_nested_model_opens_in_place_and_leads_back(opened, hostile):
    page = opened(hostile.path)
    page.locator(".drawing.shown a.node.model").click()
    drawn(page)
    shown = page.locator(".drawing.shown")
    assert shown.get_attribute("data-path") == sanitise(HOSTILE["block"])
    assert shown.locator("a.node").count() == 1
    assert (
        page.locator("#layer-without").inner_text() == "It holds other layers: choose one of them."
    )
    shown.locator("a.node").click()
    drawn(page)
    assert page.locator("#layer-h").inner_text().endswith("__proto__ Conv2D")
    page.locator("#graph-where button").click()
    assert page.locator(".drawing.shown a.node").count() == 5


def test_photos_can_be_changed_and_the_last_choice_is_seen(opened, hostile):
    page = opened(hostile.path)
    drawn(page)
    before = pixels(page, "#mosaic")
    choose(page, "#maps-photo", "1")
    assert address(page) == {"photo": "1"}
    assert (pixels(page, "#mosaic") != before).any()
    page.go_back()
    drawn(page)
    np.testing.assert_array_equal(pixels(page, "#mosaic"), before)
    page.reload()
    # The numbers of the second photo take their time.
    page.evaluate("""() => {
        const unpack = Response.prototype.arrayBuffer;
        Response.prototype.arrayBuffer = async function () {
            await new Promise((done) => setTimeout(done, 300));
            return unpack.call(this);
        };
    }""")
    for photo in "10":
        page.select_option("#maps-photo", photo)
    drawn(page)
    np.testing.assert_array_equal(pixels(page, "#mosaic"), before)


def test_names_fit_their_boxes(opened, tmp_path):
    keras.utils.set_random_seed(0)
    report = kviz.report(
        keras.applications.ResNet50(
            weights=None, input_shape=(32, 32, 3), include_top=False, pooling="avg"
        ),
        np.zeros((1, 32, 32, 3), np.uint8),
        tmp_path / "resnet.html",
        quick=True,
        methods=(),
        layer_names="conv1_conv",
    )
    page = opened(report.path)
    over = page.evaluate("""() => [...document.querySelectorAll("a.node")].flatMap((node) => {
        const box = node.querySelector("rect").getBBox();
        return [...node.querySelectorAll("text")].filter((text) => {
            const { x, width } = text.getBBox();
            return !(width > 0 && x >= box.x && x + width <= box.x + box.width);
        }).map((text) => text.textContent);
    })""")
    assert page.locator("a.node").count() == 176
    assert over == []


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1440, 900)])
def test_a_page_is_no_longer_than_twelve_screens(opened, made, width, height):
    page = opened(made.path, width=width)
    drawn(page)
    assert page.evaluate("document.documentElement.scrollHeight") <= 12 * height
    columns = (page.locator("#mosaic").evaluate("e => e.width") + 1) // 114
    assert columns == (8 if width == 390 else 16)
    assert page.locator("#inspector").is_visible() == (width == 1440)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_a_script_graph_and_table_are_there(opened, made):
    page = opened(made.path, ready=False, java_script_enabled=False)
    assert page.locator("#graphs svg a.node", has_text="fire5_expand3x3").is_visible()
    for control in ("#tree-search", "#mosaic", "#channel-map", "#graph-in"):
        assert not page.locator(control).is_visible()
    page.locator("#layer-table summary").click()
    assert page.locator("#layer-table th", has_text="fire5_expand3x3").is_visible()
