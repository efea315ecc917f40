"""save_figure: any result, or a figure of the caller's, as wide as asked."""

import re

import matplotlib.pyplot as plt
import pytest
from one_of_each import ALL, attribution
from PIL import Image

import kviz


@pytest.mark.some(every=4)
@pytest.mark.parametrize("kind", [kind for kind in ALL if kind != "predictions"])
@pytest.mark.parametrize("ending", ["pdf", "svg"])
def test_every_result_is_saved_as_one_figure(kind, ending, tmp_path):
    path = tmp_path / f"f.{ending}"
    assert ALL[kind]().save(path) == [path]
    assert path.stat().st_size > 1000


def test_as_wide_as_asked_whatever_it_is_made_from(tmp_path):
    path = kviz.save_figure(attribution(), tmp_path / "f.png", width_cm=8.5, dpi=254)
    with Image.open(path) as image:
        assert image.width == pytest.approx(850, abs=1)
    own = plt.figure(figsize=(4, 3))
    path = kviz.save_figure(own, tmp_path / "own.svg", width_cm=2.54)
    assert re.search(r' width="72pt"', path.read_text())
    assert tuple(own.get_size_inches()) == (4, 3)
    with Image.open(kviz.save_figure(own, tmp_path / "own.png", dpi=10)) as image:
        assert image.size == (40, 30)


def test_a_narrow_figure_has_small_words():
    found = attribution(classes=3)
    drawn = found.plot(width=3.35)
    assert drawn.get_size_inches()[0] == pytest.approx(3.35)
    wide = found.plot()
    assert drawn.axes[0]._left_title.get_fontsize() < wide.axes[0]._left_title.get_fontsize()


def test_options_are_the_results_own(tmp_path):
    kviz.save_figure(attribution(), tmp_path / "a.svg", image=0, caption=False)
    svg = (tmp_path / "a.svg").read_text()
    assert "grad_cam" not in re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    for drawn, options in ((object(), {}), (plt.figure(), {"image": 0}), ("f", {})):
        with pytest.raises(kviz.OptionError, match="save_figure takes a result with its options"):
            kviz.save_figure(drawn, tmp_path / "b.svg", **options)
    for options in ({"width_cm": 0}, {"width_cm": "8"}, {"dpi": -1}):
        with pytest.raises(kviz.OptionError, match="takes a number between"):
            kviz.save_figure(attribution(), tmp_path / "b.svg", **options)
    assert not (tmp_path / "b.svg").exists()
