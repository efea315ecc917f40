"""Films: stills joined into GIF and WebP files that Pillow reads back frame by frame."""

import numpy as np
import pytest
from PIL import Image
from refusals import refused

import kviz
from kviz.draw.films import ENDINGS, film_ending, picture_of, still, write_film


def pictures(count, shape=(23, 17)):
    """Return pictures of 125 colours at most, which a GIF holds exactly."""
    return 60 * np.random.default_rng(0).integers(0, 5, (count, *shape, 3)).astype("uint8")


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("shape", [(23, 17), (1, 1), (40, 300)])
def test_every_frame_comes_back_as_it_was(ending, shape, tmp_path):
    frames = pictures(4, shape)
    path, times = tmp_path / f"film{ending}", [100, 250, 100, 3000]
    write_film(path, [still(frame, ending) for frame in frames], times, "what it ☂ shows" * 40)
    with Image.open(path) as film:
        assert film.n_frames == 4
        assert film.size == shape[::-1]
        assert film.info["loop"] == 0
        if ending == ".gif":
            assert film.info["comment"].decode() == "kviz: " + "what it ☂ shows" * 40
        for number, frame in enumerate(frames):
            film.seek(number)
            film.load()
            np.testing.assert_array_equal(np.asarray(film.convert("RGB")), frame)
            assert film.info["duration"] == times[number]


@pytest.mark.parametrize("ending", ENDINGS)
def test_one_frame_is_a_film_too(ending, tmp_path):
    (frame,) = pictures(1)
    write_film(tmp_path / f"film{ending}", [still(frame, ending)], [500])
    with Image.open(tmp_path / f"film{ending}") as film:
        np.testing.assert_array_equal(np.asarray(film.convert("RGB")), frame)


def test_webp_loses_nothing_and_gif_little_of_many_colours():
    ramp = np.arange(256, dtype="uint8")
    picture = np.stack(np.broadcast_arrays(ramp[:, None], ramp, ramp[::-1, None]), -1)
    np.testing.assert_array_equal(picture_of(still(picture, ".webp")), picture)
    lost = np.abs(picture_of(still(picture, ".gif")).astype(int) - picture).max()
    assert 0 < lost < 40


def test_a_gif_keeps_a_colour_that_few_pixels_have():
    picture = pictures(1, (200, 200))[0] // 4 + 190  # whites, many of them
    picture[::50, ::50] = np.random.default_rng(1).integers(0, 256, (4, 4, 3))
    lost = np.abs(picture_of(still(picture, ".gif")).astype(int) - picture)
    assert lost.max() < 16


def test_what_was_there_stays_when_a_film_cannot_be_written(tmp_path):
    frame = still(pictures(1)[0], ".gif")
    with refused("its folder does not exist", kviz.OutputError):
        write_film(tmp_path / "none/film.gif", [frame], [100])
    write_film(tmp_path / "film.gif", [frame], [100])
    old = (tmp_path / "film.gif").read_bytes()
    with pytest.raises(ValueError, match="zip"):
        write_film(tmp_path / "film.gif", [frame, frame], [100])
    assert (tmp_path / "film.gif").read_bytes() == old
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]


@pytest.mark.parametrize("path", ["film", "film.mp4", ".gif", "film.gif.png"])
def test_another_ending_is_refused(path):
    with refused("A film is a file ending in .gif or .webp. Received: ", kviz.OutputError):
        film_ending(path)
