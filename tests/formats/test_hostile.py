"""Image files that ask for too much: refused in one sentence, in a process of their own, and soon."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
from needed import lacking
from PIL import Image, features

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def honest(forks, tmp_path_factory):
    """Return the memory of a process that reads a small photo."""
    path = tmp_path_factory.mktemp("honest") / "a.png"
    Image.new("RGB", (60, 40), "red").save(path)
    outcome = forks.load(path, images=True)
    assert outcome.kind == ""
    return outcome.peak


def saved(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def scans(side=6000):
    data = saved(Image.new("L", (side, side)), "JPEG", progressive=True, quality=30)
    start, end = data.rfind(b"\xff\xda"), data.rfind(b"\xff\xd9")
    scan = data[start:end]
    return data[:end] + scan * (400_000 // len(scan)) + data[end:]


def few_scans_of_much():
    data = saved(Image.new("L", (7000, 7000)), "JPEG", progressive=True, quality=30)
    start, end = data.rfind(b"\xff\xda"), data.rfind(b"\xff\xd9")
    return data[:end] + data[start:end] * 80 + data[end:]


def segments():
    data = saved(Image.new("L", (16, 16)), "JPEG")
    return data[:2] + b"\xff\xe5\0\2" * 100_000 + data[2:]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(*chunks, width=16, height=16, kind=0, bits=8):
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(17 * 16)))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + b"".join(chunks)
        + data
        + chunk(b"IEND", b"")
    )


def texts():
    return png(*[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(MEGABYTE - 9)))] * 5_000)


def profiles():
    return png(*[chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(MEGABYTE - 9)))] * 5_000)


def empty_data():
    return png(*[chunk(b"IDAT", b"")] * 300_000)


def thin():
    rows = zlib.compress(bytes(80_000_000))
    header = struct.pack(">IIBBBBB", 1, 40_000_000, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def frames():
    data = saved(Image.new("P", (8, 8)), "GIF")
    body = data[data.index(b"\x2c") : -1]
    return data[:-1] + body * 200_000 + b"\x3b"


def comments():
    data = saved(Image.new("P", (8, 8)), "GIF")
    at = data.index(b"\x2c")
    return data[:at] + b"\x21\xfe\x01a\0" * 500_000 + data[at:]


def small_blocks():
    data = saved(Image.new("P", (8, 8)), "GIF")
    return data[:-1] + b"\x21\xfe" + b"\x01a" * 5_000_000 + b"\0\x3b"


def runs():
    body = b"\x01\x07" * 5_000_000
    head = struct.pack("<IIIHHIIIIII", 40, 7000, 7000, 1, 8, 1, len(body), 0, 0, 256, 0)
    size = 14 + len(head) - 0 + 1024
    return b"BM" + struct.pack("<IHHI", size + len(body), 0, 0, size) + head + bytes(1024) + body


def tiff(width, height, data, *, how=1, bits=8, rows=None, kind=1, more=()):
    rows = rows or height
    entries = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, how), (262, 3, 1, 1),
        (277, 3, 1, 1), (278, 4, 1, rows), (279, 4, 1, len(data)), (339, 3, 1, kind), *more,
    ]  # fmt: skip
    start = 8 + 2 + 12 * (len(entries) + 1) + 4
    entries = sorted([*entries, (273, 4, 1, start)])
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries))
    return head + b"".join(struct.pack("<HHII", *one) for one in entries) + bytes(4) + data


def real_numbers():
    packed = zlib.compress(np.full(49_000_000, 0.5, "f4").tobytes())
    return tiff(7000, 7000, packed, how=8, bits=32, kind=3)


def sixteen_bits():
    return tiff(7000, 7000, zlib.compress(bytes(98_000_000)), how=8, bits=16)


def lempel_ziv():
    image = Image.fromarray(np.zeros((7000, 7000), np.uint16))
    return saved(image, "TIFF", compression="tiff_lzw", tiffinfo={278: 7000})


def offsets():
    values = struct.pack("<I", 8) * 2_000_000
    head = tiff(100, 100, bytes(10_000), more=[(324, 4, 2_000_000, 12_000)])
    return head + bytes(12_000 - len(head)) + values


def directories():
    step = 2 + 12 + 4
    entry = struct.pack("<HHII", 256, 3, 1, 1)
    first = 8
    body = b"".join(
        struct.pack("<H", 1) + entry + struct.pack("<I", first + (place + 1) * step)
        for place in range(200_000)
    )
    return struct.pack("<2sHI", b"II", 42, 8) + body


def webp():
    data = saved(Image.new("RGB", (8, 8)), "WEBP", lossless=True)
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\xff\x00" * 2 + data[12:]
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def animation():
    frames = [Image.new("RGB", (5000, 5000), (n, 0, 0)) for n in range(2)]
    return saved(
        frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, method=0
    )


def tiles():
    data = bytearray(saved(Image.new("L", (64, 64)), "JPEG2000"))
    at = data.index(b"\xff\x4f\xff\x51") + 8
    struct.pack_into(">8I", data, at, 7000, 7000, 0, 0, 1, 1, 0, 0)
    return bytes(data)


def exif():
    count = 3_000_000
    info = struct.pack("<2sHIHHHII", b"II", 42, 8, 1, 0x112, 3, count, 26) + bytes(4)
    return png(chunk(b"eXIf", info + bytes(2 * count)))


# By kind: what makes the file, and what comes of it; "" where it is read.
FILES = {
    "scans.jpg": (scans, "passes over its picture"),
    "few_scans_of_much.jpg": (few_scans_of_much, "passes over its picture"),
    "segments.jpg": (segments, "more than 50,000 parts"),
    "texts.png": (texts, "more than 500 parts"),
    "profiles.png": (profiles, "more than 500 parts"),
    "empty_data.png": (empty_data, "more than 50,000 parts"),
    "thin.png": (thin, "sides of at most 65,535"),
    "exif.png": (exif, ""),
    "frames.gif": (frames, "more than 50,000 frames"),
    "comments.gif": (comments, "more than 500 parts"),
    "small_blocks.gif": (small_blocks, "parts"),
    "runs.bmp": (runs, "a packed BMP of over 4 MB"),
    "real_numbers.tif": (real_numbers, ""),
    "sixteen_bits.tif": (sixteen_bits, ""),
    "lempel_ziv.tif": (lempel_ziv, "packed in one piece of 98 MB"),
    "offsets.tif": (offsets, "far more entries"),
    "directories.tif": (directories, "far more frames"),
    "webp.webp": (webp, "at most 50 megapixels"),
    "animation.webp": (animation, "MB of memory to decode"),
    "tiles.jp2": (tiles, "more than 4,096 tiles"),
}
# One of each kind; the others are read with those that take long.
USUAL = ("scans.jpg", "profiles.png", "thin.png", "frames.gif", "sixteen_bits.tif", "webp.webp")


def tried(forks, honest, tmp_path, name):
    make, match = FILES[name]
    if name.endswith(".jp2") and not features.check("jpg_2000"):
        lacking("this Pillow reads no JPEG 2000")
    (tmp_path / name).write_bytes(make())
    outcome = forks.load(tmp_path / name, images=True, seconds=10)
    if match:
        assert outcome.kind == "ImageError", outcome
        assert re.search(match, outcome.said)
        assert len(outcome.said) <= 300
        assert outcome.said.isprintable()
    else:
        assert outcome.kind == "", outcome
    assert outcome.acted == []
    assert outcome.kept
    assert outcome.peak < honest + 512
    assert outcome.seconds < 10
    return outcome


@pytest.mark.some(every=2)
@pytest.mark.parametrize("name", USUAL)
def test_a_file_that_asks_for_too_much_gets_a_sentence(forks, honest, tmp_path, name):
    tried(forks, honest, tmp_path, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in FILES if name not in USUAL])
def test_so_does_every_other(forks, honest, tmp_path, name):
    tried(forks, honest, tmp_path, name)
