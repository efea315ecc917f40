"""Photos as readers send them, and as a model is given them: the whole, or what of them is cut out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from kviz._checks import sanitise, shown
from kviz._types import Array
from kviz.arrays import is_picture, photo_of, pixel_span
from kviz.errors import ImageError, OptionError
from kviz.formats.array_files import is_array, read_array
from kviz.formats.bounds import validate_sides
from kviz.formats.fitting import Box, Fit, Wanted, box_of, fitted_array
from kviz.formats.photo import Photo as Seen
from kviz.formats.photo import lying_of, read
from kviz.images import validate_size, validate_takes_photos, wanted_by
from kviz.network.network import Network

# Where a model takes any size, a photo is made so long at most: maps of all layers are to be shown.
LONGEST = 512
# How long the photo is at most that a reader is shown whole.
PREVIEW = 640
NAME_LENGTH = 120


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo and how it is cut.

    Attributes:
        name: what it is called.
        file: an image file's bytes, or None.
        levels: its pixels as a canvas has them, uint8 `(H, W, 3)` or 4, or None.
        array: what a verb takes, `(1, …)`, where it is no file and no canvas.
        box: left, top, right and bottom of what is cut out, in the photo's own pixels, or None.
        fit: how it gets the model's shape, where there is no box.
        size: height and width, where the model takes any.
        transient: whether it is one of a stream.
    """

    name: str
    file: bytes | None = None
    levels: Array | None = None
    array: Array | None = None
    box: Box | None = None
    fit: Fit = "crop"
    size: tuple[int, int] | None = None
    transient: bool = False
    id: str = field(init=False)

    def __post_init__(self) -> None:
        digest = hashlib.sha256(repr((self.name, self.box, self.fit, self.size)).encode())
        if self.file is not None:
            digest.update(self.file)
        for array in (self.levels, self.array):
            if array is not None:
                digest.update(repr((array.shape, array.dtype.str)).encode())
                digest.update(np.ascontiguousarray(array).data)
        object.__setattr__(self, "id", digest.hexdigest()[:32])

    @property
    def bytes(self) -> int:
        """What it takes to be kept."""
        arrays = (self.levels, self.array)
        return len(self.file or b"") + sum(a.nbytes for a in arrays if a is not None)

    @property
    def extent(self) -> tuple[int, int]:
        """Width and height of the photo itself, upright."""
        if self.file is not None:
            lying = lying_of(self.file, self.name)
            return lying.size
        assert self.levels is not None  # noqa: S101 - not asked of an array
        height, width = self.levels.shape[:2]
        return width, height

    def whole(self) -> Seen:
        """Return the photo itself, RGB, uint8 `(H, W, 3)`, and what a reader should know of it."""
        if self.file is not None:
            return read(self.file, Wanted(), self.name)
        assert self.levels is not None  # noqa: S101 - not asked of an array
        return Seen(_opaque(self.levels), ())

    def preview(self) -> Array:
        """Return the same, at most `PREVIEW` pixels a side."""
        image = Image.fromarray(np.ascontiguousarray(self.whole().pixels))
        image.thumbnail((PREVIEW, PREVIEW))
        return np.asarray(image)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A photo as a model is given it.

    Attributes:
        pixels: `(1, …)`.
        extent: width and height of the photo itself.
        box: what of it is seen, None where the photo itself is no picture.
        notes: what a reader should know of it.
    """

    pixels: Array
    extent: tuple[int, int]
    box: Box | None
    notes: tuple[str, ...] = ()

    @property
    def is_part(self) -> bool:
        """Whether the photo itself is more than what the model is given, or larger."""
        return self.box is not None and self.extent != self.size[::-1]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pixels, 1 where they have none."""
        return self.pixels.shape[1:3] if self.pixels.ndim == 4 else (1, 1)

    @property
    def picture(self) -> Array | None:
        """The pixels as RGB, uint8 `(H, W, 3)`; None where they are no picture."""
        if not is_picture(self.pixels):
            return None
        return photo_of(self.pixels[0], pixel_span(self.pixels))


def fitted(photo: Photo, network: Network) -> Fitted:
    """Return a photo as a model is given it.

    Args:
        photo: the photo.
        network: the model.

    Raises:
        ImageError: if it is no image, or the model takes none.
        OptionError: if the box does not lie within the photo.
    """
    if photo.array is not None:
        pixels = next(iter(network.pixels(photo.array).values()))
        if len(pixels) > 1:
            raise ImageError(
                f"{sanitise(photo.name, 80)} holds {len(pixels)} images, and the app is sent one at a "
                "time: kviz serve MODEL FILE shows them all."
            )
        height, width = pixels.shape[1:3] if pixels.ndim == 4 else (1, 1)
        whole = (0.0, 0.0, float(width), float(height))
        return Fitted(pixels, (width, height), whole if is_picture(pixels) else None)
    shapes = network.input_shapes or [(None, None, None, 3)]
    if len(shapes) != 1:
        raise ImageError(
            f"Photos are shown to models that take one. This one takes {len(shapes)} inputs."
        )
    validate_takes_photos(shapes[0])
    extent = photo.extent
    validate_sides(photo.name, *extent)
    if photo.box is not None:
        _validate_box(photo.box, extent)
    target, notes = _target(photo, network, extent)
    size = (target[1], target[0])
    wanted = wanted_by(network, fit=photo.fit, target_size=target)
    if photo.box is not None:
        found = _cut(photo, wanted)
    elif photo.file is not None:
        found = _of_file(photo.file, wanted, photo.name)
    else:
        found = Seen(_of_levels(photo, wanted), ())
    box = photo.box or box_of(extent, size, photo.fit)
    shown = box if wanted.shows_colours else None
    return Fitted(found.pixels[None], extent, shown, (*found.notes, *notes))


def _of_file(file: bytes, wanted: Wanted, name: str) -> Seen:
    try:
        return read(file, wanted, name)
    except ImageError as error:
        if error.bands is None:
            raise
        # The app has no choice of bands, which the message by itself would ask for.
        raise ImageError(
            f"{sanitise(name, 80)} has {error.bands} band{'s' * (error.bands > 1)}, and the model "
            f"takes {wanted.channels}. Send a TIFF or a .npy file that has as many."
        ) from error


def _validate_box(box: Box, extent: tuple[int, int]) -> None:
    left, top, right, bottom = box
    if not (0 <= left < right <= extent[0] and 0 <= top < bottom <= extent[1]):
        raise OptionError(
            f"box takes left, top, right and bottom within {extent[0]} × {extent[1]} pixels. "
            f"Received: {shown(box, 80)}"
        )


def _target(
    photo: Photo, network: Network, extent: tuple[int, int]
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Return the height and width that a model is given, and what is to be said of them."""
    own = network.image_size
    if photo.size is not None:
        height, width = validate_size(photo.size, own)
        return (height, width), ()
    if own[0] is not None and own[1] is not None:
        return (own[0], own[1]), ()
    width, height = extent
    if photo.box is not None:
        left, top, right, bottom = photo.box
        width, height = max(1, round(right - left)), max(1, round(bottom - top))
    scale = min(1.0, LONGEST / max(width, height))
    size = (own[0] or max(1, round(height * scale)), own[1] or max(1, round(width * scale)))
    if scale == 1.0:
        return size, ()
    return size, (f"The model takes any size; it is given the photo as {size[1]} × {size[0]}.",)


def _cut(photo: Photo, wanted: Wanted) -> Seen:
    """Return what of a photo lies in its box, resized as `kviz.load_images` does."""
    assert photo.box is not None  # noqa: S101 - who calls has looked
    _validate_colours(wanted)
    whole, notes = photo.whole()
    image = Image.fromarray(np.ascontiguousarray(whole))
    size = (wanted.size[1] or 1, wanted.size[0] or 1)
    image = image.resize(size, Image.Resampling.BICUBIC, box=photo.box)
    return Seen(_coloured(np.asarray(image), wanted), notes)


def _of_levels(photo: Photo, wanted: Wanted) -> Array:
    assert photo.levels is not None  # noqa: S101 - who calls has looked
    if wanted.channels == photo.levels.shape[2] == 4:
        return fitted_array(photo.levels, wanted)
    _validate_colours(wanted)
    opaque = _opaque(photo.levels)
    same = wanted.size == opaque.shape[:2]
    return _coloured(opaque if same else fitted_array(opaque, wanted), wanted)


def _validate_colours(wanted: Wanted) -> None:
    if wanted.channels not in (1, 3, None):
        raise ImageError(
            f"The model takes {wanted.channels} channels, which a picture does not have. Send a TIFF "
            "or a .npy file that has them; nothing can be cut out of it."
        )


def _coloured(levels: Array, wanted: Wanted) -> Array:
    if wanted.channels == 1:
        return np.asarray(Image.fromarray(np.ascontiguousarray(levels)).convert("L"))[..., None]
    return levels


def _opaque(levels: Array) -> Array:
    """Return a canvas's pixels as RGB, what is transparent over white."""
    if levels.shape[2] == 3:
        return levels
    image = Image.fromarray(np.ascontiguousarray(levels))
    white = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(white, image).convert("RGB"))


def photo_from(options: dict[str, Any], arrays: dict[str, Array]) -> Photo:
    """Return a photo, or an array in a file, that a reader has sent.

    Args:
        options: `name`, `box`, `fit`, `size`, `transient`, those that there are.
        arrays: `file` or `pixels`.

    Raises:
        OptionError: if it is neither, or of another shape or type than the session's language has.
        ImageError: if the file is broken.
    """
    file, levels = arrays.get("file"), arrays.get("pixels")
    if (file is None) == (levels is None):
        raise OptionError("photo takes one array, file or pixels, or the id of a photo.")
    if file is not None:
        if file.dtype != np.uint8 or file.ndim != 1:
            raise OptionError(f"file is uint8 (n,). Received: {file.dtype} {file.shape}")
        data = file.tobytes()
        if is_array(data):
            return Photo(array=read_array(data, name=options["name"]), **options)
        return Photo(file=data, **options)
    assert levels is not None  # noqa: S101 - one of them is there
    fits = levels.dtype == np.uint8 and levels.ndim == 3 and levels.shape[2] in (3, 4)
    if not fits or 0 in levels.shape:
        raise OptionError(
            f"pixels is uint8 (H, W, 3 or 4). Received: {levels.dtype} {levels.shape}"
        )
    validate_sides("The photo", levels.shape[1], levels.shape[0])
    return Photo(levels=np.ascontiguousarray(levels), **options)
