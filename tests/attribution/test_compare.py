"""Attributions side by side."""

import numpy as np
import pytest
from one_of_each import attribution, comparison, made_by, random
from PIL import Image
from refusals import refused

import kviz
from kviz.draw.heat import peak_of
from kviz.results import Attribution


def test_the_image_and_each_map_over_it_with_its_own_scale():
    found = comparison()
    tiles = found.tiles()
    assert [tile.role for tile in tiles] == ["image", "overlay", "overlay"] * 2
    for image in range(2):
        for place, one in enumerate(found.attributions, 1):
            own = one.tiles(image=image)
            tile = tiles[3 * image + place]
            np.testing.assert_array_equal(tile.levels, own[2].levels)
            assert tile.limits == own[1].limits
    assert tiles[1].cmap == "viridis"
    assert tiles[2].cmap == "bwr"
    assert len(found.tiles(image=1)) == 3


def test_one_scale_is_shared():
    found = comparison()
    values = np.abs(np.concatenate([one.maps.ravel() for one in found.attributions]))
    peak = float(np.percentile(values, 99))
    tiles = [tile for tile in found.tiles(scale="shared") if tile.role != "image"]
    assert {tile.limits for tile in tiles} == {(-peak, peak)}
    assert {tile.cmap for tile in tiles} == {"bwr"}
    positive = kviz.compare([attribution(), attribution("occlusion")])
    (limits,) = {tile.limits for tile in positive.tiles(scale="shared") if tile.limits}
    assert limits[0] == 0
    bars = [axes for axes in found.plot(scale="shared").axes if axes.child_axes]
    assert len(bars) == 4


def test_a_row_an_image_and_a_file_an_image(tmp_path):
    found = comparison()
    assert found.plot().axes[0].get_gridspec().ncols == 3
    written = found.save(tmp_path / "compared")
    assert [path.name.split("_")[-1] for path in written] == ["compared.png"] * 2
    with Image.open(written[0]) as picture:
        assert "cat.png" in picture.text["Description"]
    classes = kviz.compare([attribution(classes=3), attribution("saliency")])
    assert len(classes.tiles(image=0)) == 1 + 3 + 1
    assert classes.plot().axes[0].get_gridspec().ncols == 5


def test_tables_and_facts_name_each():
    found = comparison()
    assert [table.caption for table in found.tables()] == [
        "grad_cam: attribution", "saliency: attribution",
    ]  # fmt: skip
    maps = found.facts()["images"][1]["maps"]
    assert [one["method"] for one in maps] == ["grad_cam", "saliency"]
    assert found.made_by.settings["methods"] == ("grad_cam", "saliency")
    assert found.made_by.images_sha256 == found.attributions[0].made_by.images_sha256


def test_notes_are_said_once():
    both = [attribution(notes=("One.",)), attribution("saliency", notes=("One.", "Two."))]
    assert kviz.compare(both).notes == ("One.", "Two.")


def test_models_are_named_where_there_are_several():
    other = attribution(made_by=kviz.MadeBy(model="other"))
    titles = [tile.title for tile in kviz.compare([attribution(), other]).tiles(image=0)[1:]]
    assert titles == ["grad_cam of net · b", "grad_cam of other · b"]


def test_another_model_may_take_the_image_in_another_size():
    maps, images = random(2, 16, 20), random(2, 16, 20, 3)
    other = kviz.Attribution(
        maps, maps, np.zeros(2), np.zeros(2, int), ("a", "b"), "lrp", images=images,
        made_by=made_by("attribute"),
    )  # fmt: skip
    tiles = kviz.compare([attribution(), other]).tiles(image=0)
    assert [tile.levels.shape[:2] for tile in tiles] == [(8, 10), (8, 10), (16, 20)]
    assert tiles[2].role == "overlay"


def test_a_map_of_nothing_shows_the_image_alone():
    nothing = np.zeros((2, 8, 10), "float32")
    empty = kviz.Attribution(
        nothing,
        nothing,
        np.zeros(2),
        np.zeros(2, int),
        ("a", "b"),
        "lrp",
        images=random(2, 8, 10, 3),
    )
    for scale in ("each", "shared"):
        _, tile, _ = kviz.compare([empty, attribution()]).tiles(image=0, scale=scale)
        assert "every value is zero" in tile.detail
        assert np.ptp(tile.levels, axis=-1).max() == 0, "grey"
    assert peak_of(nothing) == 0


def test_what_it_takes():
    with refused("one or more attributions. Received: none", kviz.OptionError):
        kviz.compare([])
    with refused("results of attribute. Received: str", kviz.OptionError):
        kviz.compare(["grad_cam"])
    elsewhere = kviz.MadeBy(images_sha256=("2" * 64,) * 2)
    other = attribution("saliency", images=random(2, 8, 10, 3, seed=9), made_by=elsewhere)
    with refused("attributions of the same images", kviz.ImageError):
        kviz.compare([attribution(), other])
    bare = {"images": None, "made_by": kviz.MadeBy()}
    with refused("attributions of the same images", kviz.ImageError):
        kviz.compare([attribution(**bare), attribution(**bare, names=("dog.png",))])
    kviz.compare([attribution(**bare), attribution(**bare, names=())])
    with refused("scale takes one of", kviz.OptionError):
        comparison().tiles(scale="own")
    for image in (2, -1, "0", True):
        with pytest.raises(kviz.OptionError, match="image takes a number from 0 to 1"):
            comparison().tiles(image=image)


def test_round_trip(tmp_path):
    found = comparison()
    again = kviz.load_result(found.save(tmp_path / "found.npz")[0])
    assert isinstance(again, kviz.Comparison)
    assert again.facts() == found.facts()
    for one, two in zip(found.attributions, again.attributions, strict=True):
        np.testing.assert_array_equal(one.maps, two.maps)
        assert one.made_by == two.made_by


def test_signals_are_compared_below_each_other(tmp_path):
    signal = np.random.default_rng(0).normal(size=(1, 50, 1)).astype("float32")
    made = [
        Attribution(
            signal[..., 0] * k,
            signal,
            np.ones(1),
            np.zeros(1, int),
            ("a",),
            f"method{k}",
            images=signal,
        )
        for k in (1, 2)
    ]
    found = kviz.compare(made)
    grid = found.plot(scale="shared").axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == (2, 1)
    peak = np.percentile(np.abs(np.concatenate([one.maps for one in made])), 99)
    assert {tile.limits for tile in found.tiles(scale="shared")} == {(-peak, peak)}
    assert len({tile.limits for tile in found.tiles()}) == 2
    assert len(found.save(tmp_path / "signals")) == 1
