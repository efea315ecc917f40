"""Figures belong to who asked for them: drawing leaves nothing open and changes no setting."""

import warnings

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from IPython.core.formatters import DisplayFormatter
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.pylabtools import select_figure_formats
from one_of_each import ALL

PLOTTED = [kind for kind in ALL if kind != "predictions"]


@pytest.fixture
def own():
    """A figure and settings of the caller's own."""
    with mpl.rc_context({"figure.max_open_warning": 1, "axes.grid": True}):
        yield plt.figure()


@pytest.mark.some(every=5)
@pytest.mark.parametrize("kind", PLOTTED)
def test_plots_leave_nothing_behind(kind, own, tmp_path):
    result = ALL[kind]()
    settings, filters = dict(mpl.rcParams), list(warnings.filters)
    for _ in range(3):
        drawn = result.plot()
    drawn.savefig(tmp_path / "drawn.png")
    result.save(tmp_path / "folder")
    result.save(tmp_path / "page.html")
    result._repr_html_()
    assert (tmp_path / "drawn.png").stat().st_size > 1000
    assert plt.get_fignums() == [own.number]
    assert plt.gcf() is own
    assert dict(mpl.rcParams) == settings
    assert warnings.filters == filters
    assert isinstance(drawn, mpl.figure.Figure)
    assert drawn.kviz_alt


@pytest.mark.parametrize("backend", ["agg", "inline"])
def test_ipython_shows_a_figure_by_itself(backend, capsys):
    shell = InteractiveShell.instance()
    try:
        if backend == "inline":
            select_figure_formats(shell, {"png"})  # what the inline backend does
        published = []
        formatter = DisplayFormatter(parent=shell)
        shell.display_pub.publish = lambda **sent: published.append(sent)
        drawn = ALL["activations"]().plot()
        assert formatter.format(drawn) == ({}, {})
        (sent,) = published
        assert set(sent["data"]) == {"image/png", "text/plain"}
        assert sent["data"]["text/plain"] == drawn.kviz_alt
        assert plt.get_fignums() == []
    finally:
        InteractiveShell.clear_instance()
    assert capsys.readouterr().out == ""
