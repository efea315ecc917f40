"""Items to pixels: bytes as files are, arrays as they are, in several threads, nothing kept."""

import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kviz import originals
from kviz.dataset.sources import Item
from kviz.dataset.sources.decode import decode, decode_noted
from kviz.errors import ImageError
from kviz.formats.fitting import Wanted
from kviz.formats.photo import read, several_readers

RNG = np.random.default_rng(0)


def encoded(kind, mode="RGB", **how):
    shape = {"RGB": (9, 8, 3), "L": (9, 8), "I;16": (9, 8), "RGBA": (9, 8, 4), "F": (9, 8)}[mode]
    dtype = {"I;16": np.uint16, "F": np.float32}.get(mode, np.uint8)
    image = Image.fromarray(RNG.integers(0, 256, shape).astype(dtype))
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


FILES = {
    "jpeg": encoded("JPEG"), "progressive": encoded("JPEG", progressive=True),
    "png": encoded("PNG", "RGBA"), "png16": encoded("PNG", "I;16"), "gif": encoded("GIF", "L"),
    "bmp": encoded("BMP"), "webp": encoded("WEBP"), "tiff": encoded("TIFF"),
    "tiff16": encoded("TIFF", "I;16"), "tiff float": encoded("TIFF", "F"),
    "tiff lzw": encoded("TIFF", "I;16", compression="tiff_lzw"),
    "cut jpeg": encoded("JPEG")[:-40], "cut png": encoded("PNG")[:-40],
    "cut tiff": encoded("TIFF")[:100],
    "cut tiff16": encoded("TIFF", "I;16")[:-40], "empty": b"", "text": b"no image", "npy": b"\x93NUMPY",
}  # fmt: skip


def outcome(act):
    try:
        photo = act()
    except ImageError as error:
        return str(error)
    return photo.pixels.tolist(), photo.pixels.dtype, photo.notes


@pytest.mark.parametrize(
    "wanted", [Wanted(), Wanted((4, 4), 1), Wanted((4, 6), 3, "pad", (1, 1, 1))]
)
@pytest.mark.parametrize("name", FILES)
def test_bytes_are_read_as_the_file_is(tmp_path, name, wanted):
    path = tmp_path / "photo"
    path.write_bytes(FILES[name])
    assert outcome(lambda: decode_noted(Item("photo", None, FILES[name]), wanted)) == outcome(
        lambda: decode_noted(Item("photo", None, path), wanted)
    )
    assert outcome(lambda: read(FILES[name], wanted, "p")) == outcome(
        lambda: read(path, wanted, "p")
    )


def test_bytes_without_a_name_are_the_image():
    with pytest.raises(ImageError, match="The image is empty"):
        read(b"", Wanted())


@pytest.mark.parametrize(
    ("shape", "wanted", "taken", "expected"),
    [
        ((4, 5, 3), Wanted((4, 5)), None, (4, 5, 3)),
        ((4, 5), Wanted((None, None), 1), None, (4, 5, 1)),
        ((4, 5), Wanted((4, 5), 1), (None, 4, 5, 1), (4, 5, 1)),
        ((9, 2), Wanted(), (None, 9, 2), (9, 2)),
        ((9,), Wanted(), (None, 9, 1), (9, 1)),
        ((3, 4, 5, 2), Wanted(), (None, 3, 4, 5, 2), (3, 4, 5, 2)),
    ],
)
def test_arrays_are_taken_as_they_are(shape, wanted, taken, expected):
    for dtype in (np.uint8, np.float32, np.int16):
        array = RNG.integers(0, 99, shape).astype(dtype)
        pixels = decode(Item("a", None, array), wanted, taken)
        assert pixels.shape == expected
        assert pixels.dtype == dtype
        assert np.array_equal(pixels.ravel(), array.ravel())


@pytest.mark.parametrize(
    ("array", "wanted", "taken", "words"),
    [
        (np.zeros((4, 5, 3)), Wanted((4, 6)), None, r"shape \(N, 4, 6, 3\)"),
        (np.zeros((4, 5, 3)), Wanted((4, 6)), (None, None, None, 3), "4 x 5; arrays are not resized"),
        (np.zeros((4, 5, 2)), Wanted(), None, r"shape \(N, any, any, 3\)"),
        (np.zeros((2, 4, 5, 3)), Wanted(), None, "Received: shape"),
        (np.zeros((2, 4, 5, 3)), Wanted(), (None, 4, 5, 3), "Received: 2 of them"),
        (np.full((4, 5, 3), np.nan), Wanted(), None, "not finite numbers"),
        (np.full((4, 5, 3), "x"), Wanted(), None, "dtype <U1"),
        (np.zeros((4, 5, 3)), Wanted(bands=(1,)), None, "bands are taken from photos only"),
        (b"photo", Wanted(), (None, 9, 1), "the model takes numbers of another shape"),
        (ImageError("The row says so."), Wanted(), None, "The row says so."),
        (Path("gone.png"), Wanted(), None, "^name cannot be read as an image: No such file"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_in_one_sentence(array, wanted, taken, words):
    with pytest.raises(ImageError, match=words):
        decode(Item("name", None, array), wanted, taken)


def test_nothing_of_it_is_kept():
    before = dict(originals._SOURCES)
    decode(Item("a", None, FILES["png"]), Wanted())
    assert before == originals._SOURCES


def test_threads_note_what_is_damaged_where_it_is_and_leave_the_warnings_of_others_alone():
    damaged = bytearray(encoded("TIFF", tiffinfo={270: "x" * 40}))
    at = damaged.index(b"\x0e\x01")  # the description's length: it ends behind the file
    damaged[at + 4 : at + 8] = (100_000).to_bytes(4, "little")
    alone = decode_noted(Item("bad", None, bytes(damaged)), Wanted())
    assert "damaged and was read all the same" in alone.notes[0]
    good = FILES["jpeg"]
    filters, show = list(warnings.filters), warnings.showwarning

    def notes(place):
        data = bytes(damaged) if place % 3 else good
        return decode_noted(Item(str(place), None, data), Wanted()).notes

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(notes, range(300)))
    assert [len(one) for one in found] == [1 if place % 3 else 0 for place in range(300)]
    assert all(one[0].startswith(f"{place} is") for place, one in enumerate(found) if one)
    assert (list(warnings.filters), warnings.showwarning) == (filters, show)


def test_a_caller_that_catches_warnings_while_threads_read_gets_its_own_back():
    filters, show = list(warnings.filters), warnings.showwarning
    with several_readers():
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            with ThreadPoolExecutor(1) as threads:
                threads.submit(decode, Item("a", None, FILES["jpeg"]), Wanted()).result()
            warnings.warn("mine", stacklevel=1)
        assert [str(one.message) for one in said] == ["mine"]
        with pytest.raises(UserWarning, match="yours"):
            warnings.warn("yours", stacklevel=1)
    assert (list(warnings.filters), warnings.showwarning) == (filters, show)
