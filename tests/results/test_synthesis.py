"""What a synthesis shows and its way to disk: made by hand, so that each number is known."""

import re
import warnings
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from PIL import Image

import kviz
from kviz.draw.charts import curves
from kviz.results import MadeBy, Synthesis, load_result, synthesis
from kviz.tiles import NEUTRAL, mosaic


def random(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, shape).astype("float32")


def rising(count, steps=4):
    """Return scores from -1 on, by 1 a step; the second arrives after half of them."""
    scores = np.arange(steps + 1.0)[:, None] + np.arange(count) - 1
    if count > 1:
        scores[steps // 2 + 1 :, 1] = np.nan
    return scores.astype("float32")


def made(count=2, shape=(6, 5, 3), verb="class_image", **options):
    options = {
        "images": random(count, *shape),
        "scores": rising(count),
        "labels": tuple(f"thing {at}" for at in range(count)),
        "verb": verb,
        "arrived": np.arange(count) != 1,
        "made_by": MadeBy(model="m", verb=verb),
        **options,
    }
    return Synthesis(**options)


def fooled(count=2, shape=(6, 5, 3), **options):
    originals = np.rint(random(count, *shape, seed=1))
    change = np.random.default_rng(2).integers(-20, 21, originals.shape)
    images = (originals + change).clip(0, 255).astype("float32")
    flat = (images - originals).reshape(count, -1)
    norms = np.stack([np.linalg.norm(flat, axis=1), np.abs(flat).max(1)], 1).astype("float32")
    return made(
        count, shape, "fool", images=images, originals=originals, norms=norms,
        predictions=(("cat", "dog"),) * count,
        confidences=np.array([[0.75, 0.5]] * count, "float32"), names=("one.png",),
        notes=("Take care.",), **options,
    )  # fmt: skip


def dreamed(count=2, shape=(6, 5, 3), **options):
    return made(count, shape, "deep_dream", originals=random(count, *shape, seed=1), **options)


class TestTiles:
    def test_an_image_each_and_the_scores_way(self):
        found = made(3)
        tiles = found.tiles()
        assert [tile.title for tile in tiles[:3]] == ["thing 0", "thing 1", "thing 2"]
        assert len(tiles) == 4
        for at in range(3):
            np.testing.assert_array_equal(tiles[at].levels, np.rint(found.images[at]))
            assert tiles[at].levels.dtype == np.uint8
            assert f"thing {at}" in tiles[at].alt
        assert "score 3" in tiles[0].detail
        # The last score that there is.
        assert "score 2" in tiles[1].detail
        assert len(found.tiles(image=1)) == 2

    def test_what_they_are_taken_for(self):
        found = made(
            2, predictions=(("", "cat"), ("", "dog")), target_scores=np.array([0.875, 0.25])
        )
        one, two, _ = found.tiles()
        assert one.detail == "score 3; classified as cat, 0.875"
        assert two.detail == "score 2; classified as dog, not as its class (0.25)"

    def test_before_after_and_ten_times_the_change(self):
        found = fooled()
        tiles = found.tiles()
        assert len(tiles) == 3 * 2 + 1
        before, after, tenfold = tiles[:3]
        np.testing.assert_array_equal(before.levels, found.originals[0])
        np.testing.assert_array_equal(after.levels, found.images[0])
        change = found.images[0].astype(float) - found.originals[0]
        expected = np.clip(127.5 + 10 * change, 0, 255)
        assert (expected == 0).any()
        assert (expected == 255).any()
        np.testing.assert_array_equal(tenfold.levels, np.rint(expected))
        assert before.title == "one.png"
        assert before.detail == "cat, 0.75"
        assert (after.title, after.detail) == ("classified as thing 0", "dog, 0.5")
        assert tiles[4].title == "not classified as thing 1"
        assert f"L2 {found.norms[0, 0]:.4g}, largest change {found.norms[0, 1]:.4g} of 255" in (
            tenfold.detail
        )
        assert tiles[3].title == "image 1"
        assert len(found.tiles(image=0)) == 4

    def test_before_and_after_a_dream(self):
        found = dreamed(2, names=("a.png", "b.png"))
        tiles = found.tiles()
        assert len(tiles) == 2 * 2 + 1
        assert [tile.title for tile in tiles[:4]] == [
            "a.png", "a.png · thing 0", "b.png", "b.png · thing 1",
        ]  # fmt: skip
        np.testing.assert_array_equal(tiles[2].levels, np.rint(found.originals[1]))
        np.testing.assert_array_equal(tiles[3].levels, np.rint(found.images[1]))

    def test_many_images_are_one_grid(self):
        found = made(9)
        grid, curve = found.tiles()
        columns = int(np.ceil(np.sqrt(9 * 1.6)))
        np.testing.assert_array_equal(
            grid.levels, mosaic(np.rint(found.images).astype(np.uint8), columns, 2)
        )
        assert grid.title == "9 images from thing 0 to thing 8"
        assert "and others" in curve.alt
        assert len(made(8).tiles()) == 9
        assert len(found.tiles(image=3)) == 2
        assert len(fooled(9).tiles()) == 28, "with originals each is shown beside its own"

    def test_a_large_grid_does_not_take_for_ever(self, monkeypatch):
        """Each image is made bytes of once, not all of them for each."""
        found, sizes = made(40), []
        original = synthesis.as_bytes
        monkeypatch.setattr(
            synthesis, "as_bytes", lambda pixels: sizes.append(pixels.size) or original(pixels)
        )
        found.tiles()
        assert sum(sizes) <= 2 * found.images.size

    @pytest.mark.parametrize("count", [3, 12])
    def test_dead_filters_are_not_drawn_and_keep_their_place_among_few(self, count):
        found = made(count, verb="filter_patterns")
        tiles = found.tiles()
        if count == 3:
            assert [tile.title for tile in tiles[:-1]] == ["thing 0", "thing 1", "thing 2"]
            assert tiles[1].detail.startswith("dead")
            assert tiles[1].levels.shape == tiles[0].levels.shape
            assert (tiles[1].levels == NEUTRAL).all()
        else:
            assert "11 images" in tiles[0].title
            assert "1 without a gradient, not drawn" in tiles[0].detail
            assert "thing 1," not in tiles[0].alt
        none = made(count, verb="filter_patterns", arrived=np.zeros(count, bool))
        assert len(none.tiles()) == (4 if count == 3 else 1)

    def test_grey_images_are_shown_in_three_channels(self):
        for tile in (*made(2, (6, 5, 1)).tiles(), *fooled(1, (6, 5, 1)).tiles()):
            assert tile.levels.shape[2] == 3

    @pytest.mark.parametrize("shape", [(4,), (7, 3)])
    def test_a_signal_is_drawn_as_lines(self, shape):
        found = made(2, shape)
        *tiles, curve = found.tiles()
        assert (len(tiles), curve.role) == (2, "curve")
        lines = np.moveaxis(found.images[1].reshape(len(found.images[1]), -1), 1, 0)
        np.testing.assert_array_equal(tiles[1].chart.values.T, lines)
        drawn = found.plot()
        assert drawn.axes[0].get_gridspec().ncols == 1
        assert len(found.tiles(image=0)) == 2

    def test_a_changed_signal_has_the_change_about_zero(self):
        found = fooled(1, (7, 1))
        tenfold = found.tiles()[2].chart.values
        np.testing.assert_allclose(tenfold, 10 * (found.images - found.originals)[0], rtol=1e-6)

    def test_a_volume_is_drawn_slice_by_slice_and_channels_in_panels(self):
        found = made(1, (4, 6, 5, 1))
        tile = found.tiles()[0]
        np.testing.assert_array_equal(tile.levels[:6, :5, 0], np.rint(found.images[0, 0, ..., 0]))
        np.testing.assert_array_equal(tile.levels[:6, 6:11, 2], np.rint(found.images[0, 1, ..., 0]))
        assert (tile.levels[:6, 5] == NEUTRAL).all()
        found = made(1, (6, 5, 4))
        np.testing.assert_array_equal(
            found.tiles()[0].levels[:6, 12:17, 0], np.rint(found.images[0, ..., 2])
        )

    def test_an_image_that_is_not_there(self):
        for image in (2, -1):
            with pytest.raises(kviz.OptionError, match=f"from 0 to 1. Received: {image}"):
                made(2).tiles(image=image)

    def test_showing_changes_nothing(self):
        found = fooled()
        for array in (found.images, found.scores, found.originals, found.norms):
            array.flags.writeable = False
        before = found.images.copy()
        found.tiles()
        found.plot()
        found._repr_html_()
        np.testing.assert_array_equal(found.images, before)
        for field in fields(found):
            with pytest.raises(FrozenInstanceError):
                setattr(found, field.name, None)


class TestCurves:
    def test_lines_from_their_first_value_to_their_last(self):
        lines = {"cat": np.array([0, 1, 2.5]), "dog": np.array([3, -1.25, np.nan])}
        tile = curves(lines, "the score", "step", "score")
        assert tile.alt == "the score: cat from 0 to 2.5; dog from 3 to −1.25."
        assert tile.title == "the score"
        assert tile.levels.ndim == 3
        assert tile.levels.dtype == np.uint8
        assert len(np.unique(tile.levels.reshape(-1, 3), axis=0)) > 10

    def test_one_point_alone_is_seen(self):
        one = curves({"a": np.array([1.0, np.nan])}, "t", "x", "y", legend=False).levels
        none = curves({"a": np.array([np.nan, np.nan])}, "t", "x", "y", legend=False).levels
        # The colour of lines without a legend, laid over white.
        assert _coloured(one) > 5 > _coloured(none)

    def test_without_a_legend_all_are_of_one_colour(self):
        lines = {str(at): np.arange(3.0) + at for at in range(4)}
        several = curves(lines, "t", "x", "y").levels
        plain = curves(lines, "t", "x", "y", legend=False).levels
        hues = [len({tuple(pixel) for pixel in _strong(levels)}) for levels in (several, plain)]
        assert hues[0] > 3 * hues[1]

    def test_of_many_lines_the_first_are_told(self):
        lines = {f"line {at}": np.arange(2.0) for at in range(10)}
        alt = curves(lines, "t", "x", "y", legend=False).alt
        assert alt.endswith("; and others.")
        assert "line 7" in alt
        assert "line 8" not in alt

    @pytest.mark.parametrize(
        "name", ["_hidden", "$x^2$", r"$\frac", "猫 🐱", "a\nb", "x" * 500, ""]
    )
    def test_names_are_text(self, name):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tile = curves({name: np.arange(3.0)}, "t", "x", "y")
        assert len(tile.alt) < 200
        assert tile.alt.isprintable()

    def test_the_way_of_each_image_is_drawn_whatever_they_are_called(self):
        same = made(2, labels=("pizza", "pizza")).tiles()[-1]
        assert same.alt.count("pizza") == 2
        assert "from −1 to 3" in same.alt
        assert "from 0 to 2" in same.alt
        files = dreamed(2, names=("a.png", "a.png"), labels=("conv", "conv")).tiles()[-1]
        assert files.alt.count("a.png") == 2

    def test_the_alternative_text_of_a_result(self):
        alt = fooled().tiles()[-1].alt
        assert alt == (
            "the score at each step: one.png: thing 0 from −1 to 3; image 1: thing 1 from 0 to 2."
        )


def _strong(levels):
    """Return the pixels that have a colour."""
    flat = levels.reshape(-1, 3).astype(int)
    return flat[np.ptp(flat, axis=1) > 30]


def _coloured(levels):
    return len(_strong(levels))


class TestTables:
    def test_rows(self):
        table = made(2).tables()[0]
        assert table.caption == "class_image: what came of it"
        assert table.headers == (
            "image",
            "made for",
            "first score",
            "last score",
            "steps",
            "outcome",
        )
        assert table.rows == [
            ("0", "thing 0", "−1", "3", "4", "arrived"),
            ("1", "thing 1", "0", "2", "2", "not arrived"),
        ]

    def test_rows_of_fooling(self):
        found = fooled()
        table = found.tables()[0]
        assert table.headers[-3:] == ("classified as", "L2", "largest change")
        one, two = table.rows
        assert one[:2] == ("one.png", "thing 0")
        assert one[5:] == ("arrived", "dog, 0.5", *(f"{norm:.4g}" for norm in found.norms[0]))
        assert two[0] == "image 1"
        assert two[5] == "not arrived"

    def test_rows_of_filters(self):
        rows = made(3, verb="filter_patterns").tables()[0].rows
        assert [row[-1] for row in rows] == ["drawn", "dead", "drawn"]

    def test_scores_that_are_no_numbers(self):
        rows = made(1, scores=np.full((3, 1), np.nan, "float32")).tables()[0].rows
        assert rows[0][:2] == ("0", "thing 0")
        assert "thing 0" in str(made(1, scores=np.full((3, 1), np.nan, "float32")))


class TestFiles:
    @pytest.mark.parametrize(
        "found",
        [made(), fooled(), dreamed(), made(3, (4,)), made(frames=np.ones((2, 2, 6, 5, 3), "u1"))],
    )
    def test_round_trip(self, found, tmp_path):
        again = load_result(found.save(tmp_path / "found.npz")[0])
        assert type(again) is Synthesis
        for field in fields(found):
            one, two = (getattr(result, field.name) for result in (found, again))
            if isinstance(one, np.ndarray):
                np.testing.assert_array_equal(one, two)
                assert one.dtype == two.dtype
            else:
                assert one == two, field.name
        assert [tile.alt for tile in again.tiles()] == [tile.alt for tile in found.tiles()]

    def test_a_page(self, tmp_path):
        found = fooled(labels=("<b>", "{{7*7}}"))
        (path,) = found.save(tmp_path / "found.html")
        page = path.read_text(encoding="utf-8")
        assert "<h1>fool of m</h1>" in page
        assert len(re.findall("<img ", page)) == 7
        assert "Take care." in page
        assert "<b>" not in page
        assert "&lt;b&gt;" in page
        assert (
            "49"
            not in re.sub(r"base64,[^\"]*", "", page.split("</style>")[1]).split("{{7*7}}")[0][-3:]
        )
        assert "<img " in found._repr_html_()

    def test_a_folder(self, tmp_path):
        found = fooled()
        written = found.save(tmp_path / "made")
        assert sorted(written) == sorted(p for p in (tmp_path / "made").rglob("*") if p.is_file())
        assert len(written) == 7 + 2
        plain = sorted((tmp_path / "made" / "pixels").iterdir())
        assert [file.name[:4] for file in plain] == ["001_", "002_"]
        for file, pixels in zip(plain, found.pixels, strict=True):
            with Image.open(file) as picture:
                assert picture.format == "PNG"
                np.testing.assert_array_equal(np.asarray(picture), pixels)
        with Image.open(sorted((tmp_path / "made").glob("003_*"))[0]) as picture:
            assert "Ten times the change" in picture.text["Description"]

    def test_a_folder_of_grey_images(self, tmp_path):
        found = made(2, (6, 5, 1))
        found.save(tmp_path / "made")
        for file, pixels in zip(
            sorted((tmp_path / "made" / "pixels").iterdir()), found.pixels, strict=True
        ):
            with Image.open(file) as picture:
                assert picture.mode == "L"
                np.testing.assert_array_equal(np.asarray(picture), pixels[..., 0])

    def test_no_file_of_a_dead_filter(self, tmp_path):
        made(3, verb="filter_patterns").save(tmp_path / "made")
        names = sorted(file.name[:3] for file in (tmp_path / "made" / "pixels").iterdir())
        assert names == ["001", "003"]

    def test_what_is_no_picture_has_no_pixels(self, tmp_path):
        written = made(2, (4,)).save(tmp_path / "made")
        assert [file.parent for file in written] == [tmp_path / "made"] * 3

    def test_pictures_and_progress(self, tmp_path):
        calls = []
        fooled().save(tmp_path / "made", progress=lambda *at: calls.append(at))
        assert calls == [(at, 9) for at in range(1, 10)]

    @pytest.mark.parametrize("name", ["a.png", "a.GIF", "a.csv"])
    def test_a_name_that_is_no_folders(self, name, tmp_path):
        with pytest.raises(kviz.OutputError, match="Expected a folder's name"):
            made().save(tmp_path / name)
        assert not list(tmp_path.iterdir())


class TestFilms:
    @pytest.mark.parametrize(
        ("count", "size"), [(1, (5, 6)), (2, (12, 6)), (3, (12, 14)), (5, (19, 14))]
    )
    @pytest.mark.parametrize("channels", [1, 3])
    def test_a_frame_a_frame(self, count, size, channels, tmp_path):
        frames = random(7, count, 6, 5, channels).astype("uint8")
        found = made(count, (6, 5, channels), frames=frames)
        (path,) = found.save(tmp_path / "way.gif")
        with Image.open(path) as film:
            assert film.format == "GIF"
            assert film.n_frames == 7
            assert film.size == size
            assert film.info["loop"] == 0
            film.seek(6)
            last = np.asarray(film.convert("RGB")).astype(int)
        # A GIF has 256 colours.
        assert np.abs(last[:6, :5] - frames[-1, 0].astype(int)).mean() < 12

    def test_without_frames_it_says_how_to_get_them(self, tmp_path):
        with pytest.raises(kviz.OutputError, match="film=True"):
            made().save(tmp_path / "way.gif")
        assert not list(tmp_path.iterdir())

    def test_a_film_is_not_left_half_written(self, tmp_path):
        frames = random(2, 1, 6, 5, 3).astype("uint8")
        with pytest.raises(kviz.OutputError, match="folder"):
            made(1, frames=frames).save(tmp_path / "nowhere" / "way.gif")
        assert not list(tmp_path.iterdir())


def test_plots():
    for found, axes in ((made(3), 4), (fooled(), 7), (dreamed(), 5), (made(20), 2)):
        drawn = found.plot()
        assert len(drawn.axes) == axes
        assert found.tiles()[0].alt in drawn.kviz_alt
    assert len(fooled().plot(image=1).axes) == 4
