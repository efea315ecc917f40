"""Answers that are maps or images: their colours, their legend, their way to disk."""

import numpy as np
import pytest
from refusals import refused

import kviz
from kviz.draw.colours import class_colours

PHOTO = np.arange(2 * 3 * 4 * 3).reshape(2, 3, 4, 3).astype("uint8") * 3


@pytest.fixture
def maps():
    answer = np.array([[[0, 1, 1, 1], [0, 0, 61, 1], [-1, 1, 1, 1]], np.zeros((3, 4))], "int32")
    shares = np.zeros((2, 62), "float32")
    shares[0, [0, 1, 61]], shares[1, 0] = (3 / 12, 7 / 12, 1 / 12), 1
    return kviz.Predictions(
        shares,
        2,
        is_probability=False,
        kind="class map",
        maps=answer,
        images=PHOTO,
        names=("a", "b"),
    )


def test_each_class_has_its_colour_and_its_name_beside_it(maps):
    photo, drawn, over = maps.tiles(image=0)
    assert [tile.role for tile in (photo, drawn, over)] == ["image", "map", "overlay"]
    colours = class_colours()
    assert len({tuple(colour) for colour in colours.tolist()}) == 60
    for place, index in np.ndenumerate(maps.maps[0]):
        expected = colours[index % 60] if index >= 0 else [0, 0, 0]
        np.testing.assert_array_equal(drawn.levels[place], expected)
        grey = PHOTO[0][place] @ (0.299, 0.587, 0.114)
        mixed = 0.4 * grey + 0.6 * colours[index % 60] if index >= 0 else [grey] * 3
        np.testing.assert_allclose(over.levels[place], mixed, atol=0.51)
    assert [name for name, _ in drawn.legend] == ["class 1 58.3%", "class 0 25.0%", "class 61 8.3%"]
    assert drawn.legend[0][1] == tuple(colours[1].tolist())
    assert drawn.alt == "Class map of a: class 1 58.3%, class 0 25.0%, class 61 8.3%."
    assert [tile.title for tile in maps.tiles()] == [
        "a",
        *["Class map"] * 2,
        "b",
        *["Class map"] * 2,
    ]
    figure = maps.plot(image=0)
    said = [
        entry.get_text()
        for axes in figure.axes
        if axes.get_legend()
        for entry in axes.get_legend().get_texts()
    ]
    assert said[:3] == [" class 1 58.3%", " class 0 25.0%", " class 61 8.3%"]


def test_a_legend_names_the_largest_and_counts_the_others():
    answer = np.arange(12, dtype="int32").reshape(1, 3, 4)
    one = kviz.Predictions(np.full((1, 12), 1 / 12), 2, kind="class map", maps=answer)
    (tile,) = one.tiles()
    assert len(tile.legend) == 8
    assert "4 classes more" in tile.detail


def test_they_are_told_as_shares_and_come_back_from_disk(maps, tmp_path):
    assert maps.quantity == "share"
    assert "share" in maps.tables()[0].headers
    read = kviz.load_result(maps.save(tmp_path / "maps.npz")[0])
    np.testing.assert_array_equal(read.maps, maps.maps)
    assert (read.kind, read.rows) == ("class map", maps.rows)
    files = maps.save(tmp_path / "maps")
    assert [file.name[:4] for file in files] == ["001_", "001_", "002_", "002_"]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    assert len(maps.save(tmp_path / "one", image=1)) == 2
    with refused("image takes a number from 0 to 1", kviz.OptionError):
        maps.tiles(image=2)


def test_an_image_that_is_answered_is_shown():
    made = np.random.default_rng(0).random((2, 3, 4, 3)).astype("float32")
    one = kviz.Predictions(np.zeros((2, 0)), 5, kind="image", maps=made, images=PHOTO)
    assert [tile.role for tile in one.tiles()] == ["image", "made"] * 2
    assert one.tables()[0].rows[1][3] == f"{made[1].max():.4g}"
    assert one.rows == [[], []]
    several = kviz.Predictions(np.zeros((2, 0)), 5, kind="image", maps=made[..., :2])
    assert several.tiles() == []


def test_the_page_shows_the_map_and_its_legend():
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((12, 12, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(4, 1, activation="softmax", name="out")(inputs))
    photo = np.random.default_rng(0).integers(0, 256, (1, 12, 12, 3), "uint8")
    report = kviz.report(model, photo, quick=True, methods=())
    best = report.facts()["images"][0]["classes"][0]
    assert f"<bdi>{best['name']} {best['score']:.1%}</bdi>" in report.html
    red, green, blue = class_colours()[best["class_index"]].tolist()
    assert f'fill="#{red:02x}{green:02x}{blue:02x}"' in report.html
