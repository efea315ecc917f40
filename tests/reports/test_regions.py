"""Regions: shares of a map by a table of three by three, against sums by hand."""

import numpy as np
import pytest

from kviz.reports.regions import Region, edges_of, hot_spots, placed, regions_of


@pytest.mark.parametrize("size", [(227, 227), (10, 7), (3, 3), (2, 5), (1, 4)])
def test_shares_are_sums_over_parts_that_need_not_be_equal(size):
    values = np.random.default_rng(0).normal(size=size).astype(np.float32)
    found = regions_of(values)
    total = np.abs(values.astype(float)).sum()
    (top, upper, lower, bottom), (start, left, right, end) = map(edges_of, size)
    assert (top, start, bottom, end) == (0, 0, *size)
    if size == (227, 227):
        assert (upper, lower) == (76, 151)  # 76, 75 and 76 rows
    for row, (above, below) in enumerate([(0, upper), (upper, lower), (lower, bottom)]):
        for column, (before, behind) in enumerate([(0, left), (left, right), (right, end)]):
            cell = values[above:below, before:behind].astype(float)
            expected = cell[cell > 0].sum() / total, -cell[cell < 0].sum() / total
            np.testing.assert_allclose(
                (found.positive[row, column], found.negative[row, column]), expected, atol=1e-12
            )
    assert found.positive.sum() + found.negative.sum() == pytest.approx(1)


def test_of_a_map_that_is_zero_all_shares_are():
    found = regions_of(np.zeros((9, 9)))
    assert not found.positive.any()
    assert not found.negative.any()
    assert found.strongest() == []


def test_the_strongest_are_as_few_as_hold_over_half_of_the_evidence():
    values = np.zeros((9, 9))
    values[4, 0], values[0, 8], values[8, 8] = 5, 4, -90
    (only,) = regions_of(values).strongest()
    assert (only.name, only.share) == ("centre left", pytest.approx(5 / 9))
    values[0, 8] = 5
    names = [region.name for region in regions_of(values).strongest()]
    assert names == ["upper right", "centre left"]
    assert regions_of(-np.abs(values)).strongest() == []


def test_a_sentence_is_about_the_strongest_twentieth():
    values = np.full((30, 30), 1.0)
    # Of 900 pixels 45: a spot of 32 of them, 10 more of another, and some that are as everywhere.
    values[21:25, 1:9] = 40
    values[0:2, 12:17] = 30
    regions = hot_spots(values)
    assert [region.name for region in regions] == ["lower left"]
    everywhere = regions_of(values).strongest()
    assert everywhere[0].name == "lower left"
    assert len(everywhere) == 1
    # Weak nearly everywhere, as maps of few cells are: the sum is not where one looks.
    smooth = np.full((30, 30), 3.0)
    smooth[4:8, 4:8] = 9
    assert hot_spots(smooth)[0].name == "upper left"
    assert len(regions_of(smooth).strongest()) == 5
    assert hot_spots(-values) == []
    # Two peaks of one height, and a slope that is wide and lower.
    peaks = np.full((30, 30), 1.0)
    peaks[11:15, 1:5] = peaks[22:26, 1:5] = 10
    peaks[0:7, 11:19] = np.linspace(5, 7, 56).reshape(7, 8)
    assert placed(hot_spots(peaks)) == "in the centre left and the lower left"
    # A twentieth of a map that is nearly flat says nothing of where its evidence is.
    flat = np.full((30, 30), 1.0)
    flat[4:8, 4:8] = 1.1
    assert placed(hot_spots(flat)) == "spread evenly over the photo"
    flat[4:8, 4:8] = 1.4
    assert placed(hot_spots(flat)) == "in the upper left"
    bad = smooth.copy()
    bad[0, 0] = np.nan
    assert hot_spots(bad)[0].name == "upper left"


def test_regions_are_named_by_their_place():
    names = [Region(row, column, 1.0).name for row in range(3) for column in range(3)]
    assert names == [
        "upper left", "upper centre", "upper right", "centre left", "centre", "centre right",
        "lower left", "lower centre", "lower right",
    ]  # fmt: skip
    assert placed([Region(2, 1, 0.3), Region(0, 0, 0.2), Region(1, 2, 0.1)]) == (
        "in the lower centre, the upper left and the centre right"
    )
    even = regions_of(np.ones((227, 227))).strongest()
    assert (len(even), placed(even)) == (5, "spread evenly over the photo")
    values = np.ones((9, 9))
    values[:3, :3] = 1.2
    # 1.2 of 9.2: an eighth is more than the others have.
    assert placed(regions_of(values).strongest()) == (
        "spread over the photo, strongest in the upper left"
    )
