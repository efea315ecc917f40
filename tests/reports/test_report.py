"""Reports without a browser: that what is in the page is right, and what happens when parts fail."""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from hostile import HOSTILE
from refusals import refused

import kviz
from kviz._checks import sanitise
from kviz.cli import main
from kviz.web.packing import averaged, quantised, script_json

ROOT = Path(__file__).parents[2]
CAT = str(ROOT / "notebooks/images/cat.png")
MODEL = str(ROOT / "models/squeezenet.keras")
layers = keras.layers


def elements(html):
    """Return the page's data elements by id."""
    return dict(
        re.findall(r'<script type="application/(?:json|octet-stream)" id="([^"]+)">([^<]*)<', html)
    )


def told(html):
    return json.loads(elements(html)["told"])


def carried(html, place, image=0):
    """Return a layer's maps as a reader of the page gets them: `(H, W, channels)`, and their step."""
    layer = told(html)["layers"][place]
    data = gzip.decompress(base64.b64decode(elements(html)[f"maps-{place}-{image}"]))
    count = layer["channels"]
    low, high, mean, deviation = np.frombuffer(data, "<f4", 4 * count).reshape(4, count)
    sides = [-(-layer[key] // layer["factor"]) for key in ("height", "width")]
    codes = np.frombuffer(data, np.uint8, offset=16 * count).reshape(count, *sides)
    step = (high.astype(float) - low) / 255
    values = low[:, None, None] + codes * step[:, None, None]
    return np.moveaxis(values, 0, -1), step, mean, deviation


def small(*middle, size=(12, 12, 3), end=None):
    end = (
        [layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax")]
        if end is None
        else end
    )
    return keras.Sequential([keras.Input(size), *middle, *end])


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


# ---------------------------------------------------------------- numbers


@pytest.mark.parametrize("spread", [1e-36, 1e-6, 1.0, 1e6])
def test_a_byte_a_value_is_off_by_half_a_step_at_most(spread):
    random = np.random.default_rng(0)
    maps = (random.normal(3, 1, (9, 7, 40)) * spread).astype(np.float32)
    maps[..., 0], maps[..., 1] = 0, 5
    maps[..., 2] = np.maximum(maps[..., 2], 0)
    found = quantised(maps)
    step = (found.high.astype(float) - found.low) / 255
    off = np.abs(np.moveaxis(found.values, 0, -1) - maps)
    assert (off <= step * 0.5 * (1 + 1e-3)).all()
    np.testing.assert_array_equal(found.values[0], 0)
    np.testing.assert_array_equal(found.values[1], 5)
    np.testing.assert_allclose(found.mean, maps.mean(axis=(0, 1), dtype=float), rtol=1e-6)
    np.testing.assert_allclose(found.deviation, maps.std(axis=(0, 1), dtype=float), rtol=1e-6)


def test_values_that_are_not_finite_stretch_nothing():
    maps = np.arange(12, dtype=np.float32).reshape(2, 3, 2).copy()
    maps[0, 0, 0], maps[1, 1, 1] = np.nan, np.inf
    found = quantised(maps)
    assert found.high.max() == 11
    assert np.isfinite(found.values).all()


@pytest.mark.parametrize("factor", [1, 2, 3, 5, 20])
def test_blocks_are_averaged_those_at_the_edge_too(factor):
    maps = np.random.default_rng(1).normal(size=(2, 11, 7))
    found = averaged(maps, factor)
    for row in range(found.shape[1]):
        for column in range(found.shape[2]):
            block = maps[
                :, row * factor : (row + 1) * factor, column * factor : (column + 1) * factor
            ]
            np.testing.assert_allclose(found[:, row, column], block.mean(axis=(1, 2)))
    assert found.shape[1:] == (-(-11 // factor), -(-7 // factor))


def test_the_page_carries_the_maps(made):
    facts = told(made.report.html)["layers"]
    assert [layer["path"] for layer in facts] == list(made.maps)
    for place, maps in enumerate(made.maps.values()):
        values, step, mean, deviation = carried(made.report.html, place)
        assert (np.abs(values - maps[0]) <= step * 0.5 * (1 + 1e-3)).all()
        np.testing.assert_allclose(mean, maps[0].mean(axis=(0, 1), dtype=float), rtol=1e-5)
        np.testing.assert_allclose(deviation, maps[0].std(axis=(0, 1), dtype=float), rtol=1e-5)


def test_the_page_carries_attributions_whole(made):
    held = elements(made.report.html)
    assert "photo-0" in held
    for method, found in made.found.items():
        data = gzip.decompress(base64.b64decode(held[f"attribution-{method}-0"]))
        np.testing.assert_array_equal(
            np.frombuffer(data, "<f4").reshape(found.maps.shape[1:]), found.maps[0]
        )
    for one in told(made.report.html)["attributions"]:
        assert [each["rival"] for each in one["classes"]] == [False, True]


def test_kernels_are_those_of_the_model(made):
    for path, kernel in made.weights.items():
        if kernel.ndim != 4:
            continue
        values, which = kernels_carried(made.report.html, path.rpartition("/")[0])
        peak, kept = np.abs(values).max(axis=(1, 2, 3)), which.shape[1]
        for filter_index in range(0, len(values), 7):
            own = kernel[:, :, which[filter_index], filter_index].transpose(2, 0, 1)
            assert np.abs(values[filter_index] - own).max() <= peak[filter_index] / 254 * (1 + 1e-3)
            weight = np.abs(kernel[..., filter_index]).sum(axis=(0, 1))
            assert np.sort(weight)[-kept:].sum() == pytest.approx(weight[which[filter_index]].sum())


def kernels_carried(html, path):
    """Return a layer's kernels as the page has them, and their input channels' numbers."""
    fact = told(html)["kernels"][path]
    count, kept = fact["filters"], fact["kept"]
    data = gzip.decompress(base64.b64decode(elements(html)[fact["blob"]]))
    peak = np.frombuffer(data, "<f4", count)
    which = np.frombuffer(data, "<u2", count * kept, 4 * count).reshape(count, kept)
    codes = np.frombuffer(data, np.int8, offset=4 * count + 2 * count * kept)
    codes = codes.reshape(count, kept, fact["height"], fact["width"])
    return codes / 127 * peak.astype(float)[:, None, None, None], which


def test_of_several_kernels_the_page_has_the_one_that_makes_the_channels():
    model = small(layers.SeparableConv2D(8, 3, name="apart"))
    report = kviz.report(model, noise(1, 12, 12, 3), quick=True)
    found, _ = kernels_carried(report.html, "apart")
    pointwise = model.get_layer("apart").get_weights()[1]
    assert np.abs(found[:, :, 0, 0].T - pointwise[0, 0]).max() < np.abs(pointwise).max() / 200
    fact = told(report.html)["kernels"]["apart"]
    assert [fact[key] for key in ("filters", "channels", "height", "width")] == [8, 3, 1, 1]


def test_kernels_of_groups_name_the_channels_of_the_input():
    middle = layers.Conv2D(12, 1), layers.Conv2D(6, 3, groups=3, name="grouped")
    report = kviz.report(small(*middle), noise(1, 12, 12, 3), quick=True)
    _, which = kernels_carried(report.html, "grouped")
    assert which.tolist() == [[0, 1, 2, 3]] * 2 + [[4, 5, 6, 7]] * 2 + [[8, 9, 10, 11]] * 2


def test_what_a_weight_decay_leaves_of_a_kernel_is_drawn():
    model = small(layers.Conv2D(4, 3, name="decayed"))
    kernel, bias = model.get_layer("decayed").get_weights()
    kernel[..., 0] = np.sign(kernel[..., 0]) * np.float32(1e-40)
    model.get_layer("decayed").set_weights([kernel, bias])
    report = kviz.report(model, noise(1, 12, 12, 3), quick=True)
    found, _ = kernels_carried(report.html, "decayed")
    own = np.moveaxis(kernel[..., 0], 2, 0).astype(float)
    np.testing.assert_allclose(found[0], own, rtol=1e-4)


def test_facts_are_what_the_verbs_say(made, squeezenet):
    facts = made.report.facts()
    rows = made.predictions.rows[0]
    assert [(p["class_index"], p["name"]) for p in facts["images"][0]["classes"]] == [
        (index, name) for index, name, _ in rows
    ]
    np.testing.assert_allclose(
        [p["score"] for p in facts["images"][0]["classes"]],
        [r[2] for r in rows],
        rtol=1e-6,
    )
    assert facts["verb"] == facts["made_by"]["verb"] == "report"
    assert all(p["is_probability"] for p in facts["images"][0]["classes"])
    assert facts["model"]["sha256"] == hashlib.sha256(Path(MODEL).read_bytes()).hexdigest()
    assert facts["model"]["parameters"] == squeezenet.model.count_params()
    assert [layer["path"] for layer in facts["layers"]] == [i.path for i in squeezenet.layers]
    for layer in facts["feature_maps"]:
        maps = made.maps[layer["path"]]
        assert (layer["images"][0]["min"], layer["images"][0]["max"]) == (maps.min(), maps.max())
        assert layer["images"][0]["empty_share"] == made.maps.empty_shares[layer["path"]][0]
        empty = [c for c in range(maps.shape[-1]) if not maps[..., c].any()]
        assert layer["images"][0]["empty_channels"] == empty
        assert facts["dead_channels"].get(layer["path"], []) == empty
    for fact in facts["attributions"]:
        found = made.found[fact["method"]]
        place = [285, 281].index(fact["class"]["class_index"])
        assert fact["class"]["score"] == pytest.approx(float(found.scores[0, place]))
        assert fact["max"] == pytest.approx(float(found.maps[0, place].max()))
    assert len(facts["attributions"]) == 8
    assert facts["skipped"] == []
    assert facts["fooled"][0]["arrived"]
    assert (
        facts["fooled"][0]["made_for"]
        == squeezenet.class_names[made.predictions.scores[0].argmin()]
    )
    json.dumps(facts, allow_nan=False)


def test_facts_are_in_the_page(made):
    text = made.report.html
    assert made.report.facts()["model"]["sha256"] in text
    # A card has the three best classes, and no line is broken before a percent sign.
    for row in made.report.facts()["images"][0]["classes"][:3]:
        assert f"<bdi>{row['name']}</bdi>" in text
        assert f"{100 * row['score']:.1f}&nbsp;%" in text
    for part, seconds in made.report.facts()["seconds"].items():
        if part != "page":
            assert re.search(rf"{re.escape(part)}</th><td class=\"number\">{seconds:.2f}<", text)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_page():
    def build(seed):
        keras.utils.set_random_seed(0)
        model = small(layers.Conv2D(4, 3, activation="relu", name="c"), size=(12, 12, 3))
        model.name = "m"
        report = kviz.report(model, noise(1, 12, 12, 3), methods=["smooth_grad"], seed=seed)
        facts = report.facts()
        del facts["seconds"], facts["layers"], facts["made_by"]["time"]
        for one in facts["attributions"]:
            del one["settings"]["input_name"]  # Keras counts on
        return facts, {k: v for k, v in elements(report.html).items() if k != "told"}

    first = build(3)
    assert build(3) == first
    other = build(4)[1]
    assert other["attribution-smooth_grad-0"] != first[1]["attribution-smooth_grad-0"]
    assert other["maps-0-0"] == first[1]["maps-0-0"]


# ---------------------------------------------------------------- one file, and safe


def test_the_policy_names_the_one_script_and_style_by_their_hashes(made):
    html = made.report.html
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1]
    for kind, body in (
        ("style", re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]),
        ("script", re.findall(r"<script>(.*?)</script>", html, re.DOTALL)[-1]),
    ):
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert len(re.findall(r"<script>", html)) == 1


def test_nothing_comes_from_elsewhere(made):
    assert (
        re.findall(
            r'(?:src|href)="(?!data:image/(?:png|jpeg);base64,|data:,"|#)[^"]*"', made.report.html
        )
        == []
    )
    # The name of SVG is no address that is asked.
    assert (
        re.findall(r"@import|url\((?!#)|https?://(?!www\.w3\.org/2000/svg)", made.report.html) == []
    )
    assert " style=" not in made.report.html
    assert made.report.html == made.path.read_text(encoding="utf-8")


def test_no_name_is_markup(hostile):
    html = hostile.report.html
    for name in (HOSTILE["model"], HOSTILE["layer"], HOSTILE["file"], *HOSTILE["class"]):
        assert name not in html
    assert "pwned=1>" not in html
    # What reverses the order of text, and lines that are none, are shown as question marks.
    assert not re.search("[\u2028\u2029\u202a-\u202e\u2066-\u2069]", html)
    assert told(html)["model"] == sanitise(HOSTILE["model"])
    assert told(html)["layers"][0]["path"] == sanitise(HOSTILE["layer"])


@pytest.mark.parametrize(
    "text", ["</script>", "<!--", "]]>", "&amp;", "\u2028\u2029", "\ud800", "\0"]
)
def test_json_in_a_script_element_stays_in_it(text):
    made = script_json({text: [text]})
    assert not re.search("[<>&\u2028\u2029]", made)
    assert made.isascii()
    assert json.loads(made) == {sanitise(text): [sanitise(text)]}


def test_numbers_that_json_has_not_are_null():
    assert script_json([np.float32("nan"), float("inf"), np.int64(3)]) == "[null,null,3]"


# ---------------------------------------------------------------- size


def test_a_small_page_has_smaller_maps_and_says_so(squeezenet, cat):
    report = kviz.report(squeezenet, cat, quick=True, max_mb=2)
    size = len(report.html.encode())
    assert size <= 2_000_000
    side = report.facts()["page"]["longest_map_side"]
    assert side
    assert f"maps over {side} values a side are carried as means" in report.html
    maps = kviz.activations(squeezenet, cat, "conv1")["conv1"][0]
    fact = told(report.html)["layers"][0]
    assert fact["factor"] == -(-113 // side)
    values, step, mean, _ = carried(report.html, 0)
    whole = averaged(np.moveaxis(maps, -1, 0), fact["factor"])
    assert (np.abs(values - np.moveaxis(whole, 0, -1)) <= step * 0.5 * (1 + 1e-3)).all()
    np.testing.assert_allclose(mean, maps.mean(axis=(0, 1), dtype=float), rtol=1e-5)
    full = kviz.report(squeezenet, cat, quick=True, max_mb=None)
    assert full.facts()["page"]["longest_map_side"] is None
    # As large as the limit lets it be: the next larger size would not have fitted.
    assert size > 1_000_000


def test_of_several_photos_each_is_carried(squeezenet, cat):
    photos = np.concatenate([cat, cat[:, ::-1], 255 - cat])
    report = kviz.report(squeezenet, photos, quick=True, methods=["gradient"], max_mb=4)
    assert len(report.html.encode()) <= 4_000_000
    maps = kviz.activations(squeezenet, photos, "fire9_squeeze1x1")["fire9_squeeze1x1"]
    place = [layer["path"] for layer in told(report.html)["layers"]].index("fire9_squeeze1x1")
    for image in range(3):
        values, step, *_ = carried(report.html, place, image)
        factor = told(report.html)["layers"][place]["factor"]
        whole = np.moveaxis(averaged(np.moveaxis(maps[image], -1, 0), factor), 0, -1)
        assert (np.abs(values - whole) <= step * 0.5 * (1 + 1e-3)).all()
    assert {(one["image"], one["whole"]) for one in told(report.html)["attributions"]} == {
        (image, False) for image in range(3)
    }
    assert "one byte a value" in report.facts()["page"]["attributions"]


@pytest.mark.slow
def test_vgg16_fits_into_20_megabytes(cat):
    model = keras.applications.VGG16(weights=None)
    photo = cat[:, 1:225, 1:225]
    report = kviz.report(
        kviz.Network(model, preprocess="vgg16"), photo, quick=True, methods=["grad_cam"]
    )
    assert len(report.html.encode()) <= 20_000_000
    skipped = report.facts()["skipped"]
    assert [one["part"] for one in skipped] == ["filter patterns", "class images", "fooling image"]
    assert {one["reason"] for one in skipped} == {"quick"}


def test_a_limit_that_cannot_be_kept_is_said(squeezenet, cat, tmp_path, monkeypatch):
    with refused("takes .* MB even with small maps.*max_mb", kviz.OutputError):
        kviz.report(squeezenet, cat, tmp_path / "r.html", quick=True, max_mb=0.4)
    monkeypatch.setattr("kviz.reports.report.gather", None)  # said before anything runs
    with refused("photos alone would take about .* MB", kviz.OutputError):
        kviz.report(squeezenet, cat.repeat(20, 0), tmp_path / "r.html", max_mb=2)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- parts that fail


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Conv2D(4, 3), layers.Conv2D(4, 3)
        self.pool, self.last = layers.GlobalAveragePooling2D(), layers.Dense(3)

    def call(self, x):
        x = self.first(x)
        return self.last(self.pool(self.second(x) + x[:, 1:-1, 1:-1]))


def two_inputs():
    image, numbers = keras.Input((16, 16, 3)), keras.Input((4,))
    x = layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3)(image))
    return keras.Model([image, numbers], layers.Dense(3)(layers.Concatenate()([x, numbers])))


CASES = {
    "grey": (lambda: small(layers.Conv2D(4, 3), size=(28, 28, 1)), noise(1, 28, 28, 1), {}),
    "one unit": (
        lambda: kviz.Network(
            small(
                layers.Conv2D(4, 3),
                end=[layers.GlobalMaxPooling2D(), layers.Dense(1, activation="sigmoid")],
            ),
            class_names=["dog", "cat"],
        ),
        noise(2, 12, 12, 3),
        {},
    ),
    "regression": (
        lambda: small(layers.Conv2D(4, 3), end=[layers.GlobalMaxPooling2D(), layers.Dense(1)]),
        noise(1, 12, 12, 3),
        {"fooling image": "one class only"},
    ),
    "autoencoder": (
        lambda: small(
            layers.Conv2D(4, 3, 2, padding="same"),
            end=[layers.Conv2DTranspose(3, 3, 2, padding="same")],
        ),
        noise(1, 12, 12, 3),
        dict.fromkeys(
            ["attribution: grad_cam", "class images", "fooling image"],
            "It needs a predicted class. The model answers with an image.",
        ),
    ),
    "no convolution": (
        lambda: small(end=[layers.Flatten(), layers.Dense(5)]),
        noise(1, 12, 12, 3),
        {
            "feature maps": "no Conv2D",
            "kernels": "no layer of class Conv2D",
            "attribution: grad_cam": "spatial",
            "filter patterns": "needs feature maps",
        },
    ),
    "two inputs": (
        two_inputs,
        [noise(2, 16, 16, 3), np.ones((2, 4), np.float32)],
        dict.fromkeys(["filter patterns", "class images"], "models of one input"),
    ),
    "subclassed": (Subclassed, noise(1, 16, 16, 3), {}),
    "any size": (
        lambda: small(layers.Conv2D(4, 3), size=(None, None, 3)), noise(1, 20, 30, 3), {},
    ),
    "half precision": (
        lambda: small(layers.Conv2D(4, 3, dtype="mixed_float16")), noise(1, 12, 12, 3), {},
    ),
    "dead": (
        lambda: small(
            layers.Conv2D(4, 3, activation="relu", bias_initializer=keras.initializers.Constant(-1e9))
        ),
        noise(1, 12, 12, 3),
        {},
    ),
}  # fmt: skip


@pytest.mark.some(every=12)
@pytest.mark.usefixtures("short_dreams")
@pytest.mark.parametrize("case", CASES)
def test_a_part_that_cannot_be_made_is_left_out_with_its_reason(case):
    make, images, reasons = CASES[case]
    keras.utils.set_random_seed(1)
    report = kviz.report(make(), images, methods=["grad_cam"])
    skipped = {
        f"{one['part']}: {one['item']}" if one["item"] else one["part"]: one["why"]
        for one in report.facts()["skipped"]
    }
    assert skipped.keys() == reasons.keys(), skipped
    assert {one["reason"] for one in report.facts()["skipped"]} <= {"failed"}
    text = re.sub(r"&#\d+;", "?", report.html)
    for part, words in reasons.items():
        assert words in skipped[part]
        assert words in text
    assert "unexpected" not in str(skipped)
    assert ("Not shown: what the model answers." in text) == ("predictions" in reasons)


@pytest.mark.usefixtures("short_dreams")
def test_dead_filters_and_empty_channels_are_named():
    make, images, _ = CASES["dead"]
    report = kviz.report(make(), images, methods=["gradient"])
    (dead,) = report.facts()["dead_channels"].values()
    assert dead == [0, 1, 2, 3]
    assert [one["arrived"] for one in report.facts()["patterns"]] == [False] * 4
    assert "No gradient reaches these filters" in report.html


def test_sequences_are_drawn_as_rows():
    model = keras.Sequential(
        [keras.Input((40, 2)), layers.Conv1D(6, 3, name="c"), layers.Flatten(), layers.Dense(3)]
    )
    signal = np.random.default_rng(0).normal(size=(1, 40, 2)).astype(np.float32)
    report = kviz.report(model, signal, layer_names="c", quick=True)
    values, step, *_ = carried(report.html, 0)
    maps = kviz.activations(model, signal, "c")["c"]
    assert values.shape == (1, 38, 6)
    assert (np.abs(values[0] - maps[0]) <= step * 0.51).all()


def test_a_fault_of_a_part_takes_no_other_along(monkeypatch, squeezenet, cat):
    def broken(*_, **__):
        raise RuntimeError("<b>it</b> broke")

    monkeypatch.setattr("kviz.reports.gather.filter_patterns", broken)
    monkeypatch.setattr("kviz.reports.gather.class_image", broken)
    report = kviz.report(squeezenet, cat, methods=["grad_cam"])
    skipped = {one["part"]: one["why"] for one in report.facts()["skipped"]}
    assert skipped == dict.fromkeys(
        ("filter patterns", "class images"), "It failed with RuntimeError: <b>it</b> broke"
    )
    assert "RuntimeError: &lt;b&gt;it&lt;/b&gt; broke" in report.html
    assert report.facts()["fooled"]


@pytest.mark.some(every=2)
@pytest.mark.parametrize("part", ["feature maps", "class images", "page"])
def test_an_interrupt_leaves_what_was_there(part, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("before")

    def interrupted(name, done, total):  # noqa: ARG001
        if name == part:
            raise KeyboardInterrupt

    model = small(layers.Conv2D(4, 3, activation="relu"))
    with pytest.raises(KeyboardInterrupt):
        kviz.report(
            model, noise(1, 12, 12, 3), path, methods=["gradient"], progress=interrupted, force=True
        )
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_within_a_dream_ends_the_report(tmp_path):
    calls = []

    def interrupted(name, done, total):
        if name == "filter patterns" and 0 < done < total:
            calls.append(done)
            raise KeyboardInterrupt

    model, photo = small(layers.Conv2D(4, 3, activation="relu")), noise(1, 12, 12, 3)
    with pytest.raises(KeyboardInterrupt):
        kviz.report(model, photo, tmp_path / "r.html", methods=["gradient"], progress=interrupted)
    assert calls
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- how it is called


@pytest.mark.parametrize(
    ("options", "words", "kind"),
    [
        (
            {"methods": ["grad_cm"]},
            "no method 'grad_cm'. Did you mean 'grad_cam'",
            kviz.OptionError,
        ),
        ({"methods": "grad_cam"}, "methods takes a list", kviz.OptionError),
        ({"class_index": "zebu"}, "no class 'zebu'", kviz.OptionError),
        ({"layer_names": "convx"}, "no layer 'convx'", kviz.LayerError),
        ({"pattern_layer_names": "convx"}, "no layer 'convx'", kviz.LayerError),
        ({"max_mb": 0}, "max_mb takes a size over 0", kviz.OptionError),
        ({"seed": -1}, "seed takes a whole number", kviz.OptionError),
        ({"path": "report.pdf"}, "ending in .html. Received: report.pdf", kviz.OutputError),
        ({"path": "nowhere/report.html"}, "its folder does not exist", kviz.OutputError),
    ],
)
def test_a_mistake_is_said_before_anything_runs(options, words, kind, squeezenet, cat, monkeypatch):
    monkeypatch.setattr("kviz.reports.report.gather", None)
    with refused(words, kind):
        kviz.report(squeezenet, cat, **options)


def test_images_that_do_not_fit_are_refused(squeezenet):
    with refused("Expected images of shape", kviz.ImageError):
        kviz.report(squeezenet, noise(1, 10, 10, 3))


def test_no_method_is_none():
    model = small(layers.Conv2D(4, 3))
    report = kviz.report(model, noise(1, 12, 12, 3), methods=(), quick=True)
    assert report.facts()["attributions"] == []
    assert report.facts()["page"]["attributions"] == ""
    assert "No method was asked for." in report.html
    # The card shows the photo itself, so that it is not carried once more.
    assert "photo-0" not in elements(report.html)


@pytest.mark.slow
def test_a_class_and_layers_are_chosen(squeezenet, cat):
    report = kviz.report(
        squeezenet, cat, class_index="lynx", methods=["gradient"], layer_names="pool*",
        pattern_layer_names="conv1", names=["a"],
    )  # fmt: skip
    (image,) = report.facts()["images"]
    assert (image["explained"][0]["name"], image["rival"]["name"]) == ("lynx", "Egyptian cat")
    assert [layer["path"] for layer in report.facts()["feature_maps"]] == [
        "pool1",
        "pool3",
        "pool5",
    ]
    assert all(one["made_for"].startswith("conv1 filter") for one in report.facts()["patterns"])
    assert [one["made_for"] for one in report.facts()["class_images"]] == ["lynx", "Egyptian cat"]
    assert (report.path, report.facts()["model"]["file"]) == (None, "squeezenet.keras")


def test_a_report_is_saved_and_shown(hostile, tmp_path):
    report = hostile.report
    assert report.save(tmp_path / "copy.html") == [tmp_path / "copy.html"]
    assert (tmp_path / "copy.html").read_text(encoding="utf-8") == report.html
    with refused("ending in .html", kviz.OutputError):
        report.save(tmp_path / "copy.png")
    assert re.fullmatch(
        r"<kviz.Report of m<.*, 2 images, \d\.\d MB, in .*report.html>", repr(report)
    )
    frame = report._repr_html_()
    assert frame.count("<") == 2
    assert 'sandbox="allow-scripts allow-downloads"' in frame


def test_the_command_writes_a_page_and_prints_facts(tmp_path):
    out = tmp_path / "page.html"
    run = [
        "report",
        MODEL,
        CAT,
        "--out",
        str(out),
        "--quick",
        "--method",
        "gradient",
        "--method",
        "cam",
        "--json",
    ]
    done = CliRunner().invoke(main, run)
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["files"] == [str(out)]
    assert {one["method"] for one in facts["attributions"]} == {"gradient", "cam"}
    assert facts["images"][0]["classes"][0]["name"] == "Egyptian cat"
    assert told(out.read_text(encoding="utf-8"))["photos"][0]["name"] == "cat.png"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "nope"], "There is no method 'nope'"),
        (["--class", "nope"], "There is no class 'nope'"),
        (["--layers", "nope"], "calls no layer 'nope'"),
    ],
)
def test_a_wrong_command_ends_with_one_line(options, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["report", MODEL, CAT, *options])
    assert done.exit_code == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_page_is_an_html_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["report", MODEL, CAT, "--out", "page.txt"])
    assert done.exit_code == 2
    assert "Error: --out takes a file ending in .html. Received: page.txt" in done.stderr
    assert list(tmp_path.iterdir()) == []
