"""Every reduction: one shard is many shards is any order is NumPy on all at once."""

from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from properties import tried

from kviz.dataset.reductions import (
    Seen,
    as_reductions,
    look,
    merged,
    reduction_named,
    reduction_names,
    states_in_graph,
)

CLASSES = 3
TEXTS = {"histogram": "histogram=5,low=-2,high=2", "top_k": "top_k=4", "mean_map": "mean_map=yes"}
NAMES = reduction_names()


def made(name):
    return reduction_named(TEXTS.get(name, name)).for_classes(CLASSES)


class All(NamedTuple):
    """All images at once, their maps in double precision, NaN where these are not finite."""

    maps: np.ndarray
    labels: np.ndarray
    predictions: np.ndarray


# What NumPy finds, a function a reduction.


def moments(of):
    flat = of.maps.reshape(-1, of.maps.shape[-1])
    some = np.isfinite(flat).sum(0)
    total = np.nansum(flat, 0)
    mean = np.where(some, total / np.maximum(some, 1), np.nan)
    variance = np.nansum((flat - mean) ** 2, 0) / np.where(some, some, np.nan)
    return {"count": some, "mean": mean, "variance": variance}


def extremes(of):
    flat = of.maps.reshape(-1, of.maps.shape[-1])
    low = np.where(np.isnan(flat), np.inf, flat).min(0, initial=np.inf)
    high = np.where(np.isnan(flat), -np.inf, flat).max(0, initial=-np.inf)
    return {
        "min": np.where(np.isinf(low), np.nan, low),
        "max": np.where(np.isinf(high), np.nan, high),
    }


def zero_share(of):
    flat = of.maps.reshape(len(of.maps), int(np.prod(of.maps.shape[1:-1])), of.maps.shape[-1])
    channels, cells = flat.shape[2], flat.shape[1]
    return {
        "zeros": (flat == 0).sum((0, 1)),
        "dead": (flat == 0).all(1).sum(0),
        "cells": np.full(channels, len(of.maps) * cells),
        "images": np.full(channels, len(of.maps)),
    }


def histogram(of):
    edges = np.linspace(-2, 2, 6)
    flat = of.maps.reshape(-1, of.maps.shape[-1]).T
    return {
        "counts": np.stack([np.histogram(one[np.isfinite(one)], edges)[0] for one in flat]),
        "below": (flat < -2).sum(1),
        "above": (flat > 2).sum(1),
        "edges": edges,
    }


def top_k(of):
    flat = of.maps.reshape(len(of.maps), int(np.prod(of.maps.shape[1:-1])), of.maps.shape[-1])
    flat = np.where(np.isnan(flat), -np.inf, flat)
    peaks, cells = flat.max(1), flat.argmax(1)
    rows = np.argsort(-peaks, axis=0, kind="stable")[:4].T
    value, cell = (np.take_along_axis(each.T, rows, 1) for each in (peaks, cells))
    none = np.isinf(value)
    return {
        "value": np.where(none, np.nan, value),
        "row": np.where(none, -1, rows),
        "cell": np.where(none, -1, cell),
    }


def mean_by_class(of):
    flat = of.maps.reshape(len(of.maps), int(np.prod(of.maps.shape[1:-1])), of.maps.shape[-1]).mean(
        1
    )
    parts = [flat[of.labels == one] for one in range(CLASSES)]
    counts = np.stack([np.isfinite(part).sum(0) for part in parts])
    totals = np.stack([np.nansum(part, 0) for part in parts])
    with np.errstate(invalid="ignore"):
        return {"mean": totals / counts, "count": counts, "unknown": (of.labels < 0).sum()}


def confusion(of):
    from sklearn.metrics import confusion_matrix

    known = (of.labels >= 0) & (of.predictions >= 0)
    counts = np.zeros((CLASSES, CLASSES), int)
    if known.any():
        counts = confusion_matrix(of.labels[known], of.predictions[known], labels=range(CLASSES))
    return {"counts": counts, "unknown": (~known).sum()}


def mean_map(of):
    parts = [of.maps[of.labels == one] for one in range(CLASSES)]
    counts = np.stack([np.isfinite(part).sum(0) for part in parts])
    with np.errstate(invalid="ignore"):
        mean = np.stack([np.nansum(part, 0) for part in parts]) / counts
    return {"mean": mean, "count": counts, "unknown": (of.labels < 0).sum()}


def gram(of):
    flat = of.maps.reshape(-1, of.maps.shape[-1])
    flat = flat[np.isfinite(flat).all(1)]
    with np.errstate(invalid="ignore"):
        found = (flat[:, :, None] * flat[:, None, :]).sum(0) / np.int64(len(flat))
    return {"gram": found, "cells": len(flat)}


REFEREES = {
    one.__name__: one
    for one in (
        moments, extremes, zero_share, histogram, top_k, mean_by_class, confusion, mean_map, gram,
    )
}  # fmt: skip

SHAPES = [(5, 4, 3), (6, 1), (2, 3, 2, 2), (1, 1, 4), (3,)]


@st.composite
def batches(draw, dtypes=("float32", "float64", "float16")):
    """Draw maps with ties, zeros and what is not finite, labels, predictions, an order and cuts."""
    shape, dtype = draw(st.sampled_from(SHAPES)), draw(st.sampled_from(dtypes))
    count = draw(st.integers(0, 9))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    maps = random.normal(draw(st.sampled_from([0, 0, 100])), 1, (count, *shape))
    if draw(st.booleans()):  # a few values alone, so that many are equal
        maps = np.round(maps)
    bad = draw(st.sampled_from([0, 0, 0.05, 0.6]))
    maps[random.random(maps.shape) < bad] = np.nan
    maps[random.random(maps.shape) < bad / 2] = np.inf
    maps[random.random(maps.shape) < bad / 4] = -np.inf
    labels, predictions = random.integers(-1, CLASSES, (2, count))
    order = random.permutation(count) if draw(st.booleans()) else np.arange(count)
    cuts = np.sort(random.integers(0, count + 1, draw(st.integers(0, 4))))
    return maps.astype(dtype), labels, predictions, order, cuts


def reduced(reduction, batch, order, cuts):
    maps, labels, predictions = (each[order] for each in batch)
    state = {}
    for rows in np.split(np.arange(len(maps)), cuts):
        state = reduction.update(
            state, maps[rows], rows=order[rows], labels=labels[rows], predictions=predictions[rows]
        )
    return state


def exact(name, key):
    return (name, key) not in {
        ("moments", "mean"), ("moments", "variance"), ("mean_by_class", "mean"), ("mean_map", "mean"),
        ("gram", "gram"),
    }  # fmt: skip


def check_equal(name, key, one, other):
    if exact(name, key):
        np.testing.assert_array_equal(one, other, key)
    else:
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6, err_msg=key)


def check_drawn(name, drawn):
    maps, labels, predictions, order, cuts = drawn
    reduction = made(name)
    wide = np.where(np.isfinite(maps), maps, np.nan).astype("float64")
    found = reduction.result(reduced(reduction, (maps, labels, predictions), order, cuts))
    for key, value in REFEREES[name](All(wide, labels, predictions)).items():
        check_equal(name, key, getattr(found, key), value)
    if found.axes.get("not_finite") == ("channel",):
        bad = ~np.isfinite(maps.reshape(-1, maps.shape[-1]))
        np.testing.assert_array_equal(found.not_finite, bad.sum(0))
    assert set(found.axes) == set(found.values)
    for key, value in found.values.items():
        assert value.ndim == len(found.axes[key]), key
        assert not value.flags.writeable


@pytest.mark.parametrize("name", NAMES)
def test_any_order_and_any_cut_are_numpy_on_all(name):
    given(batches())(settings(tried, max_examples=8)(lambda drawn: check_drawn(name, drawn)))()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_any_order_and_any_cut_of_many_are_numpy_on_all(name):
    given(batches())(tried(lambda drawn: check_drawn(name, drawn)))()


@pytest.mark.parametrize("name", NAMES)
def test_parts_merge_in_any_order_and_grouping(name):
    reduction = made(name)
    random = np.random.default_rng(3)
    maps = random.normal(0, 1, (9, 4, 3, 2)).round(1).astype("float32")
    labels, predictions = random.integers(0, CLASSES, (2, 9))
    parts = [
        reduced(reduction, (maps, labels, predictions), np.arange(start, start + 3), [])
        for start in (0, 3, 6)
    ]
    a, b, c = parts
    left = reduction.merge(reduction.merge(a, b), c)
    for other in (
        reduction.merge(a, reduction.merge(b, c)),
        reduction.merge(c, reduction.merge(b, a)),
        reduction.merge({}, reduction.merge(left, {})),
    ):
        assert set(other) == set(left)
        one, again = reduction.result(left), reduction.result(other)
        for key in one.values:
            check_equal(name, key, getattr(one, key), getattr(again, key))
    assert {state.dtype.kind for state in left.values()} <= {"i", "f"}
    assert all(state.dtype.itemsize == 8 for state in left.values() if state.dtype.kind == "i")


@pytest.mark.parametrize("sizes", [(4, 3, 2), (None, None, 2)])
def test_padding_and_bad_rows_count_for_nothing_in_one_graph_of_all(sizes):
    reductions = {name: made(name) for name in NAMES}
    random = np.random.default_rng(4)
    maps = random.normal(0, 1, (6, 4, 3, 2)).astype("float32")
    maps[4:] = np.nan
    labels, predictions = random.integers(0, CLASSES, (2, 6)).astype("int32")
    valid = np.array([True, False, True, True, False, False])
    seen = Seen(np.arange(6), labels, predictions, valid)
    traced = tf.function(
        lambda maps: states_in_graph(reductions, maps, seen),
        [tf.TensorSpec((None, *sizes), tf.float32)],
        autograph=False,
    )
    states = as_arrays(traced(maps))
    assert set(states) == set(NAMES)
    for name, reduction in reductions.items():
        alone = reduced(reduction, (maps, labels, predictions), np.flatnonzero(valid), [])
        assert set(states[name]) == set(alone)
        for key, value in alone.items():
            np.testing.assert_allclose(states[name][key], value, rtol=1e-6, atol=1e-6)
            assert states[name][key].dtype == value.dtype
    first = merged(reductions, {}, states)
    for name, reduction in reductions.items():
        found, alone = reduction.result(first[name]), reduction.result(states[name])
        for key, value in alone.values.items():
            np.testing.assert_array_equal(found.values[key], value)


@pytest.mark.parametrize("far", [0, 1e4])
def test_pieces_of_a_batch_are_the_batch(far, monkeypatch):
    reductions = {name: made(name) for name in NAMES}
    maps = np.random.default_rng(5).normal(far, 1, (7, 6, 6, 2)).astype("float32")
    seen = Seen(np.arange(7), np.arange(7) % 3, np.zeros(7, int), np.ones(7, bool))
    whole = as_arrays(states_in_graph(reductions, maps, seen))
    monkeypatch.setattr(look, "_PIECE", 2 * maps[0].nbytes)  # two images
    pieces = as_arrays(states_in_graph(reductions, maps, seen))
    for name in NAMES:
        for key, value in whole[name].items():
            np.testing.assert_allclose(pieces[name][key], value, rtol=1e-12)


def as_arrays(states):
    return {
        name: {key: value.numpy() for key, value in state.items()} for name, state in states.items()
    }


def test_what_is_not_of_one_kind_is_not_merged():
    from kviz import OptionError

    top, small = reduction_named("top_k=2"), np.zeros((1, 2, 2, 3))
    one = top.update({}, small, rows=[0])
    for other in (np.zeros((1, 3, 2, 3)), np.zeros((1, 2, 2, 4)), np.zeros((1, 2, 3))):
        with pytest.raises(OptionError, match="maps of different sizes"):
            top.merge(one, top.update({}, other, rows=[1]))
    with pytest.raises(OptionError, match="different settings"):
        top.merge(one, reduction_named("moments").update({}, small, rows=[1]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tpo_k", "no statistic 'tpo_k'. Did you mean 'top_k'"),
        ("top_k=x", "k takes a whole number from 1. Received: 'x'"),
        ("top_k=0", "k takes a whole number from 1. Received: 0"),
        ("moments=3", "moments takes no value alone. Received: 'moments=3'"),
        ("top_k=3,k=4", "options are each given once"),
        ("top_k,q=1", "top_k has no option 'q'. There is: 'k'."),
        ("histogram=4,low=3,high=1", "a high above its low. Received: 3 and 1"),
        ("histogram,edges=3:1", "each above the one before. Received: (3, 1)"),
        (3, "A statistic is a text, such as 'top_k=9'. Received: 3"),
    ],
)
def test_what_a_command_line_says_is_understood_or_refused(text, words):
    from kviz import OptionError

    with pytest.raises(OptionError) as refused:
        reduction_named(text)
    assert words in str(refused.value)
    assert len(str(refused.value)) <= 300


def test_reductions_are_named_as_a_command_line_names_them():
    found = as_reductions("statistics", ["moments", "top_k=2", reduction_named("gram")])
    assert list(found) == ["moments", "top_k", "gram"]
    assert found["top_k"].k == 2
    assert reduction_named("histogram,edges=0:1:2.5").edges == (0, 1, 2.5)
    assert (
        reduction_named("histogram=8,low=-1,high=1").all_edges.tolist()
        == np.linspace(-1, 1, 9).tolist()
    )
    assert reduction_named("mean_map=true").by_class
    assert as_reductions("statistics", "moments").keys() == {"moments"}
    with pytest.raises(Exception, match="Received twice: 'top_k'"):
        as_reductions("statistics", ["top_k=2", "top_k=3"])
