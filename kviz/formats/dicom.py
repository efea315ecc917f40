"""DICOM, through pydicom where that is installed: stored numbers to levels, as a viewer shows them.

The window is that of DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from kviz._checks import sanitise
from kviz.errors import ImageError
from kviz.extras import install_command
from kviz.formats.bounds import WORKING, validate_sides, validate_working
from kviz.formats.fitting import strips
from kviz.formats.levels import levels_of

Array = npt.NDArray[Any]

_DEFLATED = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.8.1")


def read_dicom(file: BinaryIO, name: str, note: Callable[[str], None]) -> Array:
    """Return the first frame of a DICOM file as levels.

    Rescaled (`RescaleSlope`, `RescaleIntercept` or a table), seen through its first window (or table of
    interest), and inverted where it is MONOCHROME1; without a window from its smallest value to its
    largest, and a note says so.

    Args:
        file: the open file.
        name: what messages call it.
        note: told what the picture should be seen with.

    Returns:
        uint8 array `(H, W, 1)` or `(H, W, 3)`.

    Raises:
        ImageError: if pydicom is not installed, or the file holds no such picture.
    """
    if find_spec("pydicom") is None:
        raise ImageError(
            f"{name} is a DICOM file, which pydicom reads: {install_command('dicom')}."
        )
    from pydicom import dcmread
    from pydicom.pixels.utils import pixel_array

    if file.seek(0, 2) > WORKING:
        raise ImageError(f"{name} is larger than {WORKING // 1_000_000} MB. Save one frame of it.")
    file.seek(0)
    syntax = str(dcmread(file, specific_tags=[], stop_before_pixels=True).file_meta.get(
        "TransferSyntaxUID", ""
    ))  # fmt: skip
    if syntax in _DEFLATED:
        raise ImageError(
            f"{name} is packed as a whole, which kviz does not read: save it unpacked."
        )
    file.seek(0)
    dataset = dcmread(file)
    wide, high = (int(dataset.get(side, 0) or 0) for side in ("Columns", "Rows"))
    if not wide or not high:
        raise ImageError(f"{name} is a DICOM file without a picture.")
    validate_sides(name, wide, high)
    samples, bits = int(dataset.get("SamplesPerPixel", 1)), int(dataset.get("BitsAllocated", 8))
    validate_working(name, wide * high * samples * (2 * bits / 8 + 1))
    frames = int(dataset.get("NumberOfFrames", 1) or 1)
    if frames > 1:
        note(f"{name} has {frames} frames; only the first is used.")
    try:
        stored = pixel_array(dataset, index=0)
    except (AttributeError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ImageError(f"{name} cannot be decoded: {sanitise(error, 150)}") from error
    if samples == 3 or dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        return _coloured(stored, dataset)
    return _windowed(stored, dataset, name, note)


def _coloured(stored: Array, dataset: Any) -> Array:
    if stored.ndim == 2:
        from pydicom.pixels.processing import apply_color_lut

        stored = np.asarray(apply_color_lut(stored, dataset))[..., :3]
        bits = 8 * stored.dtype.itemsize  # the table's, not those of what is looked up
    else:
        bits = int(dataset.BitsStored)
    return stored if bits <= 8 else levels_of(stored, (1 << bits) - 1)


def _windowed(stored: Array, dataset: Any, name: str, note: Callable[[str], None]) -> Array:
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

    places = strips(stored.shape[1], stored.shape[0], 16)
    out = np.empty((*stored.shape, 1), np.uint8)
    inverted = dataset.get("PhotometricInterpretation") == "MONOCHROME1"

    def rescaled() -> Iterator[Array]:
        for start, stop in places:
            values = np.asarray(apply_modality_lut(stored[start:stop], dataset))
            if not np.isfinite(values).all():
                raise ImageError(f"{name} holds pixels that are not finite numbers.")
            yield values

    table = dataset.get("VOILUTSequence")
    if table:
        most = 2 ** int(table[0].LUTDescriptor[2]) - 1

        def seen(values: Array) -> Array:
            return np.asarray(apply_voi_lut(values, dataset) / most)
    elif dataset.get("WindowWidth") is not None and dataset.get("WindowCenter") is not None:
        centre, width = _first(dataset.WindowCenter), _first(dataset.WindowWidth)
        kind = str(dataset.get("VOILUTFunction", "LINEAR") or "LINEAR")

        def seen(values: Array) -> Array:
            return window(values, centre, width, kind)
    else:
        low = min(float(values.min()) for values in rescaled())
        high = max(float(values.max()) for values in rescaled())
        note(f"{name} has no window: it is drawn from its smallest value ({low:g}) to its largest "
             f"({high:g}).")  # fmt: skip

        def seen(values: Array) -> Array:
            return np.asarray((values - low) / ((high - low) or 1))

    for (start, stop), values in zip(places, rescaled(), strict=True):
        levels = np.clip(np.rint(seen(values) * 255.0), 0, 255).astype(np.uint8)
        out[start:stop, :, 0] = 255 - levels if inverted else levels
    return out


def _first(value: Any) -> float:
    return float(value if isinstance(value, int | float | str) else value[0])


def window(values: Array, centre: float, width: float, kind: str = "LINEAR") -> Array:
    """Return values as a window shows them, 0 to 1.

    Args:
        values: rescaled numbers.
        centre: of the window.
        width: of the window.
        kind: `"LINEAR"`, `"LINEAR_EXACT"` or `"SIGMOID"`.

    Raises:
        ImageError: if the window is none.

    >>> window(np.array([0.0, 50.0, 100.0]), 50, 100, "LINEAR_EXACT").tolist()
    [0.0, 0.5, 1.0]
    """
    least = 1 if kind == "LINEAR" else 0
    if not (np.isfinite([centre, width]).all() and (width > 0 and width >= least)):
        raise ImageError(f"A window of width {width:g} about {centre:g} shows nothing.")
    values = np.asarray(values, np.float64)
    if kind == "SIGMOID":
        steep = np.clip(-4 * (values - centre) / width, -700, 700)
        return np.asarray(1 / (1 + np.exp(steep)))
    if kind == "LINEAR_EXACT":
        return np.asarray(np.clip((values - centre) / width + 0.5, 0, 1))
    if width == 1:
        return np.asarray(values > centre - 0.5, float)
    return np.asarray(np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1))
