"""What Pillow reads: damaged headers, kinds that it need not have, memory, and what is noted."""

import io
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass

import numpy as np
import pytest
from needed import lacking
from PIL import Image, features
from refusals import refused as refused_as

import kviz
from kviz.formats.bounds import WORKING
from kviz.formats.fitting import Wanted
from kviz.formats.photo import read


@dataclass
class Input:
    image_size: tuple[int | None, int | None] = (None, None)
    channels: int | None = 3


def refused(match):
    return refused_as(match, kviz.ImageError)


def smooth(height=40, width=50):
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows * 255 // height, columns * 255 // width, 0 * rows + 90], axis=-1).astype(
        np.uint8
    )


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def damaged_exif():
    info = (
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x05\0\xff\xff\xff\xff\xff\xff\xff\xff" * 3
    )
    return saved(Image.fromarray(smooth()), "JPEG", quality=95, exif=info)


def damaged_mpo():
    first, second = Image.fromarray(smooth()), Image.fromarray(255 - smooth())
    data = bytearray(saved(first, "MPO", save_all=True, append_images=[second], quality=95))
    at = data.index(b"MPF\0") + 4
    data[at + 8 : at + 60] = b"\xff" * 52
    return bytes(data)


def damaged_apng():
    frames = [Image.fromarray(smooth()), Image.fromarray(255 - smooth())]
    data = saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    at = data.index(b"acTL")
    chunk = b"acTL" + struct.pack(">II", 0, 0)
    return data[:at] + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[at + 16 :]


@pytest.mark.parametrize("make", [damaged_exif, damaged_mpo, damaged_apng])
def test_a_damaged_header_is_read_over_with_one_note(tmp_path, make):
    (tmp_path / "a.img").write_bytes(make())
    with pytest.warns(kviz.KvizWarning, match=r"a.img (is|has) damaged") as caught:
        images = kviz.load_images(tmp_path / "a.img")
    assert len(caught) == 1
    assert np.abs(images[0].astype(int) - smooth()).mean() < 3
    assert len(str(caught[0].message)) < 300


@pytest.mark.parametrize(("kind", "module"), [("AVIF", "avif"), ("JPEG2000", "jpg_2000")])
def test_what_this_pillow_may_not_read_is_read_or_named(tmp_path, monkeypatch, kind, module):
    path = tmp_path / "a.img"
    if not features.check(module):
        lacking(f"this Pillow reads no {kind}")
    options = {"quality": 95} if kind == "AVIF" else {"irreversible": False}
    path.write_bytes(saved(Image.fromarray(smooth()), kind, **options))
    error = np.abs(kviz.load_images(path)[0].astype(int) - smooth())
    assert error.mean() < (3 if kind == "AVIF" else 1e-9)
    monkeypatch.setattr(features, "check", lambda name: name != module)
    with refused("photo, which this Pillow was built without. Save it as JPEG or PNG, or install"):
        kviz.load_images(path)


def test_a_heic_photo_is_named(tmp_path):
    (tmp_path / "IMG_1.HEIC").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))
    with refused("is a HEIC photo, which kviz does not read. Save it as JPEG or PNG"):
        kviz.load_images(tmp_path / "IMG_1.HEIC")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (239, 254, "nearly white: its levels begin at 239 of 255"),
        (238, 254, None),
        (255, 255, None),
        (0, 16, "nearly black: its levels reach 16 of 255"),
        (0, 17, None),
        (0, 0, None),
    ],
)
def test_a_picture_nearly_black_or_white_is_said(tmp_path, low, high, said):
    picture = np.linspace(low, high, 64).round().astype(np.uint8).reshape(8, 8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    if said is None:
        kviz.load_images(tmp_path / "a.png")
        return
    with pytest.warns(kviz.KvizWarning, match=said):
        kviz.load_images(tmp_path / "a.png")


def test_white_on_nothing_is_said(tmp_path):
    picture = np.full((8, 8, 4), 255, np.uint8)
    picture[:4, :, 3] = 0
    Image.fromarray(picture).save(tmp_path / "logo.png")
    with pytest.warns(kviz.KvizWarning, match="logo.png comes out white: it is transparent, or"):
        kviz.load_images(tmp_path / "logo.png")


def test_notes_are_known_of_pixels_that_were_read(tmp_path):
    Image.fromarray(np.full((8, 8, 3), 9, np.uint8)).save(tmp_path / "a.png")
    with pytest.warns(kviz.KvizWarning):
        (pixels,) = kviz.load_images(tmp_path / "a.png")
    (note,) = kviz.originals.notes_on(pixels.astype(np.float32))
    assert "nearly black" in note
    assert kviz.originals.notes_on(pixels + 1) == ()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "CMYK", "YCbCr", "L", "RGB"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_modes_for_models_of_channels(tmp_path, mode, channels):
    image = Image.fromarray(smooth()).convert(mode)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(smooth()[..., 0]))
    path = tmp_path / "a.tif"
    image.save(path)
    with Image.open(path) as seen:
        seen.load()
    if channels == 4:
        expected = np.asarray(seen.convert("RGBA"))
        if mode in ("RGBA", "LA"):
            found = kviz.load_images(path, Input(channels=4))[0]
        else:
            with pytest.warns(kviz.KvizWarning, match="has no alpha"):
                found = kviz.load_images(path, Input(channels=4))[0]
        np.testing.assert_array_equal(found, expected)
        return
    if mode in ("RGBA", "LA"):
        white = Image.new("RGBA", seen.size, "white")
        seen = Image.alpha_composite(white, seen.convert("RGBA"))
    expected = np.asarray(seen.convert("RGB").convert("L" if channels == 1 else "RGB"))
    found = kviz.load_images(path, Input(channels=channels))[0]
    np.testing.assert_array_equal(found, expected.reshape(40, 50, channels))


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_turned_photos_are_fitted_as_upright_ones(tmp_path, fit, turn):
    upright = smooth(90, 150)
    exif = Image.Exif()
    exif[0x0112] = turn
    methods = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    lying = Image.fromarray(upright)
    if turn > 1:
        lying = lying.transpose(Image.Transpose(methods[turn]))
    lying.save(tmp_path / "a.png", exif=exif)
    Image.fromarray(upright).save(tmp_path / "b.png")
    for size in ((31, 44), (64, 17)):
        wanted = Wanted(size, 3, fit)
        found, expected = (read(tmp_path / name, wanted).pixels for name in ("a.png", "b.png"))
        assert found.shape == (*size, 3)
        assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_large_jpeg_is_decoded_near_the_wanted_size(tmp_path, monkeypatch):
    photo = Image.fromarray(smooth(400, 600)).resize((2400, 1600))
    photo.save(tmp_path / "a.jpg", quality=95)
    asked = []
    draft = Image.Image.draft

    def seen(self, mode, size):
        asked.append(size)
        return draft(self, mode, size)

    monkeypatch.setattr("PIL.JpegImagePlugin.JpegImageFile.draft", seen)
    exact = kviz.load_images(tmp_path / "a.jpg", target_size=(100, 100))
    assert asked == []
    monkeypatch.setattr("kviz.formats.pillow._LARGE", 1_000_000)
    near = kviz.load_images(tmp_path / "a.jpg", target_size=(100, 100))
    assert asked == [(400, 400)]
    assert np.abs(near.astype(int) - exact).mean() < 1
    kviz.load_images(tmp_path / "a.jpg")
    assert len(asked) == 1  # at its own size there is nothing to be near to


def test_what_would_take_too_much_to_decode_is_refused_before(tmp_path, monkeypatch):
    Image.fromarray(smooth()).save(tmp_path / "a.png")
    monkeypatch.setattr("kviz.formats.bounds.WORKING", 4 * 40 * 50)
    kviz.load_images(tmp_path / "a.png")
    monkeypatch.setattr("kviz.formats.bounds.WORKING", 4 * 40 * 50 - 1)
    with refused("takes 0 MB of memory to decode; kviz gives an image at most 0"):
        kviz.load_images(tmp_path / "a.png")
    assert WORKING == 256_000_000


def test_sides_are_bounded(tmp_path):
    Image.new("1", (65_536, 1)).save(tmp_path / "a.png")
    with refused("has 65536 x 1 pixels; kviz reads sides of at most 65,535"):
        kviz.load_images(tmp_path / "a.png")
    Image.new("1", (65_535, 1), 1).save(tmp_path / "a.png")
    for fit in ("crop", "pad", "stretch"):
        assert kviz.load_images(tmp_path / "a.png", target_size=20, fit=fit).shape == (1, 20, 20, 3)


def test_photos_are_held_once_and_told_of(tmp_path):
    paths = []
    for place in range(3):
        paths.append(tmp_path / f"{place}.png")
        Image.new("RGB", (9, 8), (place, 99, 0)).save(paths[-1])
    told = []
    images = kviz.load_images(paths, progress=lambda *done: told.append(done))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert images[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert images.base is None


def test_a_photo_is_read_without_tensorflow(tmp_path):
    Image.fromarray(smooth()).save(tmp_path / "a.png")
    code = (
        "import sys, kviz; kviz.load_images(sys.argv[1]);"
        "print(sorted({'tensorflow', 'keras', 'matplotlib', 'pydicom'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.png")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "[]\n"
