"""Lines and bars by their artists: where they lie, what stands beside them, in every style."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from kviz.draw.charts import Bars, Curves, Signal, charted
from kviz.draw.colours import palette
from kviz.draw.plots import figure

LINE = np.array([0.0, 3, -1, 2, 5], "float32")


def axes_of(chart):
    """The chart in the axes of a figure of ours."""
    return figure([charted(chart, "title", "detail", "alt")]).axes[0]


def lines_of(axes):
    return [line for line in axes.lines if len(line.get_xdata()) > 2]


def test_one_channel_is_a_line_in_its_own_units():
    axes = axes_of(Signal(LINE[:, None]))
    (line,) = lines_of(axes)
    np.testing.assert_array_equal(line.get_xydata().T, [range(5), LINE])
    low, high = axes.get_ylim()
    assert low < -1
    assert high > 5
    assert axes.get_xlim() == (-0.5, 4.5)
    assert axes.get_ylabel() == "value"
    assert axes.get_xlabel() == "position\ndetail"
    assert axes.get_title(loc="left") == "title"


def test_several_channels_lie_below_each_other_each_in_its_lane():
    values = np.stack([LINE, 100 * LINE, -LINE], 1)
    axes = axes_of(Signal(values))
    lines = lines_of(axes)
    for lane, line in enumerate(lines):
        low, high = line.get_ydata().min(), line.get_ydata().max()
        assert 2 - lane < low < high < 3 - lane
    np.testing.assert_allclose(lines[0].get_ydata() - 2, lines[1].get_ydata() - 1, rtol=1e-5)
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["channel 0\n−1 to 5", "channel 1\n−100 to 500", "channel 2\n−5 to 1"]


def test_heat_lies_under_the_line_over_the_whole_length():
    heat = np.zeros((5, 1, 4))
    heat[3] = (1, 0, 0, 0.5)
    axes = axes_of(Signal(LINE[:, None], heat))
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), heat.transpose(1, 0, 2))
    left, right, bottom, top = image.get_extent()
    assert (left, right) == (-0.5, 4.5)
    assert (bottom, top) == pytest.approx(axes.get_ylim())
    assert image.zorder < lines_of(axes)[0].zorder
    axes.figure.canvas.draw()
    pixels = np.asarray(axes.figure.canvas.buffer_rgba())
    x, y = axes.transData.transform((3, top - 0.2))
    seen = pixels[int(len(pixels) - y), int(x), :3]
    np.testing.assert_allclose(seen, (255, 127, 127), atol=2)


def test_fewer_cells_of_heat_than_positions_cover_the_same_length():
    axes = axes_of(Signal(LINE[:, None], np.ones((2, 1, 4))))
    assert axes.images[0].get_extent()[:2] == [-0.5, 4.5]


def test_channels_with_a_heat_each_have_it_in_their_own_lane():
    heat = np.random.default_rng(0).random((5, 2, 4))
    axes = axes_of(Signal(np.stack([LINE, LINE], 1), heat))
    assert [image.get_extent()[2:] for image in axes.images] == [[1, 2], [0, 1]]
    np.testing.assert_array_equal(axes.images[1].get_array()[0], heat[:, 1])


def test_heat_alone_has_no_line_and_no_values():
    axes = axes_of(Signal(None, np.ones((4, 1, 4)), length=40))
    assert not lines_of(axes)
    assert axes.get_xlim() == (-0.5, 39.5)
    assert len(axes.get_yticks()) == 0


@pytest.mark.parametrize(
    "values", [np.zeros(5), np.full(5, np.nan), np.array([1.0]), np.array([1, np.inf, 2])]
)
def test_odd_signals_are_drawn(values):
    axes_of(Signal(values[:, None])).figure.canvas.draw()
    axes_of(Signal(np.stack([values, values], 1))).figure.canvas.draw()


def test_bars_have_their_names_and_the_first_is_on_top():
    axes = axes_of(Bars(np.array([3.0, -2, 1]), ["a", "$b$", "猫"], "attribution"))
    bars = axes.patches
    assert [bar.get_width() for bar in bars] == [3, -2, 1]
    middles = [bar.get_y() + bar.get_height() / 2 for bar in bars]
    assert middles == pytest.approx([2, 1, 0])
    labels = dict(zip(axes.get_yticks(), axes.get_yticklabels(), strict=True))
    assert [labels[place].get_text() for place in (2, 1, 0)] == ["a", "$b$", "□"]
    red, blue = palette("bwr")[255] / 255, palette("bwr")[0] / 255
    for bar, colour in zip(bars, (red, blue, red), strict=True):
        np.testing.assert_allclose(to_rgb(bar.get_facecolor()), colour, atol=0.002)


def test_bars_of_sizes_are_neither_red_nor_blue():
    axes = axes_of(Bars(np.array([3.0, 1]), ["a", "b"], "attribution"))
    np.testing.assert_allclose(
        to_rgb(axes.patches[0].get_facecolor()), palette("viridis")[100] / 255, atol=0.002
    )


@pytest.mark.parametrize("count", [7, 17])
def test_a_share_ends_where_there_is_no_more(count):
    at = np.linspace(0, 1, count)
    axes = axes_of(Curves({"a": at}, "share", "score", at=at))
    assert axes.get_xlim() == (0, 1)
    np.testing.assert_allclose(axes.get_xticks(), [0, 0.2, 0.4, 0.6, 0.8, 1])
    # What lies at the ends is drawn whole.
    assert not axes.lines[0].get_clip_on()
    # One place alone is no way from one to another.
    axes_of(Curves({"a": at[:1]}, "share", "score", at=at[:1]))


CHARTS = [
    Curves({"a": LINE}, "step", "score"),
    Signal(np.stack([LINE, LINE], 1), np.ones((5, 1, 4))),
    Bars(LINE, list("abcde"), "attribution"),
]


@pytest.mark.parametrize("chart", CHARTS, ids=["curves", "signal", "bars"])
def test_a_chart_is_the_same_in_every_style_and_changes_none(chart):
    plain = charted(chart, "", "", "").levels
    for style in ("dark_background", "ggplot", "Solarize_Light2"):
        with plt.style.context(style):
            before = dict(mpl.rcParams)
            drawn = charted(chart, "", "", "").levels
            assert dict(mpl.rcParams) == before
        assert np.abs(drawn.astype(int) - plain).mean() < 8, style
        assert (drawn[:3] == 255).all(), style


@pytest.mark.parametrize("chart", CHARTS, ids=["curves", "signal", "bars"])
def test_a_figure_draws_lines_and_words_and_no_picture_of_them(chart):
    drawn = figure(
        [charted(chart, "title", "", "alt", role="curve" if chart is CHARTS[0] else "map")]
    )
    axes = drawn.axes[0].child_axes[0] if chart is CHARTS[0] else drawn.axes[0]
    assert axes.lines or axes.patches
    assert all(image.get_array().shape[0] == 1 for image in axes.images)


def test_a_chart_is_no_larger_than_it_was_made_for():
    drawn = figure([charted(CHARTS[2], "title", "detail", "alt")])
    assert drawn.get_size_inches()[0] < CHARTS[2].size[0] + 1.2


def test_what_lines_are_compared_with_is_grey_and_behind():
    at = np.arange(3.0)
    lines = {"a": at, "by chance": at / 2}
    one, other = axes_of(Curves(lines, "share", "score", at=at, beside=["by chance"])).lines
    assert (one.get_color(), other.get_color()) == ("#1f77b4", "#7f7f7f")
    assert one.get_zorder() > other.get_zorder()
    assert other.get_markerfacecolor() == "white"
