"""One image file to pixels: which reader it is for, what is refused, and what is noted.

Several threads may read at once.
"""

from __future__ import annotations

import io
import stat
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from kviz._checks import sanitise
from kviz.errors import ImageError
from kviz.formats import bands, dicom, pillow, tiff
from kviz.formats.bounds import MEGAPIXELS
from kviz.formats.fitting import Wanted, lying
from kviz.formats.headers import header_of, whole

Array = npt.NDArray[Any]


class Photo(NamedTuple):
    """A photo as it was read.

    Attributes:
        pixels: `(H, W, bands)`, uint8, or float32 where a file's numbers are taken as they are.
        notes: what it should be seen with.
    """

    pixels: Array
    notes: tuple[str, ...]


# A night has lights: a picture whose levels reach no further is nearly black. 12 bits of 16 do not.
DARK = 16


def read(given: Path | bytes, wanted: Wanted, name: str | None = None) -> Photo:
    """Return a photo's first frame, upright, of the wanted size and channels.

    Args:
        given: a file, or the bytes of one.
        wanted: what it is to become.
        name: what messages call it, by default the file's path.

    Raises:
        ImageError: if it is no image, broken, too large, or has not the bands that are wanted.

    >>> read(Path("notebooks/images/cat.png"), Wanted((64, 96))).pixels.shape
    (64, 96, 3)
    """
    name = _called(given, name)
    notes: list[str] = []
    try:
        with _opened(given, name) as file, _warnings_kept(name, notes):
            pixels = _read(file, wanted, name, notes)
    except (ImageError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _bomb(name) from error
    except UnidentifiedImageError as error:
        raise _unidentified(name) from error
    except Exception as error:  # Pillow's decoders raise over a dozen types on broken files.
        why = getattr(error, "strerror", None) or error  # where it lies is not for a report
        raise ImageError(f"{name} cannot be read as an image: {sanitise(why, 100)}.") from error
    if wanted.channels == 1 and pixels.shape[2] == 3:
        pixels = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    elif wanted.channels != 1 and wanted.shows_colours and pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    notes += _of_the_dark(pixels, name)
    return Photo(pixels, tuple(dict.fromkeys(notes)))


def _called(given: Path | bytes, name: str | None) -> str:
    return sanitise(
        (given if isinstance(given, Path) else "The image") if name is None else name, 120
    )


def _bomb(name: str) -> ImageError:
    return ImageError(
        f"{name} has far more pixels than kviz reads, at most {MEGAPIXELS} megapixels. "
        "Make it smaller first."
    )


def _unidentified(name: str) -> ImageError:
    return ImageError(
        f"{name} is not an image. Expected one of {', '.join(pillow.FORMATS)}, DICOM."
    )


def _opened(given: Path | bytes, name: str) -> BinaryIO:
    if isinstance(given, Path):
        status = given.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{name} is not a regular file.")
        size = status.st_size
    else:
        size = len(given)
    if size == 0:
        raise ImageError(f"{name} is empty.")
    return given.open("rb") if isinstance(given, Path) else io.BytesIO(given)


# What decoders warn of in a thread that reads; `warnings.catch_warnings` is for the whole process, and
# one that is left while another is within would stay for ever. So the first who reads enters one, the
# last who does leaves it.
_reading = threading.local()
# By their modules; what others warn of goes on by the caller's own filters.
_DECODERS = r"(PIL|pydicom|numpy|kviz\.formats)(\.|$)"
_readers = 0
_lock = threading.Lock()
_caught: warnings.catch_warnings[None] = warnings.catch_warnings()


@contextmanager
def several_readers() -> Iterator[None]:
    """Let threads read photos within the body, while this one may catch warnings itself."""
    global _readers, _caught
    with _lock:
        if _readers == 0:
            _caught = warnings.catch_warnings()
            _caught.__enter__()
            warnings.filterwarnings("always", module=_DECODERS)
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.showwarning = _kept_by_thread(warnings.showwarning)
        _readers += 1
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0:
                _caught.__exit__(None, None, None)


def _kept_by_thread(show: Callable[..., None]) -> Callable[..., None]:
    def keep(message: Warning | str, *rest: Any, **more: Any) -> None:
        said = getattr(_reading, "said", None)
        if said is None:
            show(message, *rest, **more)  # of a thread that reads nothing
        else:
            said.append(message)

    return keep


@contextmanager
def _warnings_kept(name: str, notes: list[str]) -> Iterator[None]:
    """Make one note of what a decoder warns of while it reads on; a bomb stays an error."""
    said: list[Warning | str] = []
    with several_readers():
        _reading.said = said
        try:
            yield
        finally:
            _reading.said = None
    if said:
        notes.append(f"{name} is damaged and was read all the same: {sanitise(said[0], 100)}")


def _read(file: BinaryIO, wanted: Wanted, name: str, notes: list[str]) -> Array:
    header = header_of(file, name)
    if error := pillow.missing_reader(header.kind, name):
        raise error
    if header.kind == "DICOM":
        return bands.picture(dicom.read_dicom(file, name, notes.append), wanted, name)
    if header.kind not in pillow.FORMATS:
        raise _unidentified(name)
    if header.kind == "TIFF":
        with whole(file) as data:
            found = tiff.picture_of(data, name)
            if found is not None and bands.is_needed(found):
                _note_frames(header.frames, name, notes)
                return bands.read_tiff(found, wanted, name)
    pixels = pillow.read_photo(file, header, wanted, name, notes.append)
    file.seek(0)
    _note_frames(pillow.frames_of(file, header), name, notes)
    return pixels


def _note_frames(frames: int, name: str, notes: list[str]) -> None:
    if frames > 1:
        notes.append(f"{name} has {frames} frames; only the first is used.")


def _of_the_dark(pixels: Array, name: str) -> list[str]:
    if pixels.dtype != np.uint8:
        return []
    most, least = int(pixels.max()), int(pixels.min())
    if 0 < most <= DARK:
        return [
            f"{name} comes out nearly black: its levels reach {most} of 255. What holds smaller "
            "numbers than its format can, such as 0-1 or 12 bits, is to be scaled first."
        ]
    if 255 - DARK <= least < 255:
        return [f"{name} comes out nearly white: its levels begin at {least} of 255."]
    return []


class Lying(NamedTuple):
    """How a photo lies in its file.

    Attributes:
        size: its width and height, upright.
        turn: EXIF's orientation, by which it is turned to stand so.
    """

    size: tuple[int, int]
    turn: int


def lying_of(given: Path | bytes, name: str | None = None) -> Lying:
    """Return a photo's own size and how its file holds it.

    Args:
        given: a file that `read` has read, or the bytes of one.
        name: what messages call it, by default the file's path.

    >>> lying_of(Path("notebooks/images/coffee.png"))
    Lying(size=(600, 400), turn=1)
    """
    name = _called(given, name)
    try:
        with _opened(given, name) as file:
            kind = header_of(file, name).kind
            # Pillow turns a TIFF itself, and others it does not read.
            if kind in pillow.FORMATS and kind != "TIFF":
                with Image.open(file, formats=(kind,)) as image:
                    turn = pillow.orientation_of(image) or 1
                    return Lying(lying(image.size, turn), turn)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _bomb(name) from error
    except UnidentifiedImageError as error:
        raise _unidentified(name) from error
    except ImageError:
        raise
    except Exception as error:  # as in `read`
        raise ImageError(f"{name} cannot be read as an image: {sanitise(error, 100)}.") from error
    high, wide = read(given, Wanted(channels=None), name).pixels.shape[:2]
    return Lying((wide, high), 1)
