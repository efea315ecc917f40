"""Statistics: a mapping of layers, what is told of them, and how it is drawn."""

import numpy as np
import pytest
from needed import need_package
from one_of_each import statistics

import kviz
from kviz.results import Statistic, Statistics


def test_a_layers_statistics_are_reached_by_name():
    found = statistics()
    assert list(found) == ["conv", "a/pool"]
    assert len(found) == 2
    assert found["conv"]["moments"].mean.tolist() == [1.5, -2]
    with pytest.raises(kviz.LayerError, match="no statistics of"):
        found["con"]
    with pytest.raises(AttributeError, match=r"no .men.*mean"):
        found["conv"]["moments"].men  # noqa: B018
    with pytest.raises(ValueError, match="read-only"):
        found["conv"]["moments"].mean[0] = 3


def test_what_is_told_of_channels_and_classes():
    need_package("pandas", "test")
    found = statistics()
    frame = found.to_frame()
    assert frame["moments_mean"].tolist() == [1.5, -2]
    assert frame["top_k_row"].tolist() == [4, 2]
    told = found.facts()
    assert told["count"] == 13
    assert told["layers"][0]["statistics"]["top_k"]["row"] == [[4, 0, 1], [2, 3, 4]]
    assert told["layers"][0]["statistics"]["top_k"]["settings"] == {"k": 3}
    assert "gram" not in told["layers"][0]["statistics"]["gram"]
    assert told["predicted"]["confusion"]["counts"] == [[3, 1, 0], [0, 4, 0], [2, 0, 2]]
    (*_, confusion) = found.tables()
    assert confusion.rows == [
        ("a", 4, 3, "75.00 %", "b (1)"), ("b", 4, 4, "100.00 %", ""), ("c", 4, 2, "50.00 %", "a (2)"),
    ]  # fmt: skip


def test_each_is_drawn_and_says_what_it_shows():
    found = statistics()
    titles = [tile.title for tile in found.tiles()]
    assert titles == [
        "conv · zero share", "conv · histogram", "conv · gram", "conv · mean by class",
        "a/pool · mean map · a", "a/pool · mean map · b", "a/pool · mean map · c", "confusion",
    ]  # fmt: skip
    (drawn,) = found.tiles("conv", statistic="histogram")
    assert drawn.detail == "9 values · 3 lie outside"
    (one,) = found.tiles("conv", statistic="histogram", channel=0)
    assert one.detail == "5 values · 1 lie outside"
    (matrix,) = found.tiles(statistic="confusion")
    assert matrix.detail.startswith("9 of 12 on the diagonal (75.00 %)")
    np.testing.assert_array_equal(matrix.chart.values[0], [0.75, 0.25, 0])
    (gram,) = found.tiles(statistic="gram")
    assert (gram.limits, gram.cmap) == ((-3, 3), "bwr")
    assert found.tiles(statistic="moments") == []
    with pytest.raises(kviz.OptionError, match="no statistic"):
        found.tiles(statistic="grm")
    with pytest.raises(kviz.OptionError, match="channels 0 to 1"):
        found.tiles("conv", statistic="histogram", channel=2)


def test_maps_of_one_channel_are_a_panel_a_class():
    mean = Statistic(
        {"mean": np.arange(12.0).reshape(3, 2, 2, 1)},
        {"mean": ("class", "y", "x", "channel")},
        {},
        "maps",
    )
    (tile,) = Statistics({"grad_cam": {"mean_map": mean}}).tiles()
    assert tile.levels.shape == (2, 3 * 2 + 2)
    assert tile.limits == (0, 11)
