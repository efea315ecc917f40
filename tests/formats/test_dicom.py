"""DICOM files, written by pydicom and shown as NumPy says that a viewer would."""

import re

import numpy as np
import pytest
from needed import need_package
from refusals import refused

import kviz
from kviz.extras import install_command
from kviz.formats import dicom

HIGH, WIDE = 21, 34


@pytest.fixture
def write(tmp_path):
    """Return what writes a DICOM file of numbers and elements."""
    need_package("pydicom", "dicom")
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    def written(values, bits=None, syntax=ExplicitVRLittleEndian, **elements):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
        dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
        dataset.Rows, dataset.Columns = HIGH, WIDE
        size = 8 * values.dtype.itemsize
        dataset.BitsAllocated, dataset.BitsStored = size, bits or size
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(values.dtype.kind == "i")
        colours = values.shape[-1] == 3
        dataset.SamplesPerPixel = 3 if colours else 1
        dataset.PhotometricInterpretation = "RGB" if colours else "MONOCHROME2"
        if colours:
            dataset.PlanarConfiguration = 0
        dataset.PixelData = values.tobytes()
        for name, value in elements.items():
            setattr(dataset, name, value)
        dataset["PixelData"].VR = "OB" if size == 8 else "OW"
        path = tmp_path / "a.dcm"
        dataset.save_as(path, enforce_file_format=True)
        return path

    return written


def stored(dtype="int16", low=0, high=4096, shape=(HIGH, WIDE)):
    return np.random.default_rng(0).integers(low, high, shape).astype(dtype)


def linear(values, centre, width):
    """DICOM PS3.3, C.11.2.1.2.1, with 0 and 255 as the least and the largest."""
    shown = ((values - (centre - 0.5)) / (width - 1) + 0.5) * 255
    shown = np.where(values <= centre - 0.5 - (width - 1) / 2, 0, shown)
    return np.rint(np.where(values > centre - 0.5 + (width - 1) / 2, 255, shown))


def test_hounsfield_units_are_seen_through_their_window(write):
    values = stored()
    path = write(
        values, 16, RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=[40, 300],
        WindowWidth=[400, 1500],
    )  # fmt: skip
    found = kviz.load_images(path)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[0, ..., 0], linear(2.0 * values - 1024, 40, 400))
    assert (found == found[..., :1]).all()
    path = write(
        values, 16, RescaleSlope=2, RescaleIntercept=-1024, WindowCenter=40, WindowWidth=400,
        PhotometricInterpretation="MONOCHROME1",
    )  # fmt: skip
    np.testing.assert_array_equal(kviz.load_images(path)[0, ..., 0], 255 - found[0, ..., 0])


@pytest.mark.parametrize("kind", ["LINEAR_EXACT", "SIGMOID"])
def test_other_windows(write, kind):
    values = stored("uint16")
    path = write(values, 12, WindowCenter=2000, WindowWidth=1000, VOILUTFunction=kind)
    shown = (values - 2000.0) / 1000
    shown = 1 / (1 + np.exp(-4 * shown)) if kind == "SIGMOID" else np.clip(shown + 0.5, 0, 1)
    np.testing.assert_array_equal(kviz.load_images(path)[0, ..., 0], np.rint(255 * shown))


def test_pydicom_windows_alike():
    need_package("pydicom", "dicom")
    from pydicom.dataset import Dataset
    from pydicom.pixels.processing import apply_voi_lut

    dataset = Dataset()
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsStored, dataset.PixelRepresentation = 12, 0
    values = np.arange(4096, dtype=np.uint16)
    for kind in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        dataset.VOILUTFunction, dataset.WindowCenter, dataset.WindowWidth = kind, 1700, 900
        expected = np.asarray(apply_voi_lut(values, dataset)) / 4095
        np.testing.assert_allclose(dicom.window(values, 1700, 900, kind), expected, atol=1e-6)


def test_without_a_window_from_the_smallest_to_the_largest(write):
    values = stored("uint16", 100, 1100)
    with pytest.warns(
        kviz.KvizWarning, match=r"has no window: it is drawn from .*\(100\) to .*\(10"
    ):
        found = kviz.load_images(write(values, 12))
    low, high = int(values.min()), int(values.max())
    np.testing.assert_array_equal(
        found[0, ..., 0], np.rint((values.astype(float) - low) / (high - low) * 255)
    )


def test_colours_are_taken_as_they_are(write):
    colours = stored("uint8", 0, 256, (HIGH, WIDE, 3))
    np.testing.assert_array_equal(kviz.load_images(write(colours))[0], colours)


def test_the_first_frame_is_read(write):
    frames = stored("uint8", 0, 256, (3, HIGH, WIDE))
    path = write(frames, NumberOfFrames=3, WindowCenter=128, WindowWidth=256)
    with pytest.warns(kviz.KvizWarning, match="has 3 frames; only the first is used"):
        found = kviz.load_images(path)
    np.testing.assert_array_equal(found[0, ..., 0], linear(frames[0].astype(float), 128, 256))


def test_run_lengths_are_unpacked_and_other_ways_named(write):
    from pydicom import dcmread
    from pydicom.uid import JPEG2000Lossless, RLELossless

    values = stored("uint16")
    path = write(values, 12, WindowCenter=2048, WindowWidth=4096)
    plain = kviz.load_images(path)
    dataset = dcmread(path)
    dataset.compress(RLELossless)
    dataset.save_as(path)
    np.testing.assert_array_equal(kviz.load_images(path), plain)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.save_as(path)
    with refused("a.dcm cannot be (decoded|read as an image): ", kviz.ImageError):
        kviz.load_images(path)


@pytest.mark.parametrize(
    ("elements", "match"),
    [
        ({"WindowWidth": 0, "WindowCenter": 5}, "width 0 about 5 shows nothing"),
        ({"Rows": 30_000, "Columns": 30_000}, "at most 50 megapixels"),
        ({"Rows": 0}, "without a picture"),
        ({"Rows": 2 * HIGH}, "cannot be decoded"),
    ],
)
def test_what_cannot_be_is_said(write, elements, match):
    with refused(match, kviz.ImageError):
        kviz.load_images(write(stored("uint8", 0, 256), **elements))


def test_what_is_packed_as_a_whole_is_refused_unread(write):
    path = write(stored("uint8", 0, 256))
    deflated = b"1.2.840.10008.1.2.1.99"
    data = path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", deflated[:20])
    data = data.replace(b"UI\x14\0" + deflated[:20], b"UI\x16\0" + deflated)
    path.write_bytes(data)
    with refused("packed as a whole|cannot be read", kviz.ImageError):
        kviz.load_images(path)


def test_without_pydicom_it_is_said_how_to_get_it(write, monkeypatch):
    path = write(stored("uint8", 0, 256))
    monkeypatch.setattr("kviz.formats.dicom.find_spec", lambda _: None)
    with refused(f"which pydicom reads: {re.escape(install_command('dicom'))}", kviz.ImageError):
        kviz.load_images(path)
