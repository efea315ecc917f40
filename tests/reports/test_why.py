"""The panes Answer and Why in Chromium: what is seen, told and saved is what was computed."""

import base64
import io
import re
import shlex
import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import parse_qs

import keras
import matplotlib as mpl
import numpy as np
import pytest
from click.testing import CliRunner
from hostile import HOSTILE
from PIL import Image

import kviz
from kviz._checks import sanitise
from kviz.cli import main
from kviz.reports.regions import hot_spots, placed

AXE = Path(__file__).with_name("axe.min.js")
ROWS, COLUMNS = ("upper", "centre", "lower"), ("left", "centre", "right")


def drawn(page):
    page.wait_for_selector("#why[data-drawn]", state="attached")


def choose(page, **wanted):
    """Choose by the controls' names, sliders by their values, and wait until it is drawn."""
    for name, value in wanted.items():
        control = page.locator(f"#why-{name}")
        if control.evaluate("e => e.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(str(value))
    drawn(page)


def pixels(locator):
    url = locator.evaluate("canvas => canvas.toDataURL()")
    data = io.BytesIO(base64.b64decode(url.partition(",")[2]))
    return np.asarray(Image.open(data).convert("RGB")).astype(int)


def composed(photo, values, cmap, low, high, opacity=0.8, mask=True):
    """Return a map over a photo in grey, worked out here."""
    grey = photo.astype(float) @ np.array([0.299, 0.587, 0.114])
    level = np.clip(np.rint((values - low) * 255 / (high - low)), 0, 255).astype(int)
    colours = mpl.colormaps[cmap](level)[..., :3] * 255
    share = np.clip(np.abs(values) / high, 0, 1)[..., None] * opacity * np.asarray(mask)[..., None]
    return grey[..., None] * (1 - share) + colours * share


def shown(page):
    return pixels(page.locator("#stage-canvas"))


def bars(page):
    """Return what stands at the ends of each bar."""
    ends = [
        [
            float(word.split()[0].replace("−", "-"))
            for word in page.locator(f"#why .colourbar .{end}").all_inner_texts()
        ]
        for end in ("low", "high")
    ]
    return list(zip(*ends, strict=True))


@pytest.fixture(scope="module")
def report_of(tmp_path_factory):
    """Give what reports on a net of two classes, each the mean of two maps by a weight of its own."""

    def make(*weights, methods=("grad_cam", "input_x_gradient")):
        model = keras.Sequential(
            [
                keras.Input((9, 9, 3)),
                keras.layers.Conv2D(
                    2, 3, activation="relu", kernel_initializer="ones", name="seen"
                ),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(2, activation="softmax", use_bias=False),
            ],
            name="weighed",
        )
        model.layers[-1].set_weights([np.array([weights, weights], "float32")])
        network = kviz.Network(model, class_names=["less", "least"])
        path = tmp_path_factory.mktemp("weighed") / "report.html"
        photo = np.random.default_rng(0).integers(0, 256, (1, 9, 9, 3), np.uint8)
        kviz.report(network, photo, path, methods=methods, quick=True)
        return path

    return make


@pytest.mark.some(every=2)
@pytest.mark.parametrize("method", ["grad_cam", "input_x_gradient"])
def test_a_map_lies_over_the_grey_photo_as_opaque_as_its_values(opened, made, method):
    page = opened(made.path)
    choose(page, method=method, **{"class": "1"})
    found = made.found[method]
    values = found.maps[0, 1]
    peak = np.percentile(np.abs(values), 99)
    signed = method == "input_x_gradient"
    low, cmap = (-peak, "bwr") if signed else (0, "viridis")
    photo = found.photo(0).levels
    expected = composed(photo, values, cmap, low, peak)
    assert np.abs(shown(page) - expected).max() <= 1.5
    ((left, right),) = bars(page)
    assert (left, right) == (pytest.approx(low, rel=1e-3), pytest.approx(peak, rel=1e-3))
    assert page.locator("#why-opacity-value").inner_text() == "80 %"
    choose(page, opacity=40)
    assert np.abs(shown(page) - composed(photo, values, cmap, low, peak, 0.4)).max() <= 1.5
    page.uncheck("#why-grey")
    choose(page, opacity=0)
    np.testing.assert_array_equal(shown(page), photo)


def test_only_the_strongest_pixels_are_kept_and_their_share_is_said(opened, made):
    page = opened(made.path)
    choose(page, method="input_x_gradient", strongest=7)
    found = made.found["input_x_gradient"]
    values = found.maps[0, 0]
    sizes = np.sort(np.abs(values), axis=None)[::-1]
    count = round(0.07 * values.size)
    mask = np.abs(values) >= sizes[count - 1]
    peak = np.percentile(np.abs(values), 99)
    expected = composed(found.photo(0).levels, values, "bwr", -peak, peak, mask=mask)
    assert np.abs(shown(page) - expected).max() <= 1.5
    words = page.locator("#stage-legend").inner_text()
    kept, of, share = re.search(
        r"the ([\d,]+) of ([\d,]+) pixels .* hold ([\d.]+) %", words
    ).groups()
    assert (kept, of) == (f"{mask.sum():,}", f"{values.size:,}")
    assert float(share) == pytest.approx(100 * sizes[:count].sum() / sizes.sum(), abs=0.06)


def test_what_counts_for_and_against_is_shown_alone(opened, made):
    page = opened(made.path)
    found = made.found["input_x_gradient"]
    values, photo = found.maps[0, 0], found.photo(0).levels
    peak = np.percentile(np.abs(values), 99)
    parts = {
        "for": np.maximum(values, 0),
        "against": np.maximum(-values, 0),
        "size": np.abs(values),
    }
    choose(page, method="input_x_gradient")
    for sign, part in parts.items():
        choose(page, sign=sign, cmap="cividis")
        assert np.abs(shown(page) - composed(photo, part, "cividis", 0, peak)).max() <= 1.5


def test_two_methods_have_a_side_and_a_bar_each(opened, made):
    page = opened(made.path)
    choose(page, method="grad_cam", **{"with": "input_x_gradient"})
    choose(page, swipe=30)
    line = round(227 * 0.3)
    photo = made.found["grad_cam"].photo(0).levels
    sides, ends = [], []
    for method, cmap, signed in (("grad_cam", "viridis", 0), ("input_x_gradient", "bwr", 1)):
        values = made.found[method].maps[0, 0]
        peak = np.percentile(np.abs(values), 99)
        sides.append(composed(photo, values, cmap, -peak * signed, peak))
        ends.append(pytest.approx((-peak * signed, peak), rel=1e-3))
    found = shown(page)
    assert np.abs(found[:, :line] - sides[0][:, :line]).max() <= 1.5
    assert np.abs(found[:, line:] - sides[1][:, line:]).max() <= 1.5
    assert bars(page) == ends
    # The strongest colours of both bars are as opaque as they get, over mid-grey.
    strongest = [pixels(bar)[0, -1] for bar in page.locator("#why .colourbar canvas").all()]
    for colour, cmap in zip(strongest, ("viridis", "bwr"), strict=True):
        whole = np.array(mpl.colormaps[cmap](255)[:3]) * 255
        np.testing.assert_allclose(colour, 0.8 * whole + 0.2 * 128, atol=1)
    page.locator("#stage").scroll_into_view_if_needed()
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 60)
    page.mouse.up()
    assert page.locator("#why-swipe").input_value() == "80"
    assert page.locator("#stage-line").evaluate("e => e.style.left") == "80%"


def test_two_classes_of_a_method_have_a_side_each_and_their_difference_in_words(opened, made):
    page = opened(made.path)
    assert page.locator("#stage-difference").inner_text() == ""
    choose(page, method="grad_cam", **{"with": "class-1"})
    found = made.found["grad_cam"]
    photo = found.photo(0).levels
    maps = found.maps[0]
    sides = [
        composed(photo, values, "viridis", 0, np.percentile(np.abs(values), 99)) for values in maps
    ]
    seen, line = shown(page), round(227 * 0.5)
    assert np.abs(seen[:, :line] - sides[0][:, :line]).max() <= 1.5
    assert np.abs(seen[:, line:] - sides[1][:, line:]).max() <= 1.5
    assert [high for _, high in bars(page)] == [
        pytest.approx(np.percentile(np.abs(values), 99), rel=1e-3) for values in maps
    ]
    logits = found.scores[0]
    words = page.locator("#stage-difference").inner_text().replace("\u00a0", " ")
    pattern = (
        r"Egyptian cat, logit (\S+), is (\S+) ahead of tabby, logit (\S+)\. "
        r"The evidence for Egyptian cat lies (.+?)\. The evidence for tabby lies (.+?)\. "
        r"(They .+|Their .+)"
    )
    own, margin, other, *where, apart = re.fullmatch(pattern, words).groups()
    assert [float(own), float(other)] == pytest.approx(logits, rel=1e-3)
    assert float(margin) == pytest.approx(logits[0] - logits[1], rel=5e-3)
    assert where == [placed(hot_spots(values)) for values in maps]
    assert apart == difference(*(np.array(thirds(values)[0]) for values in maps))
    assert page.locator("#regions table").count() == 2
    assert page.locator("#stage-said").text_content().endswith(words.replace(" %", "\u00a0%"))
    # Of signed maps the shares differ elsewhere, or nowhere.
    choose(page, method="saliency")
    words = page.locator("#stage-difference").inner_text().replace("\u00a0", " ")
    maps = made.found["saliency"].maps[0]
    assert words.endswith(difference(*(np.array(thirds(values)[0]) for values in maps)))
    # What is compared with itself is not: the other class is chosen, and then the other way round.
    choose(page, **{"class": "1"})
    assert page.locator("#stage-line").is_hidden()
    choose(page, **{"with": "class-0"})
    assert " behind Egyptian cat, " in page.locator("#stage-difference").inner_text()
    page.reload()
    drawn(page)
    assert page.locator("#why-with").input_value() == "class-0"
    assert page.locator("#stage-line").is_visible()


def test_of_two_classes_with_the_same_score_none_is_ahead(opened, tmp_path):
    flat = {"kernel_initializer": "zeros"}
    net = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(2, 3),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="softmax", **flat),
        ]
    )
    photo = np.zeros((1, 8, 8, 3), np.uint8)
    kviz.report(net, photo, tmp_path / "even.html", methods=["saliency"], quick=True)
    page = opened(tmp_path / "even.html")
    choose(page, **{"with": "class-1"})
    words = page.locator("#stage-difference").inner_text()
    assert words.startswith("class 0, logit 0, is level with class 1, logit 0. ")


def test_scores_that_are_no_logits_of_their_own_are_not_compared(opened, report_of):
    """Finer-CAM's score is by how much a class is ahead of those like it."""
    page = opened(report_of(1.0, 0.5, methods=["finer_cam", "grad_cam"]))
    choose(page, method="finer_cam", **{"with": "class-1"})
    words = page.locator("#stage-difference").inner_text()
    assert re.match(r"less: difference of logits \S+\. least: difference of logits \S+\. ", words)
    assert " ahead of " not in words
    choose(page, method="grad_cam", **{"with": "class-1"})
    assert " ahead of least" in page.locator("#stage-difference").inner_text()


def difference(own, other):
    """Return in words where two tables differ most, worked out here."""
    row, column = np.unravel_index(np.abs(own - other).argmax(), (3, 3))
    if np.abs(own - other).max() < 0.01:
        return "Their tables differ by about one percentage point at most."
    name = f"{ROWS[row]} {COLUMNS[column]}".replace("centre centre", "centre")
    shares = [f"{100 * each[row, column]:.0f} % of" for each in (own, other)]
    return (
        f"They differ most in the {name}: {shares[0]} the map for Egyptian cat, "
        f"{shares[1]} that for tabby."
    )


def thirds(values):
    """Return shares for and against by thirds, pixel by pixel."""
    edges = [[round(k * side / 3) for k in range(4)] for side in values.shape]
    total = np.abs(values).sum(dtype=float)
    cells = [
        [
            values[top:bottom, left:right]
            for left, right in zip(edges[1], edges[1][1:], strict=False)
        ]
        for top, bottom in zip(edges[0], edges[0][1:], strict=False)
    ]
    return [
        [[part(cell).sum(dtype=float) / total for cell in row] for row in cells]
        for part in (lambda x: np.maximum(x, 0), lambda x: np.maximum(-x, 0))
    ]


def percent(share):
    return ("< 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %").replace(" ", "\u00a0")


def test_where_the_evidence_lies_is_a_table_and_a_sentence(opened, made):
    page = opened(made.path)
    choose(page, method="input_x_gradient", **{"class": "1"})
    positive, negative = thirds(made.found["input_x_gradient"].maps[0, 1])
    table = page.locator("#regions table")
    assert table.count() == 1
    assert table.locator("thead th").all_inner_texts() == list(COLUMNS)
    for row, name in enumerate(ROWS):
        line = table.locator("tbody tr").nth(row)
        assert line.locator("th").inner_text() == name
        expected = [
            f"{percent(plus)}against {percent(minus)}"
            for plus, minus in zip(positive[row], negative[row], strict=True)
        ]
        assert line.locator("td").all_text_contents() == expected
    choose(page, method="grad_cam", **{"class": "0"})
    values = made.found["grad_cam"].maps[0, 0]
    twentieth = np.where(values > np.quantile(values, 0.95), values, 0)
    shares = np.array(thirds(twentieth)[0]).reshape(-1)
    order = np.argsort(-shares)
    count = int(np.argmax(np.cumsum(shares[order]) > 0.5 * shares.sum())) + 1
    # As many are counted up; of more the strongest is named.
    assert count == 2
    names = [f"the {ROWS[at // 3]} {COLUMNS[at % 3]}" for at in order[:count]]
    where = " and ".join(names).replace("centre centre", "centre")
    words = page.locator("#stage-canvas").get_attribute("aria-label")
    assert words.endswith(f" Evidence in {where}.")
    assert words.startswith("The image cat.png with a map over it. Grad-CAM at ")
    assert page.locator("#stage-said").text_content() == words


def test_small_pictures_have_names_and_lead_to_the_large_one(opened, made):
    page = opened(made.path)
    logit = made.found["saliency"].scores[0, 1]
    button = page.get_by_role(
        "button", name=f"saliency, sensitivity for tabby, logit {logit:.4g}", exact=False
    )
    button.click()
    drawn(page)
    assert button.get_attribute("aria-pressed") == "true"
    assert page.locator("#overview [aria-pressed=true]").count() == 1
    assert page.locator("#overview button").count() == 8
    small = pixels(button.locator("canvas"))
    # Both are drawn at the photo's own size here.
    np.testing.assert_array_equal(small, shown(page))
    state = parse_qs(page.evaluate("location.hash.slice(1)"))
    assert state == {"method": ["saliency"], "class": ["1"]}


def test_a_score_that_is_no_logit_is_not_called_one(opened, squeezenet, cat, tmp_path):
    path = tmp_path / "report.html"
    methods = ["saliency", "finer_cam"]
    made = kviz.report(
        squeezenet, cat, path, methods=methods, class_index=285, layer_names="conv1", quick=True
    )
    scores = {one["method"]: one["class"]["score"] for one in made.facts()["attributions"]}
    page = opened(path)
    names = page.locator("#overview button canvas").evaluate_all(
        "(all) => all.map((one) => one.closest('button').ariaLabel)"
    )
    assert any(f", logit {scores['saliency']:.4g}" in name for name in names), names
    assert any(f", difference of logits {scores['finer_cam']:.4g}" in name for name in names)


def test_what_is_looked_at_is_in_the_address(opened, hostile):
    page = opened(hostile.path)
    choose(page, photo="1")
    logits = [
        f"logit {one['class']['score']:.4g}".replace("-", "−")
        for one in hostile.report.facts()["attributions"]
        if one["image"] == "second.png" and one["method"] == "grad_cam"
    ]
    assert page.locator("#overview h3 .quiet").all_text_contents() == [f" {x}" for x in logits]
    choose(page, method="gradient")
    choose(page, **{"class": "1", "with": "grad_cam"})
    state = parse_qs(page.evaluate("location.hash.slice(1)"))
    assert state == {"photo": ["1"], "method": ["gradient"], "class": ["1"], "with": ["grad_cam"]}
    before = shown(page)
    page.reload()
    page.wait_for_selector("html[data-ready]", state="attached")
    drawn(page)
    np.testing.assert_array_equal(shown(page), before)
    assert [page.locator(f"#why-{x}").input_value() for x in ("photo", "method", "class", "with")] == [
        "1", "gradient", "1", "grad_cam",
    ]  # fmt: skip
    for _ in range(3):
        page.go_back()
    page.wait_for_function("document.querySelector('#why-method').value === 'grad_cam'")
    drawn(page)
    assert parse_qs(page.evaluate("location.hash.slice(1)")) == {"photo": ["1"]}
    assert page.locator("#stage-line").is_hidden()


def test_a_card_says_the_answer_and_leads_to_its_photo(opened, hostile):
    page = opened(hostile.path)
    cards = page.locator("article.card")
    assert cards.count() == 2
    for image, card in zip(hostile.report.facts()["images"], cards.all(), strict=True):
        sentence = card.locator(".sentence").text_content().replace("\u00a0%", " %")
        assert sentence.startswith(image["answer"]["sentence"])
        assert card.locator(".word").inner_text() == image["answer"]["verdict"]
        assert card.locator(".bars tbody tr").count() == 3
        assert (
            f"{100 * image['answer']['margin']:.1f} percentage points"
            in card.locator(".margin").inner_text()
        )
    cards.nth(1).get_by_role("link", name="Why?").click()
    drawn(page)
    assert page.evaluate("[location.hash, document.activeElement.id]") == ["#photo=1", "why-h"]
    assert page.locator("#why-photo").input_value() == "1"


def test_a_map_that_is_zero_says_so_and_another_is_looked_at_first(opened, report_of):
    # Both classes weigh against, so that ReLU cuts Grad-CAM to zero.
    page = opened(report_of(-1, -2))
    drawn(page)
    assert page.locator("#why-method").input_value() == "input_x_gradient"
    assert page.locator("#stage-nothing p").count() == 0
    choose(page, method="grad_cam")
    words = page.locator("#stage-nothing").inner_text()
    assert words.startswith("Grad-CAM is zero everywhere: no evidence for less")
    assert words in page.locator("#stage-canvas").get_attribute("aria-label")
    assert page.locator("#why .colourbar").count() == 0
    # What is seen is the photo.
    found = shown(page)
    assert (found == found[..., :1]).all()
    button = page.locator("#overview button").first
    assert button.get_attribute("aria-label").startswith("Grad-CAM, zero everywhere, ")


def test_a_class_whose_map_is_zero_is_looked_at_by_another_method(opened, report_of):
    page = opened(report_of(1, -1))
    for which, method in (("0", "grad_cam"), ("1", "input_x_gradient"), ("0", "grad_cam")):
        choose(page, **{"class": which})
        assert page.locator("#why-method").input_value() == method


def test_files_hold_what_is_shown_and_what_was_computed(opened, made, tmp_path):
    page = opened(made.path, accept_downloads=True)
    choose(page, method="gradient", **{"class": "1", "with": "saliency"})
    saved = {}
    for kind in ("csv", "npz", "png", "svg"):
        with page.expect_download() as waiting:
            page.click(f"#why-{kind}")
        saved[kind] = tmp_path / f"saved.{kind}"
        waiting.value.save_as(saved[kind])
        saved[f"{kind} name"] = waiting.value.suggested_filename
    assert saved["png name"] == "cat.png_gradient_tabby_with_saliency.png"
    assert saved["csv name"] == "cat.png_gradient_tabby.csv"
    values = made.found["gradient"].maps[0, 1]
    lines = saved["csv"].read_text().splitlines()
    assert lines[0].split(",")[:3] == ["row", "column 0", "column 1"]
    rows = np.loadtxt(lines[1:], delimiter=",", dtype=np.float32)
    np.testing.assert_array_equal(rows[:, 0], np.arange(227))
    np.testing.assert_array_equal(rows[:, 1:], values)
    np.testing.assert_array_equal(np.asarray(Image.open(saved["png"]).convert("RGB")), shown(page))
    drawing = ET.parse(saved["svg"]).getroot()  # noqa: S314 - our own file
    name = "{http://www.w3.org/2000/svg}"
    (image,) = drawing.findall(f"{name}image")
    held = io.BytesIO(base64.b64decode(image.get("href").partition(",")[2]))
    np.testing.assert_array_equal(np.asarray(Image.open(held).convert("RGB")), shown(page))
    words = [one.text for one in drawing.findall(f"{name}text")]
    assert len(drawing.findall(f"{name}linearGradient")) == 2
    for method in ("gradient", "saliency"):
        peak = np.percentile(np.abs(made.found[method].maps[0, 1]), 99)
        assert any(f"{peak:.4g}".rstrip("0") in word for word in words)
    with np.load(saved["npz"], allow_pickle=False) as arrays:
        index = arrays["index"]
        assert index[0].tolist() == [
            "name",
            "photo",
            "method",
            "class",
            "class index",
            "score",
            "score name",
            "layers",
        ]
        assert len(index) == 9
        for key, photo, method, label, which, logit, called, _ in index[1:].tolist():
            place = [285, 281].index(int(which))
            assert (photo, label) == ("cat.png", ("Egyptian cat", "tabby")[place])
            assert key == f"cat.png_{method}_{label.replace(' ', '-')}"
            np.testing.assert_array_equal(arrays[key], made.found[method].maps[0, place])
            assert called == "logit"
            assert float(logit) == pytest.approx(made.found[method].scores[0, place], rel=1e-6)


@pytest.mark.some(every=2)
@pytest.mark.parametrize("beside", ["", "class-1", "saliency"])
def test_the_command_for_a_figure_makes_it(opened, made, tmp_path, monkeypatch, beside):
    page = opened(made.path)
    choose(page, method="gradient", **{"with": beside})
    assert page.locator("#why-command").is_hidden()
    page.click("#why-pdf")
    assert page.locator("#why-pdf").get_attribute("aria-expanded") == "true"
    command = page.locator("#why-command").inner_text()
    others = {"class-1": ("", " --class 281"), "saliency": (" --method saliency", "")}
    method, which = others.get(beside, ("", ""))
    model, cat = "models/squeezenet.keras", "notebooks/images/cat.png"
    assert command == (
        f"kviz attribute {model} {cat} --method gradient{method} --class 285{which} --out cat.pdf"
    )
    assert page.locator("#figure-where").inner_text() == "Run this where the page was made:"
    page.click("#copy-figure")
    page.wait_for_function("() => document.querySelector('#figure-copied').textContent !== ''")
    root = Path(__file__).parents[2]
    for file in (model, cat):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).symlink_to(root / file)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, shlex.split(command)[1:])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "cat.pdf").read_bytes().startswith(b"%PDF")


def test_without_files_a_figure_is_made_by_python(opened, hostile):
    page = opened(hostile.path)
    choose(page, photo="1")
    choose(page, method="gradient", **{"with": "grad_cam"})
    index = next(
        one["explained"][0]["class_index"]
        for one in hostile.report.facts()["images"]
        if one["name"] == "second.png"
    )
    page.click("#why-pdf")
    made = [
        f'kviz.attribute(network, images[1:2], "{method}", class_index={index}, seed=3)'
        for method in ("gradient", "grad_cam")
    ]
    line = page.locator("#why-command").inner_text()
    assert line == f'kviz.compare([{", ".join(made)}]).save("second.pdf")'


def test_certificates_follow_what_is_chosen(opened, hostile):
    page = opened(hostile.path)
    told = {
        (one["image"], one["method"], one["class"]["class_index"]): one["certificate"]
        for one in hostile.report.facts()["attributions"]
    }
    first = hostile.report.facts()["images"][0]
    for method, which in (("grad_cam", 0), ("gradient", 1)):
        index = first["rival"] if which else first["explained"][0]
        choose(page, method=method, **{"class": str(which)})
        certificate = told[first["name"], method, index["class_index"]]
        verdict, *others = [words.replace(" %", "\u00a0%") for words in certificate["words"]]
        assert page.locator("#certificates .verdict").all_text_contents() == [verdict]
        assert page.locator("#certificates li").all_text_contents() == others
    choose(page, **{"with": "grad_cam"})
    assert page.locator("#certificates .verdict").count() == 2
    worse = page.locator("#overview small.worse").all_text_contents()
    expected = [one for key, one in told.items() if key[0] == first["name"]]
    assert page.locator("#overview small").count() == len(expected) == 4
    flags = [text for text in worse if text == "no better than chance"]
    assert len(flags) == sum(not one["better_than_chance"] for one in expected)


def test_the_last_choice_is_the_one_that_is_seen(opened, hostile):
    page = opened(hostile.path)
    drawn(page)
    before = shown(page)
    # The numbers of the second photo take their time.
    page.evaluate("""() => {
        const unpack = Response.prototype.arrayBuffer;
        Response.prototype.arrayBuffer = async function () {
            await new Promise((done) => setTimeout(done, 200));
            return unpack.call(this);
        };
    }""")
    for photo in "10":
        page.select_option("#why-photo", photo)
        page.wait_for_timeout(50)
    drawn(page)
    page.wait_for_timeout(600)
    np.testing.assert_array_equal(shown(page), before)
    assert page.locator("#overview > div").count() == 2


def test_no_name_is_more_than_text_in_choices_and_files(opened, hostile, tmp_path):
    page = opened(hostile.path, accept_downloads=True)
    choose(page, **{"with": "gradient"})
    names = page.locator("#why-class option").all_text_contents()
    assert set(names) <= {sanitise(name) for name in HOSTILE["class"]}
    with page.expect_download() as waiting:
        page.click("#why-svg")
    waiting.value.save_as(tmp_path / "saved.svg")
    assert not re.search(r'[/\\<>"]', waiting.value.suggested_filename)
    drawing = ET.parse(tmp_path / "saved.svg").getroot()  # noqa: S314 - our own file
    kinds = {one.tag.partition("}")[2] for one in drawing.iter()}
    assert kinds == {"svg", "title", "rect", "image", "text", "linearGradient", "stop"}
    assert page.evaluate("typeof pwned") == "undefined"


def test_without_a_script_answers_and_the_table_of_regions_are_there(opened, made):
    page = opened(made.path, ready=False, java_script_enabled=False)
    assert page.locator("article.card img").is_visible()
    assert page.locator("article.card .sentence").is_visible()
    cells = page.locator("#why .unscripted td").all_text_contents()[1:]
    positive, negative = thirds(made.found["grad_cam"].maps[0, 0])
    assert not np.any(negative)
    assert cells == [f"{100 * share:.0f} %" for share in np.ravel(positive)]
    dead = page.locator("#answer, #why").locator("button, select, input, a")
    assert not any(one.is_visible() for one in dead.all())


def test_printed_the_stage_stays_and_controls_go(opened, made):
    page = opened(made.path)
    drawn(page)
    page.emulate_media(media="print")
    assert page.locator("#stage-canvas").is_visible()
    assert page.locator("#why .colourbar").is_visible()
    assert not page.locator("#why .settings").is_visible()


@pytest.mark.parametrize(
    ("which", "scheme"),
    [("made", "dark"), pytest.param("hostile", "light", marks=pytest.mark.slow)],
)
def test_answer_and_why_have_no_barrier(opened, request, which, scheme):
    path = request.getfixturevalue(which).path
    page = opened(path, scheme=scheme, bypass_csp=True)
    choose(page, method="gradient", **{"with": "saliency"})
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run({include: [['header'], ['#answer'], ['#why']]})")["violations"]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in found] == []
