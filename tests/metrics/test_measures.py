"""Numbers that a pencil or another program gives, for the metrics that take one."""

import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from needed import need_package
from pencil_nets import linear, pixels

import kviz
from kviz.metrics import Completeness, ParameterRandomization, Road
from kviz.metrics.measures import _alike
from kviz.metrics.measures._correlation import ranks
from kviz.metrics.measures._ssim import ssim
from kviz.metrics.measures.road import imputed

ROOT = Path(__file__).parents[2]


def test_completeness_of_a_linear_net():
    """By a pencil: those that promise a sum keep it, whatever they compare with; others have none."""
    weights = np.random.default_rng(1).normal(size=(6, 6))
    images, model = pixels(3, 6), linear(weights)
    corners = np.repeat(np.arange(4).reshape(2, 2), 3, axis=0).repeat(3, axis=1)
    promising = [
        kviz.attribution.method_named(name, **options)
        for name, options in [
            ("input_x_gradient", {}), ("lrp", {}), ("full_grad", {}),
            ("integrated_gradients", {"baseline": 1.5}), ("deep_lift", {"baseline": "mean"}),
            ("integrated_gradients", {"baseline": "noise"}), ("deep_shap", {"samples": 3}),
            ("expected_gradients", {"samples": 3}), ("shapley", {"segments": corners}),
            ("kernel_shap", {"segments": corners, "baseline": 7}),
        ]
    ]  # fmt: skip
    silent = [
        "gradient",
        "occlusion",
        kviz.attribution.method_named("lime", segments=9, samples=20),
    ]
    metrics = ["completeness", Completeness(reference=0)]
    judged = kviz.evaluate(model, images, [*promising, *silent], metrics)
    np.testing.assert_allclose(judged.values[0, : len(promising)], 0, atol=2e-5)
    assert np.isnan(judged.values[0, len(promising) :]).all()
    assert np.isnan(judged.null_values).all()
    assert judged.rank(0, 0) is None
    said = [note for note in judged.notes if "nobody says what its maps add up to" in note]
    assert [note.split()[-9].rstrip(":") for note in said] == ["gradient", "occlusion", "lime"]
    # With a reference there is a value of any map.
    rise = (weights * images[..., 0]).sum(axis=(1, 2))
    asked = dict(zip(judged.methods, judged.values[1], strict=True))
    for name, total in (
        ("input_x_gradient", rise), ("gradient", weights.sum()),
        ("integrated_gradients", rise - 1.5 * weights.sum()),
    ):  # fmt: skip
        np.testing.assert_allclose(asked[name], np.abs(total - rise) / np.abs(rise), atol=2e-5)


@pytest.fixture(scope="module")
def bent():
    """Return a net with biases that is nowhere linear, of images of 3 × 3."""
    keras.utils.set_random_seed(8)
    model = keras.Sequential(
        [keras.Input((3, 3, 1)), layers.Rescaling(1 / 99, offset=-1),
         layers.Conv2D(4, 2, activation="softplus"), layers.Flatten(),
         layers.Dense(8, activation="tanh"), layers.Dense(2)]
    )  # fmt: skip
    random = np.random.default_rng(4)
    for weight in model.weights:
        weight.assign(random.normal(size=weight.shape) / 2)
    return model


REFERENCES = 128 * (pixels(2, 3, seed=1) - 1)
PLAYERS = np.array([[0, 0, 1], [0, 2, 1], [2, 2, 1]])


def drawn(seed, count):
    """Return what expected gradients draw for each of four images, `(images, count, 3, 3, 1)`."""
    found = []
    for image in range(4):
        draws = [np.random.default_rng((seed, number, image)) for number in range(count)]
        # The first number is where on the way.
        found.append([(random.random(), random.uniform(0, 255, (3, 3, 1)))[1] for random in draws])
    return np.array(found)


# What methods compare an image with, [] for the score itself, and how large their gaps are.
TOLD = [
    ("integrated_gradients", {"steps": 1}, [np.zeros((3, 3, 1))], 1e-2),
    ("integrated_gradients", {"steps": 2, "baseline": REFERENCES[0]}, REFERENCES[:1], 1e-2),
    ("layer_integrated_gradients", {"steps": 1}, [np.zeros((3, 3, 1))], 1e-2),
    ("deep_lift", {"baseline": 9}, [np.full((3, 3, 1), 9.0)], 0),
    ("deep_shap", {"references": REFERENCES}, REFERENCES, 0),
    ("deep_shap", {"samples": 3}, np.random.default_rng(5).uniform(0, 255, (3, 3, 3, 1)), 0),
    ("expected_gradients", {"samples": 4}, drawn(5, 4), 1e-2),
    ("shapley", {}, [np.zeros((3, 3, 1))], 0),
    ("shapley", {"segments": PLAYERS, "baseline": 255}, [np.full((3, 3, 1), 255.0)], 0),
    ("kernel_shap", {"segments": PLAYERS, "samples": 9}, [np.zeros((3, 3, 1))], 0),
    ("input_x_gradient", {}, [], 1e-2),
    ("lrp", {}, [], 1e-2),
]  # fmt: skip


def test_completeness_is_what_the_method_says_of_its_own_sum(bent, tmp_path):
    """By hand, of the numbers that it drew; also with another seed, and when it was loaded."""
    images, found, expected = 255 * (pixels(4, 3) - 1), [], []
    scores = bent.predict(images, verbose=0)[:, 1]
    for name, options, references, _ in TOLD:
        one = kviz.attribute(bent, images, name, class_index=1, seed=5, **options)
        total = one.raw.reshape(4, -1).sum(axis=1)
        if "segments" in options:
            first = [np.argmax(player == PLAYERS) for player in range(3)]
            total = one.raw.reshape(4, -1)[:, first].sum(axis=1)
        rise = scores
        if len(references):
            low = bent.predict(np.reshape(references, (-1, 3, 3, 1)), verbose=0)[:, 1]
            rise = scores - low.reshape(*np.shape(references)[:-3]).mean(axis=-1)
        expected.append(np.abs(total - rise) / np.abs(rise))
        found.append(kviz.load_result(one.save(tmp_path / f"{len(found)}.npz")[0]))
    values = kviz.evaluate(bent, images, found, "completeness", seed=6, batch_size=3).values[0]
    np.testing.assert_allclose(values, expected, rtol=1e-3, atol=1e-4)
    for (name, options, *_, least), own in zip(TOLD, values, strict=True):
        assert own.max() > least if least else own.max() < 1e-4, (name, options)


def test_completeness_where_a_batch_has_to_be_filled_up(bent, monkeypatch):
    images = 255 * (pixels(3, 3) - 1)
    fixed = keras.models.clone_model(bent, input_tensors=keras.Input(batch_shape=(2, 3, 3, 1)))
    fixed.set_weights(bent.get_weights())
    measure, shapes = Completeness.measure, []

    def seen(metric, trial):
        shapes.append((trial.gaps.shape, trial.totals.shape))
        return measure(metric, trial)

    monkeypatch.setattr(Completeness, "measure", seen)
    found = [kviz.evaluate(net, images, "lrp", "completeness").values for net in (bent, fixed)]
    assert shapes == [((3,),) * 2, ((2,),) * 2, ((2,),) * 2]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-3)


def test_completeness_of_all_that_keep_it_in_a_relu_net_without_biases():
    keras.utils.set_random_seed(8)
    hidden = {"use_bias": False, "activation": "relu"}
    model = keras.Sequential(
        [keras.Input((3, 3, 1)), layers.Conv2D(4, 2, **hidden), layers.Flatten(),
         layers.Dense(8, **hidden), layers.Dense(2, use_bias=False)]
    )  # fmt: skip
    methods = ["input_x_gradient", "lrp", "full_grad"]
    gaps = kviz.evaluate(model, pixels(4, 3), methods, "completeness", class_index=1).values[0]
    np.testing.assert_allclose(gaps, 0, atol=1e-4)


def test_completeness_of_full_grad_counts_what_is_in_no_map(squeezenet, cat):
    values = kviz.evaluate(squeezenet, cat, "full_grad", "completeness").values
    np.testing.assert_allclose(values, 0, atol=1e-3)


def test_imputation_solves_its_equations():
    """Each missing pixel is the mean of its neighbours, at borders of those that there are."""
    need_package("scipy", "metrics")
    random = np.random.default_rng(0)
    image, missing = random.random((9, 7, 2)), random.random((9, 7)) < 0.6
    found = imputed(image, missing)
    np.testing.assert_array_equal(found[~missing], image[~missing])
    for y, x in np.argwhere(missing):
        total, weight = 0, 0
        for v in range(max(0, y - 1), min(9, y + 2)):
            for u in range(max(0, x - 1), min(7, x + 2)):
                share = {0: 0, 1: 1 / 6, 2: 1 / 12}[abs(v - y) + abs(u - x)]
                total, weight = total + share * found[v, u], weight + share
        np.testing.assert_allclose(found[y, x], total / weight, rtol=1e-9)
    # What is even stays even, and a slope inside goes on.
    np.testing.assert_allclose(imputed(np.full((5, 5, 1), 3.0), np.eye(5) > 0), 3)
    slope = np.arange(25.0).reshape(5, 5, 1)
    inside = np.zeros((5, 5), bool)
    inside[1:4, 1:4] = True
    np.testing.assert_allclose(imputed(slope, inside), slope)


def solved(image, missing):
    """Return the same by a dense system: each missing pixel less its share of each that there is."""
    places = [tuple(place) for place in np.argwhere(missing)]
    system, known = np.eye(len(places)), np.zeros((len(places), image.shape[-1]))
    for row, (y, x) in enumerate(places):
        around = {
            (v, u): {1: 2, 2: 1}[abs(v - y) + abs(u - x)]
            for v in (y - 1, y, y + 1)
            for u in (x - 1, x, x + 1)
            if (v, u) != (y, x) and 0 <= v < image.shape[0] and 0 <= u < image.shape[1]
        }
        for place, weight in around.items():
            share = weight / sum(around.values())
            if place in places:
                system[row, places.index(place)] -= share
            else:
                known[row] += share * image[place]
    found = np.array(image, "float64")
    found[missing] = np.linalg.solve(system, known)
    return found


def test_a_corner_is_the_mean_of_its_three_neighbours():
    need_package("scipy", "metrics")
    image, missing = np.array([[9.0, 1, 5], [2, 7, 5]])[..., None], np.zeros((2, 3), bool)
    missing[0, 0] = True
    assert imputed(image, missing)[0, 0, 0] == pytest.approx((2 * 1 + 2 * 2 + 7) / 5)
    assert solved(image, missing)[0, 0, 0] == pytest.approx((2 * 1 + 2 * 2 + 7) / 5)


def test_road_of_a_linear_net():
    """Of which the equations are solved anew, densely."""
    need_package("scipy", "metrics")
    weights = np.random.default_rng(1).normal(size=(6, 6))
    images = pixels(2, 6)
    metrics = [Road(order=order, steps=3, noise=0, on="score") for order in ("morf", "lerf")]
    found = kviz.evaluate(linear(weights), images, "input_x_gradient", metrics)
    parts, corners = (weights * images[..., 0]).reshape(2, -1), 0
    for place, sign in ((0, -1), (1, 1)):
        order = np.argsort(sign * parts, axis=1)
        for image in range(2):
            for step, count in enumerate((9, 18, 27)):
                missing = np.zeros(36, bool)
                missing[order[image, :count]] = True
                corners += missing[[0, 5, 30, 35]].sum()
                seen = solved(images[image], missing.reshape(6, 6))
                expected = (weights * seen[..., 0]).sum()
                got = found.curves[str(place)][0, image, step]
                assert got == pytest.approx(expected, abs=1e-4)
    assert corners
    assert found.measures() == ["road", "road #2"]
    assert found.better == ("lower", "higher")


def test_road_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(kviz.OptionError, match="road needs scipy, which is not installed"):
        kviz.evaluate(linear(np.eye(6)), pixels(1, 6), "gradient", "road")
    signal = keras.Sequential([keras.Input((8, 2)), layers.Flatten(), layers.Dense(1)])
    with pytest.raises(kviz.OptionError, match="pixels have neighbours"):
        kviz.evaluate(signal, np.ones((1, 8, 2), "float32"), "gradient", "road")


def test_road_s_noise_is_a_share_of_the_image_s_range():
    need_package("scipy", "metrics")
    weights, images = np.eye(1, 256).reshape(16, 16), pixels(1, 16)
    method, metrics = "input_x_gradient", [Road(steps=1, noise=n, on="score") for n in (0, 0.5, 1)]
    plain, half, one = kviz.evaluate(linear(weights), images, method, metrics).values[:, 0, 0]
    assert half != plain
    assert one - plain == pytest.approx(2 * (half - plain), rel=1e-4)


@pytest.fixture(scope="module")
def upper():
    """Return images of values about 100 of which the maps say that the upper half counts."""
    images = pixels(30, 8) + 99
    maps = np.zeros((30, 8, 8), "float32")
    maps[:, :4] = np.random.default_rng(2).uniform(1, 2, (30, 4, 8))
    found = kviz.attribute(linear(np.eye(8)), images, "gradient")
    return images, replace(found, maps=maps)


def road(weights, upper, *noises, **options):
    metrics = [Road(steps=1, noise=noise, on="score") for noise in noises]
    return kviz.evaluate(linear(weights), *upper, metrics, nulls=1, **options).values[:, 0]


def test_road_s_noise_is_on_the_missing_pixels_alone(upper):
    """A net that sees one that is there sees none; one that sees what is missing, all of it."""
    need_package("scipy", "metrics")
    there, missing = np.zeros((2, 8, 8))
    there[5, 2] = missing[2, 5] = 1
    np.testing.assert_allclose(road(there, upper, 0.5)[0], upper[0][:, 5, 2, 0], rtol=1e-6)
    none, some = road(missing, upper, 0, 0.5)
    assert (np.abs(some - none) > 1e-4).all()


def test_road_s_noise_has_the_deviation_that_it_says_and_follows_the_seed(upper):
    """Of a sum of 32 missing pixels: the root of 32 by the share by the range, not by the values."""
    need_package("scipy", "metrics")
    weights = np.arange(8)[:, None] < np.full(8, 4)
    none, some = road(weights, upper, 0, 0.2)
    spread = 0.2 * np.ptp(upper[0], axis=(1, 2, 3)) * np.sqrt(32)
    squares = np.square((some - none) / spread)
    assert squares.mean() == pytest.approx(1, abs=4 * np.sqrt(2 / 30))
    (again, plain), (noisy, still) = (
        road(weights, upper, 0.2, 0),
        road(weights, upper, 0.2, 0, seed=1),
    )
    np.testing.assert_array_equal(again, some)
    np.testing.assert_allclose(still, plain, rtol=1e-6)
    assert (noisy != some).all()


def test_structural_similarity_is_scikit_image_s():
    need_package("skimage", "superpixels")
    from skimage.metrics import structural_similarity

    random = np.random.default_rng(0)
    left, right = random.random((2, 3, 20, 15))
    left[0], right[0] = right[0] + 0.1 * left[0], right[0]
    scaled = [(x - x.min((1, 2), keepdims=True)) for x in (left, right)]
    scaled = [x / x.max((1, 2), keepdims=True) for x in scaled]
    # Theirs looks at whole windows only, too, when it takes the mean.
    theirs = [
        structural_similarity(one, two, win_size=7, data_range=1)
        for one, two in zip(*scaled, strict=True)
    ]
    np.testing.assert_allclose(ssim(left, right), theirs, rtol=1e-6)


@pytest.fixture(scope="module")
def deep():
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Rescaling(1 / 255),
         layers.Conv2D(8, 3, activation="relu", name="first"), layers.BatchNormalization(name="norm"),
         layers.Conv2D(8, 3, activation="relu", name="second"), layers.Flatten(),
         layers.Dense(4, name="classes")]
    )  # fmt: skip
    norm, random = model.get_layer("norm"), np.random.default_rng(2)
    norm.set_weights([random.uniform(0.5, 2, 8) for _ in norm.weights])
    return model


@pytest.fixture(scope="module")
def two():
    return np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), "uint8")


def test_what_does_not_look_at_the_weights_stays(deep, two):
    """A method of the photo alone is as it was, however the weights are shuffled."""
    found = kviz.attribute(deep, two, "gradient")
    metrics = [
        ParameterRandomization(similarity=similarity, absolute=absolute)
        for similarity in ("spearman", "ssim")
        for absolute in (False, True)
    ]
    judged = kviz.evaluate(deep, two, found, metrics, nulls=2)
    assert judged.curve_points["0"] == ("classes", "second", "norm", "first")
    assert (judged.values[:, 0] < 0.9).all()
    assert abs(judged.chance(0, 0)["random"]).max() < 0.2
    # Nothing left is all that can be: no map is before the random ones.
    assert judged.rank(0, 0) is None
    # What is inverted is left all the same.
    assert (judged.chance(0, 0)["inverted"] == judged.values[0, 0]).all()
    assert (judged.null_curves["0"][0] < 0).any()
    assert (judged.chance(1, 0)["inverted"] == judged.values[1, 0]).all()


@pytest.mark.parametrize("layers", ["cascading", "independent"])
def test_shuffling_is_what_it_says(deep, two, layers):
    """By hand, statistics of batches too: the same numbers in another order."""
    found = kviz.attribute(deep, two, "gradient", class_index=1)
    metric = ParameterRandomization(layers=layers)
    judged = kviz.evaluate(deep, two, found, metric, nulls=1, seed=3)
    copied, random = keras.models.clone_model(deep), np.random.default_rng(3)
    copied.set_weights(deep.get_weights())
    for step, name in enumerate(["classes", "second", "norm", "first"]):
        layer = copied.get_layer(name)
        own = layer.get_weights()
        layer.set_weights([random.permutation(x.reshape(-1)).reshape(x.shape) for x in own])
        again = kviz.attribute(copied, two, "gradient", class_index=1)
        for image in range(2):
            ranks = [x[image].reshape(-1).argsort().argsort() for x in (found.maps, again.maps)]
            expected = np.corrcoef(*ranks)[0, 1]
            assert judged.curves["0"][0, image, step] == pytest.approx(expected, abs=1e-3)
        if layers == "independent":
            layer.set_weights(own)
    np.testing.assert_allclose(judged.values[0, 0], np.abs(judged.curves["0"][0]).mean(axis=1))


def test_each_map_is_ranked_once(deep, two, monkeypatch):
    ranked = []
    monkeypatch.setattr(_alike, "ranks", lambda rows: ranked.append(len(rows)) or ranks(rows))
    judged = kviz.evaluate(deep, two, "gradient", ParameterRandomization(), nulls=2)
    layers = len(judged.curve_points["0"])
    assert ranked == [2] * (1 + len(judged.nulls) + layers)


def test_what_cannot_be_made_again_is_said(deep, two):
    found = kviz.attribute(deep, two, "input_x_gradient")
    unknown = replace(found, method="somebody's")
    judged = kviz.evaluate(deep, two, unknown, ["parameter_randomization", "completeness"])
    assert np.isnan(judged.values[0]).all()
    assert np.isfinite(judged.values[1]).all()
    assert "it is not known how its maps were made" in judged.notes[-1]
    assert judged.text()
    assert judged.tiles()


SANITY = ("guided_backprop", "guided_grad_cam", "gradient", "grad_cam")


@pytest.fixture(scope="module")
def clothes():
    """Return the shipped convnet of Fashion-MNIST and an image of each class."""
    network = kviz.load_model(ROOT / "models/fashion_cnn.keras")
    return network, kviz.load_images(ROOT / "notebooks/images/fashion", network)


def left_of(clothes, methods, **options):
    """Return how alike maps stay, means over layers and images for each method: signed, absolute."""
    found = kviz.evaluate(*clothes, methods, ParameterRandomization(**options), nulls=1)
    means = found.curves["0"].mean(axis=(1, 2)), found.values[0].mean(axis=1)
    return [dict(zip(methods, mean, strict=True)) for mean in means]


@pytest.mark.parametrize(
    ("similarity", "layers"),
    [
        ("spearman", "cascading"),
        pytest.param("spearman", "independent", marks=pytest.mark.slow),
        pytest.param("ssim", "cascading", marks=pytest.mark.slow),
        pytest.param("ssim", "independent", marks=pytest.mark.slow),
    ],
)
def test_the_order_of_adebayo_et_al(clothes, similarity, layers):
    """Of maps with their signs: what is guided stays, the gradient and Grad-CAM follow the weights."""
    left, size = left_of(clothes, SANITY, similarity=similarity, layers=layers)
    assert left["guided_backprop"] > left["guided_grad_cam"] + 0.2
    assert left["guided_grad_cam"] > max(left["gradient"], left["grad_cam"]) + 0.03
    if (similarity, layers) == ("spearman", "cascading"):
        assert max(abs(left["gradient"]), abs(left["grad_cam"])) < 0.1
    # A mean of 0 can be of maps that are far from 0, as those of few cells are by chance.
    assert size["guided_backprop"] > max(size[name] for name in SANITY[1:]) + 0.2
    assert size["grad_cam"] > 0.2


@pytest.mark.slow
def test_where_the_order_of_adebayo_et_al_is_not_found(clothes):
    """Ranks without signs: a black pixel is 0 in each product with the image, whatever the weights."""
    products = ("input_x_gradient", "integrated_gradients")
    _, left = left_of(clothes, (*SANITY, *products), absolute=True)
    assert min(left[name] for name in products) > left["guided_backprop"] + 0.1
    assert left["guided_backprop"] > left["gradient"] + 0.2
    assert left["guided_grad_cam"] < left["gradient"]
