"""What an attribution shows: scales, colours, the map over its image, classes in their places."""

import numpy as np
import pytest
from one_of_each import attribution, random
from PIL import Image

import kviz
from kviz.arrays import stretched
from kviz.draw.plots import palette
from kviz.results import Attribution


def of_one(maps, **options):
    """An attribution of one image with hand-made numbers."""
    maps = np.asarray(maps, "float32")[None]
    options = {"images": np.full((1, *maps.shape[1:3], 3), 100, np.uint8), **options}
    return Attribution(maps, maps, np.ones(1), np.zeros(1, int), ("cat",), "saliency", **options)


def test_colours_end_at_the_99th_percentile_of_the_sizes():
    values = np.arange(1000, dtype="float32").reshape(20, 50)
    _, heat, over = of_one(values).tiles()
    peak = float(np.percentile(values, 99))
    assert heat.limits == (0, peak)
    assert "99th percentile" in heat.detail
    assert f"to {peak:.3g}" in heat.detail
    np.testing.assert_array_equal(heat.levels, stretched(values, 0, peak))
    assert heat.cmap == over.cmap == "viridis"
    signed = of_one(values - 400)
    peak = float(np.percentile(np.abs(values - 400), 99))
    assert signed.tiles()[1].limits == (-peak, peak)
    assert signed.tiles()[1].cmap == "bwr"


def test_where_nearly_all_is_zero_colours_end_at_the_largest():
    values = np.zeros((20, 50))
    values[3, 4] = -2
    assert of_one(values).tiles()[1].limits == (-2, 2)


def test_a_map_lies_over_its_image_in_grey_as_opaque_as_it_is_large():
    values = np.array([[0.0, 5.0], [10.0, 10.0]])
    photo = np.zeros((1, 2, 2, 3), np.uint8)
    photo[..., 1] = 200
    _, heat, over = of_one(values, images=photo).tiles()
    grey = 0.587 * 200
    colours = palette("viridis")[heat.levels].astype(float)
    share = (values / heat.limits[1]).clip(0, 1)[..., None]
    np.testing.assert_allclose(over.levels, grey * (1 - share) + colours * share, atol=0.51)
    assert over.levels[0, 0].tolist() == [round(grey)] * 3
    assert over.role == "overlay"
    signed = of_one(-values, images=photo).tiles()[2]
    blue, red = palette("bwr")[0], palette("bwr")[255]
    np.testing.assert_array_equal(signed.levels[1, 1], blue)
    np.testing.assert_array_equal(of_one([[9.0, -9.0]]).tiles()[2].levels[0, 0], red)


def test_a_map_of_another_size_than_its_image_is_shown_alone():
    found = of_one(np.ones((2, 2)), images=random(1, 8, 8, 3))
    assert [tile.role for tile in found.tiles()] == ["image", "map"]
    assert [tile.role for tile in of_one(np.ones((2, 2)), images=None).tiles()] == ["map"]


def test_a_map_of_nothing_says_so():
    _, heat, over = of_one(np.zeros((3, 3))).tiles()
    assert "every value is zero" in heat.detail
    assert heat.limits is None
    assert not heat.levels.any()
    assert (over.levels == 100).all()


def test_each_image_has_its_own_classes():
    found = attribution(classes=3, signed=True, gaps=np.arange(6.0).reshape(2, 3))
    rows = found.tables()[0].rows
    assert [row[:3] for row in rows] == [
        ("cat.png", "b", "0"), ("cat.png", "a", "1"), ("cat.png", "c", "2"),
        ("image 1", "b", "3"), ("image 1", "a", "4"), ("image 1", "c", "5"),
    ]  # fmt: skip
    assert [row[-1] for row in rows] == ["0", "1", "2", "3", "4", "5"]
    titles = [tile.title for tile in found.tiles(image=1)]
    assert titles == [
        "image 1",
        *("grad_cam · b",) * 2,
        *("grad_cam · a",) * 2,
        *("grad_cam · c",) * 2,
    ]
    # The second image's second class, and no other's.
    one = found.explained(1)[1]
    np.testing.assert_array_equal(one.map, found.maps[1, 1])
    assert one[1:] == (0, "a", 4.0, 4.0)
    names = Attribution(
        found.maps, found.maps, found.scores, found.classes, tuple("uvwxyz"), "lrp"
    )  # fmt: skip
    assert [one.label for one in names.explained(1)] == ["x", "y", "z"]


@pytest.mark.parametrize(
    ("classes", "images", "columns"), [(1, True, 3), (3, True, 7), (3, False, 3)]
)
def test_a_figure_has_a_row_an_image(classes, images, columns):
    options = {} if images else {"images": None}
    drawn = attribution(classes=classes, **options).plot()
    assert drawn.axes[0].get_gridspec().ncols == columns
    assert drawn.axes[0].get_gridspec().nrows == 2


def test_a_folder_holds_the_maps_and_not_the_images(tmp_path):
    seen = []
    found = attribution(title="Grad-CAM")
    written = found.save(tmp_path / "maps", progress=lambda *step: seen.append(step))
    assert [path.name.partition("-")[0] for path in written] == ["001_cat"] * 2 + [
        "002_image1_grad_cam_01.png",
        "002_image1_grad_cam_02.png",
    ]
    assert seen == [(n, 4) for n in range(1, 5)]
    with Image.open(written[1]) as picture:
        assert picture.text["Title"] == "Grad-CAM · b"
    assert len(found.save(tmp_path / "one", image=1)) == 2


def test_image_is_given_by_keyword_and_is_there():
    with pytest.raises(TypeError, match="positional"):
        attribution().tiles(0)
    for image in (2, -1, 0.5, "0", True):
        with pytest.raises(kviz.OptionError, match=r"image takes a number from 0 to 1\. Received"):
            attribution().tiles(image=image)


@pytest.mark.parametrize("shape", [(2, 8, 10, 3), (2, 3, 8, 10, 3)])
def test_channels_that_were_kept_lie_side_by_side(shape):
    maps = random(*shape)
    lead = shape[: len(shape) - 3]
    found = Attribution(
        maps, maps, np.zeros(lead), np.zeros(lead, int), ("c",) * int(np.prod(lead)), "gradient",
        images=random(2, 8, 10, 3),
    )  # fmt: skip
    tiles = [tile for tile in found.tiles() if tile.role == "map"]
    assert {tile.levels.shape for tile in tiles} == {(8, 30)}
    assert len(tiles) == np.prod(lead)
