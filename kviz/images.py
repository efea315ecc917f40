"""Photos and arrays as the pixels that a model takes: reading files, checking arrays, writing PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from kviz._caller import command, spelled, warn
from kviz._checks import sanitise, shown, validate_choice, validate_int
from kviz._types import Progress
from kviz.errors import ImageError, OptionError
from kviz.formats.array_files import is_array_file, read_array
from kviz.formats.bounds import MEGAPIXELS
from kviz.formats.fitting import Fit, Wanted
from kviz.formats.paths import SUFFIXES, Paths, image_paths
from kviz.formats.photo import DARK, read
from kviz.marks import MARK
from kviz.originals import remember

__all__ = [
    "DARK", "SUFFIXES", "checked_pixels", "image_paths", "is_array_file", "is_small", "load_images",
    "png", "read_files", "several_sizes", "validate_size", "validate_takes_photos",
    "wanted_by",
]  # fmt: skip

Pixels = npt.NDArray[Any]
Shape = tuple[int | None, ...]


class ImageInput(Protocol):
    """What `load_images` asks of a network: the size and the channels of its image.

    One that has `input_shapes` too, as a `Network` has, is given arrays from files in its own shape.
    """

    @property
    def image_size(self) -> tuple[int | None, int | None]:
        """Height and width, None where any will do."""

    @property
    def channels(self) -> int | None:
        """Number of channels, None where any will do."""


def validate_size(target_size: Any, own: tuple[int | None, ...]) -> tuple[int, ...]:
    """Return the size that images are to have, or say what they can have.

    Args:
        target_size: height and width of a picture, the length of a signal, three lengths of a volume;
            or one number for all of them.
        own: the lengths that a model takes, None where any will do.

    Raises:
        OptionError: if it is no size, does not fit the model, or is over 50 megapixels.

    >>> validate_size(64, (None, None))
    (64, 64)
    """
    sides = target_size if isinstance(target_size, tuple | list) else (target_size,) * len(own)
    whole = [isinstance(side, int | np.integer) and side > 0 for side in sides]
    if whole != [True] * len(own) or bool in map(type, sides):
        several = f"{len(own)} whole numbers, an axis each"
        what = {1: "a whole number from 1", 2: "a height and a width in pixels"}
        raise OptionError(
            f"{spelled('target_size')} takes {what.get(len(own), several)}. "
            f"Received: {shown(target_size)}"
        )
    size = tuple(map(int, sides))
    received = f"Received: {sanitise(' x '.join(map(shown, size)))}"
    if any(mine not in (None, side) for mine, side in zip(own, size, strict=True)):
        wanted = " x ".join("any" if side is None else str(side) for side in own)
        what = {1: "signals", 2: "images"}
        raise OptionError(
            f"The model takes {what.get(len(own), 'volumes')} of {wanted} only. {received}"
        )
    if math.prod(size) > MEGAPIXELS * 1_000_000:
        raise OptionError(f"Images have at most {MEGAPIXELS} megapixels. {received}")
    return size


class Files(NamedTuple):
    """Images that were read, and what they are called.

    Attributes:
        pixels: array `(N, ...)`.
        names: the files' names; of an array of several images, with their places in it.
    """

    pixels: Pixels
    names: list[str]


def load_images(
    paths: Paths,
    network: ImageInput | None = None,
    *,
    fit: Fit = "crop",
    target_size: int | tuple[int, int] | None = None,
    bands: int | Sequence[int] | None = None,
    progress: Progress | None = None,
) -> Pixels:
    """Read image files as pixels of the size and channels that a network takes.

    JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000 (these two where Pillow reads them) and DICOM (with
    pydicom; rescaled, through its window), the first frame, turned as their EXIF tag says. Palettes,
    CMYK, grey and 9 to 16 bits become 8-bit RGB (or grey where the network takes one channel); what
    is transparent is laid over white. Resized with Pillow's bicubic filter; a JPEG of over 16 million
    pixels is decoded at a half, a quarter or an eighth where that is four times as large still.

    A network of four channels gets alpha as the fourth. Of others, and with `bands`, a file's bands are
    taken as they are: bytes as pixels 0-255, other numbers as float32, unscaled.

    A `.npy` or `.npz` file is read as an array that a verb is given: one image `(H, W, channels)` or
    several `(N, H, W, channels)`, in the shape that the network takes, whatever that is. Its values are
    read as what the network is given, pixels 0-255 or what it takes else: neither scaled nor resized.

    Args:
        paths: a file, a folder, a glob, or several of them. In folders photos are found, no arrays.
        network: a `Network`; without one, images stay RGB and of their own size.
        fit: `"crop"` keeps the shape and cuts the longer side, `"pad"` keeps it and adds black
            borders, `"stretch"` does not keep it.
        target_size: height and width, or one number for both, where the network takes any size.
        bands: which bands of the files, in the order that the network takes. They count from 1, as GDAL
            counts them.
        progress: called with (files read, files in all).

    Returns:
        Array `(N, H, W, channels)`, uint8 with values 0-255; of arrays in files and of bands that are
            not bytes, their numbers.

    Raises:
        ImageError: if a file is missing, not an image, broken, over 50 megapixels, or if images
            of several sizes go to a network that takes any size and `target_size` is not given.
        OptionError: if `fit`, `target_size` or `bands` is not what it takes.

    >>> load_images("notebooks/images/cat.png", target_size=(64, 96)).shape
    (1, 64, 96, 3)
    """
    return read_files(
        paths, network, fit=fit, target_size=target_size, bands=bands, progress=progress
    ).pixels


def read_files(
    paths: Paths,
    network: ImageInput | None = None,
    *,
    fit: Fit = "crop",
    target_size: int | tuple[int, int] | None = None,
    bands: int | Sequence[int] | None = None,
    member: str | None = None,
    progress: Progress | None = None,
) -> Files:
    """Read image files as `load_images` does, and say what the images are called.

    Args:
        paths: as `load_images` takes them, like the others.
        network: the network.
        fit: how a photo gets the size.
        target_size: height and width.
        bands: which bands.
        member: which array of a `.npz`, where it holds several.
        progress: called with (files read, files in all).
    """
    wanted = wanted_by(network, fit=fit, target_size=target_size, bands=bands)
    shape = _input_shape(network)
    files = image_paths(paths)
    if not any(map(is_array_file, files)):
        validate_takes_photos(shape)
        return Files(_photos(files, wanted, progress), [path.name for path in files])
    parts, names = [], []
    for done, path in enumerate(files, 1):
        if is_array_file(path):
            array = _array(path, member, shape, wanted)
        else:
            validate_takes_photos(shape)
            array = _photos([path], wanted, None)
        several = len(array) > 1
        names += [f"{path.name}[{row}]" if several else path.name for row in range(len(array))]
        parts.append(array)
        if progress:
            progress(done, len(files))
    shapes = {array.shape[1:] for array in parts}
    if len(shapes) > 1:
        raise ImageError(
            f"The files hold images of several shapes: {sanitise(sorted(shapes), 200)}"
        )
    return Files(parts[0] if len(parts) == 1 else np.concatenate(parts), names)


def wanted_by(
    network: ImageInput | None,
    *,
    fit: Fit = "crop",
    target_size: int | tuple[int, int] | None = None,
    bands: int | Sequence[int] | None = None,
) -> Wanted:
    """Return what a network wants of a file's pixels, as `load_images` takes it.

    Raises:
        OptionError: if `fit`, `target_size` or `bands` is not what it takes.
    """
    validate_choice("fit", fit, ("crop", "stretch", "pad"))
    size: tuple[int | None, int | None] = network.image_size if network else (None, None)
    channels = network.channels if network else 3
    wanted = Wanted(size, channels, fit, _bands(bands, channels if network else None))
    if target_size is not None:
        high, wide = validate_size(target_size, size)
        wanted = wanted._replace(size=(high, wide))
    return wanted


def _bands(bands: Any, channels: int | None) -> tuple[int, ...] | None:
    """Return which bands are wanted, or say what they can be."""
    if bands is None:
        return None
    given = [bands] if isinstance(bands, int | np.integer) else bands
    if not isinstance(given, list | tuple | np.ndarray) or not len(given):
        raise OptionError(
            f"{spelled('bands')} takes numbers of bands, from 1. Received: {sanitise(repr(bands))}"
        )
    numbers = tuple(validate_int("bands", band) for band in given)
    if channels not in (None, len(numbers)):
        raise OptionError(
            f"{spelled('bands')} takes as many as the model has channels, {channels}. "
            f"Received: {len(numbers)}"
        )
    return numbers


def _input_shape(network: Any) -> Shape | None:
    """Return the shape of the input that files are for: the first image, or the only input."""
    shapes = getattr(network, "input_shapes", None)
    if not shapes:
        return None
    images = [tuple(shape) for shape in shapes if len(shape) == 4]
    return images[0] if images else tuple(shapes[0])


def validate_takes_photos(shape: Shape | None) -> None:
    """Raise an `ImageError` if a model's input is no image.

    Args:
        shape: its shape, None where it is not known.
    """
    if shape is not None and len(shape) != 4:
        raise ImageError(
            f"The model takes numbers of shape {_spelled(shape)}, which no photo is. "
            "Give an array of that shape, or a .npy file of it."
        )


def _spelled(shape: Shape) -> str:
    return f"({', '.join(['N', *('any' if size is None else str(size) for size in shape[1:])])})"


def _photos(files: Sequence[Path], wanted: Wanted, progress: Progress | None) -> Pixels:
    """Return photos as one array, in which each has its place from the beginning."""
    images: Pixels = np.empty(0)
    for place, path in enumerate(files):
        pixels, notes = read(path, wanted)
        for note in notes:
            warn(note)
        remember(pixels, path, wanted, notes)
        if place == 0:
            images = np.empty((len(files), *pixels.shape), pixels.dtype)
        elif pixels.shape != images.shape[1:]:
            raise several_sizes(images.shape[1:3], pixels.shape[:2])
        elif pixels.dtype != images.dtype:
            images = images.astype(np.float32)
        images[place] = pixels
        if progress:
            progress(place + 1, len(files))
    return images


def several_sizes(*sizes: tuple[int, ...]) -> ImageError:
    """Return what to say where images have several heights and widths."""
    said = ", ".join(f"{high} x {wide}" for high, wide in sorted(sizes))
    how = spelled("target_size", "(height, width)")
    if command() is None:
        how = f"kviz.load_images(…, {how})"
    return ImageError(
        f"The images have several sizes (height x width: {said}) and the model takes any size. "
        f"Resize them with {how}."
    )


def _array(path: Path, member: str | None, shape: Shape | None, wanted: Wanted) -> Pixels:
    """Return a file's array as images, as it is."""
    array = read_array(path, member)
    name = sanitise(path, 80)
    if wanted.bands is not None:
        raise OptionError(
            f"{spelled('bands')} is for photos. {name} is an array: take what is wanted out of it."
        )
    if shape is None and array.ndim not in (2, 3, 4):
        raise ImageError(
            f"{name} holds an array of shape {array.shape}. Expected images: (H, W), (H, W, channels) "
            "or (N, H, W, channels)."
        )
    if shape is None:
        array = array[..., None] if array.ndim == 2 else array
        array = array[None] if array.ndim == 3 else array
    images = checked_pixels(array, shape, f"{name} to hold an array")
    if len(images.shape) == 4 and any(
        side not in (None, own) for side, own in zip(wanted.size, images.shape[1:3], strict=True)
    ):
        raise ImageError(
            f"{name} holds images of {images.shape[1]} x {images.shape[2]}; arrays are not resized. "
            f"{spelled('target_size')} is for photos."
        )
    return images


def checked_pixels(
    images: npt.ArrayLike, shape: tuple[int | None, ...] | None, what: str = "images"
) -> npt.NDArray[Any]:
    """Return `images` as an array that fits a model's input, or say in what it does not.

    Args:
        images: array `(N, ...)` like `shape`, or one image without the first axis; where `shape`
            ends in one channel, that axis may be missing.
        shape: the model's input shape in channels-last order, batch first; None where it is
            not known.
        what: how a message names the array.

    Returns:
        Array `(N, ...)`.

    Raises:
        ImageError: on a wrong shape or channel count, no image, a type that is not a number, NaN.

    >>> checked_pixels(np.zeros((28, 28)), (None, 28, 28, 1)).shape
    (1, 28, 28, 1)
    """
    try:
        array = np.asarray(images)
    except MemoryError:
        raise
    except Exception as error:
        raise ImageError(
            f"Expected {what} as an array of numbers: {sanitise(error, 120)}"
        ) from error
    if array.dtype.kind not in "fiub":
        raise ImageError(f"Expected {what} as an array of numbers. Received: dtype {array.dtype}")
    if shape is not None:
        if (
            shape[-1] == 1
            and array.shape[-1:] != (1,)
            and array.ndim in (len(shape) - 2, len(shape) - 1)
            # Where any width will do, an RGB picture is not a batch of grey ones 3 pixels wide.
            and not (array.ndim == 3 and shape[-2] is None and array.shape[-1] in (3, 4))
        ):
            array = array[..., None]
        if array.ndim == len(shape) - 1:
            array = array[None]
        fits = array.ndim == len(shape) and all(
            wanted in (None, size) for wanted, size in zip(shape[1:], array.shape[1:], strict=True)
        )
        if not fits:
            raise ImageError(
                f"Expected {what} of shape {_spelled(shape)}. Received: {np.shape(images)}"
            )
    if array.ndim < 2 or 0 in array.shape:
        raise ImageError(f"Expected at least one image. Received: shape {array.shape}")
    if array.dtype.kind == "f" and not all(np.isfinite(row).all() for row in array):
        raise ImageError(
            f"The {what} hold values that are not finite numbers (NaN or infinite); a network "
            "can hide them and still be wrong. Mend the array first."
        )
    return array


def is_small(images: npt.NDArray[Any]) -> bool:
    """Return whether images are of real numbers within 0-1, and not black: no pixels 0-255.

    >>> is_small(np.array([0.2, 1.0])), is_small(np.array([0.0, 13.0])), is_small(np.array([0, 1]))
    (True, False, False)
    """
    return images.dtype.kind == "f" and bool(images.min() >= 0 and 0 < images.max() <= 1)


def png(
    pixels: Pixels,
    palette: Pixels | None = None,
    text: dict[str, str] | None = None,
    *,
    repetitive: bool = False,
) -> bytes:
    r"""Return pixels as a PNG file's bytes.

    Args:
        pixels: uint8 `(H, W, 3)`, or `(H, W)` with a palette.
        palette: uint8 `(256, 3)`, the colours of levels 0-255.
        text: notes that travel inside the file, such as `Title` and `Description`.
        repetitive: whether pixels repeat, as in an enlarged picture, so that it shrinks well.

    Returns:
        The file's bytes.

    >>> png(np.zeros((2, 2, 3), np.uint8))[:4]
    b'\x89PNG'
    """
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette.tobytes())
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Software", MARK)
    for key, value in (text or {}).items():
        notes.add_itxt(key, value)
    buffer = io.BytesIO()
    # Feature maps are runs of one level (ReLU's zeros) and noise: run-length coding (3) is twice as
    # fast on them as deflate's search for repeats, and no larger; an enlarged picture's repeated
    # rows are found by that search alone, at its least. What is over a megabyte is stored as it is:
    # it would shrink by a third and take longer than the network did.
    large = palette is not None and not repetitive and pixels.size > 1 << 20
    search = repetitive and palette is not None
    how = {"compress_level": 0 if large else 1} if large or search else {"compress_type": 3}
    image.save(buffer, "PNG", pnginfo=notes, **how)
    return buffer.getvalue()
