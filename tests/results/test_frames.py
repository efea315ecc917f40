"""Results as pandas and xarray have them, where these are installed, and what is said where not."""

import sys

import numpy as np
import pytest
from needed import need_package
from one_of_each import ALL, attribution
from refusals import refused

import kviz

ROWS = {
    "activations": 4, "weights": 2, "predictions": 4, "attribution": 2,
    "attribution of classes": 6, "certified attribution": 2, "comparison": 4, "class image": 2,
    "fool": 2, "statistics": 2, "evaluation": 2 * 2 * (1 + 3) * 2,
}  # fmt: skip


@pytest.mark.parametrize("kind", ALL)
def test_a_row_for_each_thing_that_is_told(kind):
    need_package("pandas", "test")
    import pandas

    frame = ALL[kind]().to_frame()
    assert isinstance(frame, pandas.DataFrame)
    assert len(frame) == ROWS[kind]
    assert len(set(frame.columns)) == len(frame.columns)
    if kind not in ("weights", "statistics"):
        assert frame.columns[0] == "image"
        assert set(frame["image"]) == {ALL[kind]()._image_name(i) for i in range(2)}


def test_frames_hold_the_results_numbers():
    need_package("pandas", "test")
    maps = ALL["activations"]()
    frame = maps.to_frame().set_index(["image", "layer"])
    one = frame.loc[("image 1", "a/pool")]
    assert (one["max"], one["channels"]) == (maps["a/pool"][1].max(), 3)
    assert frame.loc[("cat.png", "conv")]["empty_share"] == 1 / 3
    predicted = ALL["predictions"]().to_frame()
    assert predicted["name"].tolist() == ["b", "a", "a", "b"]
    assert predicted["rank"].tolist() == [1, 2, 1, 2]
    assert predicted["class_index"].dtype.kind == "i"
    found = attribution(classes=3, signed=True, gaps=np.arange(6.0).reshape(2, 3)).to_frame()
    assert found["completeness_gap"].tolist() == list(range(6))
    assert found["score"].tolist() == list(range(6))
    assert ALL["fool"]().to_frame()["after_name"].tolist() == ["b", "a"]
    assert ALL["weights"]().to_frame()["path"].tolist() == ["conv/kernel", "conv/bias"]


def test_maps_with_named_axes():
    need_package("xarray", "test")
    import xarray

    maps = ALL["activations"]()
    array = maps.to_xarray("conv")
    assert isinstance(array, xarray.DataArray)
    assert array.dims == ("image", "y", "x", "channel")
    assert array.name == "conv"
    np.testing.assert_array_equal(array.sel(image="image 1"), maps["conv"][1])
    assert list(maps.to_xarray()) == list(maps)
    shapes = {3: ("image", "x", "channel"), 5: ("image", "z", "y", "x", "channel")}
    for rank, dims in shapes.items():
        one = kviz.Activations({"a": np.ones((2,) * rank)}, {"a": "Conv"})
        assert one.to_xarray("a").dims == dims
    with pytest.raises(kviz.LayerError, match="holds no 'nope'"):
        maps.to_xarray("nope")


def test_attributions_with_named_axes():
    need_package("xarray", "test")
    array = attribution().to_xarray()
    assert array.dims == ("image", "y", "x")
    assert array["class_index"].dims == ("image",)
    several = attribution(classes=3)
    array = several.to_xarray()
    assert array.dims == ("image", "class", "y", "x")
    np.testing.assert_array_equal(array["score"], several.scores)
    np.testing.assert_array_equal(array["class_index"], several.classes)
    np.testing.assert_array_equal(array.isel(image=1)[2], several.maps[1, 2])
    assert attribution(images=None).to_xarray().dims == ("image", "axis_0", "axis_1")
    kept = np.ones((2, 8, 10, 3), "float32")
    channels = kviz.Attribution(
        kept, kept, np.ones(2), np.ones(2, int), ("a", "b"), "gradient", images=kept
    )
    assert channels.to_xarray().dims == ("image", "y", "x", "channel")


@pytest.mark.parametrize(("package", "method"), [("pandas", "to_frame"), ("xarray", "to_xarray")])
def test_what_is_not_installed_is_said(package, method, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    words = rf"{method}\(\) needs {package}, which is not installed: pip install {package}"
    with refused(words, kviz.OptionError):
        getattr(ALL["attribution"](), method)()
    with refused(words, kviz.OptionError):
        getattr(ALL["activations"](), method)()
