"""evaluate: values that a pencil gives, that neither batch nor order change, beside chance."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers
from one_of_each import attribution, evaluation
from pencil_nets import linear, pixels, planted

import kviz
from kviz.metrics import Deletion, Insertion, MuFidelity
from kviz.results.evaluation import interval_of

METRICS = [Deletion(steps=4), Insertion(steps=4), MuFidelity(subsets=16, cells=4)]


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Rescaling(1 / 255),
         layers.Conv2D(6, 3, activation="relu", name="conv"), layers.GlobalAveragePooling2D(),
         layers.Dense(5, activation="softmax")]
    )  # fmt: skip


@pytest.fixture(scope="module")
def five():
    return np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), "uint8")


@pytest.fixture(scope="module")
def whole(model, five):
    return kviz.evaluate(model, five, ["saliency", "grad_cam"], METRICS, nulls=3)


def test_shapes_and_what_is_recorded(whole):
    assert whole.measures() == [
        "deletion black", "deletion blur", "insertion black", "insertion blur",
        "mu_fidelity black", "mu_fidelity blur",
    ]  # fmt: skip
    assert whole.values.shape == (6, 2, 5)
    assert whole.nulls == (*["random"] * 3, "centre", "edges", "inverted", "another photo")
    assert whole.null_values.shape == (6, 2, 7, 5)
    assert np.isfinite(whole.values).all()
    assert np.isfinite(whole.null_values).all()
    assert whole.curves["0"].shape == (2, 5, 5)
    assert sorted(whole.curves) == ["0", "1", "2", "3"]
    settings = whole.made_by.settings
    assert [one["name"] for one in settings["metrics"][::2]] == [
        "deletion", "insertion", "mu_fidelity",
    ]  # fmt: skip
    assert (settings["metrics"][0]["baseline"], settings["metrics"][0]["steps"]) == ("black", 4)
    assert [one["name"] for one in settings["methods"]] == ["saliency", "grad_cam"]
    assert (settings["nulls"], settings["seed"]) == (3, 0)


@pytest.mark.some(every=2)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_batch_does_not_matter(model, five, whole, batch_size):
    methods = ["saliency", "grad_cam"]
    found = kviz.evaluate(model, five, methods, METRICS, nulls=3, batch_size=batch_size)
    np.testing.assert_allclose(found.values, whole.values, atol=1e-5)
    np.testing.assert_allclose(found.null_values, whole.null_values, atol=1e-5)


def test_neither_does_the_order_of_the_images(model, five, whole):
    order = [3, 0, 4, 2, 1]
    found = kviz.evaluate(model, five[order], ["saliency", "grad_cam"], METRICS, nulls=3)
    np.testing.assert_allclose(found.values, whole.values[..., order], atol=1e-5)
    np.testing.assert_allclose(found.null_values, whole.null_values[..., order], atol=1e-5)


def test_a_model_that_was_built_for_two_images(model, five, whole):
    fixed = keras.models.clone_model(model, input_tensors=keras.Input(batch_shape=(2, 16, 16, 3)))
    fixed.set_weights(model.get_weights())
    found = kviz.evaluate(fixed, five, ["saliency", "grad_cam"], METRICS, nulls=3)
    np.testing.assert_allclose(found.values, whole.values, atol=1e-5)


def test_a_seed_gives_the_same_again_and_another_one_other_nulls(model, five, whole):
    options = {"metrics": METRICS, "nulls": 3}
    again, other = (
        kviz.evaluate(model, five, ["saliency", "grad_cam"], seed=seed, **options)
        for seed in (0, 1)
    )
    np.testing.assert_array_equal(again.values, whole.values)
    np.testing.assert_array_equal(again.null_values, whole.null_values)
    assert (other.null_values[:, :, :3] != whole.null_values[:, :, :3]).any()


def test_the_inverted_map_and_that_of_another_photo(model, five):
    found = kviz.attribute(model, five, "gradient")
    negative = replace(found, maps=-found.maps)
    both = kviz.evaluate(model, five, [found, negative], Deletion(steps=8), baselines=["black"])
    inverted = both.chance(0, 0)["inverted"]
    np.testing.assert_allclose(inverted[0], both.values[0, 1], atol=1e-6)
    # Each photo has the map of one other, and each map is one photo's.
    two = kviz.attribute(model, five[:2], "gradient")
    swapped = replace(two, maps=two.maps[::-1])
    both = kviz.evaluate(model, five[:2], [two, swapped], Deletion(steps=8), baselines=["black"])
    np.testing.assert_allclose(both.chance(0, 0)["another photo"][0], both.values[0, 1], atol=1e-6)
    alone = kviz.evaluate(model, five[:1], "gradient", Deletion(steps=2), baselines=["black"])
    assert alone.nulls[-1] == "inverted"


def test_nulls_are_those_of_each_method_s_own_classes(model, five):
    one, two = (kviz.attribute(model, five, "saliency", class_index=index) for index in (1, 2))
    both = kviz.evaluate(model, five, [one, two], Deletion(steps=4), baselines=["black"])
    for place, found in enumerate((one, two)):
        alone = kviz.evaluate(model, five, found, Deletion(steps=4), baselines=["black"])
        np.testing.assert_allclose(both.values[0, place], alone.values[0, 0], atol=1e-6)
        np.testing.assert_allclose(both.null_values[0, place], alone.null_values[0, 0], atol=1e-6)
    assert both.methods == ("saliency", "saliency #2")
    assert both.class_names == ("class 1",) * 5 + ("class 2",) * 5


def test_an_attribution_from_disk_is_measured_like_the_method(model, five, whole, tmp_path):
    found = kviz.attribute(model, five, "saliency")
    loaded = kviz.load_result(found.save(tmp_path / "found.npz")[0])
    again = kviz.evaluate(model, five, loaded, METRICS, nulls=3)
    np.testing.assert_allclose(again.values[:, 0], whole.values[:, 0], atol=1e-6)


def test_round_trip_and_rows(whole, tmp_path):
    again = kviz.load_result(whole.save(tmp_path / "all.npz")[0])
    np.testing.assert_array_equal(again.values, whole.values)
    np.testing.assert_array_equal(again.null_curves["3"], whole.null_curves["3"])
    assert again.text() == whole.text()
    assert json.dumps(whole.facts(), allow_nan=False)
    frame = whole.to_frame()
    own = frame[(frame.metric == "deletion") & (frame.baseline == "black") & (frame.null == "")]
    np.testing.assert_allclose(own[own.method == "saliency"].value, whole.values[0, 0])
    assert len(frame) == 6 * 2 * (1 + 7) * 5


def test_pictures(tmp_path):
    found = evaluation()
    curve, values, alone = found.tiles()
    assert {tile.role for tile in (curve, values, alone)} == {"curve"}
    assert [*curve.chart.lines] == ["grad_cam", "saliency", "random maps"]
    np.testing.assert_allclose(curve.chart.lines["saliency"], found.curves["0"][1].mean(axis=0))
    random = found.null_curves["0"][0, :2].mean(axis=(0, 1))
    np.testing.assert_allclose(curve.chart.lines["random maps"], random)
    # The random maps are every method's, an inverted one is its own method's.
    names = ["grad_cam", "saliency", "random", "inverted: grad_cam", "inverted: saliency"]
    assert [row.name for row in values.chart.rows] == names
    assert [row.null for row in values.chart.rows] == [False] * 2 + [True] * 3
    draws = found.null_values[0, 0, :2].mean(axis=1)
    assert values.chart.rows[2].interval == (draws.min(), draws.max())
    assert values.chart.rows[1].value == found.values[0, 1].mean()
    assert "lower is better" in values.alt
    assert "higher is better" in alone.alt
    one = found.tiles(image=1)[1].chart.rows[1]
    assert one.value == found.values[0, 1, 1]
    written = [path.name for path in found.save(tmp_path / "pictures")]
    assert written == [
        "01_deletion_black_curves.png", "01_deletion_black_values.png",
        "02_mu_fidelity_black_values.png",
    ]  # fmt: skip


def test_mean_interval_and_rank(whole):
    low, high = whole.interval("deletion black", "saliency")
    assert low < whole.mean("deletion black", "saliency") < high
    rank = whole.rank("deletion black", "saliency")
    nulls = whole.null_values[0, 0].mean(axis=1)
    assert rank == (1 + (nulls <= whole.values[0, 0].mean()).sum(), 8, 0)
    best = whole.rank("mu_fidelity black", "saliency")
    assert (
        best.place == 1 + (whole.null_values[4, 0].mean(axis=1) >= whole.values[4, 0].mean()).sum()
    )


def test_an_interval_is_told_from_five_images_on():
    assert interval_of(np.arange(4.0)) is None
    low, high = interval_of(np.arange(50.0))
    error = np.arange(50.0).std() / np.sqrt(50)
    assert low == pytest.approx(24.5 - 1.96 * error, abs=0.5)
    assert high == pytest.approx(24.5 + 1.96 * error, abs=0.5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"metrics": "deltion"}, kviz.OptionError, "Did you mean 'deletion'"),
        ({"metrics": []}, kviz.OptionError, "metrics takes one, or a list"),
        ({"methods": []}, kviz.OptionError, "methods takes one, or a list"),
        ({"methods": "grad_cm"}, kviz.OptionError, "'grad_cam'"),
        ({"methods": attribution()}, kviz.ImageError, "is of 2 images. Received: 5 images"),
        (
            {"baselines": ["noise"]},
            kviz.OptionError,
            "'black', 'white', 'grey', 'mean', 'blur'. Rec",
        ),
        ({"baselines": ["blck"]}, kviz.OptionError, "'black'"),
        ({"baselines": True}, kviz.OptionError, "Received: True"),
        ({"nulls": 0}, kviz.OptionError, "nulls takes a whole number from 1"),
        ({"score": 7}, kviz.OptionError, "function"),
    ],
)
def test_bad_input_is_one_sentence(options, error, message, model, five):
    with pytest.raises(error, match=message) as caught:
        kviz.evaluate(model, five, **{"methods": "saliency", **options})
    assert len(str(caught.value)) <= 300


def test_attributions_that_do_not_fit_are_refused(model, five):
    several = kviz.attribute(model, five, "saliency", class_index=[[1, 2]])
    with pytest.raises(kviz.OptionError, match="2 classes an image"):
        kviz.evaluate(model, five, several)
    small = kviz.attribute(model, five, "grad_cam", resize=None)
    with pytest.raises(kviz.OptionError, match=r"maps of size \(14, 14\)"):
        kviz.evaluate(model, five, small)
    with pytest.raises(kviz.ImageError, match="of other images"):
        kviz.evaluate(model, five[::-1], kviz.attribute(model, five, "saliency"))
    other = kviz.attribute(model, five, "saliency", score=lambda outputs: outputs[:, 0])
    with pytest.raises(kviz.OptionError, match="score= takes it"):
        kviz.evaluate(model, five, other)
    found = kviz.evaluate(
        model, five, other, Deletion(steps=2), score=lambda outputs: outputs[:, 0]
    )
    assert found.classes.tolist() == [[-1] * 5]


def test_an_attribution_of_another_output_or_class_is_refused(five):
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    mean = layers.GlobalAveragePooling2D()(image)
    several = keras.Model(
        image, {"kind": layers.Dense(2, "softmax")(mean), "size": layers.Dense(3, "softmax")(mean)}
    )
    found = kviz.attribute(several, five, "saliency", output="size", class_index=2)
    options = {"metrics": Deletion(steps=2), "baselines": ["black"]}
    with pytest.raises(
        kviz.OptionError, match=r"of output 'size', and 'kind' is looked at. Say which"
    ):
        kviz.evaluate(several, five, found, **options)
    judged = kviz.evaluate(several, five, found, output="size", **options)
    expected = network_share(several, five, "size", 2)
    np.testing.assert_allclose(judged.curves["0"][0, :, 0], expected, rtol=1e-4, atol=1e-6)
    two = keras.Model(image, layers.Dense(2, "softmax")(mean))
    other = replace(found, made_by=replace(found.made_by, settings={}))
    with pytest.raises(
        kviz.OptionError, match=r"saliency is of class 2. Class indices go from 0 to 1"
    ):
        kviz.evaluate(two, five, other, **options)


def network_share(model, images, output, index):
    return np.asarray(model(images.astype("float32"))[output])[:, index]


def test_an_error_says_which_of_several_it_is_of(five):
    flat = keras.Sequential([keras.Input((16, 16, 3)), layers.Flatten(), layers.Dense(2)])
    metrics = [Deletion(steps=2), MuFidelity(subsets=4, cells=(3, 3, 3))]
    with pytest.raises(kviz.LayerError, match=r"^grad_cam: No layer"):
        kviz.evaluate(flat, five, ["saliency", "grad_cam"], metrics)
    with pytest.raises(kviz.LayerError, match=r"^No layer"):
        kviz.evaluate(flat, five, "grad_cam", metrics)
    with pytest.raises(kviz.OptionError, match=r"^mu_fidelity: cells takes"):
        kviz.evaluate(flat, five, "saliency", metrics, baselines=["black"])


def test_what_images_should_be_seen_with_is_told_once(model, five):
    with pytest.warns(kviz.KvizWarning, match="up to 1 where the model takes 0-255") as told:
        found = kviz.evaluate(
            model, five / np.float32(255), ["saliency", "gradient"], "parameter_randomization"
        )
    assert len([one for one in told if one.category is kviz.KvizWarning]) == 1
    assert told[0].filename == __file__
    assert len(found.notes) == 1


def test_a_black_image_that_gives_no_number_is_said(five):
    image = keras.Input((16, 16, 3))
    mean = layers.GlobalAveragePooling2D()(image)
    model = keras.Model(image, layers.Dense(2)(mean / keras.ops.sum(mean, axis=1, keepdims=True)))
    with pytest.raises(kviz.ImageError, match="values that are not finite"):
        kviz.evaluate(model, five, "saliency", Deletion(steps=2), baselines=["black"])


@pytest.mark.parametrize("shape", [(2, 12, 3), (2, 4, 6, 5, 1), (2, 9)])
def test_signals_volumes_and_features(shape):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input(shape[1:]), layers.Flatten(), layers.Dense(3, activation="softmax")]
    )
    data = np.random.default_rng(0).normal(size=shape).astype("float32")
    metrics = [Deletion(steps=4), MuFidelity(subsets=8, cells=3)]
    found = kviz.evaluate(model, data, "gradient", metrics, baselines=[0])
    assert found.values.shape == (2, 1, 2)
    assert ("edges" in found.nulls) == (len(shape) > 2)


def test_a_class_map(five):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Rescaling(1 / 255), layers.Conv2D(4, 3, padding="same"),
         layers.Conv2D(3, 1, activation="softmax")]
    )  # fmt: skip
    found = kviz.evaluate(model, five, "saliency", Deletion(steps=2), baselines=["black"])
    output = np.asarray(model(five.astype("float32")))
    shares = np.stack([(output.argmax(-1) == index).mean((1, 2)) for index in range(3)], 1)
    best = shares.argmax(1)
    where = output.argmax(-1) == best[:, None, None]
    own = np.take_along_axis(output, best[:, None, None, None], 3)[..., 0]
    expected = (own * where).sum((1, 2)) / where.sum((1, 2))
    np.testing.assert_allclose(found.curves["0"][0, :, 0], expected, rtol=1e-5)


def test_what_decides_alone_is_found_at_once():
    model, images = planted(9, (2, 6), 8.0), pixels(3, 9)
    metrics = [Deletion(steps=81), Insertion(steps=81), MuFidelity(subsets=40)]
    found = kviz.evaluate(
        model, images, "gradient", metrics, baselines=["black"], class_index=1, nulls=8
    )
    before = 1 / (1 + np.exp(4 - 8 * images[:, 2, 6, 0]))
    after = 1 / (1 + np.exp(4))
    # Of 82 points the first alone is high, or the first alone is low.
    np.testing.assert_allclose(found.values[0, 0], (before / 2 + 80.5 * after) / 81, rtol=1e-4)
    np.testing.assert_allclose(found.values[1, 0], (after / 2 + 80.5 * before) / 81, rtol=1e-4)
    # The net is linear in its pixels: of another photo the gradient is no other.
    assert found.rank("deletion black", 0).place == found.rank("insertion black", 0).place == 2


def test_a_loss_of_pixels_adds_up_in_a_linear_net():
    """f = sum of w x: without its k largest parts f is the sum of the others."""
    weights = np.random.default_rng(1).normal(size=(6, 6))
    images = pixels(4, 6)
    metrics = [
        Deletion(steps=36, on="score"), Insertion(steps=36, on="score"),
        MuFidelity(subsets=60, cells=6),
    ]  # fmt: skip
    found = kviz.evaluate(linear(weights), images, "input_x_gradient", metrics, baselines=[0])
    parts = -np.sort(-(weights * images[..., 0]).reshape(4, -1), axis=1)
    shown = np.concatenate([np.zeros((4, 1)), parts.cumsum(axis=1)], axis=1)
    deleted = parts.sum(axis=1, keepdims=True) - shown
    np.testing.assert_allclose(found.curves["0"][0], deleted, atol=1e-4)
    np.testing.assert_allclose(found.curves["1"][0], shown, atol=1e-4)
    np.testing.assert_allclose(found.values[0, 0], np.trapezoid(deleted, dx=1 / 36), atol=1e-4)
    # A value is its own probability: nothing is squashed.
    metrics = [replace(metric, on="probability") for metric in metrics[:2]]
    again = kviz.evaluate(linear(weights), images, "input_x_gradient", metrics, baselines=[0])
    np.testing.assert_allclose(again.values, found.values[:2], atol=1e-5)
    np.testing.assert_allclose(found.values[2, 0], 1, atol=1e-6)


def test_equal_values_go_in_an_order_of_the_seed():
    weights = np.random.default_rng(1).normal(size=(6, 6))
    images = pixels(1, 6)
    found = kviz.attribute(linear(weights), images, "gradient")
    flat = replace(found, maps=np.ones_like(found.maps))
    options = {"metrics": Deletion(steps=36, on="score"), "baselines": [0]}
    curves = [
        kviz.evaluate(linear(weights), images, flat, seed=seed, **options).curves["0"][0, 0]
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(curves[0], curves[1])
    assert not np.allclose(curves[0], curves[2])


def test_a_random_map_knows_nothing_and_the_perfect_map_all():
    """f = sum of x over 81 cells: the other library gives a random map 0.7 here."""
    images = np.random.default_rng(5).uniform(0, 1, (1, 9, 9, 1)).astype("float32")
    found = kviz.evaluate(
        linear(np.ones((9, 9))), images, "input_x_gradient", MuFidelity(), baselines=[0], nulls=100
    )
    assert found.values[0, 0, 0] == pytest.approx(1, abs=1e-5)
    random = found.chance(0, 0)["random"][:, 0]
    assert abs(random.mean()) < 3 * random.std() / np.sqrt(100)
    assert 0.05 < random.std() < 0.2


def test_intervals_of_what_is_nothing_cover_nothing():
    """Over 100 seeds, of twelve images; so many images' bootstrap covers less than it says."""
    images = np.random.default_rng(6).uniform(0, 1, (12, 9, 9, 1)).astype("float32")
    model, metric = kviz.Network(linear(np.ones((9, 9)))), MuFidelity(subsets=50)
    options = {"baselines": [0], "nulls": 100}
    found = kviz.evaluate(model, images, "input_x_gradient", metric, **options)
    intervals = [interval_of(row) for row in found.chance(0, 0)["random"]]
    assert sum(low <= 0 <= high for low, high in intervals) >= 85


def ranked(values, ties):
    return sorted(range(values.size), key=lambda place: (-values.flat[place], ties[place]))


def test_a_numpy_twin_on_the_real_net(squeezenet, cat):
    """Deletion and insertion written anew in a dozen lines, on whole images through the network."""
    steps = 8
    found = kviz.attribute(squeezenet, cat, "saliency")
    metrics = [Deletion(steps=steps), Insertion(steps=steps)]
    mine = kviz.evaluate(squeezenet, cat, found, metrics, nulls=1)
    place, values = int(found.classes[0]), found.maps[0]
    order = np.argsort(-values.reshape(-1), kind="stable")
    sigma = 227 / 10
    reach = np.arange(-int(3 * sigma), int(3 * sigma) + 1)
    kernel = np.exp(-(reach**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    blurred = cat[0].astype(float)
    for axis in (0, 1):
        pads = [(reach[-1],) * 2 if a == axis else (0, 0) for a in range(3)]
        wide = np.pad(blurred, pads, "edge")
        blurred = np.apply_along_axis(np.convolve, axis, wide, kernel, "valid")
    for at, (name, low) in enumerate((("black", np.zeros_like(blurred)), ("blur", blurred))):
        for metric in (0, 2):
            batch = []
            for k in range(steps + 1):
                first = np.zeros(values.size, bool)
                first[order[: round(values.size * k / steps)]] = True
                kept = (~first if metric == 0 else first).reshape(227, 227, 1)
                batch.append(np.where(kept, cat[0], low))
            said = np.asarray(squeezenet(np.array(batch, "float32")))[:, place]
            area = (said[1:] + said[:-1]).sum() / 2 / steps
            assert mine.baselines[metric + at] == name
            assert mine.values[metric + at, 0, 0] == pytest.approx(area, abs=1e-4)


def test_a_rank_tells_how_many_are_equal(whole):
    same = replace(whole, null_values=np.zeros_like(whole.null_values), values=0 * whole.values)
    assert same.rank(0, 0) == (8, 8, 7)
    assert "8 of 8 (7 equal)" in same.text()


def test_a_picture_has_the_nulls_of_each_method_s_own_classes(model, five):
    found = [kviz.attribute(model, five, "saliency", class_index=index) for index in (1, 3, 1)]
    judged = kviz.evaluate(model, five, found, Deletion(steps=4), baselines=["black"], nulls=2)
    curve, values = judged.tiles()
    assert judged.notes == (
        "The methods explain different classes: values and chance of one are not another's.",
    )
    random = {row.name: row.value for row in values.chart.rows if row.name.startswith("random")}
    assert [*random] == ["random: saliency", "random: saliency #2"]
    for row, method in zip(random.values(), (0, 1), strict=True):
        assert row == pytest.approx(judged.chance(0, method)["random"].mean())
    lines = [name for name in curve.chart.lines if name.startswith("random")]
    assert lines == ["random maps: saliency", "random maps: saliency #2"]
    means = judged.null_curves["0"][:, :2].mean(axis=(1, 2))
    np.testing.assert_allclose(curve.chart.lines[lines[1]], means[1])


def test_what_says_nothing_is_left_out_of_pictures(model, five, tmp_path):
    unknown = replace(kviz.attribute(model, five, "saliency"), method="somebody's")
    judged = kviz.evaluate(
        model, five, [unknown, "saliency"], ["parameter_randomization", "deletion"], nulls=1
    )
    tiles = judged.tiles()
    assert [*tiles[0].chart.lines] == ["saliency", "random maps"]
    assert "somebody's" not in [row.name for row in tiles[1].chart.rows]
    alone = kviz.evaluate(model, five, unknown, ["parameter_randomization", "deletion"], nulls=1)
    names = [path.name for path in alone.save(tmp_path / "pictures")]
    assert names[0] == "02_deletion_black_curves.png"


def test_another_photo_is_another_one(model, five):
    """Of photos that occur twice it is not the same one, nor does their order matter."""
    twice, metric = five[[0, 0, 1, 2]], Deletion(steps=4)
    options = {"baselines": ["black"], "nulls": 1, "class_index": 1}
    one = kviz.evaluate(model, twice, "saliency", metric, **options)
    found = one.chance(0, 0)["another photo"][0]
    assert found[0] == pytest.approx(found[1], abs=1e-5)
    assert abs(found[0] - one.values[0, 0, 0]) > 1e-4
    order = [2, 0, 3, 1]
    other = kviz.evaluate(model, twice[order], "saliency", metric, **options)
    np.testing.assert_allclose(other.chance(0, 0)["another photo"][0], found[order], atol=1e-5)
    same = kviz.evaluate(model, five[[0, 0]], "saliency", metric, **options)
    assert same.nulls == ("random", "centre", "edges", "inverted")


@pytest.mark.parametrize("size", [(12, 16), (28, 11), (5, 33)])
def test_a_map_that_says_nothing_gets_nothing_whatever_the_image_s_size(size):
    """Cells of one size: larger ones would have larger sums and larger falls."""
    images = np.random.default_rng(5).uniform(0, 1, (8, *size, 1)).astype("float32")
    model = linear(np.ones(size))
    found = kviz.attribute(model, images, "gradient")
    flat = replace(found, maps=np.ones_like(found.maps))
    metrics = [MuFidelity(subsets=60), kviz.metrics.SensitivityN(points=2, subsets=60)]
    judged = kviz.evaluate(
        model, images, [flat, "input_x_gradient"], metrics, baselines=[0], nulls=12
    )
    for place in (0, 1):
        assert abs(judged.values[place, 0]).max() < 1e-6
        np.testing.assert_allclose(judged.values[place, 1], 1, atol=1e-5)
        random = judged.chance(place, 1)["random"]
        assert abs(random.mean()) < 3 * random.std() / np.sqrt(random.size)


def test_maps_that_are_not_finite_are_refused(model, five):
    found = kviz.attribute(model, five, "saliency")
    bad = replace(found, maps=np.where(found.maps > 0, np.nan, found.maps))
    with pytest.raises(kviz.ImageError, match="by saliency holds values that are not finite"):
        kviz.evaluate(model, five, bad, "complexity")


def test_an_axis_says_probability_where_it_is_one(model, five):
    metrics = [Deletion(steps=2), Deletion(steps=2, on="score")]
    found = kviz.evaluate(model, five, "saliency", metrics, baselines=["black"], nulls=1)
    assert [found.curve_axes[place][1] for place in "01"] == ["probability", "score"]
    own = kviz.evaluate(
        model, five, "saliency", metrics[0], baselines=["black"], nulls=1,
        score=lambda outputs: outputs[:, 0],
    )  # fmt: skip
    assert own.curve_axes["0"][1] == "score"


def test_names_are_as_many_as_images(model, five):
    with pytest.raises(kviz.OptionError, match=r"a name for each of 5 images. Received: 2"):
        kviz.evaluate(model, five, "saliency", Deletion(steps=2), names=["a", "b"])


def test_a_baseline_is_one_image_whatever_the_batch(model, five):
    for batch_size in (2, 5):
        with pytest.raises(kviz.OptionError, match="shape of one image"):
            kviz.evaluate(
                model, five, "saliency", Deletion(steps=2), baselines=[five], batch_size=batch_size
            )


def test_as_many_images_at_once_as_their_maps_have_room(model, five, monkeypatch):
    options = {"baselines": ["black"], "nulls": 3}
    whole = kviz.evaluate(model, five, ["saliency", "grad_cam"], METRICS, **options)
    # Of five images, each with two maps, four nulls of theirs and five that they share.
    monkeypatch.setattr("kviz.metrics.judge.HELD", 2 * 24 * (2 * 3 + 5) * 16 * 16)
    sizes, measured = [], Deletion.measure

    def seen(metric, trial):
        sizes.append(trial.maps.shape[:2])
        return measured(metric, trial)

    monkeypatch.setattr(Deletion, "measure", seen)
    parts = kviz.evaluate(model, five, ["saliency", "grad_cam"], METRICS, **options)
    assert sizes == [(11, 2), (11, 2), (11, 1)]
    np.testing.assert_allclose(parts.values, whole.values, atol=1e-5)
    np.testing.assert_allclose(parts.null_values, whole.null_values, atol=1e-5)


def test_the_names_of_a_given_attribution_stay(model, five):
    found = kviz.attribute(model, five, "saliency", names=list("abcde"))
    regions = {"b": (0, 0, 4, 4)}
    judged = kviz.evaluate(model, five, found, ["deletion", "relevance_mass"], regions=regions)
    assert judged.names == tuple("abcde")
    assert np.isfinite(judged.values[-1, 0]).tolist() == [False, True, False, False, False]
