"""What an attribution shows: scales, colours, the map over its image, classes in their places."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from one_of_each import activations, attribution, random
from PIL import Image

import kviz
from kviz.arrays import stretched
from kviz.draw.colours import palette
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
    # What counts most is seen through it.
    share = 0.8 * (values / heat.limits[1]).clip(0, 1)[..., None]
    np.testing.assert_allclose(over.levels, grey * (1 - share) + colours * share, atol=0.51)
    assert over.levels[0, 0].tolist() == [round(grey)] * 3
    assert over.role == "overlay"
    signed = of_one(-values, images=photo).tiles()[2]
    blue, red = palette("bwr")[0], palette("bwr")[255]
    np.testing.assert_array_equal(signed.levels[1, 1], np.rint(0.2 * grey + 0.8 * blue))
    both = of_one([[9.0, -9.0]])
    np.testing.assert_array_equal(both.tiles()[2].levels[0, 0], np.rint(20 + 0.8 * red))


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
    assert one[1:] == (0, "a", 4.0, 4.0, False, None)
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
def test_channels_that_were_kept_have_a_panel_each(shape):
    maps = random(*shape)
    lead = shape[: len(shape) - 3]
    found = Attribution(
        maps, maps, np.zeros(lead), np.zeros(lead, int), ("c",) * int(np.prod(lead)), "gradient",
        images=random(2, 8, 10, 3),
    )  # fmt: skip
    tiles = [tile for tile in found.tiles() if tile.role == "map"]
    assert {tile.levels.shape for tile in tiles} == {(8, 32)}
    assert len(tiles) == np.prod(lead)
    first = maps[(0,) * len(lead)]
    peak = np.percentile(np.abs(first), 99)
    for channel in range(3):
        panel = tiles[0].levels[:, 11 * channel : 11 * channel + 10]
        np.testing.assert_array_equal(panel, stretched(first[..., channel], 0, peak))
    assert np.flatnonzero(tiles[0].gaps.all(axis=0)).tolist() == [10, 21]
    assert "a panel each for red, green and blue" in tiles[0].detail


def test_several_classes_can_share_one_scale():
    found = attribution(classes=3, signed=True)
    peak = np.percentile(np.abs(found.maps), 99)
    shared = [tile for tile in found.tiles(scale="shared") if tile.role == "map"]
    assert {tile.limits for tile in shared} == {(-peak, peak)}
    assert len({tile.limits for tile in found.tiles() if tile.role == "map"}) == 6
    with pytest.raises(kviz.OptionError, match="scale takes one of 'each', 'shared'"):
        found.tiles(scale="all")


def test_a_row_an_image_whatever_is_empty():
    maps = random(3, 4, 5)
    maps[1] = 0
    found = Attribution(
        maps, maps, np.ones(3), np.zeros(3, int), ("cat",) * 3, "grad_cam",
        images=random(3, 4, 5, 3), negative=np.array([False, True, False]),
    )  # fmt: skip
    tiles = found.tiles()
    assert [tile.role for tile in tiles] == ["image", "map", "overlay"] * 3
    assert tiles[4].detail.endswith("negative everywhere, ReLU leaves nothing: relu=False shows it")
    assert found.facts()["images"][1]["maps"][0]["negative_everywhere"] is True
    grid = found.plot().axes[0].get_gridspec()
    assert (grid.nrows, grid.ncols) == (3, 3)


def test_a_black_photo_is_black():
    images = random(2, 4, 5, 3)
    images[0] = 0
    found = of_one(np.ones((4, 5)), images=images[:1])
    assert not found.tiles()[0].levels.any()
    both = Attribution(
        np.ones((2, 4, 5)), np.ones((2, 4, 5)), np.ones(2), np.zeros(2, int), ("a", "a"), "saliency",
        images=np.stack([images[1], images[1] / 255]),
    )  # fmt: skip
    # A dark photo beside others stays dark; alone its numbers are those of 0-1.
    assert both.tiles(image=1)[0].levels.max() <= 1
    alone = of_one(np.ones((4, 5)), images=images[1:] / 255).tiles()[0]
    np.testing.assert_array_equal(alone.levels, both.tiles(image=0)[0].levels)


def test_plot_takes_what_tiles_takes_and_axes_of_the_callers():
    found = attribution()
    own, axes = plt.subplots(1, 2)
    assert found.plot(ax=axes, cmap="magma") is own
    for image, one in enumerate(axes):
        expected = found.tiles(image=image, cmap="magma")[-1].levels
        np.testing.assert_array_equal(one.images[0].get_array(), expected)
    assert found.plot(ax=axes[0], image=1, caption=False) is own
    assert axes[0].get_title(loc="left") == "grad_cam · b", "what the caller wrote is left"
    with pytest.raises(kviz.OptionError, match="as many axes as there are pictures, which is 2"):
        found.plot(ax=axes[0])
    plt.close(own)
    assert tuple(found.plot(figsize=(5, 4)).get_size_inches()) == (5, 4)
    for figsize in (5, (1, 2, 3), (0, 1), "ab"):
        with pytest.raises(kviz.OptionError, match=r"figsize takes|takes a number"):
            found.plot(figsize=figsize)


def test_image_is_the_map_over_the_photo_for_pillow():
    found = attribution()
    picture = found.image(image=1, sign="positive")
    assert isinstance(picture, Image.Image)
    np.testing.assert_array_equal(
        np.asarray(picture), found.tiles(image=1, sign="positive")[-1].levels
    )
    np.testing.assert_array_equal(found.overlay(image=1, sign="positive"), np.asarray(picture))
    with pytest.raises(kviz.OptionError, match="image=0"):
        found.image()
    assert activations().image("conv", channel=0).size == (5, 4)


def test_overlay_of_one_of_several_classes():
    found = attribution(classes=3, signed=True)
    tiles = found.tiles(image=0)
    np.testing.assert_array_equal(found.overlay(image=0, class_index=2), tiles[-1].levels)
    np.testing.assert_array_equal(found.overlay(image=0), tiles[2].levels)
    with pytest.raises(kviz.OptionError, match=r"was explained: 1, 0, 2\. Received: 7"):
        found.overlay(image=0, class_index=7)
    with pytest.raises(kviz.OptionError, match="Say which of 2 images"):
        found.overlay()
    with pytest.raises(kviz.OptionError, match="maps that lie over pictures"):
        attribution(images=None).overlay(image=0)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_the_original_photo_at_its_own_size(fit, tmp_path):
    """A dot on the map stands where the photo has its own dot, whatever was done to make it fit."""
    photo = np.full((60, 120, 3), 40, np.uint8)
    photo[30:34, 70:74] = 250
    Image.fromarray(photo).save(tmp_path / "photo.png")
    pixels = kviz.load_images(tmp_path / "photo.png", target_size=40, fit=fit)
    maps = (pixels[..., 0] > 120).astype("float32")
    found = of_one(maps[0], images=pixels)
    for original in (True, tmp_path / "photo.png", photo):
        over = found.overlay(original=original)
        assert over.shape == photo.shape
        marked = np.argwhere(np.abs(over.astype(int) - photo).max(axis=-1) > 60)
        assert marked.mean(axis=0) == pytest.approx([31.5, 71.5], abs=1.5)
        assert (over[:, :20] == 40).all()
    assert found.image(original=True).size == (120, 60)
    other = np.flip(photo, 1)
    with pytest.raises(kviz.ImageError, match="is not this photo"):
        found.overlay(original=other)
    with pytest.raises(kviz.ImageError, match="not known from which file"):
        of_one(np.ones((8, 9)), images=random(1, 8, 9, 3)).overlay(original=True)


def test_signals_volumes_and_features():
    def of(shape, maps):
        return of_one(random(*maps), images=random(1, *shape))

    signal = of((50, 1), (50,))
    assert [tile.role for tile in signal.tiles()] == ["overlay"]
    assert signal.plot().axes[0].get_gridspec().ncols == 1
    for shape, maps in (((4, 8, 9, 1), (4, 8, 9)), ((4, 8, 9, 3), (4, 8, 9))):
        (tile,) = of(shape, maps).tiles()
        assert (tile.role, tile.levels.ndim) == ("overlay", 3)
    (tile,) = of((3,), (3,)).tiles(feature_names=["a", "b", "c"])
    assert sorted(name[0] for name in tile.chart.names) == ["a", "b", "c"]
    grey = of((14, 15, 1), (14, 15))
    assert [tile.role for tile in grey.tiles()] == ["image", "map", "overlay"]


@pytest.mark.parametrize(
    ("layers", "short", "whole"),
    [
        ((), "", ""),
        (("inner/conv5",), " · conv5", " at inner/conv5"),
        (("conv4", "conv5"), " · 2 layers", " at conv4, conv5"),
    ],
)
def test_the_layer_is_named_wherever_the_map_is(layers, short, whole, tmp_path):
    found = of_one(np.ones((4, 4)), layers=layers)
    tile = found.tiles()[1]
    assert tile.detail.startswith(f"image 0 · score 1{short} ·")
    assert tile.alt.startswith(f"saliency{short.replace(' · ', ' at ')} for cat on image 0: ")
    assert found.tables()[0].caption == f"saliency{whole}: attribution"
    assert found.facts()["images"][0]["maps"][0]["layers"] == list(layers)
    assert kviz.load_result(found.save(tmp_path / "a.npz")[0]).layers == layers
    both = kviz.compare([found, found])
    assert both.tables()[0].caption == f"saliency{whole}: attribution"
