"""Photos as a model is given them: where it takes any size, a box keeps its own."""

import io

import keras
import numpy as np
import pytest
from needed import need_package
from PIL import Image
from serve_asker import Asker

import kviz
from kviz.errors import ImageError
from kviz.serve.photos import LONGEST, Photo, fitted, photo_from
from kviz.serve.session import Session


@pytest.fixture(scope="module")
def any_size():
    photo = keras.Input((None, None, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(photo))
    return kviz.Network(keras.Model(photo, pooled))


@pytest.mark.parametrize(
    ("size", "box", "given"),
    [
        ((40, 60), None, (40, 60)),
        ((40, 60), (10.0, 5.0, 30.0, 15.0), (10, 20)),
        ((4 * LONGEST, 2 * LONGEST), None, (LONGEST, LONGEST // 2)),
        ((4 * LONGEST, 8), (0.0, 0.0, 8.0, 2.0 * LONGEST), (LONGEST, 4)),
    ],
)
def test_a_photo_keeps_its_size_up_to_the_longest(any_size, size, box, given):
    levels = np.zeros((*size, 3), np.uint8)
    found = fitted(Photo(name="a", levels=levels, box=box), any_size)
    assert found.pixels.shape == (1, *given, 3)
    assert found.is_part == (given != size)
    assert bool(found.notes) == (max(given) == LONGEST)


def image_file(shape, level, kind="PNG", **options):
    held = io.BytesIO()
    Image.fromarray(np.full((*shape, 3), level, np.uint8)).save(held, kind, **options)
    return held.getvalue()


def array_file(array, name="save"):
    held = io.BytesIO()
    getattr(np, name)(held, array)
    return held.getvalue()


SIZED = "The model takes any size; it is given the photo as 512 × 128."


@pytest.mark.parametrize("box", [None, (0.0, 0.0, 4.0 * LONGEST, 1.0 * LONGEST)])
def test_what_a_photo_should_be_seen_with_is_said_of_it_and_of_what_is_cut_out(any_size, box):
    """First what its file says, then what was made of it."""
    shape = (LONGEST, 4 * LONGEST)
    dark = Photo(name="night.png", file=image_file(shape, 9), box=box)
    first, second = fitted(dark, any_size).notes
    assert first.startswith("night.png comes out nearly black: its levels reach 9 of 255.")
    assert second == SIZED
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    held = io.BytesIO()
    frames[0].save(held, "GIF", save_all=True, append_images=frames[1:])
    (note,) = fitted(Photo(name="a.gif", file=held.getvalue()), any_size).notes
    assert note == "a.gif has 2 frames; only the first is used."


def test_of_what_is_seen_as_it_is_nothing_is_said(any_size):
    sized = Photo(name="a", file=image_file((2000, 30), 99), size=(60, 9))
    assert fitted(sized, any_size).notes == ()
    assert fitted(Photo(name="a", file=image_file((40, 30), 99)), any_size).notes == ()


@pytest.fixture(scope="module")
def ten_bands():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2, activation="softmax")]
    return kviz.Network(keras.Sequential([keras.Input((6, 8, 10)), *layers]))


BANDS = np.random.default_rng(0).random((6, 8, 10)).astype("float32")


@pytest.mark.parametrize(
    "file",
    [
        array_file(BANDS), array_file(BANDS[None]), array_file(BANDS, "savez"),
        array_file(np.asfortranarray(BANDS)),
    ],
)  # fmt: skip
def test_a_file_of_ten_bands_is_looked_into_without_a_picture(ten_bands, file):
    session = Session([ten_bands])
    try:
        answer = Asker(session)("photo", {"file": np.frombuffer(file, np.uint8)}, name="a.npy")
    finally:
        session.close()
    scores = np.asarray(ten_bands.model(BANDS[None]))[0]
    np.testing.assert_allclose(answer.arrays["scores"], scores, atol=1e-6)
    assert (answer.head["width"], answer.head["height"], answer.head["box"]) == (8, 6, None)
    assert set(answer.arrays) == {"scores", "card"}


def test_a_tiff_of_ten_bands_is_read_as_load_images_reads_it(ten_bands, tmp_path):
    need_package("tifffile", "superpixels")
    from tifffile import imwrite

    levels = np.random.default_rng(1).integers(0, 256, (12, 16, 10), np.uint8)
    imwrite(tmp_path / "a.tif", levels, photometric="minisblack", planarconfig="contig")
    found = fitted(Photo(name="a.tif", file=(tmp_path / "a.tif").read_bytes()), ten_bands)
    np.testing.assert_array_equal(found.pixels, kviz.load_images(tmp_path / "a.tif", ten_bands))
    assert (found.extent, found.box, found.is_part, found.picture) == ((16, 12), None, False, None)


@pytest.mark.parametrize(
    ("photo", "words"),
    [
        (
            Photo(name="a.png", file=image_file((9, 9), 99)),
            r"^a.png has 3 bands, and the model takes 10. Send a TIFF or a .npy file that has as many",
        ),
        (
            Photo(name="a", levels=np.zeros((6, 8, 3), np.uint8)),
            "takes 10 channels, which a picture does",
        ),
        (
            Photo(name="a.png", file=image_file((9, 9), 99), box=(0.0, 0.0, 5.0, 5.0)),
            "takes 10 channels, which a picture does not have. Send a TIFF",
        ),
        (Photo(name="a.npy", array=np.stack([BANDS, BANDS])), "a.npy holds 2 images"),
        (Photo(name="a.npy", array=BANDS[..., :3]), "Expected images of shape"),
    ],
)
def test_what_a_model_of_ten_bands_cannot_be_given_is_said_in_a_sentence(ten_bands, photo, words):
    with pytest.raises(ImageError, match=words):
        fitted(photo, ten_bands)


def test_of_a_broken_photo_its_own_fault_is_said_and_no_bands(ten_bands):
    broken = Photo(name="a.png", file=image_file((99, 99), 9)[:-30])
    with pytest.raises(ImageError, match=r"^a\.png ") as error:
        fitted(broken, ten_bands)
    assert "bands" not in str(error.value)


@pytest.mark.parametrize("file", [b"PK\3\4" + bytes(40), array_file(BANDS)[:-4], b"\x93NUMPY"])
def test_a_broken_array_is_said_by_its_name(file):
    with pytest.raises(ImageError, match=r"^a\.npz "):
        photo_from({"name": "a.npz"}, {"file": np.frombuffer(file, np.uint8)})


def test_a_model_of_signals_is_given_arrays():
    layers = [keras.layers.Conv1D(2, 3), keras.layers.GlobalAveragePooling1D()]
    network = kviz.Network(keras.Sequential([keras.Input((20, 2)), *layers]))
    with pytest.raises(ImageError, match=r"shape \(N, 20, 2\), which no photo is"):
        fitted(Photo(name="a.png", file=image_file((9, 9), 99)), network)
    found = fitted(Photo(name="a.npy", array=np.ones((20, 2))), network)
    assert (found.pixels.shape, found.size, found.picture) == ((1, 20, 2), (1, 1), None)
