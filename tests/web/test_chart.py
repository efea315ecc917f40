"""Bars of layers: they stand on the scale whose lines are behind them."""

import pytest

from kviz.web.chart import share_chart, size_chart


@pytest.mark.parametrize("values", [(0.02, 700.0), (1.0, 3.0), (3e-9, 2e4)])
def test_a_bar_reaches_the_line_of_its_value(values):
    ticks = size_chart(values).ticks
    heights = size_chart((*values, *(float(text) for _, text in ticks))).heights
    # At the floor a bar is as high as what is seen at all.
    assert heights[2:] == pytest.approx([max(height, 1.0) for height, _ in ticks])
    assert 2 <= len(ticks) <= 6


def test_next_to_nothing_is_seen_and_nothing_is_not():
    assert share_chart([0.5, 1e-6, 0.0]).heights == (50.0, 1.0, 0.0)
    assert size_chart([1.0, 1e-30, 0.0, float("nan")]).heights[1:] == (1.0, 0.0, 0.0)
