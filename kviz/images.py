"""Files to pixels and back: reading photos safely, checking arrays, writing PNG."""

from __future__ import annotations

import glob
import hashlib
import io
import math
import stat
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from kviz._caller import spelled, warn
from kviz._checks import sanitise, shown, validate_choice
from kviz.arrays import stretched
from kviz.errors import ImageError, KvizWarning, OptionError
from kviz.files import file_sha256
from kviz.marks import MARK

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
MEGAPIXELS = 50

Fit = Literal["crop", "stretch", "pad"]
Paths = str | Path | Iterable[str | Path]
Pixels = npt.NDArray[np.uint8]


class ImageInput(Protocol):
    """What `load_images` asks of a network: the size and the channels of its image."""

    @property
    def image_size(self) -> tuple[int | None, int | None]:
        """Height and width, None where any will do."""

    @property
    def channels(self) -> int | None:
        """Number of channels, None where any will do."""


def image_paths(paths: Paths) -> list[Path]:
    """Return the image files that `paths` names, in order: a folder's and a glob's are sorted.

    Args:
        paths: a file, a folder, a glob such as `"photos/*.jpg"`, or several of them.

    Returns:
        At least one path. A file that was named is returned whatever its suffix.

    Raises:
        ImageError: if something named is not there, or holds no image.

    >>> [path.name for path in image_paths("notebooks/images/c*.png")]
    ['cat.png', 'coffee.png']
    """
    entries = [paths] if isinstance(paths, str | Path) or not isinstance(paths, Iterable) else paths
    found: list[Path] = []
    for entry in entries:
        if not isinstance(entry, str | Path):
            raise ImageError(
                "Expected a file, a folder, a glob or a list of them. "
                f"Received: {sanitise(type(entry).__name__)}"
            )
        if not str(entry):
            raise ImageError("Expected a file, a folder or a glob. Received an empty name.")
        try:
            found += _files(entry)
        except OSError as error:
            raise ImageError(f"{sanitise(entry, 120)} cannot be read: {error.strerror}.") from error
    if not found:
        raise ImageError("Expected at least one image. Received: an empty list.")
    return found


def _files(entry: str | Path) -> list[Path]:
    path = Path(entry)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
        if not files:
            raise ImageError(
                f"The folder {sanitise(path, 120)} holds no image. "
                f"Expected files ending in {', '.join(SUFFIXES)}."
            )
        return files
    if path.exists():
        return [path]
    if not glob.has_magic(str(entry)):
        raise ImageError(f"There is no file {sanitise(path, 120)}.")
    # An absolute pattern too, which Path.glob does not take.
    matches = map(Path, glob.glob(str(entry), recursive=True))  # noqa: PTH207
    files = sorted(file for file in matches if not file.is_dir())
    if not files:
        raise ImageError(f"No file matches {sanitise(entry, 120)}.")
    return files


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


def load_images(
    paths: Paths,
    network: ImageInput | None = None,
    *,
    fit: Fit = "crop",
    target_size: int | tuple[int, int] | None = None,
) -> Pixels:
    """Read image files as pixels of the size and channels that a network takes.

    JPEG, PNG, WebP, GIF (first frame), BMP and TIFF, turned as their EXIF tag says. Palettes,
    CMYK, grey and 16 bits become 8-bit RGB (or grey where the network takes one channel); what
    is transparent is laid over white. Resized with Pillow's bicubic filter.

    Args:
        paths: a file, a folder, a glob, or several of them.
        network: a `Network`; without one, images stay RGB and of their own size.
        fit: `"crop"` keeps the shape and cuts the longer side, `"pad"` keeps it and adds black
            borders, `"stretch"` does not keep it.
        target_size: height and width, or one number for both, where the network takes any size.

    Returns:
        uint8 array `(N, H, W, 3)` or `(N, H, W, 1)`, values 0-255.

    Raises:
        ImageError: if a file is missing, not an image, broken, over 50 megapixels, or if images
            of several sizes go to a network that takes any size and `target_size` is not given.
        OptionError: if `fit` or `target_size` is not what they take.

    >>> load_images("notebooks/images/cat.png", target_size=(64, 96)).shape
    (1, 64, 96, 3)
    """
    validate_choice("fit", fit, ("crop", "stretch", "pad"))
    height, width = network.image_size if network else (None, None)
    channels = network.channels if network else 3
    if channels not in (1, 3, None):
        raise ImageError(
            f"The model takes images of {channels} channels, which image files do not have (1 or "
            f"3). Pass an array of shape (N, {height}, {width}, {channels}) instead."
        )
    if target_size is not None:
        height, width = validate_size(target_size, (height, width))
    images = []
    for path in image_paths(paths):
        image = _read(path)
        size = (width or image.width, height or image.height)
        image = _fitted(image, size, fit)
        if channels == 1:
            image = image.convert("L")
        images.append(np.asarray(image, np.uint8).reshape(size[1], size[0], -1))
        _remember(images[-1], path)
        _warn_of_the_dark(image, path)
    sizes = sorted({image.shape[:2] for image in images})
    if len(sizes) > 1:
        raise ImageError(
            "The images have several sizes (height x width: "
            + ", ".join(f"{h} x {w}" for h, w in sizes[:3])
            + ") and the model takes any size. "
            + f"Resize them with {spelled('target_size', '(height, width)')}."
        )
    return np.stack(images)


# A night has lights: a picture whose levels reach no further is nearly black. 12 bits of 16 do not.
DARK = 16


def _warn_of_the_dark(image: Image.Image, path: Path) -> None:
    most = max(np.ravel(image.getextrema()))
    if 0 < most <= DARK:
        warn(
            f"{sanitise(path, 120)} comes out nearly black: its levels reach {most} of 255. What holds "
            "smaller numbers than its format can, such as 0-1 or 12 bits, is to be scaled first."
        )


def _fitted(image: Image.Image, size: tuple[int, int], fit: Fit) -> Image.Image:
    if image.size == size:
        return image
    if fit == "crop":
        return ImageOps.fit(image, size, Image.Resampling.BICUBIC)
    if fit == "pad":
        return ImageOps.pad(image, size, Image.Resampling.BICUBIC)
    return image.resize(size, Image.Resampling.BICUBIC)


# Left, top, right and bottom, in a photo's own pixels.
Box = tuple[float, float, float, float]


class Original(NamedTuple):
    """A photo before it was made to fit, in RGB, and what of it is seen: padded, more than it is."""

    pixels: Pixels
    box: Box


def original_of(
    pixels: npt.NDArray[Any], original: str | Path | npt.NDArray[Any] | None = None
) -> Original:
    """Return the photo that pixels were made from, at its own size.

    Args:
        pixels: one image `(H, W, channels)`, as `load_images` read it.
        original: the photo, where it is not known from which file the pixels were read: a file, or an
            array uint8 `(H, W, 3)`.

    Raises:
        ImageError: if it is not known, or the pixels are not of this photo.

    >>> original_of(load_images("notebooks/images/coffee.png", target_size=64)[0]).box
    (100.0, 0.0, 500.0, 400.0)
    """
    if original is None:
        source = _SOURCES.get(array_sha256(_levels(pixels)))
        if source is None:
            raise ImageError(
                "It is not known from which file this image was read. Give the photo itself: "
                "original=, a path or an array."
            )
        original = source.path
    if isinstance(original, str | Path):
        image = _read(image_paths(original)[0])
    else:
        array = np.asarray(original)
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[-1] != 3:
            raise ImageError(
                "original takes a path, or an array uint8 (H, W, 3). "
                f"Received: {array.dtype} {array.shape}"
            )
        image = Image.fromarray(array)
    size = (pixels.shape[1], pixels.shape[0])
    own = _levels(pixels).reshape(size[1], size[0], -1)
    for fit in get_args(Fit):
        small = _fitted(image, size, fit)
        small = small.convert("L") if own.shape[-1] == 1 else small
        if np.array_equal(np.asarray(small).reshape(own.shape), own):
            return Original(np.asarray(image), _box(image.size, size, fit))
    raise ImageError(
        f"The image that was explained is not this photo ({image.width} x {image.height} pixels) made "
        f"to fit {size[0]} x {size[1]}. Read it with kviz.load_images."
    )


def _box(photo: tuple[int, int], size: tuple[int, int], fit: Fit) -> Box:
    """Return what of a photo `_fitted` shows; sizes are widths and heights."""
    if fit == "stretch" or photo[0] * size[1] == photo[1] * size[0]:
        return (0.0, 0.0, float(photo[0]), float(photo[1]))
    if fit == "crop":
        scale = max(size[0] / photo[0], size[1] / photo[1])
        half = [side / scale / 2 for side in size]
        return (
            photo[0] / 2 - half[0], photo[1] / 2 - half[1],
            photo[0] / 2 + half[0], photo[1] / 2 + half[1],
        )  # fmt: skip
    inside = ImageOps.contain(Image.new("L", photo), size).size
    starts = [round((side - own) * 0.5) for side, own in zip(size, inside, strict=True)]
    scales = [whole / own for whole, own in zip(photo, inside, strict=True)]
    first = [-start * scale for start, scale in zip(starts, scales, strict=True)]
    last = [at + side * scale for at, side, scale in zip(first, size, scales, strict=True)]
    return (first[0], first[1], last[0], last[1])


class _Source(NamedTuple):
    """The file that pixels were read from."""

    sha256: str
    path: Path


# By the hash of pixels that were read, their file: kept by value, the newest ones only.
_SOURCES: dict[str, _Source] = {}
_MOST_SOURCES = 4096


def _remember(pixels: Pixels, path: Path) -> None:
    if len(_SOURCES) >= _MOST_SOURCES:
        _SOURCES.pop(next(iter(_SOURCES)), None)
    _SOURCES[array_sha256(pixels)] = _Source(file_sha256(path), path.absolute())


def array_sha256(array: npt.NDArray[Any]) -> str:
    """Return the SHA-256 of an array's bytes.

    >>> array_sha256(np.zeros(0))[:8]
    'e3b0c442'
    """
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def source_sha256(pixels: npt.NDArray[Any]) -> str:
    """Return the SHA-256 of the file that pixels were read from, where they are as they were read.

    Args:
        pixels: one image, `(H, W, channels)`.

    Returns:
        The hash of the file; of the array's bytes, where it is not as `load_images` read it. Whole
        numbers 0-255 count as bytes, whatever type they have.

    >>> source_sha256(load_images("notebooks/images/cat.png")[0])[:8]
    '596aa1e7'
    """
    digest = array_sha256(_levels(pixels))
    source = _SOURCES.get(digest)
    return digest if source is None else source.sha256


def _levels(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return pixels as bytes, where they are whole numbers 0-255."""
    if pixels.dtype == np.uint8:
        return pixels
    with np.errstate(invalid="ignore"):
        levels = pixels.astype(np.uint8)
    return levels if (levels == pixels).all() else pixels


def _read(path: Path) -> Image.Image:
    """Return a file's first frame as an 8-bit RGB image, upright."""
    name = sanitise(path, 120)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{name} is not a regular file.")
        if status.st_size == 0:
            raise ImageError(f"{name} is empty.")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MEGAPIXELS * 1_000_000:
                    raise ImageError(
                        f"{name} has {image.width} x {image.height} pixels; kviz reads at most "
                        f"{MEGAPIXELS} megapixels. Make it smaller first."
                    )
                frames = getattr(image, "n_frames", 1)
                moving = image.format in ("GIF", "WEBP", "PNG", "TIFF") and frames > 1
                result = _rgb(ImageOps.exif_transpose(image), name)
    except (ImageError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"{name} has far more pixels than kviz reads, at most {MEGAPIXELS} megapixels. "
            "Make it smaller first."
        ) from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not an image. Expected one of {', '.join(FORMATS)}."
        ) from error
    except Exception as error:  # Pillow's decoders raise over a dozen types on broken files.
        raise ImageError(f"{name} cannot be read as an image: {sanitise(error, 100)}.") from error
    if moving:
        warnings.warn(
            KvizWarning(f"{name} has {frames} frames; only the first is used."), stacklevel=3
        )
    return result


def _rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        if not np.isfinite(values).all():
            raise ImageError(f"{name} holds pixels that are not finite numbers (NaN or infinite).")
        low, high = float(values.min()), float(values.max())
        # Where nothing in the file tells the scale, the smallest usual one that fits is meant.
        ceilings = (1.0, 255.0, 65535.0) if image.mode == "F" else (65535.0,)
        ceiling = next((c for c in ceilings if high <= c), None)
        if low < 0 or ceiling is None:
            raise ImageError(
                f"{name} holds values from {low:g} to {high:g}. "
                "Expected 0-1 or 0-255 (float) or 0-65535 (16 bits)."
            )
        grey = stretched(values, 0, ceiling)
        if isinstance(transparent := image.info.get("transparency"), int):
            grey[values == transparent] = 255
        image = Image.fromarray(grey)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        pixels = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", pixels.size, "white"), pixels)
    return image.convert("RGB")


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
            wanted = ", ".join(["N", *("any" if size is None else str(size) for size in shape[1:])])
            raise ImageError(
                f"Expected {what} of shape ({wanted}). Received: {np.shape(images)}. "
                "kviz.load_images reads files to that shape."
            )
    if array.ndim < 2 or 0 in array.shape:
        raise ImageError(f"Expected at least one image. Received: shape {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
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
