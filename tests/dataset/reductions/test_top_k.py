"""The k images of each channel are those that a plain, stable argsort puts first."""

import numpy as np

from kviz.dataset.reductions import reduction_named


def test_a_place_is_where_the_map_has_the_value():
    maps = np.random.default_rng(0).normal(size=(6, 4, 5, 3)).astype("float32")
    top = reduction_named("top_k=2")
    found = top.result(top.update({}, maps, rows=range(6)))
    for channel in range(3):
        for rank in range(2):
            y, x = found.place[channel, rank]
            value = maps[found.row[channel, rank], y, x, channel]
            assert (
                value
                == found.value[channel, rank]
                == np.sort(maps[..., channel].max((1, 2)))[-1 - rank]
            )


def test_of_equal_values_the_lower_row_and_cell_come_first_whatever_the_order():
    maps = np.zeros((5, 64, 64, 2), "float32")
    maps[[1, 3], 40, 7:9, 0] = 1
    top = reduction_named("top_k=3")
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 0, 4, 1, 2]):
        found = top.result(top.update({}, maps[order], rows=order))
        assert found.row.tolist() == [[1, 3, 0], [0, 1, 2]]
        assert found.cell[0, :2].tolist() == [40 * 64 + 7] * 2
        assert found.cell[1].tolist() == [0, 0, 0]


def test_fewer_images_than_k():
    top = reduction_named("top_k=5")
    maps = np.array([[[np.nan, 1.0]], [[2.0, 3.0]]], "float32")
    found = top.result(top.update({}, maps, rows=[7, 8]))
    np.testing.assert_array_equal(found.value, [[2, np.nan], [3, 1]])
    assert found.row.tolist() == [[8, -1], [8, 7]]
    assert found.cell.tolist() == [[0, -1], [0, 0]]
    assert found.not_finite.tolist() == [1, 0]
    assert top.result(top.update({}, maps[:0], rows=[])).value.shape == (2, 0)
