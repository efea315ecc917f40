"""The app in Chromium: all of it is driven as somebody at a screen would, with a small net behind."""

import base64
import io
import json
import re
import sys
from importlib.metadata import PackageNotFoundError, version

import keras
import numpy as np
import pytest
from PIL import Image
from serve_asker import held

import kviz
from kviz.extras import install_command
from kviz.serve.app import make_app
from kviz.serve.photos import Photo
from kviz.serve.server import Server, listening
from kviz.serve.session import Session

TOKEN = "a-token-of-the-tests"  # noqa: S105 - of the tests alone
NAMES = ["cat", "dog", "owl"]
AXE = "tests/reports/axe.min.js"


@pytest.fixture(scope="module")
def other(small):
    """A second model of the same input, whose answers are another order of the first's."""
    keras.utils.set_random_seed(4)
    return kviz.Network(keras.models.clone_model(small.model), class_names=["ox", "elk", "yak"])


@pytest.fixture(scope="module")
def app(small, other, file):
    photos = [Photo(name="first.png", file=file(5).tobytes())]
    session = Session([small, other], photos)
    bound = listening("127.0.0.1", 0)
    server = Server(make_app(session, TOKEN), bound)
    server.start()
    yield f"http://127.0.0.1:{bound.getsockname()[1]}/?token={TOKEN}", session
    server.stop()
    session.close()


@pytest.fixture
def opened(chromium, app):
    contexts, wrong = [], []

    def open_page(*, width=1440, **options):
        context = chromium.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else 0)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(app[0])
        page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def card(page):
    rows = page.locator("#cards .bars tbody tr").all_inner_texts()
    return [" ".join(row.split()) for row in rows]


def expected(network, pixels):
    """Return what a card says, by kviz's own verb."""
    found = kviz.predict(network, pixels, top=3)
    return [f"{row.name} {100 * row.score:.1f} %" for row in found.rows[0]]


def shown(locator):
    """Return what a canvas shows."""
    url = locator.evaluate("canvas => canvas.toDataURL()")
    data = io.BytesIO(base64.b64decode(url.partition(",")[2]))
    return np.asarray(Image.open(data).convert("RGB"))


def number(text):
    """Return a number as the page writes it: its minus is no hyphen."""
    return float(text.replace("−", "-"))


def drop(page, name, data):
    """Drop a file on the page."""
    page.evaluate(
        """([name, text]) => {
        const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([bytes], name, { type: 'image/png' }));
        const options = { dataTransfer, bubbles: true, cancelable: true };
        document.body.dispatchEvent(new DragEvent('drop', options));
        }""",
        [name, base64.b64encode(bytes(data)).decode()],
    )


def test_the_given_photo_is_answered_explained_and_looked_into(opened, app, small):
    page = opened()
    page.wait_for_selector("#overview button[data-method=saliency]")
    given = app[1].sides[0].fitted(app[1].given[0]).pixels
    assert card(page) == expected(small, given)
    page.wait_for_selector("#mosaic")
    assert page.locator("#layer-h bdi").inner_text() == "conv"
    page.wait_for_selector("#overview button[data-method=grad_cam]")
    assert page.locator("#overview button").count() == 4
    # As in a report, below the answer.
    legend = page.locator("#verdict-words")
    assert "undecided” one below 10, “leaning” in between. It is" in legend.inner_text()
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    assert card(page) == expected(small, given)


def test_of_photos_dropped_one_after_another_the_last_is_looked_at(opened, app, file):
    page = opened()
    names = ["one.png", "two.png", "three.png"]
    with held(app[1]):  # all of them come before the first is answered
        for seed, name in enumerate(names, 30):
            drop(page, name, file(seed).tobytes())
    page.wait_for_function("() => document.querySelectorAll('#strip button').length === 4")
    told = page.locator("#strip button").evaluate_all("all => all.map((one) => one.title)")
    assert told == ["first.png", *names]
    page.wait_for_selector("#strip button[aria-pressed=true][title='three.png']")
    assert page.locator("#cards h3").all_inner_texts() == ["three.png"]


def test_a_dropped_photo_is_looked_at_and_a_reload_keeps_it(opened, app, small, file):
    page = opened()
    drop(page, "dropped.png", file(6).tobytes())
    page.wait_for_function("() => document.querySelectorAll('#strip button').length === 2")
    page.wait_for_function(
        "() => document.querySelector('#cards h3').textContent === 'dropped.png'"
    )
    assert "photo=1" in page.evaluate("location.hash")
    found = card(page)
    assert found == expected(small, app[1].sides[0].fitted(kept(page, app)).pixels)
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    assert page.locator("#strip button").count() == 2
    assert card(page) == found
    page.go_back()


def kept(page, app):
    """Return the photo that is looked at, as the session keeps it."""
    at = int((re.search(r"photo=(\d+)", page.evaluate("location.hash")) or [0, 0])[1])
    entries = json.loads(page.evaluate("sessionStorage.getItem('kviz-photos')"))
    return app[1].photo(entries[at]["photo"])


def test_what_is_no_photo_is_one_sentence(opened):
    page = opened()
    before = card(page)
    drop(page, "notes.png", b"not a picture")
    page.wait_for_selector("#trouble:not([hidden])")
    assert re.search(r"notes|image|picture", page.locator("#trouble").inner_text())
    assert card(page) == before


def test_what_is_said_of_one_file_stands_when_the_next_is_looked_at(opened, file):
    page = opened()
    good = {"name": "good.png", "mimeType": "image/png", "buffer": file(21).tobytes()}
    page.set_input_files("#file", [{**good, "name": "notes.png", "buffer": b"no picture"}, good])
    page.wait_for_function("() => document.querySelector('#cards h3')?.textContent === 'good.png'")
    page.wait_for_selector("#trouble:not([hidden])")
    assert "notes.png" in page.locator("#trouble").inner_text()


def test_what_went_wrong_is_closed_and_taken_back(opened, monkeypatch):
    page = opened()
    page.wait_for_selector("#overview button[data-method=saliency]")
    page.fill("#dream-class", "no such class")

    def fail():
        page.click("#dream-start")
        page.wait_for_selector("#trouble:not([hidden])")

    fail()
    page.get_by_role("button", name="Close this message").click()
    assert page.locator("#trouble").is_hidden()
    # Who used the keys is where they were.
    assert page.evaluate("document.activeElement.id") == "dream-start"
    fail()
    page.keyboard.press("Escape")
    assert page.locator("#trouble").is_hidden()
    fail()
    # Nothing lies under it for good: at the end of the page it is below all else.
    page.evaluate("scrollTo({ top: document.documentElement.scrollHeight, behavior: 'instant' })")
    last, note = (page.locator(one).bounding_box() for one in ("#dreams", "#trouble"))
    assert note["y"] >= last["y"] + last["height"]
    # What is asked next, and succeeds, takes it back; what does not says what it was.
    page.select_option("#more-method", "input_x_gradient")
    page.click("#more-start")
    page.wait_for_selector("#trouble", state="hidden")
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    page.select_option("#more-method", "lime")
    page.click("#more-start")
    page.wait_for_selector("#trouble:has-text('LIME needs scikit-image')")


def test_photos_that_come_at_once_take_no_place_of_each_other(opened, app, file):
    page = opened()
    with held(app[1]):
        for seed in (22, 23):
            drop(page, f"{seed}.png", file(seed).tobytes())
    page.wait_for_function("() => document.querySelectorAll('#strip button').length === 3")
    names = page.locator("#strip button").evaluate_all("all => all.map(one => one.title)")
    assert sorted(names) == ["22.png", "23.png", "first.png"]


def test_edits_change_what_the_model_sees_and_the_bars_follow(opened, app, small):
    page = opened()
    before = card(page)
    bars = page.evaluate("document.querySelector('#cards .bars').innerText")
    page.locator("#edit-turn").fill("90")
    page.wait_for_function(
        "before => document.querySelector('#cards .bars').innerText !== before", arg=bars
    )
    page.wait_for_function("() => document.querySelectorAll('#strip button').length === 2")
    # What the model was given is what is on the canvas.
    seen = shown(page.locator("#view-canvas"))
    assert card(page) == expected(small, seen[None])
    base = app[1].sides[0].fitted(app[1].given[0]).pixels[0]
    middle = base[4:12, 2:10]
    turned = np.rot90(middle, -1)
    assert np.abs(seen[4:12, 2:10].astype(int) - turned.astype(int)).mean() < 30
    assert page.locator("#edit-words").inner_text() == "rotated by 90°"
    assert page.locator("#edit-turn-value").inner_text() == "90°"
    assert page.locator("#edit-turn").input_value() == "90"
    page.click("#edit-reset")
    page.wait_for_function("() => document.querySelector('#cards h3').innerText === 'first.png'")
    assert card(page) == before
    assert not re.search(r"photo=[1-9]", page.evaluate("location.hash"))
    assert page.locator("#edit-turn").input_value() == "0"
    sliders = ("size", "noise", "x", "y", "turn")
    said = [page.locator(f"#edit-{one}-value").inner_text() for one in sliders]
    assert said == ["12 %", "0 of 255", "0 %", "0 %", "0°"]
    page.locator("#edit-x").fill("-10")
    assert page.locator("#edit-x-value").inner_text() == "−10 %"
    page.locator("#edit-size").fill("20")
    assert page.locator("#edit-size-value").inner_text() == "20 %"


def test_the_brush_covers_what_it_is_drawn_over(opened, small):
    page = opened()
    page.select_option("#edit-brush", "0")
    page.locator("#edit-size").fill("40")
    canvas = page.locator("#view-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 5, middle[1])
    page.mouse.up()
    page.wait_for_function("() => document.querySelectorAll('#strip button').length === 2")
    seen = shown(canvas)
    assert (seen[8, 6] == 0).all()
    assert seen[0, 0].any()
    assert card(page) == expected(small, seen[None])


def test_the_crop_is_moved_by_keys(opened, app, small):
    page = opened()
    before = page.locator("#crop").evaluate("e => parseFloat(e.style.left)")
    page.focus("#crop")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "before => parseFloat(document.querySelector('#crop').style.left) < before", arg=before
    )
    page.wait_for_timeout(500)
    photo = kept(page, app)
    left, top, right, bottom = photo.box
    given = app[1].sides[0].fitted(photo).pixels[0]
    whole = Image.open(io.BytesIO(app[1].given[0].file))
    cut = whole.crop((round(left), round(top), round(right), round(bottom)))
    own = np.asarray(cut.resize((12, 16), Image.Resampling.BILINEAR), float)
    assert np.corrcoef(own.ravel(), np.ravel(given))[0, 1] > 0.9
    assert card(page) == expected(small, given[None])


def test_a_channel_s_value_is_worked_out(opened, app, small):
    page = opened()
    page.evaluate("location.hash = '#layer=conv&ch=2&at=0.4375,0.4167'")
    page.wait_for_selector("#patch h4")
    words = page.locator("#patch > p").inner_text()
    value = number(re.search(r"after relu: (\S+?)\.?$", words)[1])
    given = app[1].sides[0].fitted(app[1].given[0]).pixels
    own = kviz.activations(small, given, "conv")["conv"][0, 3, 2, 2]
    assert value == pytest.approx(float(own), abs=1e-3)
    parts = [
        number(text.lstrip("= "))
        for text in page.locator("#patch .sum > tbody > tr > td.number").all_inner_texts()
    ]
    total, bias = map(
        number,
        re.search(r"All 3 input channels together: (\S+); with the bias (\S+):", words).groups(),
    )
    assert sum(parts) == pytest.approx(total, abs=1e-2)
    assert bias == pytest.approx(float(small.model.get_layer("conv").bias.numpy()[2]), abs=1e-4)


def test_the_channel_that_is_shown_is_worked_out_and_pinned_though_nobody_chose_it(opened):
    page = opened()
    page.wait_for_selector("#patch h4")
    assert "ch=" not in page.evaluate("location.hash")
    shown = re.search(r"\d+", page.locator("#channel-h").inner_text())[0]
    value = number(page.locator("#channel-value").inner_text().partition(": ")[2])
    words = page.locator("#patch > p").inner_text()
    worked = number(re.search(r"after relu: (\S+?)\.?$", words)[1])
    assert worked == pytest.approx(value, rel=0.02, abs=0.01)
    page.click("#pin")
    page.wait_for_selector(f"#pins img[alt='conv, channel {shown}']")
    page.click("#pattern-start")
    page.wait_for_selector("#pattern figcaption", timeout=60000)
    assert page.locator("#pattern figcaption").inner_text() == f"Pattern of conv, channel {shown}"
    # Another one's is not shown as this one's.
    page.click("#channel-after")
    page.wait_for_selector("#pattern figcaption", state="detached")


def test_of_a_layer_that_is_not_worked_out_a_quiet_line_says_so(opened):
    page = opened()
    page.evaluate("location.hash = '#layer=scale&ch=1&at=0.4375,0.4167'")
    line = "Kernel × patch is shown for convolutions and pooling."
    page.wait_for_selector(f"#patch p.quiet:has-text('{line}')")
    page.wait_for_timeout(300)
    assert page.locator("#trouble").is_hidden()


def test_a_pattern_arrives_and_can_be_stopped(opened):
    page = opened()
    page.evaluate("location.hash = '#layer=conv&ch=1'")
    page.click("#pattern-start")
    page.wait_for_selector("#pattern figcaption")
    picture = shown(page.locator("#pattern canvas"))
    assert picture.std() > 0
    page.fill("#pattern-seed", "7")
    # At once, since a pattern of so small a net is there in no time.
    stop = page.evaluate(
        """() => {
        document.querySelector('#pattern-start').click();
        const stop = document.querySelector('#pattern-stop');
        const isThere = !stop.hidden;
        stop.click();
        return isThere;
        }"""
    )
    assert stop
    page.wait_for_selector("#pattern-start:not([hidden])")
    assert page.locator("#pattern-stop").is_hidden()


@pytest.mark.parametrize(
    "address",
    [
        "layer=nope&ch=1&at=0.5,0.5",
        "layer=conv&ch=99&at=0.5,0.5",
        "layer=conv&ch=x&at=0.5,0.5",
        "layer=conv&ch=1&at=9,-9&photo=7",
        "layer=conv&ch=1&at=1e5&photo=-1&sort=weight-7",
    ],
)
def test_an_address_of_what_is_not_there_is_no_failure(opened, address):
    page = opened()
    page.wait_for_selector("#mosaic")
    page.evaluate(f"location.hash = '#{address}'")
    # What is there of it is shown, of the last photo where there is none of that number.
    page.wait_for_selector("#patch table.sum")
    page.wait_for_timeout(300)
    assert page.locator("#trouble").is_hidden()


def test_a_channel_of_a_large_map_is_pinned(chromium):
    net = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            keras.layers.Conv2D(2, 1, name="conv"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2),
        ]
    )
    pixels = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    session = Session([kviz.Network(net)])
    bound = listening("127.0.0.1", 0)
    server = Server(make_app(session, TOKEN), bound)
    server.start()
    page = chromium.new_page()
    try:
        page.goto(
            f"http://127.0.0.1:{bound.getsockname()[1]}/?token={TOKEN}#layer=conv&ch=1&at=0,0"
        )
        page.wait_for_selector("html[data-ready]", state="attached")
        # Before there is any photo the address is no failure either.
        page.wait_for_timeout(300)
        assert page.locator("#trouble").is_hidden()
        held = io.BytesIO()
        Image.fromarray(pixels).save(held, "PNG")
        drop(page, "noise.png", held.getvalue())
        page.wait_for_selector("#mosaic")
        page.click("#pin")
        page.wait_for_selector("#pins img[alt='conv, channel 1'], #trouble:not([hidden])")
        assert page.locator("#trouble").is_hidden()
    finally:
        page.close()
        server.stop()
        session.close()


def test_channels_are_pinned_four_at_most(opened):
    page = opened()
    for channel in range(5):
        page.evaluate(f"location.hash = '#layer=conv&ch={channel}'")
        page.wait_for_function(
            f"() => document.querySelector('#channel-h').textContent.includes({channel})"
        )
        page.click("#pin")
    # The last of five drawings is the one that stays, whichever answer comes last.
    page.wait_for_selector("#pins img[alt='conv, channel 4']")
    page.wait_for_timeout(300)
    names = page.locator("#pins img").evaluate_all("all => all.map((one) => one.alt)")
    assert names == [f"conv, channel {channel}" for channel in (1, 2, 3, 4)]
    page.locator("#pins button", has_text="Unpin").first.click()
    page.wait_for_function("() => document.querySelectorAll('#pins figure').length === 3")


def test_another_method_is_computed_when_it_is_asked_for(opened, file):
    page = opened()
    page.wait_for_selector("#overview button[data-method=saliency]")
    page.select_option("#more-method", "occlusion")
    page.click("#more-start")
    page.wait_for_selector("#overview button[data-method=occlusion]", timeout=60000)
    assert page.locator("#why-method").input_value() == "occlusion"
    assert "method=occlusion" in page.evaluate("location.hash")
    # What is there is not offered again, of another photo it is.
    offered = "all => all.map((one) => one.value)"
    left = page.locator("#more-method option").evaluate_all(offered)
    assert not {"grad_cam", "saliency", "occlusion"} & set(left)
    assert {"lime", "integrated_gradients"} <= set(left)
    drop(page, "other.png", file(31).tobytes())
    page.wait_for_function("() => document.querySelectorAll('#strip button').length === 2")
    page.wait_for_selector("#more-method option[value=occlusion]", state="attached")


def test_a_method_whose_package_is_missing_is_not_to_be_chosen(small, chromium, monkeypatch):
    def version_of(name):
        if name == "scikit-image":
            raise PackageNotFoundError
        return version(name)

    monkeypatch.setattr("kviz.extras.version", version_of)
    session = Session([small])
    bound = listening("127.0.0.1", 0)
    server = Server(make_app(session, TOKEN), bound)
    server.start()
    page = chromium.new_page()
    try:
        page.goto(f"http://127.0.0.1:{bound.getsockname()[1]}/?token={TOKEN}")
        page.wait_for_selector("html[data-ready]", state="attached")
        missing = page.locator("#more-method option:disabled").all_inner_texts()
        command = install_command("superpixels")
        names = ("Kernel SHAP", "LIME", "XRAI")
        assert sorted(missing) == [f"{name} (not installed: {command})" for name in names]
    finally:
        page.close()
        server.stop()
        session.close()


def test_a_photo_that_fools_it_can_be_looked_at(opened):
    page = opened()
    least = card(page)[-1].split()[0]
    assert page.locator("#fool-most").inner_text() == "as little as it takes"
    page.fill("#fool-class", least)
    page.click("#fool-start")
    page.wait_for_selector("#fool-found button", timeout=60000)
    titles = page.locator("#fool-found figcaption").all_inner_texts()
    assert titles[1].startswith("Changed")
    # As wide as there is room, and no wider: on a phone it would push the page aside.
    wide = "one => [one.clientWidth, one.parentElement.clientWidth]"
    canvas, figure = page.locator("#fool-found canvas").first.evaluate(wide)
    assert canvas == figure
    page.click("#fool-found button")
    page.wait_for_function(
        "name => document.querySelector('#cards tbody th').textContent === name", arg=least
    )
    page.fill("#fool-class", "no such class")
    page.click("#fool-start")
    page.wait_for_selector("#trouble:not([hidden])")
    assert "no class called" in page.locator("#trouble").inner_text()


def test_a_class_image_is_made(opened):
    page = opened()
    page.fill("#dream-class", "owl")
    page.click("#dream-start")
    page.wait_for_selector("#dream-found figcaption", timeout=60000)
    assert shown(page.locator("#dream-found canvas")).std() > 0


def test_a_second_model_answers_beside_the_first(opened, app, other):
    page = opened()
    page.wait_for_selector("#cards-other .bars")
    rows = page.locator("#cards-other .bars tbody tr").all_inner_texts()
    # Of the photo as it was sent, not of what this page shows of it.
    given = app[1].sides[1].fitted(app[1].given[0]).pixels
    assert [" ".join(row.split()) for row in rows] == expected(other, given)


def test_the_webcam_is_answered_and_a_frame_kept(opened):
    page = opened(permissions=["camera"])
    page.click("#webcam")
    page.wait_for_function("() => document.querySelector('#cards h3')?.textContent === 'webcam'")
    page.click("#freeze")
    page.wait_for_function("() => document.querySelectorAll('#strip button').length === 2")
    assert page.locator("#webcam").inner_text() == "Webcam"


def test_what_is_seen_is_saved_as_a_page_and_as_python(opened, tmp_path):
    page = opened(accept_downloads=True)

    def saved(button):
        with page.expect_download(timeout=120000) as waiting:
            page.click(button)
        waiting.value.save_as(tmp_path / "made")
        return (tmp_path / "made").read_text()

    page.wait_for_selector("#overview button[data-method=saliency]")
    program = saved("#save-python")
    compile(program, "made.py", "exec")
    # Each photo's own predicted class.
    assert "class_index=[[" in program
    assert "class_index=" not in program.partition("kviz.attribution")[0]
    page.select_option("#more-method", "input_x_gradient")
    page.click("#more-start")
    page.wait_for_selector("#overview button[data-method=input_x_gradient]")
    page.select_option("#why-class", "1")
    found = saved("#save-report")
    told = json.loads(re.search(r'id="told">([^<]*)<', found)[1])
    assert [one["name"] for one in told["photos"]] == ["first.png"]
    methods = [one["method"] for one in told["attributions"]]
    assert methods == ["grad_cam", "saliency", "input_x_gradient"]
    # The class that was chosen is the one explained there; beside it, the strongest of the others.
    names = page.locator("#why-class option").all_inner_texts()
    for one in told["attributions"]:
        assert [each["name"] for each in one["classes"]] == names[::-1]
    assert "No such images were made for this page" in found
    program = saved("#save-python")
    chosen = NAMES.index(names[1])
    assert f"    class_index={chosen},\n" in program
    assert "methods=['grad_cam', 'saliency', 'input_x_gradient']" in program
    assert "method_named('input_x_gradient')" in program
    assert f"class_index=[[{chosen}, {NAMES.index(names[0])}]]" in program


def test_what_the_pane_why_shows_is_saved_as_a_figure(opened, tmp_path):
    page = opened(accept_downloads=True)
    page.wait_for_selector("#overview button[data-method=saliency]")
    page.select_option("#why-method", "saliency")
    page.select_option("#why-with", "class-1")
    page.wait_for_function("() => document.querySelector('#stage-difference').textContent !== ''")
    with page.expect_download() as waiting:
        page.click("#why-pdf")
    assert waiting.value.suggested_filename == "first.pdf"
    waiting.value.save_as(tmp_path / "first.pdf")
    assert (tmp_path / "first.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("path", ["conv", "groups"])
def test_channels_are_sorted_by_their_value_at_a_place(opened, app, small, path):
    page = opened()
    page.evaluate(f"location.hash = '#layer={path}&sort=place&at=0.9,0.1'")
    page.wait_for_function(
        "path => document.querySelector('#layer-h bdi').textContent === path"
        " && document.querySelector('#maps-first').textContent !== ''",
        arg=path,
    )
    words = page.locator("#maps-first").inner_text()
    first, value, row, column = re.fullmatch(
        r"Channel (\d+): (\S+?)(?:, .+)? \(value at row (\d+), column (\d+); the highest first\)\.",
        words,
    ).groups()
    given = app[1].sides[0].fitted(app[1].given[0]).pixels
    maps = kviz.activations(small, given, path)[path][0]
    # The cell is the one that sees what lies nearest to the place, of 16 × 12 pixels.
    seen = small.layers[path].receptive_field
    for axis, (at, share) in enumerate(((int(row), 0.9), (int(column), 0.1))):
        middles = float(seen.centre[axis]) + float(seen.stride[axis]) * np.arange(maps.shape[axis])
        assert at == np.argmin(np.abs((middles + 0.5) / (16, 12)[axis] - share))
    cell = maps[int(row), int(column)]
    step = float(np.ptp(maps, axis=(0, 1)).max()) / 255
    assert number(value) == pytest.approx(float(cell[int(first)]), rel=1e-3, abs=step)
    assert cell[int(first)] >= cell.max() - step
    # It is the channel that is shown, and its value there.
    assert page.locator("#channel-h").inner_text() == f"Channel {first}"
    assert page.locator("#channel-value").inner_text() == f"Row {row}, column {column}: {value}"


@pytest.mark.parametrize("width", [390, 1440])
def test_nobody_meets_a_barrier(opened, width):
    page = opened(width=width, bypass_csp=True, reduced_motion="reduce")
    page.wait_for_selector("#overview button[data-method=saliency]")
    page.evaluate("location.hash = '#layer=conv&ch=2&at=0.4375,0.4167&with=saliency'")
    page.wait_for_selector("#patch h4")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # Nothing of the sum is hidden at the side.
    live = page.locator("#channel-live")
    assert live.evaluate("one => one.scrollWidth - one.clientWidth") <= 0
    page.add_script_tag(path=AXE)
    # All at once: what is made on demand, a pin, the brush, the crop under the keys, what went wrong.
    page.click("#pin")
    page.click("#pattern-start")
    page.fill("#dream-class", "owl")
    page.click("#dream-start")
    page.wait_for_selector("#pattern figcaption", timeout=60000)
    page.wait_for_selector("#dream-found figcaption", timeout=60000)
    page.select_option("#edit-brush", "0")
    drop(page, "notes.png", b"not a picture")
    page.wait_for_selector("#trouble:not([hidden])")
    page.focus("#crop")
    found = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for one in page.evaluate("axe.run()")["violations"]:
            found.add((scheme, one["id"], one["nodes"][0]["html"][:200]))
    assert found == set()


def test_on_a_phone_a_heading_is_not_below_what_sticks(opened):
    page = opened(width=390, reduced_motion="reduce")
    page.wait_for_selector("#overview button[data-method=saliency]")
    page.click("nav a[href='#inside']")
    page.wait_for_function("() => document.querySelector('nav').getBoundingClientRect().top < 0")
    heading, nav = (page.locator(one).bounding_box() for one in ("#inside-h", "nav"))
    assert nav["y"] + nav["height"] <= heading["y"]
    # The places on the page stay in view.
    assert page.locator("nav a[href='#why']").bounding_box()["y"] >= 0


def test_bars_are_as_on_a_report(opened):
    page = opened()
    page.wait_for_selector("#cards .bars")
    row = page.locator("#cards .bars tbody th").first
    heading = page.locator("#cards h3").first
    assert row.bounding_box()["x"] == heading.bounding_box()["x"]
    assert row.evaluate(
        "e => [getComputedStyle(e).paddingLeft, getComputedStyle(e).borderBottomWidth]"
    ) == ["0px", "0px"]


def test_what_is_no_picture_is_looked_into_all_the_same(chromium, tmp_path):
    from keras import layers

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 12, 10)),
            layers.Conv2D(4, 3, name="conv"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    bands = np.random.default_rng(0).random((8, 12, 10)).astype("float32")
    np.save(tmp_path / "second.npy", bands)
    Image.new("RGB", (12, 8)).save(tmp_path / "photo.png")
    network = kviz.Network(model, class_names=["cat", "dog", "owl"])
    session = Session([network], [Photo(name="first.npy", array=1 - bands[None])])
    bound = listening("127.0.0.1", 0)
    server = Server(make_app(session, TOKEN), bound)
    server.start()
    context, wrong = chromium.new_context(), []
    try:
        page = context.new_page()
        page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else 0)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(f"http://127.0.0.1:{bound.getsockname()[1]}/?token={TOKEN}")
        page.wait_for_selector("#overview button[data-method=saliency]")
        assert card(page) == expected(network, 1 - bands[None])
        page.set_input_files("#file", tmp_path / "second.npy")
        page.wait_for_selector("#strip button:has-text('second.npy')[aria-pressed=true]")
        assert card(page) == expected(network, bands[None])
        page.wait_for_selector("#mosaic")
        for control in ("#view", "#edits"):
            assert not page.locator(control).is_visible()
        page.set_input_files("#file", tmp_path / "photo.png")
        page.wait_for_selector("#trouble:has-text('3 bands, and the model takes 10')")
    finally:
        context.close()
        server.stop()
        session.close()
    assert wrong == []


def test_a_page_that_is_one_too_many_says_so(chromium, small):
    session = Session([small])
    bound = listening("127.0.0.1", 0)
    server = Server(make_app(session, TOKEN, readers=0), bound)
    server.start()
    context = chromium.new_context()
    try:
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{bound.getsockname()[1]}/?token={TOKEN}")
        said = page.locator("#connection", has_text="too many pages are open")
        said.wait_for(timeout=60000)
    finally:
        context.close()
        server.stop()
        session.close()


def test_in_a_notebook_it_asks_the_page_around_it(chromium, small):
    """The widget's own script hands messages on, to a stand-in of a notebook's model."""
    from importlib.resources import files as package_files

    widget = kviz.explore(small, np.zeros((1, 16, 12, 3), np.uint8), names=["grey.png"])
    script = (package_files("kviz.web") / "bundle" / "widget.js").read_text()
    # What the notebook looks like counts, not what the browser is told to prefer.
    context = chromium.new_context(color_scheme="null")
    page = context.new_page()
    waiting = []

    def ask(head, buffers):
        waiting.append((head, [base64.b64decode(text) for text in buffers]))

    page.expose_function("ask", ask)
    told = []
    widget.send = lambda head, buffers=(): told.append((head, [bytes(one) for one in buffers]))
    page.goto("about:blank")
    page.evaluate(
        """async ([script, html]) => {
        const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
        const listeners = new Set();
        document.body.style.background = 'rgb(17 17 17)';
        globalThis.model = {
          get: (name) => ({ page: html, height: 600 })[name],
          send: (head, _, buffers) => ask(head, (buffers ?? []).map(text)),
          on: (_, work) => listeners.add(work), off: (_, work) => listeners.delete(work),
        };
        globalThis.tell = (head, texts) => {
          const bytes = (one) => Uint8Array.from(atob(one), (sign) => sign.charCodeAt(0));
          const views = texts.map((one) => new DataView(bytes(one).buffer));
          listeners.forEach((work) => work(head, views));
        };
        const { default: widget } = await import(`data:text/javascript,${encodeURIComponent(script)}`);
        // One cell, shown twice.
        widget.render({ model, el: document.body });
        widget.render({ model, el: document.body });
        }""",
        [script, widget.page],
    )
    frame, other = page.frame_locator("iframe").first, page.frame_locator("iframe").last
    numbers = []
    for _ in range(600):
        page.wait_for_timeout(50)
        while waiting:
            head, buffers = waiting.pop(0)
            numbers.append(head["id"])
            widget._take(None, head, buffers)
        while told:
            head, buffers = told.pop(0)
            texts = [base64.b64encode(one).decode() for one in buffers]
            page.evaluate(
                "([head, texts]) => tell(head, texts)", [json.loads(json.dumps(head)), texts]
            )
        if all(
            one.locator("#overview button[data-method=saliency]").count() for one in (frame, other)
        ):
            break
    for one in (frame, other):
        assert one.locator("#cards h3").inner_text() == "grey.png"
    assert len(numbers) == len(set(numbers))
    within = frame.locator("html")
    assert within.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches")
    page.evaluate("document.body.style.background = 'white'")
    page.wait_for_timeout(200)
    assert not within.evaluate("() => matchMedia('(prefers-color-scheme: dark)').matches")
    # A link leads to a place of the page, not the frame to the notebook's address.
    frame.locator("nav a[href='#inside']").click()
    page.wait_for_timeout(300)
    assert within.evaluate("() => [location.href, scrollY > 0]") == ["about:srcdoc", True]
    page.evaluate("() => { model.send = () => { throw new Error('Cannot send'); }; }")
    frame.locator("#layer-after").click()
    frame.locator("#trouble").wait_for()
    assert "has ended" in frame.locator("#trouble").inner_text()
    context.close()
    widget.close()


def test_what_a_channel_counts_for_the_classes_is_shown(opened, app):
    page = opened()
    page.evaluate("location.hash = '#layer=conv&ch=2'")
    page.wait_for_function("() => document.querySelector('#channel-h').textContent.includes(2)")
    page.wait_for_selector("#channel-classes li")
    side, photo = app[1].sides[0], app[1].given[0]
    classes, _ = side.explained(photo)
    expected = []
    for index, weights in zip(classes, side.channel_weights(photo)["conv"], strict=True):
        name, rank = side.network.class_names[index], 1 + int((weights > weights[2]).sum())
        expected.append((name, f"rank {rank} of 6"))
    lines = page.locator("#channel-classes li").all_inner_texts()
    for line, (name, rank) in zip(lines, expected, strict=True):
        assert name in line
        assert rank in line
    options = page.locator("#maps-sort option").all_inner_texts()
    assert options[3:] == [f"weight to {name}" for name, _ in expected]


def test_weights_that_cannot_be_had_leave_those_of_no_other_layer(opened, monkeypatch):
    page = opened()
    page.wait_for_selector("#channel-classes li")

    def none(*_):
        raise kviz.LayerError("There are no weights here.")

    monkeypatch.setattr("kviz.serve.asks.weights.ChannelWeights.answer", none)
    page.evaluate("location.hash = '#layer=wide'")
    page.wait_for_function("() => document.querySelector('#layer-h').textContent.includes('wide')")
    page.wait_for_selector("#channel-classes-pane", state="hidden")
