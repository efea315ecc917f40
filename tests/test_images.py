"""Image files become the pixels that one sees, or are refused in one sentence."""

import hashlib
import io
import os
import re
import struct
import warnings
import zlib
from dataclasses import dataclass

import numpy as np
import pytest
import refusals
from PIL import EpsImagePlugin, Image, ImageDraw
from refusals import no_hanging

import kviz
import kviz.originals
from kviz.images import SUFFIXES, checked_pixels, image_paths, load_images
from kviz.originals import original_of


def refused(match, kind=kviz.ImageError):
    return refusals.refused(match, kind)


RED, GREEN, BLUE, BLACK, WHITE = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (0, 0, 0),
    (255, 255, 255),
)


@dataclass(frozen=True)
class Input:
    image_size: tuple[int | None, int | None] = (None, None)
    channels: int | None = 3


GREY_28 = Input((28, 28), 1)
RGB_28 = Input((28, 28), 3)


def noise(height=40, width=50):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def smooth(height=40, width=50):
    """Return a picture that JPEG keeps nearly as it is, different in all four corners."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 255 // height, columns * 255 // width, 0 * rows + 90], axis=-1).astype(
        np.uint8
    )


def written(path, picture, **options):
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(np.asarray(picture))
    image.save(path, **options)
    return path


def halves(width, height, first, second, *, beside):
    """Return an image of two colours, beside or above each other."""
    image = Image.new("RGB", (width, height), first)
    box = (width // 2, 0, width, height) if beside else (0, height // 2, width, height)
    ImageDraw.Draw(image).rectangle(box, second)
    return image


def raw_png(width, height, bits, kind, rows, *chunks):
    """Return a PNG file's bytes, whatever they declare."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


# Formats


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".gif", ".webp"])
def test_lossless_formats_are_read_exactly(tmp_path, suffix):
    picture = noise()
    if suffix == ".gif":
        picture = np.asarray(Image.fromarray(picture).quantize(64).convert("RGB"))
    options = {"lossless": True} if suffix == ".webp" else {}
    images = load_images(written(tmp_path / f"a{suffix}", picture, **options))
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, picture[None])


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG", ".webp"])
def test_lossy_formats_are_read_nearly(tmp_path, suffix):
    images = load_images(written(tmp_path / f"a{suffix}", smooth(), quality=95))
    assert images.shape == (1, 40, 50, 3)
    assert np.abs(images[0].astype(int) - smooth()).mean() < 3


def test_a_progressive_jpeg_is_read(tmp_path):
    path = written(tmp_path / "a.jpg", smooth(), quality=95, progressive=True)
    assert np.abs(load_images(path)[0].astype(int) - smooth()).mean() < 3


def test_the_suffix_does_not_decide(tmp_path):
    path = written(tmp_path / "a.txt", noise(), format="PNG")
    np.testing.assert_array_equal(load_images(path), noise()[None])


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_only_the_first_frame_of_a_moving_picture_is_read(tmp_path, suffix):
    frames = [Image.new("RGB", (9, 8), colour) for colour in (RED, GREEN, BLUE)]
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        {"tif": "TIFF"}.get(suffix, suffix),
        save_all=True,
        append_images=frames[1:],
        **({"lossless": True} if suffix == "webp" else {}),
    )
    path = tmp_path / f"moving.{suffix}"
    path.write_bytes(buffer.getvalue())
    with pytest.warns(kviz.KvizWarning, match="has 3 frames; only the first is used") as caught:
        images = load_images(path)
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(images, np.broadcast_to(np.uint8(RED), (1, 8, 9, 3)))


def test_a_photo_with_a_second_picture_inside_is_one_photo(tmp_path):
    # Telephones put a depth map or a small copy behind the JPEG.
    first, second = Image.fromarray(smooth()), Image.fromarray(255 - smooth())
    path = written(
        tmp_path / "a.jpg", first, format="MPO", save_all=True, append_images=[second], quality=95
    )
    assert np.abs(load_images(path)[0].astype(int) - smooth()).mean() < 3


# Orientation

TURNED = {
    1: lambda image: image,
    2: lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda image: image.transpose(Image.Transpose.ROTATE_180),
    4: lambda image: image.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda image: image.transpose(Image.Transpose.TRANSPOSE),
    6: lambda image: image.transpose(Image.Transpose.ROTATE_90),
    7: lambda image: image.transpose(Image.Transpose.TRANSVERSE),
    8: lambda image: image.transpose(Image.Transpose.ROTATE_270),
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_every_orientation_gives_the_upright_picture(tmp_path, orientation, suffix):
    upright = Image.fromarray(smooth())
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {".webp": {"lossless": True}, ".jpg": {"quality": 95}}.get(suffix, {})
    path = written(tmp_path / f"a{suffix}", TURNED[orientation](upright), exif=exif, **options)
    images = load_images(path)
    assert images.shape == (1, 40, 50, 3)
    error = np.abs(images[0].astype(int) - smooth()).mean()
    assert error < 3 if suffix == ".jpg" else error == 0


# Modes


def over_white(colour, alpha):
    return np.rint((np.float64(colour) * alpha + 255.0 * (255 - alpha)) / 255)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_what_is_transparent_is_laid_over_white(tmp_path, suffix):
    alphas = np.arange(256, dtype=np.uint8)
    picture = np.empty((1, 256, 4), np.uint8)
    picture[..., :3], picture[..., 3] = (200, 100, 0), alphas
    options = {"lossless": True, "exact": True} if suffix == ".webp" else {}
    images = load_images(written(tmp_path / f"a{suffix}", picture, **options))
    expected = over_white((200, 100, 0), alphas[:, None])
    assert np.abs(images[0, 0] - expected).max() <= 1
    assert images[0, 0, [0, 255]].tolist() == [list(WHITE), [200, 100, 0]]


def test_grey_with_alpha_is_laid_over_white(tmp_path):
    picture = Image.merge(
        "LA", [Image.new("L", (3, 1), 50), Image.fromarray(np.uint8([[0, 51, 255]]))]
    )
    images = load_images(written(tmp_path / "a.png", picture))
    assert images[0, 0, :, 0].tolist() == [255, 214, 50]  # 50/5 + 255·4/5 = 214
    assert (images == images[..., :1]).all()


def test_a_palette_is_looked_up(tmp_path):
    picture = Image.new("P", (3, 1))
    picture.putpalette([*RED, *GREEN, *BLUE])
    picture.putdata([2, 0, 1])
    images = load_images(written(tmp_path / "a.png", picture))
    assert images[0, 0].tolist() == [list(BLUE), list(RED), list(GREEN)]


@pytest.mark.parametrize(
    ("transparency", "expected"), [(1, [RED, WHITE, BLUE]), (b"\xff\x00\x33", [RED, WHITE, None])]
)
def test_a_palette_with_transparency_is_laid_over_white(tmp_path, transparency, expected):
    picture = Image.new("P", (3, 1))
    picture.putpalette([*RED, *GREEN, *BLUE])
    picture.putdata([0, 1, 2])
    images = load_images(written(tmp_path / "a.png", picture, transparency=transparency))
    expected = [(204, 204, 255) if colour is None else colour for colour in expected]
    assert images[0, 0].tolist() == [list(colour) for colour in expected]


@pytest.mark.parametrize(
    ("bits", "kind", "row", "transparent", "expected"),
    [
        (8, 0, bytes([5, 90]), struct.pack(">H", 5), [255, 90]),
        (1, 0, b"\x40", struct.pack(">H", 1), [0, 255]),
        (16, 0, struct.pack(">2H", 100, 25700), struct.pack(">H", 100), [255, 100]),
        (8, 2, bytes([5] * 3 + [90] * 3), struct.pack(">3H", 5, 5, 5), [255, 90]),
    ],
)
def test_a_transparent_colour_becomes_white(tmp_path, bits, kind, row, transparent, expected):
    path = tmp_path / "a.png"
    path.write_bytes(raw_png(2, 1, bits, kind, b"\0" + row, (b"tRNS", transparent)))
    assert load_images(path)[0, 0].tolist() == [[value] * 3 for value in expected]


@pytest.mark.parametrize("suffix", [".tif", ".jpg"])
def test_cmyk_becomes_rgb(tmp_path, suffix):
    inks = {(0, 255, 255, 0): RED, (0, 0, 0, 255): BLACK, (0, 0, 0, 0): WHITE}
    for ink, colour in inks.items():
        path = written(tmp_path / f"a{suffix}", Image.new("CMYK", (16, 16), ink))
        assert np.abs(load_images(path).astype(int) - colour).max() <= 3


def test_one_bit_is_black_and_white(tmp_path):
    picture = Image.new("1", (2, 1))
    picture.putdata([0, 1])
    for suffix in (".png", ".tif", ".bmp"):
        images = load_images(written(tmp_path / f"a{suffix}", picture))
        assert images[0, 0].tolist() == [list(BLACK), list(WHITE)]


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_16_bits_are_scaled_and_not_cut(tmp_path, suffix, order):
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    images = load_images(written(tmp_path / f"a{suffix}", values.astype(order)))
    np.testing.assert_array_equal(images[0, ..., 0], np.rint(values / 257))
    assert (images == images[..., :1]).all()


def test_a_picture_that_comes_out_nearly_black_is_warned_of(tmp_path):
    """12 bits in a file of 16: 4095 of 65535 is 15.9 of 255."""
    levels = np.linspace(0, 4000, 64, dtype=np.uint16).reshape(8, 8)
    Image.fromarray(levels).save(tmp_path / "twelve.png")
    with pytest.warns(kviz.KvizWarning, match=r"twelve.png comes out nearly black: .* reach 16 of"):
        pixels = kviz.load_images(tmp_path / "twelve.png")
    assert pixels.max() == round(4000 / 65535 * 255) == 16
    for name, most in (("night.png", 17), ("black.png", 0)):
        Image.fromarray(np.full((4, 4), most, np.uint8)).save(tmp_path / name)
        kviz.load_images(tmp_path / name)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.float32([[0, 0.2, 1]]), [0, 51, 255]),
        (np.float32([[0, 51, 255]]), [0, 51, 255]),
        (np.float32([[0, 13107, 65535]]), [0, 51, 255]),
        (np.float32([[0, 0, 0]]), [0, 0, 0]),
        (np.int32([[0, 13107, 65535]]), [0, 51, 255]),
    ],
)
def test_float_and_32_bit_tiff_are_scaled(tmp_path, values, expected):
    images = load_images(written(tmp_path / "a.tif", values))
    assert images[0, 0].tolist() == [[value] * 3 for value in expected]


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (np.float32([[0, np.nan]]), "not finite"),
        (np.float32([[0, np.inf]]), "not finite"),
        (np.float32([[-0.5, 1]]), "values from -0.5 to 1. Expected 0-1"),
        (np.float32([[0, 1e9]]), r"values from 0 to 1e\+09"),
        (np.int32([[0, 70000]]), "values from 0 to 70000"),
        (np.int32([[-1, 5]]), "values from -1 to 5"),
    ],
)
def test_values_without_a_known_scale_are_refused(tmp_path, values, match):
    with refused(match):
        load_images(written(tmp_path / "a.tif", values))


def test_a_network_of_one_channel_gets_grey(tmp_path):
    grey = noise()[..., 0]
    path = written(tmp_path / "a.png", grey)
    np.testing.assert_array_equal(load_images(path, Input(channels=1)), grey[None, ..., None])
    path = written(tmp_path / "a.png", np.uint8([[RED, GREEN, BLUE, WHITE]]))
    images = load_images(path, Input(channels=1))
    assert images[0, 0, :, 0].tolist() == [76, 150, 29, 255]  # ITU-R 601


def test_a_network_of_three_channels_gets_rgb(tmp_path):
    grey = noise()[..., 0]
    images = load_images(written(tmp_path / "a.png", grey), Input(channels=3))
    np.testing.assert_array_equal(images[0], np.stack([grey] * 3, axis=-1))


@pytest.mark.parametrize(
    ("network", "channels"), [(GREY_28, 1), (RGB_28, 3), (Input((28, 28), None), 3)]
)
def test_a_small_network_gets_its_size(tmp_path, network, channels):
    images = load_images(written(tmp_path / "a.png", noise()), network)
    assert images.shape == (1, 28, 28, channels)
    assert images.dtype == np.uint8


@pytest.mark.parametrize("channels", [2, 13])
def test_a_network_of_other_channels_gets_a_sentence(tmp_path, channels):
    path = written(tmp_path / "a.png", noise())
    with refused(rf"a.png has 3 bands, and {channels} are wanted. bands=… says which, from 1"):
        load_images(path, Input((28, 28), channels))


# Geometry


def colours_along(image, *, beside):
    """Return the colours from one side to the other through the middle, without repetition."""
    line = image[image.shape[0] // 2] if beside else image[:, image.shape[1] // 2]
    names = {RED: "red", BLUE: "blue", BLACK: "black"}
    found = [names.get(tuple(int(v) for v in colour), "mixed") for colour in line]
    return [name for name, before in zip(found, [None, *found], strict=False) if name != before]


def share(image, colour):
    return float((image == np.uint8(colour)).all(axis=-1).mean())


@pytest.mark.parametrize("beside", [True, False])
def test_crop_cuts_the_longer_side_in_the_middle(tmp_path, beside):
    # The outer quarters on each side of the long axis are black, and fall away.
    long = np.zeros((100, 200, 3), np.uint8)
    long[:, 50:100], long[:, 100:150] = RED, BLUE
    picture = long if beside else long.swapaxes(0, 1)
    image = load_images(written(tmp_path / "a.png", picture), Input((100, 100)), fit="crop")[0]
    np.testing.assert_array_equal(image, (long[:, 50:150] if beside else picture[50:150]))


@pytest.mark.parametrize("beside", [True, False])
def test_stretch_keeps_all_and_not_the_shape(tmp_path, beside):
    picture = halves(200, 100, RED, BLUE, beside=beside)
    image = load_images(written(tmp_path / "a.png", picture), Input((64, 64)), fit="stretch")[0]
    assert [c for c in colours_along(image, beside=beside) if c != "mixed"] == ["red", "blue"]
    assert abs(share(image, RED) - 0.5) < 0.05
    assert abs(share(image, BLUE) - 0.5) < 0.05


@pytest.mark.parametrize(("width", "height"), [(200, 100), (100, 200)])
def test_pad_keeps_all_and_adds_black_borders(tmp_path, width, height):
    wide = width > height
    path = written(tmp_path / "a.png", halves(width, height, RED, BLUE, beside=wide))
    image = load_images(path, Input((64, 64)), fit="pad")[0]
    assert [c for c in colours_along(image, beside=wide) if c != "mixed"] == ["red", "blue"]
    across = colours_along(image[:, :16] if wide else image[:16], beside=not wide)
    assert across == ["black", "red", "black"]
    assert abs(share(image, BLACK) - 0.5) < 0.05


def test_crop_is_what_is_done_without_asking(tmp_path):
    path = written(tmp_path / "a.png", noise())
    np.testing.assert_array_equal(load_images(path, RGB_28), load_images(path, RGB_28, fit="crop"))


def test_height_comes_before_width(tmp_path):
    path = written(tmp_path / "a.png", noise(40, 50))
    assert load_images(path, Input((20, 30))).shape == (1, 20, 30, 3)
    assert load_images(path, target_size=(20, 30)).shape == (1, 20, 30, 3)
    assert load_images(path, Input((20, None))).shape == (1, 20, 50, 3)


def test_a_network_of_any_size_keeps_the_size(tmp_path):
    path = written(tmp_path / "a.png", noise())
    for network in (None, Input()):
        np.testing.assert_array_equal(load_images(path, network), noise()[None])


def test_images_of_several_sizes_need_a_target_size(tmp_path):
    paths = [written(tmp_path / f"{n}.png", noise(40, 50 + n)) for n in range(5)]
    with refused(
        r"several sizes \(height x width: 40 x 50, 40 x 51.*with kviz.load_images\(…, target_size="
    ):
        load_images(paths, Input())
    assert load_images(paths, Input(), target_size=(30, 31)).shape == (5, 30, 31, 3)
    assert load_images(paths, GREY_28).shape == (5, 28, 28, 1)


@pytest.mark.parametrize("size", [(28, 29), (14, 14)])
def test_a_target_size_must_not_contradict_the_network(size):
    with refused(r"takes images of 28 x 28 only. Received: \d+ x \d+", kviz.OptionError):
        load_images("never-opened.png", RGB_28, target_size=size)


def test_one_number_is_both_sides(tmp_path):
    path = written(tmp_path / "a.png", noise(40, 50))
    assert load_images(path, target_size=30).shape == (1, 30, 30, 3)
    with refused("28 x 28 only. Received: 30 x 30", kviz.OptionError):
        load_images(path, RGB_28, target_size=30)


def test_a_target_size_that_fills_the_memory_is_refused():
    with refused("at most 50 megapixels. Received: 100000 x 100000", kviz.OptionError):
        load_images("never-opened.png", Input(), target_size=100_000)


def test_a_target_size_may_repeat_the_network(tmp_path):
    path = written(tmp_path / "a.png", noise())
    assert load_images(path, RGB_28, target_size=(28, 28)).shape == (1, 28, 28, 3)
    assert load_images(path, Input((28, None)), target_size=(28, 9)).shape == (1, 28, 9, 3)


@pytest.mark.parametrize(
    "size", [0, 2.5, (224,), (1, 2, 3), (0, 5), (-1, 5), ("a", "b"), (2.5, 3), (True, 3), "ab", {}]
)
def test_a_target_size_is_two_whole_numbers(size):
    with refused("target_size takes a height and a width", kviz.OptionError):
        load_images("never-opened.png", target_size=size)


@pytest.mark.parametrize("fit", ["", "Crop", None, 5, ["crop"]])
def test_a_fit_is_one_of_three(fit):
    with refused("fit takes one of 'crop', 'stretch', 'pad'", kviz.OptionError):
        load_images("never-opened.png", fit=fit)


# Paths


@pytest.fixture
def folder(tmp_path):
    """Return a folder of three images, a text and a folder that is named like an image's folder."""
    for name in ("b.png", "a.PNG", "c.bmp"):
        written(tmp_path / name, np.full((4, 5, 3), ord(name[0]), np.uint8))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "more").mkdir()
    written(tmp_path / "more" / "d.png", np.full((4, 5, 3), ord("d"), np.uint8))
    return tmp_path


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("{}", "abc"),
        ("{}/b.png", "b"),
        ("{}/*.png", "b"),
        ("{}/[bc].*", "bc"),
        ("{}/**/*.png", "bd"),
        ("{}/more*", None),
        (["{}/c.bmp", "{}/a.PNG"], "ca"),
        (["{}/more", "{}/*.bmp", "{}/b.png"], "dcb"),
        (("{}/b.png", "{}/b.png"), "bb"),
    ],
)
@pytest.mark.parametrize("absolute", [True, False])
def test_files_folders_and_globs_are_found_in_order(folder, monkeypatch, given, found, absolute):
    monkeypatch.chdir(folder)
    place = str(folder) if absolute else "."
    filled = given.format(place) if isinstance(given, str) else [g.format(place) for g in given]
    if found is None:
        with refused("No file matches"):
            image_paths(filled)
        return
    assert [path.name[0] for path in image_paths(filled)] == list(found)
    assert [chr(image[0, 0, 0]) for image in load_images(filled)] == list(found)


def test_an_iterator_of_paths_is_taken(folder):
    assert load_images(iter([folder / "b.png", folder / "c.bmp"])).shape == (2, 4, 5, 3)


def test_a_file_whose_name_looks_like_a_glob_is_read(folder):
    path = written(folder / "x[1]*.png", noise())
    assert image_paths(path) == [path]


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ("none.png", "There is no file none.png"),
        ("none/*.png", r"No file matches none/\*.png"),
        ("a\0b.png", "There is no file"),
        ("x" * 5000, "cannot be read: File name too long"),
        ("a\n\u202e" + "b" * 200, r"There is no file a\?\?b"),
        ([], "at least one image. Received: an empty list"),
        ([[]], "Received: list"),
        (None, "a file, a folder, a glob or a list of them. Received: NoneType"),
        (5, "Received: int"),
        (b"a.png", "Received: int"),
        ([None], "Received: NoneType"),
    ],
)
def test_paths_that_lead_to_nothing_are_refused(tmp_path, monkeypatch, given, match):
    monkeypatch.chdir(tmp_path)
    with refused(match):
        load_images(given)


def test_a_folder_without_images_says_what_would_be_one(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with refused("holds no image. Expected files ending in .jpg, .jpeg, .png"):
        load_images(tmp_path)
    assert {".jpg", ".webp", ".gif", ".bmp", ".tiff"} <= set(SUFFIXES)


def test_a_folder_that_may_not_be_read_is_refused(tmp_path, monkeypatch):
    def deny(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("kviz.images.Path.iterdir", deny)
    with refused("cannot be read: Permission denied"):
        load_images(tmp_path)


# Broken and hostile files


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "is empty"),
        (b"only text", "is not an image. Expected one of JPEG, PNG, WEBP, GIF, BMP, TIFF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not an image"),
        (b"P6 1 1 255 abc", "is not an image"),
        (b"\x89PNG\r\n\x1a\n", "is not an image|cannot be read"),
        (b"\xff\xd8\xff\xe0", "is not an image|cannot be read"),
    ],
)
def test_what_is_no_image_is_refused(tmp_path, data, match):
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with refused(match):
        load_images(path)


@pytest.mark.parametrize("part", [0.02, 0.1, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "progressive"])
def test_truncated_images_are_refused(tmp_path, kind, part):
    buffer = io.BytesIO()
    if kind == "progressive":
        Image.fromarray(noise()).save(buffer, "JPEG", progressive=True)
    else:
        Image.fromarray(noise()).save(buffer, kind)
    path = tmp_path / "cut"
    path.write_bytes(buffer.getvalue()[: int(len(buffer.getvalue()) * part)])
    with refused("cut (is not an image|cannot be read)"):
        load_images(path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_flipped_bits_are_refused_or_harmless(tmp_path, kind):
    buffer = io.BytesIO()
    Image.fromarray(noise()).save(buffer, kind)
    path = tmp_path / "flipped"
    said, read = [], []
    for place in np.random.default_rng(0).integers(0, min(len(buffer.getvalue()), 600), 60):
        data = bytearray(buffer.getvalue())
        data[place] ^= 16
        path.write_bytes(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", kviz.KvizWarning)  # a bit can make a second frame
            try:
                read.append(load_images(path).dtype)
            except kviz.ImageError as error:  # and nothing else
                said.append(str(error))
    assert len(said) + len(read) == 60
    assert all(len(text) <= 300 and text.isprintable() for text in said)
    assert all(dtype == np.uint8 for dtype in read)


def test_a_fifo_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with no_hanging(), refused("pipe.png is not a regular file"):
        load_images(tmp_path / "pipe.png")
    with no_hanging(), refused("pipe.png is not a regular file"):
        load_images(tmp_path)


def test_postscript_is_not_handed_to_ghostscript(tmp_path, monkeypatch):
    def run(*_args, **_options):
        raise AssertionError("Ghostscript was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run)
    for name in ("a.eps", "a.png"):
        path = written(tmp_path / name, noise(), format="EPS")
        with refused("is not an image. Expected one of JPEG"):
            load_images(path)


@pytest.mark.parametrize("side", [7072, 10_000, 20_000, 2**31 - 1])
def test_a_decompression_bomb_is_refused(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(raw_png(side, side, 8, 2, b""))
    with refused("at most 50 megapixels. Make it smaller"):
        load_images(path)


def test_a_limit_that_someone_took_from_pillow_still_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    (tmp_path / "bomb.png").write_bytes(raw_png(20_000, 20_000, 8, 2, b""))
    with refused("20000 x 20000 pixels; kviz reads at most 50 megapixels"):
        load_images(tmp_path / "bomb.png")


def test_a_hostile_file_name_stays_one_line(tmp_path):
    path = tmp_path / ("a\n\u202e<b>" + "x" * 200)
    path.write_bytes(b"no image")
    with refused(r"is not an image"):
        load_images(path)


# Arrays


@pytest.mark.parametrize(
    ("given", "shape", "expected"),
    [
        ((2, 8, 9, 3), (None, 8, 9, 3), (2, 8, 9, 3)),
        ((8, 9, 3), (None, 8, 9, 3), (1, 8, 9, 3)),
        ((28, 28), (None, 28, 28, 1), (1, 28, 28, 1)),
        ((5, 28, 28), (None, 28, 28, 1), (5, 28, 28, 1)),
        ((28, 28, 1), (None, 28, 28, 1), (1, 28, 28, 1)),
        ((8, 9), (None, None, None, 1), (1, 8, 9, 1)),
        ((5, 8, 9), (None, None, None, 1), (5, 8, 9, 1)),
        ((8, 9, 13), (None, None, None, 13), (1, 8, 9, 13)),
        ((2, 7), (None, 7), (2, 7)),
        ((7,), (None, 7), (1, 7)),
        ((2, 8, 9, 3), None, (2, 8, 9, 3)),
    ],
)
def test_arrays_that_fit_are_taken(given, shape, expected):
    array = np.random.default_rng(0).random(given)
    checked = checked_pixels(array, shape)
    assert checked.shape == expected
    np.testing.assert_array_equal(checked.ravel(), array.ravel())


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float16", "float32", "bool"])
def test_arrays_of_numbers_keep_their_type(dtype):
    assert checked_pixels(np.ones((1, 8, 9, 3), dtype), (None, 8, 9, 3)).dtype == dtype


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ((2, 8, 9, 4), (None, 8, 9, 3)),
        ((2, 8, 9, 1), (None, 8, 9, 3)),
        ((2, 3, 8, 9), (None, 8, 9, 3)),
        ((8, 9), (None, 8, 9, 3)),
        ((28, 28, 3), (None, 28, 28, 1)),
        ((30, 40, 3), (None, None, None, 1)),
        ((30, 40, 4), (None, None, None, 1)),
        ((2, 9, 8, 3), (None, 8, 9, 3)),
        ((1, 2, 8, 9, 3), (None, 8, 9, 3)),
        ((0,), (None, 8, 9, 3)),
        ((), (None, 8, 9, 3)),
    ],
)
def test_arrays_that_do_not_fit_are_refused_with_both_shapes(given, shape):
    wanted = ", ".join(["N", *("any" if size is None else str(size) for size in shape[1:])])
    with refused(re.escape(f"of shape ({wanted}). Received: {given}")):
        checked_pixels(np.zeros(given), shape)


@pytest.mark.parametrize(
    ("images", "match"),
    [
        (np.full((1, 8, 9, 3), np.nan), "images hold values that are not finite"),
        (np.full((1, 8, 9, 3), -np.inf, np.float16), "images hold values that are not finite"),
        (np.zeros((0, 8, 9, 3)), r"at least one image. Received: shape \(0, 8, 9, 3\)"),
        ([], r"Received: \(0,\)"),
        ("cat.png", "array of numbers. Received: dtype <U7"),
        (["a", "b"], "array of numbers. Received: dtype <U1"),
        (None, "array of numbers. Received: dtype object"),
        (object(), "array of numbers. Received: dtype object"),
        (np.zeros((1, 8, 9, 3), complex), "array of numbers. Received: dtype complex128"),
        (np.zeros((1, 8, 9, 3), "M8[s]"), "array of numbers. Received: dtype datetime64"),
        ([[1], [1, 2]], "array of numbers: "),
    ],
)
def test_what_is_no_array_of_finite_numbers_is_refused(images, match):
    with refused(match):
        checked_pixels(images, (None, 8, 9, 3))


def test_one_bad_pixel_among_many_is_found():
    images = np.zeros((4, 8, 9, 3), np.float32)
    images[3, 7, 8, 2] = np.nan
    with refused("The mask hold values that are not finite"):
        checked_pixels(images, (None, 8, 9, 3), "mask")


@pytest.mark.parametrize("shape", [(5,), ()])
def test_without_a_known_shape_an_image_has_two_axes_or_more(shape):
    with refused("at least one image. Received: shape"):
        checked_pixels(np.zeros(shape), None)


def test_of_what_files_pixels_are_the_newest_are_known(tmp_path, monkeypatch):
    monkeypatch.setattr(kviz.originals, "_MOST_SOURCES", 3)
    monkeypatch.setattr(kviz.originals, "_SOURCES", {})
    read = []
    for level in range(5):
        Image.new("RGB", (2, 2), (level, 77, 7)).save(tmp_path / f"{level}.png")
        read.append(load_images(tmp_path / f"{level}.png")[0])
    assert len(kviz.originals._SOURCES) == 3
    known = [kviz.originals.source_sha256(pixels) for pixels in read]
    files = [
        hashlib.sha256((tmp_path / f"{level}.png").read_bytes()).hexdigest() for level in range(5)
    ]
    assert known[2:] == files[2:]
    assert known[0] == hashlib.sha256(read[0].tobytes()).hexdigest()


@pytest.mark.parametrize("size", [(40, 40), (40, 50), (17, 90), (200, 200)])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_an_originals_box_is_where_its_marks_are(size, fit, tmp_path):
    """Two marks of the photo, sought in what was made of it, lie where the box says."""
    photo = np.zeros((90, 150, 3), np.uint8)
    marks = np.array([(45, 70), (30, 90)])  # row and column, seen by every way to fit
    for row, column in marks:
        photo[row - 3 : row + 3, column - 3 : column + 3] = 255
    Image.fromarray(photo).save(tmp_path / "photo.png")
    pixels = load_images(tmp_path / "photo.png", target_size=size, fit=fit)[0]
    found = original_of(pixels)
    np.testing.assert_array_equal(found.pixels, photo)
    left, top, right, bottom = found.box
    sizes = (bottom - top) / size[0], (right - left) / size[1]
    heights = pixels[..., 0] / 255.0
    total = heights.sum()
    middle = [
        (heights.sum(axis=1 - axis) * (np.arange(size[axis]) + 0.5)).sum() / total
        for axis in (0, 1)
    ]
    seen = np.array([top, left]) + np.array(middle) * sizes
    cut = fit == "crop" and size == (17, 90)
    assert cut == (top > 27)
    if not cut:
        assert seen == pytest.approx(marks.mean(axis=0), abs=0.6)
    assert original_of(pixels, photo).box == original_of(pixels, tmp_path / "photo.png").box


def test_an_original_that_is_not_known_or_another(tmp_path):
    pixels = np.random.default_rng(5).integers(0, 256, (8, 9, 3), np.uint8)
    with pytest.raises(kviz.ImageError, match="original=, a path or an array"):
        original_of(pixels)
    with pytest.raises(kviz.ImageError, match=r"not this photo \(9 x 8 pixels\)"):
        original_of(pixels, np.flip(pixels, 0))
    for wrong in (pixels[..., 0], pixels / 255, np.zeros(3)):
        with pytest.raises(kviz.ImageError, match="takes a path, or an array uint8"):
            original_of(pixels, wrong)
    with pytest.raises(kviz.ImageError, match="no file"):
        original_of(pixels, tmp_path / "none.png")
    assert original_of(pixels, pixels).box == (0, 0, 9, 8)


def test_the_original_of_a_grey_photo_and_of_pixels_as_floats():
    @dataclass
    class Grey:
        image_size: tuple[int, int] = (20, 30)
        channels: int = 1

    pixels = load_images("notebooks/images/coffee.png", Grey())[0]
    found = original_of(pixels.astype("float32"))
    assert found.pixels.shape == (400, 600, 3)
    assert found.box == (0, 0, 600, 400)
