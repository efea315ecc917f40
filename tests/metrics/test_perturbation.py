"""Numbers that a pencil gives, for the metrics that take pixels away or cover them."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from pencil_nets import linear, pixels, planted

import kviz
from kviz.metrics import (
    AverageDrop,
    AverageGain,
    AverageIncrease,
    Infidelity,
    Measured,
    Metric,
    MuFidelity,
    SensitivityN,
)
from kviz.metrics.measures._subsets import _summable, without_subsets

WEIGHTS = np.random.default_rng(1).normal(size=(6, 6))


@pytest.fixture(scope="module")
def net():
    return kviz.Network(linear(WEIGHTS))


@pytest.fixture(scope="module")
def added(net):
    """What each pixel adds to the sum, which is the perfect map."""
    return kviz.attribute(net, pixels(3, 6), "input_x_gradient")


def values(net, images, found, *metrics, **options):
    judged = kviz.evaluate(net, images, found, metrics, nulls=1, **{"baselines": [0], **options})
    return judged.values


def times(found, factor):
    return replace(found, maps=(factor * found.maps).astype("float32"))


# Subsets.


@dataclass(frozen=True, kw_only=True)
class Removed(Metric):
    """What was removed, for one that looks."""

    has_nulls = False

    def measure(self, trial):
        counts = np.array([1, 2, 5, 9])
        sums, falls = without_subsets(
            trial, trial.request, cells=(3, 6), counts=counts, baseline=None
        )
        return Measured(values=sums[..., 0], curves=np.concatenate([sums, falls[None]], axis=-1))


def test_a_subset_has_as_many_cells_as_it_is_to_have(net):
    ones = np.ones((2, 6, 6, 1), "float32")
    model = linear(np.ones((6, 6)))
    found = kviz.attribute(model, ones, "gradient")
    curves = kviz.evaluate(model, ones, found, Removed()).curves["0"][0]
    # A cell is two pixels high: of a map of ones the sum, and what a sum of pixels loses.
    np.testing.assert_allclose(curves, [2 * [2, 4, 10, 18] for _ in range(2)], atol=1e-5)
    # Which ones they are is drawn for each image and each subset.
    found = kviz.attribute(net, pixels(2, 6), "gradient")
    curves = kviz.evaluate(net, pixels(2, 6), found, Removed(), seed=1).curves["0"][0]
    assert len(np.unique(curves[:, :4])) == 8


def test_a_map_that_says_nothing_correlates_with_nothing(net, added):
    flat = replace(added, maps=np.full_like(added.maps, 0.1))
    metrics = MuFidelity(subsets=50, cells=6), SensitivityN(points=4, subsets=50, cells=6)
    assert (values(net, pixels(3, 6), flat, *metrics) == 0).all()


def test_sums_are_the_same_in_any_order():
    """Else subsets whose sums are equal would be ranked by rounding, and that by the batch."""
    random = np.random.default_rng(0)
    values = random.normal(size=(2, 400)) * 10 ** random.uniform(-9, 2, size=(2, 400))
    found = _summable(values)
    assert len({tuple(random.permuted(values, axis=1).cumsum(axis=1)[:, -1]) for _ in range(9)}) > 1
    assert len({tuple(random.permutation(found.T).cumsum(axis=0)[-1]) for _ in range(99)}) == 1
    np.testing.assert_allclose(found, values, atol=1e-9 * np.abs(values).max())
    assert (_summable(np.zeros((1, 3))) == 0).all()


def test_sensitivity_n_of_integrated_gradients_in_a_linear_net_is_one(net):
    metric = SensitivityN(points=5, subsets=20, cells=6)
    methods = ["integrated_gradients", "input_x_gradient"]
    judged = kviz.evaluate(net, pixels(2, 6), methods, metric, baselines=[0], nulls=40)
    np.testing.assert_allclose(judged.curves["0"], 1, atol=1e-5)
    assert judged.curve_at["0"].tolist() == [1, 2, 5, 12, 29]
    random = judged.chance(0, 0)["random"].mean(axis=1)
    assert abs(random.mean()) < 3 * random.std() / np.sqrt(40)
    half = replace(metric, points=2, share=0.5)
    judged = kviz.evaluate(net, pixels(1, 6), "input_x_gradient", half, nulls=1)
    assert judged.curve_at["0"].tolist() == [1, 18]


def test_sensitivity_n_of_any_map_of_a_linear_net(net, added):
    """Of sums over n of N without replacement the covariance is n (N - n) / (N - 1) of the one's."""
    noise = np.random.default_rng(4).normal(size=added.maps.shape)
    found = replace(added, maps=(added.maps + noise).astype("float32"))
    metric = SensitivityN(points=3, subsets=400, cells=6)
    judged = kviz.evaluate(net, pixels(3, 6), found, metric, baselines=[0], nulls=1)
    expected = [
        np.corrcoef(left.reshape(-1), right.reshape(-1))[0, 1]
        for left, right in zip(found.maps, added.maps, strict=True)
    ]
    away = judged.curves["0"][0] - np.array(expected)[:, None]
    assert (np.abs(away) < 5 * (1 - np.square(expected))[:, None] / np.sqrt(400)).all()
    assert (np.square(expected) < 0.9).all()


# Infidelity.


@pytest.mark.parametrize("scaled", [False, True])
def test_what_is_exact_has_no_infidelity(net, added, scaled):
    metrics = [
        Infidelity(perturbation=kind, samples=20, cells=6, scaled=scaled)
        for kind in ("square", "subset")
    ]
    for baseline, images in ((0, added), (0.7, kviz.attribute(
        net, pixels(3, 6), kviz.attribution.IntegratedGradients(baseline=0.7)
    ))):  # fmt: skip
        found = values(net, pixels(3, 6), images, *metrics, baselines=[baseline])
        np.testing.assert_allclose(found, 0, atol=1e-8)
    slopes = kviz.attribute(net, pixels(3, 6), "gradient")
    noise = Infidelity(perturbation="noise", samples=20, scaled=scaled)
    np.testing.assert_allclose(values(net, pixels(3, 6), slopes, noise), 0, atol=1e-8)


@pytest.mark.parametrize("kind", ["square", "subset", "noise"])
def test_infidelity_is_a_square_and_its_best_scale_the_lowest(net, added, kind):
    """Of b times a map it is A b² - 2 B b + C, lowest at B / A."""
    images, plain = pixels(3, 6), Infidelity(perturbation=kind, samples=30, scaled=False)
    found = kviz.attribute(net, images, "gradient") if kind != "noise" else added
    none, once, twice = (values(net, images, times(found, b), plain)[0, 0] for b in (0, 1, 2))
    squares, products = (twice - 2 * once + none) / 2, (4 * once - twice - 3 * none) / -4
    assert (products > 0).all()
    best = replace(plain, scaled=True)
    expected = none - products**2 / squares
    np.testing.assert_allclose(values(net, images, found, best)[0, 0], expected, rtol=1e-3)
    np.testing.assert_allclose(
        values(net, images, times(found, 9), best)[0, 0], expected, rtol=1e-3
    )
    # One that points the wrong way says as little as none.
    np.testing.assert_allclose(values(net, images, times(found, -1), best)[0, 0], none, rtol=1e-5)


def test_which_squares_are_taken():
    """The pixel that alone decides is in as many as can be counted; of a side each is as likely."""
    weights = np.zeros((6, 5))
    weights[1, 2] = 2
    model, images = linear(weights), np.ones((1, 6, 5, 1), "float32")
    none = times(kviz.attribute(model, images, "gradient"), 0)
    metric = Infidelity(samples=1000, largest=0.7)
    shares = []
    for side in (1, 2, 3):
        corners = [(y, x) for y in range(7 - side) for x in range(6 - side)]
        inside = [y <= 1 < y + side and x <= 2 < x + side for y, x in corners]
        shares.append(np.mean(inside))
    share = np.mean(shares)
    error = 4 * np.sqrt(share * (1 - share) / 1000)
    assert values(model, images, none, metric)[0, 0, 0] == pytest.approx(4 * share, abs=4 * error)


def test_how_much_noise_there_is(net):
    images = pixels(2, 6)
    none = times(kviz.attribute(net, images, "gradient"), 0)
    found = values(net, images, none, Infidelity(perturbation="noise", noise=0.3, samples=1000))
    expected = (0.3 * np.ptp(images, axis=(1, 2, 3))) ** 2 * (WEIGHTS**2).sum()
    np.testing.assert_allclose(found[0, 0], expected, rtol=4 * np.sqrt(2 / 1000))


def test_noise_is_measured_once_whatever_the_baselines(net, added):
    metrics = Infidelity(samples=2, perturbation="noise"), Infidelity(samples=2)
    judged = kviz.evaluate(net, pixels(3, 6), added, metrics, baselines=[0, 1], nulls=1)
    assert judged.measures() == ["infidelity", "infidelity 0", "infidelity 1"]


# What is left under the map.

AVERAGES = AverageDrop(), AverageGain(), AverageIncrease()


def under(found, images, low):
    maps = np.maximum(found.maps, 0)  # what speaks against the class stays hidden
    axes = {"axis": (1, 2), "keepdims": True}
    shares = (maps - maps.min(**axes)) / (maps.max(**axes) - maps.min(**axes))
    return low + shares[..., None] * (images - low)


@pytest.mark.parametrize("low", [0, 1.5])
def test_averages_of_a_linear_net(low):
    """Of weights of both signs some images gain by what is hidden, others lose."""
    weights = np.random.default_rng(2).normal(0.1, 1, size=(6, 6)) / 40
    images, model = pixels(8, 6), kviz.Network(linear(weights))
    maps = np.random.default_rng(2).normal(size=(8, 6, 6)).astype("float32")
    found = replace(kviz.attribute(model, images, "gradient"), maps=maps)
    before, after = (
        (weights * seen[..., 0]).sum((1, 2)) for seen in (images, under(found, images, low))
    )
    drop, gain, rises = values(model, images, found, *AVERAGES, baselines=[low])[:, 0]
    np.testing.assert_allclose(drop, np.maximum(0, before - after) / before, atol=1e-5)
    np.testing.assert_allclose(gain, np.maximum(0, after - before) / (1 - before), atol=1e-5)
    np.testing.assert_array_equal(rises, after > before)
    assert 0 < rises.sum() < 8


def test_averages_where_one_pixel_decides():
    # So low that no probability is within rounding of 1, by which a gain is divided.
    model, images = planted(9, (2, 6), 2.0), pixels(3, 9)
    found = kviz.attribute(model, images, "gradient", class_index=1)
    kept = values(model, images, found, *AVERAGES)
    np.testing.assert_allclose(kept[:, 0], 0, atol=1e-5)
    hidden = values(model, images, times(found, -1), *AVERAGES)
    before = 1 / (1 + np.exp(1 - 2 * images[:, 2, 6, 0]))
    after = 1 / (1 + np.exp(1))
    np.testing.assert_allclose(hidden[0, 0], 1 - after / before, rtol=1e-4)
    # Class 0 gains what class 1 loses.
    other = kviz.attribute(model, images, "gradient", class_index=0)
    gained = values(model, images, other, *AVERAGES)
    np.testing.assert_allclose(gained[1, 0], 1 - after / before, rtol=1e-4)
    np.testing.assert_array_equal(gained[2, 0], 1)


def test_a_map_that_is_the_same_everywhere_lets_nothing_through():
    model, images = planted(9, (2, 6), 8.0), pixels(2, 9)
    found = kviz.attribute(model, images, "gradient", class_index=1)
    flat = replace(found, maps=np.full_like(found.maps, 0.3))
    before = 1 / (1 + np.exp(4 - 8 * images[:, 2, 6, 0]))
    drop = values(model, images, flat, AverageDrop())[0, 0]
    np.testing.assert_allclose(drop, 1 - 1 / (1 + np.exp(4)) / before, rtol=1e-4)


def test_averages_ask_for_a_probability(net, added):
    with pytest.raises(kviz.OptionError, match=r"average_gain takes a class's probability.*-?\d"):
        values(net, pixels(3, 6), added, AverageGain())
