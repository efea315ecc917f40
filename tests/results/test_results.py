"""The frozen results: what their tiles show, and their way to disk and back."""

import copy
import json
import math
import pickle
import re
import zipfile
from dataclasses import FrozenInstanceError, fields

import keras
import numpy as np
import pytest
from PIL import Image

import kviz
from kviz.arrays import standardised, stretched
from kviz.draw.colours import palette
from kviz.draw.numbers import told_number, told_range
from kviz.errors import LayerError, OptionError, OutputError
from kviz.results import Activations, MadeBy, Predictions, Weights, load_result
from kviz.tiles import NEUTRAL, Tile, mosaic

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "..",
    "",
    "a\nb",
    "a\u202eb",
    "x" * 5000,
    "{{7*7}}",
    "../../etc/x",
    "/etc/passwd",
    "a/b",
    "A/B",
    "a-b",
    ".",
    "CON",
    "\ud800",
    "猫 🐱",
    "$x^2$",
    "[red]x",
]


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def made(maps, **options):
    """Activations of hand-made maps, each a Conv2D."""
    return Activations(dict(maps), dict.fromkeys(maps, "Conv2D"), **options)


@pytest.fixture
def two():
    """Two layers for two images, one channel of each layer empty for the first image."""
    maps = {"conv1": random(2, 9, 8, 20), "block/conv2": np.maximum(random(2, 4, 4, 5), 0)}
    for array in maps.values():
        array[0, ..., 3] = 0
    images = np.random.default_rng(1).integers(0, 256, (2, 12, 12, 3), np.uint8)
    return made(maps, images=images, names=("cat.png", "dog.png"), notes=("Take care.",))


@pytest.fixture(scope="session")
def cat_maps(squeezenet, cat):
    return kviz.activations(squeezenet, cat, names=["cat.png"])


@pytest.fixture(scope="session")
def kernels(squeezenet):
    return kviz.weights(squeezenet)


@pytest.fixture
def predictions():
    scores = np.array([[0.1, 0.7, 0.15, 0.05], [0.25, 0.25, 0.25, 0.25]], "float32")
    return Predictions(
        scores,
        2,
        ("a", "b", "c", "d"),
        True,
        ("cat.png",),
        (3,),
        MadeBy(model="m"),
        ("Take care.",),
    )


def alts(page):
    return re.findall(r"<img [^>]*alt=\"([^\"]*)\"", page)


class TestFrozen:
    def test_no_field_can_be_set(self, two, kernels, predictions):
        for result in (two, kernels, predictions):
            for field in fields(result):
                with pytest.raises(FrozenInstanceError):
                    setattr(result, field.name, None)

    def test_showing_changes_nothing(self, two):
        before = {name: array.copy() for name, array in two.items()}
        for array in (*two.values(), two.images):
            array.flags.writeable = False
        for scale in ("channel", "layer", "raw"):
            two.tiles(scale=scale, sort="mean", show_image=True)
        two.plot()
        two._repr_html_()
        for name, array in two.items():
            np.testing.assert_array_equal(array, before[name])

    def test_results_are_told_apart_by_identity_and_can_be_keys(self, two, kernels):
        assert two == two
        assert two != copy.copy(two)
        assert len({two, kernels, two}) == 2

    def test_no_array_can_be_written_to_and_the_callers_stay_as_they_are(self, tmp_path):
        given = random(1, 2, 2, 1)
        result = made({"a": given}, images=np.zeros((1, 4, 4, 3)))
        read = load_result(result.save(tmp_path / "maps.npz")[0])
        for one in (result, read, copy.deepcopy(result), pickle.loads(pickle.dumps(result))):  # noqa: S301
            for array in (one["a"], one.images):
                with pytest.raises(ValueError, match="read-only"):
                    array[:] = 0
        assert given.flags.writeable


class TestMapping:
    def test_get_and_in_are_a_mappings(self, two, kernels):
        for result, known in ((two, "conv1"), (kernels, "conv1/kernel")):
            assert result.get("nope", 0) == 0
            assert result.get("nope") is None
            assert result.get(known) is result[known]
            assert "nope" not in result
            with pytest.raises(KeyError):
                result["nope"]

    def test_the_message_of_a_key_that_is_not_there_is_a_plain_sentence(self, two):
        with pytest.raises(LayerError) as caught:
            two["conv3"]
        assert str(caught.value) == "The result holds no 'conv3'. Did you mean 'conv1'?"
        assert isinstance(caught.value, kviz.KvizError)

    def test_activations(self, two):
        assert list(two) == ["conv1", "block/conv2"]
        assert len(two) == 2
        assert "conv1" in two
        assert "conv3" not in two
        assert two["conv1"].shape == (2, 9, 8, 20)
        assert [array.shape[-1] for array in two.values()] == [20, 5]

    @pytest.mark.parametrize("name", ["conv", "CONV1", "block/conv"])
    def test_an_unknown_layer_brings_near_names(self, two, name):
        for use in (two.__getitem__, two.tiles, two.mosaic, two.plot):
            with pytest.raises(LayerError, match=r"Did you mean '.*conv"):
                use(name)

    @pytest.mark.parametrize("name", [5, None, "", "\n", "x" * 5000])
    def test_what_is_no_layer_is_said_in_one_line(self, two, name):
        with pytest.raises(LayerError) as caught:
            two[name]
        assert len(str(caught.value).splitlines()) == 1
        assert len(str(caught.value)) <= 300

    def test_weights(self, kernels):
        assert "conv1/kernel" in kernels
        assert kernels["conv1/kernel"].shape == (3, 3, 3, 64)
        with pytest.raises(LayerError, match="Did you mean 'conv1/kernel'"):
            kernels["conv1/kernl"]
        with pytest.raises(LayerError, match="holds no"):
            kernels.tiles("nothing alike")


class TestScales:
    def test_by_channel_is_the_seed_picture(self, two):
        tile = two.tiles("conv1")[0]
        np.testing.assert_array_equal(tile.levels, mosaic(standardised(two["conv1"][0]), 16))
        assert tile.cmap == "viridis"
        assert tile.limits is None
        assert "(x − mean) / std × 64 + 128" in tile.detail

    def test_by_layer_goes_from_the_smallest_to_the_largest(self, two):
        maps = two["conv1"][1]
        tile = two.tiles("conv1", image=1, scale="layer")[0]
        low, high = float(maps.min()), float(maps.max())
        assert tile.limits == (low, high)
        panels = np.moveaxis(stretched(maps, low, high), -1, 0)
        np.testing.assert_array_equal(tile.levels, mosaic(panels, 16))
        assert f"from {told_range(low, high)}" in tile.detail

    @pytest.mark.parametrize(
        ("offset", "limits"), [(5, (0, 6)), (-5, (-5, 0)), (-0.5, (-0.5, 0.5))]
    )
    def test_raw_has_zero_among_its_limits(self, offset, limits):
        maps = made({"a": np.linspace(0, 1, 8, dtype="float32").reshape(1, 2, 2, 2) + offset})
        assert maps.tiles(scale="raw")[0].limits == limits

    def test_one_signed_channel_is_drawn_about_zero_in_raw_units(self, two):
        maps = two["conv1"][0, ..., 7]
        tile = two.tiles("conv1", channel=7)[0]
        peak = float(np.abs(maps).max())
        assert tile.limits == (-peak, peak)
        assert tile.cmap == "bwr"
        np.testing.assert_array_equal(tile.levels, np.rint((maps + peak) / (2 * peak) * 255))
        assert two.tiles("conv1", channel=7, cmap="viridis")[0].limits == (maps.min(), maps.max())
        assert two.tiles("conv1", channel=7, scale="raw")[0].cmap == "viridis"

    def test_one_channel_behind_a_relu_is_drawn_from_its_least_to_its_largest(self):
        values = np.arange(8, dtype="float32").reshape(1, 2, 4, 1) ** 2
        for tile in (
            *made({"a": values}).tiles(),
            *made({"a": np.concatenate([values, -values], -1)}).tiles(channel=0),
        ):
            assert (tile.limits, tile.cmap) == ((0, 49), "viridis")
            np.testing.assert_array_equal(tile.levels, np.rint(values[0, ..., 0] / 49 * 255))
            assert "colours from 0 to 49" in tile.detail
            assert "mean" not in tile.detail

    @pytest.mark.parametrize("scale", ["", "Channel", None, 1, "log"])
    def test_bad_scale(self, two, scale):
        with pytest.raises(OptionError, match="scale takes one of 'channel', 'layer', 'raw'"):
            two.tiles(scale=scale)


class TestOrder:
    def test_by_mean(self, two):
        maps = two["conv1"][0]
        order = np.argsort(-maps.mean(axis=(0, 1)), kind="stable")
        tile = two.tiles("conv1", sort="mean")[0]
        np.testing.assert_array_equal(tile.levels, mosaic(standardised(maps[..., order]), 16))
        assert "highest mean first" in tile.detail

    def test_by_deadness(self):
        maps = np.ones((1, 4, 1, 3), "float32") * [1, 2, 3]
        maps[0, :1, 0, 0] = maps[0, :3, 0, 1] = maps[0, :2, 0, 2] = 0
        tile = made({"a": maps}).tiles(sort="deadness", scale="raw", columns=3)[0]
        assert [(column == 0).sum() for column in tile.levels[:, ::2].T] == [3, 2, 1]
        assert "most zeros first" in tile.detail

    @pytest.mark.parametrize("sort", ["", "max", 1])
    def test_bad_sort(self, two, sort):
        with pytest.raises(OptionError, match="sort takes one of None, 'mean', 'deadness'"):
            two.tiles(sort=sort)


class TestOptions:
    def test_image(self, two):
        np.testing.assert_array_equal(
            two.tiles("conv1", image=1)[0].levels, mosaic(standardised(two["conv1"][1]), 16)
        )
        assert "dog.png" in two.tiles(image=1)[0].detail
        assert "dog.png" in two.tiles(image=1)[0].alt

    @pytest.mark.parametrize("image", [2, -1, 0.5, "0", None])
    def test_bad_image(self, two, image):
        with pytest.raises(OptionError, match=r"image takes a number from 0 to 1\. Received"):
            two.tiles(image=image)

    @pytest.mark.parametrize("channel", [20, -1, 0.5, "0"])
    def test_bad_channel(self, two, channel):
        with pytest.raises(OptionError, match=r"'conv1' has channels 0 to 19\. Received"):
            two.tiles("conv1", channel=channel)

    def test_channel_of_which_some_layers_have_too_few(self, two):
        with pytest.raises(OptionError, match="'block/conv2' has channels 0 to 4"):
            two.tiles(channel=10)

    @pytest.mark.parametrize("columns", [0, -3, 1.5, "4", None])
    def test_bad_columns(self, two, kernels, columns):
        for use in (two.tiles, lambda **o: two.tiles(channel=1, **o), kernels.tiles):
            with pytest.raises(OptionError, match="columns takes a whole number from 1"):
                use(columns=columns)

    @pytest.mark.parametrize("columns", [1, 3, 19, 20])
    def test_columns(self, two, columns):
        tile = two.tiles("conv1", columns=columns)[0]
        rows = -(-20 // columns)
        assert tile.levels.shape == (rows * 10 - 1, columns * 9 - 1)

    def test_a_row_that_is_never_filled_is_no_wider_than_its_channels(self, two):
        assert two.mosaic("block/conv2").shape == (4, 5 * 5 - 1)
        assert two.mosaic("conv1", channel=2).shape == (9, 8)

    @pytest.mark.parametrize("cmap", ["nope", "", 5])
    def test_bad_colour_map(self, two, cmap):
        with pytest.raises(OptionError, match="no colour map"):
            two.tiles(cmap=cmap)

    def test_colour_map(self, two):
        assert {tile.cmap for tile in two.tiles(cmap="gray")} == {"gray"}

    def test_unknown_options_are_not_swallowed(self, two, tmp_path):
        for use in (two.tiles, two.plot, lambda **o: two.save(tmp_path / "maps", **o)):
            with pytest.raises(TypeError, match="colour"):
                use(colour="red")
        assert not list(tmp_path.iterdir())

    def test_mosaic_is_the_tiles_picture(self, two):
        for options in ({}, {"scale": "raw", "columns": 3, "image": 1}, {"show_image": True}):
            np.testing.assert_array_equal(
                two.mosaic("conv1", **options), two.tiles("conv1", **options)[0].levels
            )

    def test_no_layers_at_all(self):
        with pytest.raises(OptionError, match="image takes"):
            made({}).tiles()


class TestPhoto:
    def test_it_stands_to_the_left_in_its_own_colours(self, two):
        tile = two.tiles("conv1", image=1, show_image=True)[0]
        grid = two.mosaic("conv1", image=1)
        assert tile.levels.shape == (max(12, len(grid)), 12 + 8 + grid.shape[1], 3)
        np.testing.assert_array_equal(tile.levels[:12, :12], two.images[1])
        colours = palette("viridis")[grid]
        colours[two.tiles("conv1", image=1)[0].gaps] = NEUTRAL
        np.testing.assert_array_equal(tile.levels[: len(grid), 20:], colours)
        assert tile.alt.startswith("Left: the image.")
        assert tile.limits is None

    @pytest.mark.parametrize(
        ("low", "high", "levels"),
        [
            (0, 255, [0, 255]),
            (0, 200, [0, 200]),
            (0, 1, [0, 255]),
            (-1, 1, [0, 255]),
            (3, 3, [3, 3]),
        ],
    )
    def test_float_pixels(self, low, high, levels):
        photo = np.array([[[[low]], [[high]]]], "float32")
        tile = made({"a": random(1, 2, 2, 1)}, images=photo).tiles(show_image=True)[0]
        assert tile.levels[:2, 0].tolist() == [[level] * 3 for level in levels]

    @pytest.mark.parametrize("images", [None, np.zeros((1, 4, 4, 2)), np.zeros((1, 4, 3))])
    def test_none_to_show(self, images):
        maps = made({"a": random(1, 2, 2, 1)}, images=images)
        with pytest.raises(OptionError, match="show_image needs images of 1 or 3 channels"):
            maps.tiles(show_image=True)


class TestOtherShapes:
    def test_a_sequence_has_a_row_a_channel(self):
        maps = random(1, 50, 20)
        tile = made({"a": maps}).tiles(scale="layer")[0]
        low, high = tile.limits
        np.testing.assert_array_equal(tile.levels, stretched(maps[0].T, low, high))

    def test_few_channels_of_a_long_sequence_are_bands(self):
        maps = random(1, 800, 4)
        levels = made({"a": maps}).mosaic("a")
        assert levels.shape == (4 * 51 - 1, 800)
        bands = standardised(maps.transpose(0, 1, 2).reshape(1, 800, 4))[:, 0]
        for channel in range(4):
            band = levels[channel * 51 : channel * 51 + 50]
            assert (band == bands[channel]).all()
        assert made({"a": maps}).mosaic("a", channel=2).shape == (200, 800)

    def test_a_volume_has_a_row_of_slices_a_channel(self):
        maps = random(1, 3, 4, 5, 2)
        levels = made({"a": maps}).mosaic("a", scale="layer")
        low, high = float(maps.min()), float(maps.max())
        assert levels.shape == (2 * 5 - 1, 3 * 6 - 1)
        for channel in range(2):
            for depth in range(3):
                panel = levels[channel * 5 : channel * 5 + 4, depth * 6 : depth * 6 + 5]
                np.testing.assert_array_equal(
                    panel, stretched(maps[0, depth, ..., channel], low, high)
                )

    @pytest.mark.parametrize(
        "shape", [(1, 1, 1, 1), (1, 1, 1, 7), (1, 1, 1), (1, 1, 1, 1, 1), (1, 9, 1, 3)]
    )
    @pytest.mark.parametrize("scale", ["channel", "layer", "raw"])
    def test_the_smallest_maps_have_pictures(self, shape, scale):
        maps = made({"a": random(*shape)})
        maps.plot(scale=scale).canvas.draw()
        assert maps._repr_html_()


class TestFlatMaps:
    @pytest.mark.parametrize("scale", ["channel", "layer", "raw"])
    def test_zero_everywhere_is_dark_and_said(self, scale):
        tile = made({"a": np.zeros((1, 5, 5, 3), "float32")}).tiles(scale=scale)[0]
        assert not tile.levels.any()
        assert "every value is zero" in tile.detail
        assert "100 % empty" in tile.title
        assert tile.limits is None

    @pytest.mark.parametrize("scale", ["channel", "layer", "raw"])
    @pytest.mark.parametrize("value", [0.1, -7.0])
    def test_one_value_everywhere_is_not_stretched_and_said(self, scale, value):
        tile = made({"a": np.full((1, 5, 5, 1), value, "float32")}).tiles(scale=scale)[0]
        assert (tile.levels == 128).all()
        assert f"every value is {told_number(value)}" in tile.detail
        assert "0 % empty" in tile.title

    def test_one_flat_channel_alone(self, two):
        tile = two.tiles("conv1", channel=3)[0]
        assert "every value is zero" in tile.detail
        assert not tile.levels.any()

    def test_title_and_text_say_how_many_are_empty(self, two):
        assert two.tiles("block/conv2")[0].title == "block/conv2 · 5 channels of 4 × 4 · 20 % empty"
        assert "20 % of the layer's channels are zero everywhere" in two.tiles("block/conv2")[0].alt
        assert two.tiles("block/conv2", image=1)[0].title.endswith("0 % empty")

    def test_empty_shares(self, two):
        shares = two.empty_shares
        np.testing.assert_allclose(shares["conv1"], [1 / 20, 0])
        np.testing.assert_allclose(shares["block/conv2"], [1 / 5, 0])

    @pytest.mark.parametrize("scale", ["channel", "layer", "raw"])
    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_what_is_not_finite_is_counted_and_hides_nothing_else(self, scale, bad):
        values = random(1, 6, 6, 3)
        whole = made({"a": values}).tiles(scale=scale)[0]
        holed = values.copy()
        holed[0, 2, 3, 1] = bad
        maps = made({"a": holed})
        tile = maps.tiles(scale=scale)[0]
        assert "1 values are not finite" in tile.detail
        assert tile.levels[2, 7 + 3] == 0
        np.testing.assert_array_equal(tile.levels[:, :6], whole.levels[:, :6])
        assert tile.levels[:, 7:13].std() > 20
        assert tile.limits is None or np.isfinite(tile.limits).all()
        maps.plot(scale=scale).canvas.draw()
        maps.plot(scale=scale, channel=1).canvas.draw()
        repr(maps)

    @pytest.mark.parametrize("scale", ["channel", "layer", "raw"])
    def test_nothing_finite(self, scale):
        tile = made({"a": np.full((1, 3, 3, 2), np.nan, "float32")}).tiles(scale=scale)[0]
        assert "no value is finite" in tile.detail
        assert not tile.levels.any()


def kernel_tile(value):
    return Weights({"k": np.asarray(value)}, {"k": "layer"}).tiles("k")[0]


class TestKernels:
    def test_a_kernel_over_rgb_is_drawn_in_rgb_with_zero_as_mid_grey(self):
        kernel = np.zeros((3, 3, 3, 2))
        kernel[0, 0, 0, 0] = 2
        kernel[2, 2, 2, 0] = -2
        kernel[1, 1, 1, 1] = 0.001
        levels = kernel_tile(kernel).levels
        assert levels.shape == (3, 7, 3)
        assert levels[0, 0].tolist() == [255, 128, 128]
        assert levels[2, 2].tolist() == [128, 128, 0]
        assert levels[0, 1].tolist() == [128, 128, 128]
        # Each filter by its own largest weight: the second is not lost beside the first.
        assert levels[1, 5].tolist() == [128, 255, 128]
        assert (levels[:, 3] == 255).all()

    def test_an_rgb_kernel_of_zeros_is_mid_grey(self):
        assert (kernel_tile(np.zeros((3, 3, 3, 1))).levels == 128).all()

    def test_a_signed_kernel_is_symmetric_about_zero(self):
        kernel = random(3, 3, 4, 5) + 0.3
        tile = kernel_tile(kernel)
        peak = float(np.abs(kernel.astype("float64")).max())
        assert tile.limits == (-peak, peak)
        assert tile.cmap == "bwr"
        swapped = kernel_tile(-kernel).levels[..., ::-1].astype(int)
        # Blue and red change places; white in the middle lies between two of 256 colours.
        assert np.abs(tile.levels.astype(int) - swapped).max() <= 2
        assert f"from {told_number(-peak, 3)} (blue) to {peak:.3g} (red)" in tile.detail

    def test_a_row_is_a_filter_and_a_column_an_input_channel(self):
        kernel = np.zeros((2, 2, 4, 5))
        kernel[0, 1, 2, 3] = 1
        kernel[1, 0, 1, 4] = -1
        levels = kernel_tile(kernel).levels
        assert levels.shape == (5 * 3 - 1, 4 * 3 - 1, 3)
        assert levels[3 * 3, 2 * 3 + 1].tolist() == [255, 0, 0]
        assert levels[4 * 3 + 1, 1 * 3].tolist() == [0, 0, 255]
        assert (levels[0, 0] >= 254).all()

    def test_one_by_one_has_no_gaps(self):
        assert kernel_tile(random(1, 1, 6, 4)).levels.shape == (4, 6, 3)

    def test_dense_has_outputs_down_and_inputs_across(self):
        kernel = np.zeros((6, 4))
        kernel[5, 1] = 1
        tile = kernel_tile(kernel)
        assert tile.levels.shape == (4, 6, 3)
        assert tile.levels[1, 5].tolist() == [255, 0, 0]
        assert "rows are outputs, columns are inputs" in tile.detail

    def test_depthwise_fills_rows_of_sixteen(self):
        kernel = np.zeros((3, 3, 20, 1))
        kernel[0, 0, 17] = 1
        tile = kernel_tile(kernel)
        assert tile.levels.shape == (2 * 4 - 1, 16 * 4 - 1, 3)
        assert tile.levels[4, 4].tolist() == [255, 0, 0]
        assert "one panel for each input channel" in tile.detail

    def test_one_dimension(self):
        kernel = np.zeros((7, 2, 3))
        kernel[6, 1, 2] = 1
        levels = kernel_tile(kernel).levels
        assert levels.shape == (3 * 2 - 1, 2 * 8 - 1, 3)
        assert levels[4, 8 + 6].tolist() == [255, 0, 0]

    def test_three_dimensions(self):
        assert kernel_tile(random(3, 3, 2, 4, 5)).levels.shape == (5 * 4 - 1, 2 * 4 * 4 - 1, 3)

    def test_zero_everywhere_is_said(self):
        tile = kernel_tile(np.zeros((3, 3, 2, 2)))
        assert tile.detail == "every weight is zero"
        assert tile.limits is None

    @pytest.mark.parametrize("shape", [(3, 3, 3, 2), (3, 3, 2, 2), (3, 2)])
    def test_what_is_not_finite_is_said_and_hides_nothing(self, shape):
        kernel = random(*shape)
        kernel.flat[0] = np.nan
        kernel.flat[1] = np.inf
        weights = Weights({"k": kernel}, {"k": "layer"})
        tile = weights.tiles()[0]
        assert "2 weights are not finite, drawn as zero" in tile.detail
        assert tile.levels.std() > 5
        weights.plot().canvas.draw()
        assert "nan" in repr(weights)

    def test_biases_have_no_picture(self, kernels, tmp_path):
        assert kernels.tiles("conv1/bias") == []
        with pytest.raises(LayerError, match="is a vector and has no picture"):
            kernels.mosaic("conv1/bias")
        with pytest.raises(OptionError, match="nothing to draw"):
            kernels.plot("conv1/bias")
        biases = Weights({"b": np.ones(3)}, {"b": "layer"})
        with pytest.raises(LayerError, match="a vector has no picture"):
            biases.save(tmp_path / "new")
        assert not (tmp_path / "new").exists()
        biases.save(tmp_path / "b.npz")

    def test_the_real_model(self, kernels):
        tiles = kernels.tiles()
        assert len(tiles) == 26
        assert tiles[0].levels.shape == (15, 63, 3)
        np.testing.assert_array_equal(kernels.mosaic("conv1/kernel"), tiles[0].levels)
        assert kernels.tiles("conv1/kernel", columns=8)[0].levels.shape == (31, 31, 3)
        assert kernels.plot("conv1/kernel").axes[0].get_title(loc="left").startswith("conv1/kernel")


class TestReal:
    def test_every_conv_and_pooling_layer_has_a_tile(self, cat_maps):
        tiles = cat_maps.tiles()
        assert len(tiles) == len(cat_maps) == 29
        assert tiles[0].title == "conv1 · 64 channels of 113 × 113 · 0 % empty"
        assert "cat.png" in tiles[0].detail
        assert len({tile.alt for tile in tiles}) == 29

    def test_the_photo_beside_the_maps(self, cat_maps, cat):
        levels = cat_maps.mosaic("conv1", show_image=True)
        np.testing.assert_array_equal(levels[:227, :227], cat[0])

    def test_a_figure_of_all_layers(self, cat_maps):
        drawn = cat_maps.plot()
        titles = [axes.get_title(loc="left").partition(" ")[0] for axes in drawn.axes]
        assert titles == list(cat_maps)
        assert drawn.get_size_inches()[0] <= 12

    def test_repr(self, cat_maps, kernels):
        lines = repr(cat_maps).splitlines()
        assert lines[0] == "Feature maps"
        assert lines[2].split() == "conv1 Conv2D 1 × 113 × 113 × 64 0 314.7 0 %".split()
        assert len(lines) == 31
        assert "conv1/kernel" in repr(kernels)
        assert "3 × 3 × 3 × 64" in repr(kernels)

    def test_html_in_a_cell_describes_every_picture(self, cat_maps, kernels):
        for result, count in ((cat_maps, 29), (kernels, 26)):
            page = result._repr_html_()
            assert len(alts(page)) == page.count("<img") == count
            assert all(len(alt) > 20 for alt in alts(page))

    def test_html_in_a_cell_is_small_enough_for_a_notebook(self, cat_maps, kernels):
        assert len(cat_maps._repr_html_()) < 6_000_000
        assert len(kernels._repr_html_()) < 6_000_000


class TestSaving:
    def test_one_image_gives_a_folder_of_pictures(self, two, tmp_path):
        seen = []
        written = two.save(
            tmp_path / "a" / "b", image=1, progress=lambda *step: seen.append(step), columns=4
        )
        assert [path.relative_to(tmp_path).parts[:2] for path in written] == [("a", "b")] * 2
        assert written[0].name == "001_conv1.png"
        assert written[1].name.startswith("002_block-conv2-")
        assert sorted((tmp_path / "a/b").iterdir()) == sorted(written)
        assert seen == [(1, 2), (2, 2)]
        with Image.open(written[0]) as image:
            alt = two.tiles("conv1", image=1)[0].alt
            assert image.text["Description"] == f"{alt} Take care."
            grid = two.mosaic("conv1", image=1, columns=4)
            zoom = image.width // grid.shape[1]
            pixels = np.asarray(image)[-len(grid) * zoom :: zoom, : grid.shape[1] * zoom : zoom]
            gaps = two.tiles("conv1", image=1, columns=4)[0].gaps
            np.testing.assert_array_equal(pixels[~gaps], np.minimum(grid, 254)[~gaps])
            assert (pixels[gaps] == 255).all()
            assert image.getpalette()[-3:] == [NEUTRAL] * 3

    def test_several_images_give_a_folder_each(self, two, tmp_path):
        seen = []
        written = two.save(tmp_path, progress=lambda *step: seen.append(step))
        folders = [path.parent.relative_to(tmp_path).as_posix() for path in written]
        assert folders[:2] == folders[:1] * 2
        assert folders[0].startswith("001_cat-png")
        assert folders[2].startswith("002_dog-png")
        assert seen == [(n, 4) for n in (1, 2, 3, 4)]
        assert sorted(path for path in tmp_path.rglob("*.png")) == sorted(written)

    def test_images_of_one_name_do_not_meet(self, tmp_path):
        maps = made({"a": random(3, 2, 2, 1)}, names=("x.png", "x.png"))
        written = maps.save(tmp_path)
        assert len({path.resolve() for path in written}) == 3
        assert all(path.is_file() for path in written)

    def test_one_layer_only(self, two, kernels, tmp_path):
        written = two.save(tmp_path / "one", layer_name="block/conv2", image=0)
        assert [path.name[:15] for path in written] == ["002_block-conv2"]
        assert len(two.save(tmp_path / "both", layer_name="conv1")) == 2
        with pytest.raises(LayerError, match="Did you mean 'conv1'"):
            two.save(tmp_path / "none", layer_name="conv")
        assert not (tmp_path / "none").exists()
        assert len(kernels.save(tmp_path / "kernel", weight_name="conv1/kernel")) == 1
        page = two.save(tmp_path / "one.html", layer_name="conv1")[0].read_text("utf-8")
        assert len(alts(page)) == 2

    @pytest.mark.parametrize(
        "options", [{"image": 2}, {"cmap": "nope"}, {"scale": "x"}, {"columns": 0}]
    )
    @pytest.mark.parametrize("name", ["folder", "page.html"])
    def test_a_bad_option_leaves_nothing(self, two, tmp_path, name, options):
        with pytest.raises(OptionError):
            two.save(tmp_path / name, **options)
        assert not list(tmp_path.iterdir())

    def test_what_progress_raises_leaves_nothing(self, two, tmp_path):
        def stop(done, _):
            if done == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            two.save(tmp_path / "maps", progress=stop)
        assert not list(tmp_path.iterdir())

    def test_kernels_as_pictures(self, kernels, tmp_path):
        seen = []
        written = kernels.save(tmp_path, progress=lambda *step: seen.append(step))
        assert written[0].name.startswith("001_conv1-kernel")
        assert seen == [(n, 26) for n in range(1, 27)]
        assert sorted(tmp_path.iterdir()) == sorted(written)

    def test_pages(self, two, kernels, predictions, tmp_path):
        for result, count in ((two, 4), (kernels, 26), (predictions, 0)):
            (path,) = result.save(tmp_path / "page.html")
            page = path.read_text(encoding="utf-8")
            assert page.startswith("<!doctype html>")
            assert page.count("<img") == len(alts(page)) == count
            assert all(alts(page))
            assert all(note in page for note in result.notes)
        assert [path.name for path in tmp_path.iterdir()] == ["page.html"]

    def test_predictions_have_no_pictures(self, predictions, tmp_path):
        for name in ("folder", "scores.png", "scores.csv"):
            with pytest.raises(OutputError, match=r"Expected a file ending in .npz or .html"):
                predictions.save(tmp_path / name)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", ["no/such/folder.npz", "file/x.npz", "file/folder"])
    def test_where_nothing_can_be_written(self, two, tmp_path, name):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(OutputError, match="Cannot write"):
            two.save(tmp_path / name)
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
        assert (tmp_path / "file").read_text() == "mine"


def same(left, right):
    """Whether two results hold the same, types and all."""
    assert type(left) is type(right)
    for field in fields(left):
        one, other = getattr(left, field.name), getattr(right, field.name)
        if isinstance(one, dict):
            assert list(one) == list(other), field.name
            for key in one:
                np.testing.assert_array_equal(one[key], other[key], strict=True)
        elif isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other, strict=True)
        else:
            assert one == other, field.name
            assert type(one) is type(other), field.name


class TestRoundTrip:
    def test_activations(self, two, cat_maps, tmp_path):
        for result in (two, cat_maps, made({"a": random(1, 5, 3)})):
            same(result, load_result(result.save(tmp_path / "maps.npz")[0]))
        assert cat_maps.made_by.model == "squeezenet"

    def test_weights(self, kernels, tmp_path):
        same(kernels, load_result(str(kernels.save(tmp_path / "kernels.npz")[0])))

    def test_predictions(self, predictions, squeezenet, cat, tmp_path):
        bare = Predictions(np.ones((1, 3), "float32"), 1, is_probability=False)
        real = kviz.predict(squeezenet, cat, 3, also="pizza", names=["cat.png"])
        for result in (predictions, bare, real):
            same(result, load_result(result.save(tmp_path / "scores.npz")[0]))

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_values_that_are_not_finite(self, bad, tmp_path):
        result = made(
            {"a": np.full((1, 2, 2, 1), bad, "float32")}, made_by=MadeBy(settings={"eps": 0.5})
        )
        same(result, load_result(result.save(tmp_path / "maps.npz")[0]))

    def test_hostile_names(self, tmp_path):
        maps = {name: random(1, 2, 2, 1, seed=n) for n, name in enumerate(HOSTILE)}
        result = made(maps, names=("\udcff<b>",), notes=("\n",))
        same(result, load_result(result.save(tmp_path / "maps.npz")[0]))

    def test_numpy_reads_the_arrays_without_kviz(self, two, kernels, tmp_path):
        with np.load(two.save(tmp_path / "maps.npz")[0], allow_pickle=False) as file:
            assert file.files == ["header", "maps/conv1", "maps/block/conv2", "images"]
            np.testing.assert_array_equal(file["maps/block/conv2"], two["block/conv2"])
            assert json.loads(str(file["header"]))["format"] == 1
        with np.load(kernels.save(tmp_path / "kernels.npz")[0], allow_pickle=False) as file:
            np.testing.assert_array_equal(
                file["weights/conv1/kernel"], kernels["conv1/kernel"], strict=True
            )

    def test_what_is_read_can_be_unpacked_anywhere(self, tmp_path):
        maps = {name: random(1, 2, 2, 1, seed=n) for n, name in enumerate([*HOSTILE, "a.npy"])}
        with zipfile.ZipFile(made(maps).save(tmp_path / "maps.npz")[0]) as file:
            assert len(set(file.namelist())) == len(maps) + 1
            for name in file.namelist():
                assert name.isascii()
                assert name.isprintable()
                assert len(name) < 300
                assert ".." not in name.split("/")

    def test_class_indices_stay_whole_numbers(self, tmp_path):
        settings = {
            "class_index": np.array([285, 3]), "names": {285: "cat", np.int64(3): "dog"},
            "score": np.float32(0.5), "relu": np.True_, "size": (2, [3, 4]), "none": None,
            "$array": "a name that the format uses itself", "nested": {"$x": {1: 2}},
            "nan": float("nan"),
        }  # fmt: skip
        result = made({"a": random(1, 2, 2, 1)}, made_by=MadeBy(settings=settings))
        again = load_result(result.save(tmp_path / "maps.npz")[0]).made_by.settings
        assert math.isnan(again.pop("nan"))
        assert again == {
            "class_index": (285, 3), "names": {285: "cat", 3: "dog"}, "score": 0.5, "relu": True,
            "size": (2, (3, 4)), "none": None,
            "$array": "a name that the format uses itself", "nested": {"$x": {1: 2}},
        }  # fmt: skip
        assert {type(key) for key in again["names"]} == {int}
        assert type(again["relu"]) is bool
        assert {type(index) for index in again["class_index"]} == {int}

    def test_a_field_that_an_older_file_lacks_has_its_default(self, tmp_path):
        path = tmp_path / "maps.npz"
        npz(
            path,
            {"$object": "Activations", "maps": {"a": {"$array": "x"}}, "kinds": {"a": "Conv2D"}},
        )
        result = load_result(path)
        assert (result.images, result.names, result.made_by, result.notes) == (
            None,
            (),
            MadeBy(),
            (),
        )

    def test_a_field_that_this_kviz_does_not_know_is_left_out(self, predictions, tmp_path):
        path = predictions.save(tmp_path / "scores.npz")[0]
        with np.load(path) as file:
            header, scores = json.loads(str(file["header"])), file["scores"]
        np.savez(path, header=np.array(json.dumps({**header, "newer": [1]})), scores=scores)
        same(predictions, load_result(path))

    def test_a_newer_format_is_said(self, predictions, tmp_path):
        path = predictions.save(tmp_path / "scores.npz")[0]
        with np.load(path) as file:
            header, scores = json.loads(str(file["header"])), file["scores"]
        np.savez(path, header=np.array(json.dumps({**header, "format": 2})), scores=scores)
        with pytest.raises(
            OutputError, match=r"a newer kviz: it has format 2.* up to 1\. Update kviz"
        ):
            load_result(path)


def npz(path, header, **arrays):
    """Write a header as it is, of this format where it is an object, and arrays; the array x always."""
    if isinstance(header, dict):
        header = {"format": 1, **header}
    np.savez(path, **{"header": np.array(json.dumps(header)), "x": np.ones((1, 2, 2, 1)), **arrays})


MAPS = {"$object": "Activations", "maps": {"a": {"$array": "x"}}, "kinds": {"a": "Conv2D"}}


class TestBrokenFiles:
    def refused(self, path):
        with pytest.raises(OutputError) as caught:
            load_result(path)
        assert len(str(caught.value).splitlines()) == 1
        return str(caught.value)

    def test_missing_or_a_folder(self, tmp_path):
        assert "There is no file" in self.refused(tmp_path / "maps.npz")
        assert "There is no file" in self.refused(tmp_path)
        assert "There is no file" in self.refused("a\x00b")

    @pytest.mark.parametrize(
        "data", [b"", b"PK", b"PK\x03\x04" + bytes(100), b"\x93NUMPY", b"hello" * 99]
    )
    def test_no_npz(self, data, tmp_path):
        path = tmp_path / "maps.npz"
        path.write_bytes(data)
        assert "is not a result that kviz saved" in self.refused(path)

    def test_cut_short_or_with_a_flipped_byte(self, two, tmp_path):
        path = two.save(tmp_path / "maps.npz")[0]
        data = path.read_bytes()
        for length in (10, len(data) // 2, len(data) - 9):
            path.write_bytes(data[:length])
            self.refused(path)
        # Each damage raises another type of exception, deep inside zip, deflate or npy.
        refused = 0
        for start in range(0, len(data), 97):
            path.write_bytes(data[:start] + b"\xff\xfe\xfd\xfc" + data[start + 4 :])
            try:
                same(two, load_result(path))
            except OutputError:
                refused += 1
        # A file's date may change unseen; a number may not.
        assert refused > 0.9 * len(range(0, len(data), 97))

    def test_of_other_origin(self, tmp_path):
        path = tmp_path / "maps.npz"
        np.savez(path, a=np.ones(3))
        self.refused(path)
        np.savez(path, np.ones(3), header=np.ones(3))
        self.refused(path)
        with (tmp_path / "array.npz").open("wb") as file:
            np.save(file, np.ones(3))
        self.refused(tmp_path / "array.npz")

    def test_pickled_is_never_unpickled(self, tmp_path):
        flag = tmp_path / "ran"

        class Bomb:
            def __reduce__(self):
                return (type(flag).touch, (flag,))

        path = tmp_path / "maps.npz"
        np.savez(path, header=np.array([Bomb()], object))
        self.refused(path)
        npz(path, MAPS, x=np.array([Bomb()], object))
        self.refused(path)
        assert not flag.exists()

    def test_what_fits_is_read(self, tmp_path):
        npz(tmp_path / "maps.npz", MAPS)
        assert load_result(tmp_path / "maps.npz")["a"].shape == (1, 2, 2, 1)

    @pytest.mark.parametrize(
        "header",
        [
            [],
            {},
            None,
            "Activations",
            {"$object": "os.system"},
            {"$object": ["Activations"]},
            {"$object": "Activations"},
            {"$object": "MadeBy"},
            {**MAPS, "format": None},
            {**MAPS, "format": "1"},
            {**MAPS, "maps": {"a": {"$array": "x"}, "b": {"$array": "y"}}},
            {**MAPS, "maps": {"a": "x"}},
            {**MAPS, "maps": {"$array": "x"}},
            {**MAPS, "maps": {"$pairs": [[5, {"$array": "x"}]]}},
            {**MAPS, "maps": 5},
            {**MAPS, "images": True},
            {**MAPS, "names": "cat"},
            {**MAPS, "names": [1]},
            {**MAPS, "notes": None},
            {**MAPS, "made_by": {}},
            {**MAPS, "made_by": {"$object": "MadeBy", "settings": []}},
            {"$object": "Weights", "weights": {}, "layers": {}, "forms": {"a": "spiral"}},
            {"$object": "Predictions", "scores": {"$array": "x"}, "top": 1, "asked": None},
            {"$object": "Synthesis", "images": {"$array": "x"}, "predictions": [["a"]]},
            {"$object": "Comparison", "attributions": [MAPS]},
        ],
    )
    def test_a_header_that_does_not_fit(self, header, tmp_path):
        npz(tmp_path / "maps.npz", header)
        self.refused(tmp_path / "maps.npz")

    def test_no_arrays_and_a_header_too_deep(self, tmp_path):
        path = tmp_path / "maps.npz"
        npz(path, {"$object": "Predictions", "scores": {"$array": "scores"}, "top": 1})
        self.refused(path)
        np.savez(path, header=np.array("[" * 100_000))
        self.refused(path)
        np.savez(path, header=np.frombuffer(b"\xff\xfe", np.uint8))
        self.refused(path)


class TestHostileNames:
    @pytest.fixture
    def hostile(self):
        maps = {name: random(1, 3, 3, 2, seed=n) for n, name in enumerate(HOSTILE)}
        return made(maps, names=("../<img src=x>\n\udcff.png",), made_by=MadeBy(model=HOSTILE[0]))

    @pytest.fixture
    def weights(self):
        return Weights(
            {name: random(3, 3, 2, 2) for name in HOSTILE}, dict(zip(HOSTILE, HOSTILE, strict=True))
        )

    def test_no_file_lands_outside_and_none_on_another(self, hostile, weights, tmp_path):
        for number, result in enumerate((hostile, weights)):
            inside = tmp_path / str(number) / "maps"
            written = result.save(inside)
            assert len(written) == len(HOSTILE)
            found = {path for path in tmp_path.rglob("*") if path.is_file()}
            assert {path for path in found if path.is_relative_to(inside)} == set(written)
            assert len({path.name.casefold() for path in written}) == len(HOSTILE)
            assert all(len(path.name) < 100 for path in written)
        assert {path.name for path in tmp_path.iterdir()} == {"0", "1"}
        assert {path.parent for path in found} == {tmp_path / "0/maps", tmp_path / "1/maps"}

    def test_folders_of_hostile_images(self, tmp_path):
        maps = made({"a": random(len(HOSTILE), 2, 2, 1)}, names=tuple(HOSTILE))
        written = maps.save(tmp_path / "maps")
        assert len({path.parent.name.casefold() for path in written}) == len(HOSTILE)
        assert all(path.parent.parent == tmp_path / "maps" for path in written)
        assert [path.name for path in tmp_path.iterdir()] == ["maps"]

    def test_html(self, hostile, weights, tmp_path):
        for result in (hostile, weights):
            page = result.save(tmp_path / "page.html")[0].read_text(encoding="utf-8")
            for text in (page, result._repr_html_()):
                assert "<img src=x" not in text
                assert "&lt;img src=x onerror=alert(1)&gt;" in text
                assert "{{7*7}}" in text
                assert "\u202e" not in text
                assert all(alts(text))

    def test_repr(self, hostile, weights):
        for result in (hostile, weights):
            lines = repr(result).splitlines()
            assert len(lines) == 2 + len(HOSTILE)
            assert all(line.isprintable() for line in lines)
            assert any(line.startswith("[red]x ") for line in lines)
            assert max(map(len, lines)) < 600

    def test_figures(self, hostile, weights):
        for result in (hostile, weights):
            for name in HOSTILE:
                drawn = result.plot(name)
                assert drawn.axes[0].get_title(loc="left").replace("\n", "").isprintable()

    def test_titles_and_texts_are_one_line_and_not_endless(self, hostile, weights):
        for tile in (*hostile.tiles(), *weights.tiles()):
            assert isinstance(tile, Tile)
            for text in (tile.title, tile.detail, tile.alt):
                assert text.isprintable()
                assert len(text) < 500


class TestPredictions:
    def test_rows_hold_the_best_and_what_was_asked(self, predictions):
        assert predictions.rows == [
            [
                (1, "b", pytest.approx(0.7)),
                (2, "c", pytest.approx(0.15)),
                (3, "d", pytest.approx(0.05)),
            ],
            [(0, "a", 0.25), (1, "b", 0.25), (3, "d", 0.25)],
        ]

    def test_tables_tell_the_true_rank(self, predictions):
        first, second = predictions.tables()
        assert (first.caption, second.caption) == ("cat.png", "image 1")
        assert first.headers == ("rank", "class", "name", "probability")
        assert [row[0] for row in first.rows] == [1, 2, 4]
        assert [row[0] for row in second.rows] == [1, 1, 1]
        assert first.rows[0] == (1, 1, "b", "0.7000")

    def test_a_tiny_probability_is_not_said_to_be_zero(self):
        result = Predictions(np.array([[0.0, 2.476e-6, 0.0123, 0.9877]], "float32"), 4)
        assert [row[-1] for row in result.tables()[0].rows] == [
            "0.9877", "0.0123", "2.5e−6", "0.0000",
        ]  # fmt: skip

    def test_scores_that_are_no_probabilities_and_classes_without_names(self):
        result = Predictions(np.array([[-3.0, 12.5]], "float32"), 5, is_probability=False)
        assert result.tables()[0].headers[-1] == "score"
        assert [row[-1] for row in result.tables()[0].rows] == ["12.5", "−3"]
        assert result.rows == [[(1, "class 1", 12.5), (0, "class 0", -3.0)]]
        assert result.tiles() == []

    def test_repr_and_html(self, predictions):
        assert repr(predictions).splitlines()[0] == "cat.png"
        page = predictions._repr_html_()
        assert "<td>0.7000</td>" in page
        assert "Take care." in page

    def test_a_class_name_is_text(self):
        names = ("<img src=x onerror=alert(1)>", "{{7*7}}\n[red]")
        result = Predictions(np.array([[0.4, 0.6]], "float32"), 2, names)
        assert "<img" not in result._repr_html_()
        assert "{{7*7}}?[red]" in result._repr_html_()
        assert len(repr(result).splitlines()) == 4


def test_a_kernel_is_drawn_as_its_layer_reads_it():
    inputs = keras.Input((12, 12, 3))
    x = keras.layers.Conv2D(4, 3, name="rgb")(inputs)
    y = keras.layers.DepthwiseConv2D(3, name="deep")(inputs)
    z = keras.layers.Conv2DTranspose(3, 3, name="up")(x)
    w = keras.layers.Conv2D(8, 1, groups=4, name="grouped")(keras.layers.Conv2D(12, 1)(x))
    found = kviz.weights(keras.Model(inputs, [x, y, z, w]), ["rgb", "deep", "up", "grouped"])
    forms = {path.split("/")[-2]: form for path, form in found.forms.items() if "kernel" in path}
    assert forms == {"rgb": "rgb", "deep": "depthwise", "up": "transposed", "grouped": "grid"}
    details = {tile.title.split(" ")[0]: tile.detail for tile in found.tiles()}
    assert details["rgb/kernel"].startswith("RGB")
    assert details["deep/kernel"].startswith("one panel for each input channel")
    assert details["up/kernel"].startswith("each row is a filter")
    up = next(tile for tile in found.tiles() if tile.title.startswith("up/"))
    assert up.levels.shape[:2] == (3 * 4 - 1, 4 * 4 - 1), "3 filters down, 4 input channels across"


@pytest.mark.parametrize("name", ["maps.png", "maps.GIF", "x.jpg"])
def test_a_folder_is_not_called_like_a_picture(name, tmp_path):
    maps = kviz.Activations({"conv": np.ones((1, 2, 2, 1), "float32")}, {"conv": "Conv2D"})
    with pytest.raises(kviz.OutputError, match="a folder of pictures"):
        maps.save(tmp_path / name)
    assert not list(tmp_path.iterdir())
