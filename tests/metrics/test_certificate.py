"""certify: numbers that a pencil gives, chance told from knowledge, and what cannot be tested."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers
from pencil_nets import linear, pixels, planted

import kviz
from kviz.metrics import Deletion, Insertion, certificate
from kviz.metrics.certificate import PART, SAMPLES, STEPS


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Rescaling(1 / 255),
         layers.Conv2D(6, 3, activation="relu", name="conv"), layers.GlobalAveragePooling2D(),
         layers.Dense(5, activation="softmax", name="classes")]
    )  # fmt: skip


@pytest.fixture(scope="module")
def three():
    return np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), "uint8")


@pytest.fixture(scope="module")
def gradient(model, three):
    return kviz.attribute(model, three, "gradient")


@pytest.fixture(scope="module")
def certified(model, gradient):
    return gradient.certify(model)


@pytest.fixture(scope="module")
def net():
    """f = sum of w x over 256 pixels, half of the weights below zero."""
    return kviz.Network(linear(np.random.default_rng(1).normal(size=(16, 16))))


def of(one, metric, baseline="black"):
    (found,) = [x for x in one.tested if (x.metric, x.baseline) == (metric, baseline)]
    return found


def test_a_linear_net_s_numbers(net):
    images = pixels(2, 16)
    found = kviz.attribute(net, images, "input_x_gradient").certify(net)
    weights = np.asarray(net.model.weights[0]).reshape(16, 16)
    for image, one in zip(images, found.certificates, strict=True):
        parts = -np.sort(-(weights * image[..., 0]).reshape(-1))
        whole, first = parts.sum(), parts[: round(PART * 256)].sum()
        grid = np.round(np.linspace(0, 256, STEPS + 1)).astype(int)
        shown = np.append(0, parts.cumsum())[grid]
        assert one.on == "score"
        assert one.whole == pytest.approx(whole, rel=1e-4)
        assert of(one, "deletion").first == pytest.approx(whole - first, rel=1e-4)
        assert of(one, "insertion").first == pytest.approx(first, rel=1e-4)
        areas = [np.trapezoid(values, grid / 256) for values in (whole - shown, shown)]
        found_areas = [of(one, metric).value for metric in ("deletion", "insertion")]
        np.testing.assert_allclose(found_areas, areas, rtol=1e-4, atol=1e-4)
        said = (
            f"Removes {100 * first / abs(whole):.0f} % of the score with 10 % of the pixels (black)"
        )
        assert said in " ".join(one.words())
        assert one.better_than_chance
        # Of a linear net the gradient, and so the map of an image, depends on little else than it.
        assert min(one.steady) > 0.99
        assert len(one.steady) == SAMPLES


def test_areas_are_those_of_the_metrics(model, gradient, certified):
    judged = kviz.evaluate(model, gradient.images, gradient, [Deletion(), Insertion()], nulls=1)
    assert Deletion().steps == STEPS
    for place, measure in enumerate(judged.measures()):
        tested = [of(one, *measure.split()) for one in certified.certificates]
        own = [one.value for one in tested]
        np.testing.assert_allclose(own, judged.values[place, 0], atol=1e-6)
        for kind in ("random", "centre"):
            (expected,) = judged.chance(measure, "gradient")[kind]
            np.testing.assert_allclose([one.nulls[kind][0] for one in tested], expected, atol=1e-6)


def test_a_map_by_chance_is_told_to_be_one(net):
    """Of maps that know nothing, fine or coarse, one in 25 beats its copies; the perfect one does."""
    images = pixels(20, 16, seed=7)
    found = kviz.attribute(net, images, "input_x_gradient")
    random = np.random.default_rng(0)
    coarse = random.random((20, 4, 4)).repeat(4, axis=1).repeat(4, axis=2)
    for maps in (random.random((20, 16, 16)), coarse):
        guess = replace(found, maps=maps.astype("float32"), method="guess").certify(net)
        told = [one.better_than_chance for one in guess.certificates]
        assert sum(told) <= 3
        for better, one in zip(told, guess.certificates, strict=True):
            assert one.words()[0].startswith("Better" if better else "No better than chance: ")
    best = found.certify(net).certificates
    assert all(one.better_than_chance for one in best)
    assert all(one.words()[0].startswith("Better than chance: ") for one in best)
    assert not any(one.better_than_chance for one in _inverted(found).certify(net).certificates)


def _inverted(found):
    return replace(found, maps=-found.maps, method="inverted")


def test_moved_copies_are_the_map_elsewhere():
    """One pixel decides: the map that has it beats its copies, and a copy of it does not.

    A copy that happens to take that pixel among its first sixteenth does as well, of four one in five.
    """
    model, images = planted(9, (2, 6), 8.0), pixels(12, 9)
    found = kviz.attribute(model, images, "gradient", class_index=1)
    certified = found.certify(model).certificates
    assert sum(one.better_than_chance for one in certified) >= 8
    one, whole = certified[0], 1 / (1 + np.exp(4 - 8 * images[0, 2, 6, 0]))
    assert one.whole == pytest.approx(whole, rel=1e-5)
    assert of(one, "deletion").first == pytest.approx(1 / (1 + np.exp(4)), rel=1e-4)
    assert of(one, "insertion").first == pytest.approx(whole, rel=1e-4)
    elsewhere = replace(found, maps=np.roll(found.maps, 3, axis=1), method="elsewhere")
    others = elsewhere.certify(model).certificates
    assert sum(one.better_than_chance for one in others) <= 1
    # The random map and the middle are those of the image, whatever the map is.
    for kind in ("random", "centre"):
        assert of(others[0], "deletion").nulls[kind] == of(one, "deletion").nulls[kind]


def test_shuffled_maps_are_those_of_the_metric(model, gradient, certified):
    judged = kviz.evaluate(model, gradient.images, gradient, "parameter_randomization", nulls=1)
    found = [(one.top, one.every) for one in certified.certificates]
    np.testing.assert_allclose(found, judged.curves["0"][0][:, [0, -1]], atol=1e-4)
    assert {one.top_layer for one in certified.certificates} == {"classes"}


def test_weights_that_have_changed_are_those_that_are_shuffled(model, three, certified):
    """What is kept from one call to the next holds no old numbers, and the model's stay."""
    before = [np.array(weight) for weight in model.weights]
    try:
        model.weights[0].assign(-before[0])
        changed = kviz.attribute(model, three, "gradient").certify(model)
        fresh = keras.models.clone_model(model)
        fresh.set_weights(model.get_weights())
        expected = kviz.attribute(fresh, three, "gradient").certify(fresh)
        np.testing.assert_array_equal(model.weights[0], -before[0])
    finally:
        model.weights[0].assign(before[0])
    np.testing.assert_allclose(numbers(changed), numbers(expected), atol=1e-4)
    assert not np.allclose(numbers(changed), numbers(certified), atol=0.01)


def numbers(found):
    """Return what certificates say as rows of numbers."""
    return [
        [one.whole, one.top, one.every, *one.steady]
        + [x for t in one.tested for x in (t.value, t.first, *sum(t.nulls.values(), ()))]
        for one in found.certificates
    ]


def test_batch_order_and_seed(model, three, gradient, certified):
    np.testing.assert_allclose(
        numbers(gradient.certify(model, batch_size=2)), numbers(certified), atol=2e-4
    )
    order = [2, 0, 1]
    other = kviz.attribute(model, three[order], "gradient").certify(model)
    np.testing.assert_allclose(numbers(other), np.array(numbers(certified))[order], atol=2e-4)
    assert gradient.certify(model).certificates == certified.certificates
    seeded = gradient.certify(model, seed=1)
    assert numbers(seeded) != numbers(certified)
    assert seeded.made_by.settings["certificate"]["seed"] == 1
    assert gradient.certificates == ()


def test_several_classes_and_a_method_that_draws(model, three):
    options = {"samples": 3, "seed": 4}
    found = kviz.attribute(model, three[:2], "smooth_grad", class_index=[[1, 4]], **options)
    whole = found.certify(model)
    assert len(whole.certificates) == 4
    alone = kviz.attribute(model, three[:2], "smooth_grad", class_index=4, **options)
    np.testing.assert_allclose(numbers(alone.certify(model)), numbers(whole)[1::2], atol=2e-4)
    assert whole.explained(1)[1].certificate == whole.certificates[3]


def test_a_loaded_attribution_is_certified_like_the_method(model, gradient, certified, tmp_path):
    loaded = kviz.load_result(gradient.save(tmp_path / "found.npz")[0]).certify(model)
    assert loaded.certificates == certified.certificates
    again = kviz.load_result(loaded.save(tmp_path / "certified.npz")[0])
    assert again.certificates == certified.certificates
    assert again.text() == certified.text()


def test_what_cannot_be_made_again_is_left_out_and_said(model, three, gradient):
    one = replace(gradient, method="somebody's").certify(model).certificates[0]
    assert (one.top, one.every, one.steady) == (None, None, ())
    assert (
        "Not tested with shuffled weights and noise: it is not known how the map was made."
        in one.words()
    )
    bare = keras.Sequential([keras.Input((16, 16, 3)), layers.GlobalAveragePooling2D()])
    found = kviz.attribute(bare, three, "input_x_gradient", class_index=0).certify(bare)
    one = found.certificates[0]
    assert one.top is None
    assert one.steady
    assert "Not tested with shuffled weights: The score depends on no weights" in one.words()[-3]


def test_a_map_of_nothing_says_so(model, gradient):
    one = replace(gradient, maps=np.zeros_like(gradient.maps)).certify(model).certificates[0]
    (said,) = one.words()
    assert said.startswith("No better than chance: the map is the same everywhere")


def test_the_gap_is_the_method_s(model, three):
    found = kviz.attribute(model, three[:2], "integrated_gradients", steps=4).certify(model)
    np.testing.assert_allclose([one.gap for one in found.certificates], found.gaps)
    gap = abs(100 * found.gaps[0])
    assert f"Adds up as its method promises, off by {gap:.0f} %." in found.certificates[0].words()


def _classes_of_pixels():
    return keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Rescaling(1 / 255), layers.Conv2D(4, 3, padding="same"),
         layers.Conv2D(3, 1, activation="softmax")]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "covers"),
    [((2, 9), ["0"]), *(
        pytest.param(shape, ["0", "mean"], marks=pytest.mark.slow)
        for shape in ((2, 12, 3), (2, 4, 6, 5, 1))
    )],
)  # fmt: skip
def test_signals_volumes_and_features(shape, covers):
    keras.utils.set_random_seed(0)
    net = keras.Sequential(
        [keras.Input(shape[1:]), layers.Flatten(), layers.Dense(3, activation="softmax")]
    )
    data = np.random.default_rng(0).normal(size=shape).astype("float32")
    found = kviz.attribute(net, data, "gradient").certify(net)
    tested = found.certificates[1].tested
    assert [one.baseline for one in tested[::2]] == covers
    assert ("centre" in tested[0].nulls) == (len(shape) > 2)
    assert found.text()


@pytest.mark.slow
def test_a_class_map(three):
    maps = _classes_of_pixels()
    found = kviz.attribute(maps, three, "saliency").certify(maps)
    assert found.certificates[2].top is not None


@pytest.mark.slow
def test_a_model_that_was_built_for_two_images(model, three, certified):
    fixed = keras.models.clone_model(model, input_tensors=keras.Input(batch_shape=(2, 16, 16, 3)))
    fixed.set_weights(model.get_weights())
    two = kviz.attribute(fixed, three, "gradient").certify(fixed)
    np.testing.assert_allclose(numbers(two), numbers(certified), atol=2e-4)


def test_several_inputs_and_scores_of_ones_own(three):
    keras.utils.set_random_seed(0)
    photo, meta = keras.Input((16, 16, 3), name="photo"), keras.Input((2,), name="meta")
    flat = layers.Concatenate()([layers.GlobalAveragePooling2D()(photo), meta])
    two = keras.Model([photo, meta], layers.Dense(3, activation="softmax")(flat))
    given = {"photo": three.astype("float32"), "meta": np.ones((3, 2), "float32")}
    found = kviz.attribute(two, given, "gradient", input_name="photo")
    with pytest.raises(kviz.OptionError, match=r"does not hold all inputs .* images= takes them"):
        found.certify(two)
    assert len(found.certify(two, given).certificates) == 3

    def score(outputs):
        return outputs[:, 0]

    mine = kviz.attribute(two, given, "gradient", score=score)
    with pytest.raises(kviz.OptionError, match=r"score of its own\. Give it again: score="):
        mine.certify(two, given)
    assert mine.certify(two, given, score=score).certificates[0].on == "score"


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        ({"images": None}, {}, kviz.OptionError, "does not hold its images"),
        ({"scores": np.float32([9, 9, 9])}, {}, kviz.OptionError, "and this network gives"),
        ({}, {"seed": -1}, kviz.OptionError, "seed takes a whole number from 0"),
        ({}, {"batch_size": 0}, kviz.OptionError, "batch_size takes"),
        ({"maps": np.ones((3, 4, 4), "float32")}, {}, kviz.OptionError, r"maps of size \(4, 4\)"),
        ({}, {"images": np.zeros((2, 16, 16, 3))}, kviz.ImageError, "of 3 images"),
    ],
)
def test_bad_input_is_one_sentence(change, options, error, message, model, gradient):
    with pytest.raises(error, match=message) as caught:
        replace(gradient, **change).certify(model, **options)
    assert len(str(caught.value)) <= 300


def test_no_function_is_traced_again(model, three):
    network = kviz.Network(model)
    found = kviz.attribute(network, three[:1], "gradient")
    found.certify(network)
    entries = network.engine.functions._kept.items()
    (kept,) = next(entry.noted[1] for key, entry in entries if "weights to shuffle" in str(key))
    before = [len(kept.functions), *(function for _, function in network.engine.functions.items())]
    found.certify(network)
    after = [len(kept.functions), *(function for _, function in network.engine.functions.items())]
    assert set(map(id, after[1:])) == set(map(id, before[1:]))
    assert after[0] == before[0]


def test_so_many_passes(model, three, monkeypatch):
    """Seven maps both ways, 16 points and what all of them share, with each of two baselines."""
    counts = []
    scores = certificate.scores_by_rank

    def counted(request, ranks, which, shown, low):
        counts.append(len(which))
        return scores(request, ranks, which, shown, low)

    monkeypatch.setattr(certificate, "scores_by_rank", counted)
    kviz.attribute(model, three[:1], "gradient").certify(model)
    assert counts == [7 * 2 * 16 + 1] * 2
