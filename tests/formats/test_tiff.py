"""TIFFs of many bits and bands: what NumPy says of the numbers that were written."""

import struct
import zlib
from dataclasses import dataclass

import numpy as np
import pytest
from needed import need_package
from PIL import Image
from refusals import refused

import kviz

HIGH, WIDE = 37, 53


@dataclass
class Input:
    channels: int | None = 3
    image_size: tuple[int | None, int | None] = (None, None)


@pytest.fixture
def write(tmp_path):
    """Return what writes a TIFF by tifffile, which kviz does not read with."""
    need_package("tifffile", "superpixels")
    import tifffile

    def written(array, **options):
        options.setdefault("photometric", "minisblack")
        tifffile.imwrite(tmp_path / "a.tif", array, **options)
        return tmp_path / "a.tif"

    return written


def numbers(*shape, dtype=np.uint16, most=65536):
    return np.random.default_rng(0).integers(0, most, (HIGH, WIDE, *shape)).astype(dtype)


def levels(values, most=65535):
    return np.rint(values.astype(np.float64) * 255 / most)


LAYOUTS = [
    {},
    {"tile": (16, 32)},
    {"rowsperstrip": 5},
    {"byteorder": ">"},
    {"bigtiff": True},
    {"compression": "zlib"},
    {"compression": "zlib", "tile": (16, 64)},
    {"compression": "zlib", "predictor": True, "byteorder": ">", "rowsperstrip": 7},
    {"planarconfig": "separate"},
    {"planarconfig": "separate", "compression": "zlib", "tile": (32, 16)},
]


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_every_layout_gives_the_numbers_that_were_written(write, layout):
    colours, many = numbers(3), numbers(13, most=10_000)
    turned = layout.get("planarconfig") == "separate"
    as_written = (lambda a: np.moveaxis(a, -1, 0)) if turned else (lambda a: a)
    path = write(as_written(colours), **{**layout, "photometric": "rgb"})
    np.testing.assert_array_equal(kviz.load_images(path)[0], levels(colours))
    contig = {} if turned else {"planarconfig": "contig"}
    path = write(as_written(many), **layout, **contig)
    found = kviz.load_images(path, Input(13))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0], many)
    np.testing.assert_array_equal(kviz.load_images(path, bands=(4, 3, 2))[0], many[..., [3, 2, 1]])
    np.testing.assert_array_equal(kviz.load_images(path, Input(1), bands=8)[0], many[..., [7]])


@pytest.mark.parametrize("how", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "raw"])
def test_what_libtiff_unpacks_is_read(tmp_path, how):
    grey = numbers()
    Image.fromarray(grey).save(tmp_path / "a.tif", compression=how)
    np.testing.assert_array_equal(kviz.load_images(tmp_path / "a.tif")[0, ..., 0], levels(grey))


def packed(values, bits):
    """Return numbers of a few bits, each row filled up to a byte."""
    digits = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(digits.reshape(len(values), -1).astype(np.uint8), axis=1).tobytes()


def raw_tiff(path, width, height, bits, data, **tags):
    """Write a TIFF of one strip, tag by tag."""
    entries = {
        256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 0, 277: 1, 278: height,
        279: len(data), **{int(tag[1:]): value for tag, value in tags.items()},
    }  # fmt: skip
    entries[273] = 8 + 2 + 12 * len(entries) + 4
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    for tag, value in sorted(entries.items()):
        head += struct.pack("<HHII", tag, 4, 1, value)
    path.write_bytes(head + bytes(4) + data)
    return path


@pytest.mark.parametrize("bits", [9, 10, 12, 14])
@pytest.mark.parametrize("kind", ["raw", "deflate"])
def test_few_bits_are_scaled_by_what_they_can_hold(tmp_path, bits, kind):
    values = numbers(most=1 << bits)
    data = packed(values, bits)
    how = {"t259": 8} if kind == "deflate" else {}
    path = raw_tiff(
        tmp_path / "a.tif", WIDE, HIGH, bits, zlib.compress(data) if how else data, **how
    )
    found = kviz.load_images(path)[0, ..., 0]
    np.testing.assert_array_equal(found, levels(values, (1 << bits) - 1))


def test_white_is_zero_where_the_file_says_so(write):
    grey = numbers()
    path = write(grey, photometric="miniswhite")
    np.testing.assert_array_equal(kviz.load_images(path)[0, ..., 0], 255 - levels(grey))
    path = write((grey >> 8).astype(np.uint8), photometric="miniswhite")
    np.testing.assert_array_equal(kviz.load_images(path)[0, ..., 0], 255 - (grey >> 8))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_real_colours_are_scaled(write, dtype):
    colours = (numbers(3) / 65535).astype(dtype)
    path = write(colours, photometric="rgb")
    np.testing.assert_array_equal(kviz.load_images(path)[0], levels(colours, 1))


def test_alpha_of_16_bits_is_laid_over_white_or_kept(write):
    four = numbers(4)
    path = write(four, photometric="rgb", extrasamples=["unassalpha"])
    alpha = four[..., 3:] / 65535
    expected = four[..., :3] / 65535 * 255 * alpha + 255 * (1 - alpha)
    assert np.abs(kviz.load_images(path)[0] - expected).max() <= 1.5
    np.testing.assert_array_equal(kviz.load_images(path, Input(4))[0], levels(four))


def test_a_band_beside_the_colours_is_no_alpha(write):
    four = numbers(4, dtype=np.uint8, most=256)
    path = write(four, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_array_equal(kviz.load_images(path)[0], four[..., :3])
    found = kviz.load_images(path, Input(4))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[0], four)


def test_bands_are_resized_one_by_one(write):
    four = numbers(4, dtype=np.float32, most=5000)
    path = write(four, planarconfig="contig")
    small = kviz.load_images(path, Input(4, (20, 20)), fit="stretch")[0]
    for band in range(4):
        image = Image.fromarray(four[..., band]).resize((20, 20), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(small[..., band], np.asarray(image))


@pytest.mark.parametrize(
    ("bands", "channels", "kind", "match"),
    [
        (None, 3, kviz.ImageError, "has 13 bands, and 3 are wanted. bands=… says which, from 1"),
        (None, 4, kviz.ImageError, "has 13 bands, and 4 are wanted"),
        ((1, 2, 14), 3, kviz.ImageError, "has 13 bands, from 1. Received: band 14"),
        ((1, 2), 3, kviz.OptionError, "as many as the model has channels, 3. Received: 2"),
        ((0, 1, 2), 3, kviz.OptionError, "bands takes a whole number from 1. Received: 0"),
        ("4", 1, kviz.OptionError, "bands takes numbers of bands, from 1. Received: '4'"),
        ((), 3, kviz.OptionError, "bands takes numbers of bands"),
    ],
)
def test_bands_that_do_not_fit_are_refused(write, bands, channels, kind, match):
    path = write(numbers(13), planarconfig="contig")
    with refused(match, kind) as caught:
        kviz.load_images(path, Input(channels), bands=bands)
    assert getattr(caught.value, "bands", None) == (13 if "are wanted" in match else None)


def test_a_pixel_that_is_no_number_is_refused_in_any_band(write):
    many = numbers(5, dtype=np.float32)
    many[20, 30, 4] = np.nan
    with refused("not finite numbers", kviz.ImageError):
        kviz.load_images(write(many, planarconfig="contig"), Input(5))


def test_a_file_that_ends_early_is_refused(write):
    for options in ({}, {"compression": "zlib"}):
        path = write(numbers(3), photometric="rgb", **options)
        path.write_bytes(path.read_bytes()[:-400])
        with refused("cannot be read as an image: it ends early", kviz.ImageError):
            kviz.load_images(path)


def test_what_is_packed_in_one_large_piece_is_read_row_by_row(write, monkeypatch):
    colours = numbers(3, dtype=np.uint8, most=256)
    path = write(colours, photometric="rgb", compression="zlib", rowsperstrip=HIGH)
    monkeypatch.setattr("kviz.formats.tiff._STRIP", 1000)
    monkeypatch.setattr("kviz.formats.tiff._ROWS", 1000)
    np.testing.assert_array_equal(kviz.load_images(path)[0], colours)
    Image.fromarray(numbers()).save(path, compression="tiff_lzw")
    with refused("packed in one piece of 0 MB; kviz unpacks at most 0", kviz.ImageError):
        kviz.load_images(path)


@pytest.mark.parametrize("bits", [8, 16])
def test_bits_may_come_the_other_way_round(tmp_path, bits):
    values = numbers(most=1 << bits)
    data = np.frombuffer(packed(values, bits), np.uint8)
    if bits == 16:
        data = data.reshape(-1, 2)[:, ::-1].reshape(-1)  # little-endian, as the file says
    turned = np.packbits(np.unpackbits(data).reshape(-1, 8)[:, ::-1].reshape(-1))
    path = raw_tiff(tmp_path / "a.tif", WIDE, HIGH, bits, turned.tobytes(), t266=2)
    found = kviz.load_images(path)[0, ..., 0]
    np.testing.assert_array_equal(found, levels(values, (1 << bits) - 1))
