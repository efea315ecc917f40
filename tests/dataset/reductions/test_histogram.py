"""Counts between edges are NumPy's, whole number for whole number."""

import numpy as np
import pytest

from kviz import OptionError
from kviz.dataset.reductions import reduction_named


def counted(histogram, maps):
    return histogram.result(histogram.update({}, maps, rows=range(len(maps))))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_on_edges_and_next_to_them(dtype):
    edges = np.array([-0.3, 0.1, 0.2, 0.7])  # none of these is a number of single precision
    near = edges.astype(dtype)
    beside = [np.nextafter(near, near.dtype.type(far)) for far in (-9, 9)]
    values = np.concatenate([near, *beside])
    found = counted(reduction_named("histogram", edges=edges), values[None, :, None])
    wide = values.astype("float64")
    np.testing.assert_array_equal(found.counts[0], np.histogram(wide, edges)[0])
    assert found.below == (wide < -0.3).sum()
    assert found.above == (wide > 0.7).sum()


def test_a_first_pass_finds_the_range():
    maps = np.random.default_rng(0).normal(3, 2, (5, 6, 6, 2)).astype("float32")
    maps[0, 0, 0] = np.nan
    histogram = reduction_named("histogram=7")
    with pytest.raises(OptionError, match="a first pass that finds them"):
        counted(histogram, maps)
    first = histogram.first()
    ready = histogram.after(first.result(first.update({}, maps, rows=range(5))))
    assert ready.first() is None
    found = counted(ready, maps)
    finite = maps[np.isfinite(maps)].astype("float64")
    assert (found.edges[0], found.edges[-1]) == (finite.min(), finite.max())
    np.testing.assert_array_equal(found.counts.sum(0), np.histogram(finite, 7)[0])
    assert (found.below.sum(), found.above.sum(), found.not_finite.sum()) == (0, 0, 2)


@pytest.mark.parametrize(("value", "ends"), [(2, (1.5, 2.5)), (np.nan, (0, 1))])
def test_a_range_of_one_value_or_none(value, ends):
    maps = np.full((1, 2, 2, 1), value)
    histogram = reduction_named("histogram=4")
    first = histogram.first()
    ready = histogram.after(first.result(first.update({}, maps, rows=[0])))
    assert (ready.low, ready.high) == ends
    assert counted(ready, maps).counts.sum() == 4 * np.isfinite(value)
