"""Honest files of every kind with bytes changed: read, or refused in one sentence, and soon.

`KVIZ_FUZZ=300 pytest -m slow tests/formats/test_fuzz.py` goes on for so many seconds.
"""

import io
import os
import resource
import time
import warnings
from importlib.util import find_spec

import numpy as np
import pytest
from PIL import Image, features

import kviz

SECONDS = float(os.environ.get("KVIZ_FUZZ", "20"))


def pictures():
    """Give the bytes of small honest files, by kind."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (24, 31, 3), np.uint8)
    photo = Image.fromarray(noise)
    exif = Image.Exif()
    exif[0x0112] = 6
    files = {
        "jpg": (photo, "JPEG", {"exif": exif}),
        "progressive.jpg": (photo, "JPEG", {"progressive": True}),
        "mpo.jpg": (photo, "MPO", {"save_all": True, "append_images": [photo]}),
        "cmyk.jpg": (photo.convert("CMYK"), "JPEG", {}),
        "png": (photo, "PNG", {"exif": exif}),
        "apng.png": (photo, "PNG", {"save_all": True, "append_images": [photo.rotate(90)]}),
        "palette.png": (photo.quantize(16), "PNG", {"transparency": 3}),
        "16.png": (Image.fromarray(noise[..., 0].astype(np.uint16) * 257), "PNG", {}),
        "webp": (photo, "WEBP", {}),
        "moving.webp": (photo, "WEBP", {"save_all": True, "append_images": [photo.rotate(90)]}),
        "gif": (photo, "GIF", {"save_all": True, "append_images": [photo.rotate(90)]}),
        "bmp": (photo, "BMP", {}),
        "tif": (photo, "TIFF", {}),
        "lzw.tif": (photo, "TIFF", {"compression": "tiff_lzw"}),
        "jpeg.tif": (photo, "TIFF", {"compression": "jpeg"}),
        "float.tif": (Image.fromarray(rng.random((24, 31)).astype("f4")), "TIFF", {}),
        "16.tif": (Image.fromarray(noise[..., 0].astype(np.uint16) * 257), "TIFF",
                   {"compression": "tiff_adobe_deflate"}),
    }  # fmt: skip
    if features.check("avif"):
        files["avif"] = (photo, "AVIF", {})
    if features.check("jpg_2000"):
        files["jp2"] = (photo, "JPEG2000", {})
    for name, (image, kind, options) in files.items():
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        yield name, buffer.getvalue()
    for name, save in (("npy", np.save), ("npz", np.savez_compressed)):
        buffer = io.BytesIO()
        save(buffer, noise)
        yield name, buffer.getvalue()
    if find_spec("tifffile"):
        import tifffile

        buffer = io.BytesIO()
        bands = rng.integers(0, 5000, (24, 31, 5), np.uint16)
        tifffile.imwrite(
            buffer, bands, compression="zlib", predictor=True, tile=(16, 16),
            photometric="minisblack", planarconfig="contig",
        )  # fmt: skip
        yield "bands.tif", buffer.getvalue()
    if find_spec("pydicom"):
        yield "dcm", medical(noise)


def medical(noise):
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian

    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = 24, 31, 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.WindowCenter, dataset.WindowWidth = 2000, 3000
    dataset.RescaleSlope, dataset.RescaleIntercept = 2, -1024
    dataset.PixelData = (noise[..., 0].astype(np.uint16) * 16).tobytes()
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def changed(data, rng):
    """Return bytes of which some are others, swapped, left out, repeated or the largest there are."""
    data = bytearray(data)
    # Headers are where it matters.
    end = len(data) if rng.random() < 0.4 else min(len(data), 400)
    for _ in range(rng.integers(1, 6)):
        at = int(rng.integers(0, max(1, min(end, len(data)))))
        size = int(rng.integers(1, 9))
        match rng.integers(0, 6):
            case 0:
                data[at : at + 1] = bytes([data[at] ^ 1 << int(rng.integers(0, 8))] if data else [])
            case 1:
                data[at : at + size] = rng.bytes(size)
            case 2:
                data[at : at + size] = [b"\xff", b"\0", b"\x7f\xff", b"\x80"][
                    rng.integers(0, 4)
                ] * size
            case 3:
                del data[at : at + size]
            case 4:
                data[at:at] = data[at : at + 40 * size]
            case 5:
                del data[at + int(rng.integers(0, 400)) :]
    return bytes(data)


@pytest.mark.slow
def test_changed_files_are_read_or_refused_in_one_sentence(tmp_path, record_property):
    files = dict(pictures())
    until = time.monotonic() + SECONDS
    counts = {"read": 0, "refused": 0}
    slowest = (0.0, "")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seed = int(os.environ.get("KVIZ_FUZZ_SEED", "0"))
    while time.monotonic() < until:
        name = list(files)[seed % len(files)]
        data = changed(files[name], np.random.default_rng(seed))
        path = tmp_path / f"a.{name}"
        path.write_bytes(data)
        begun = time.process_time()
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            text, pixels = "", None
            try:
                pixels = kviz.load_images(path, bands=[1] if name == "bands.tif" else None)
            except kviz.KvizError as error:
                text = str(error)
            except Exception as error:
                raise AssertionError(f"seed {seed}, {name}") from error
        assert len(text) <= 300, (seed, name, text)
        assert text.isprintable(), (seed, name, text)
        assert pixels is None or pixels.ndim == 4, (seed, name)
        counts["refused" if text else "read"] += 1
        kinds = {type(one.message) for one in said}
        assert kinds <= {kviz.KvizWarning}, (seed, name, [str(one.message) for one in said])
        slowest = max(slowest, (time.process_time() - begun, f"seed {seed}, {name}"))
        seed += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{sum(counts.values())} inputs: {counts}; slowest {slowest}; +{grown:.0f} MB")
    record_property("inputs", sum(counts.values()))
    assert slowest[0] < 10, slowest
    assert grown < 512
