"""What the recipes on photos share: image folders, read and checked once, and the demo's crops."""

import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

import kviz
from kviz._checks import sanitise
from kviz.errors import ImageError, KvizWarning, OptionError
from kviz.images import SUFFIXES

IMAGES = Path(__file__).parents[1] / "notebooks/images"
IN_MEMORY = 1 << 30
# The demo trains on every other field of each photo and tests on those between.
COLUMNS, ROWS = 6, 4
CROP = 64
TRAINING_CROPS, TEST_CROPS = 178, 49


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos of one size with their classes.

    Attributes:
        x: uint8 `(N, H, W, 3)`, pixels 0-255; above a gigabyte in a temporary file, not in memory.
        y: int64 `(N,)`, the classes.
        class_names: the classes' names, in order.
        skipped: files that could not be read.
    """

    x: Any
    y: np.ndarray
    class_names: tuple[str, ...]
    skipped: tuple[Path, ...] = ()

    def only(self, indices: np.ndarray) -> "Photos":
        """Return some of the photos."""
        x = _room((len(indices), *self.x.shape[1:]))
        for place, index in enumerate(indices):  # one by one: all at once would be in memory
            x[place] = self.x[index]
        return Photos(x, self.y[indices], self.class_names)


def _room(shape: tuple[int, ...]) -> Any:
    """Return a uint8 array: in memory, above a gigabyte in a file that goes with the array."""
    if np.prod(shape, dtype=np.int64) <= IN_MEMORY:
        return np.empty(shape, np.uint8)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.uint8, "w+", shape=shape)


@dataclass(frozen=True, eq=False)
class Split:
    """Photos to train on, to test on, and perhaps to validate on."""

    train: Photos
    test: Photos
    validation: Photos | None = None


def read_folder(folder: Path, size: int) -> Photos:
    """Read a folder that has one subfolder a class.

    Args:
        folder: the folder; hidden subfolders are left out.
        size: the side that photos are resized to, cut to a square.

    Returns:
        The photos. A file that cannot be read is named in a warning and left out.

    Raises:
        ImageError: if there is no folder, fewer than two classes, or a class without a photo.
    """
    if not folder.is_dir():
        raise ImageError(f"There is no folder {sanitise(folder, 120)}.")
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if len(classes) < 2:
        raise ImageError(
            f"{sanitise(folder, 100)} has {len(classes)} subfolders with photos. Expected one a class, "
            "two or more."
        )
    files = [
        (file, place)
        for place, one in enumerate(classes)
        for file in sorted(one.rglob("*"))
        if file.suffix.lower() in SUFFIXES
    ]
    x = _room((len(files), size, size, 3))
    y, skipped = [], []
    for file, place in files:
        try:
            x[len(y)] = kviz.load_images(file, target_size=(size, size))[0]
        except ImageError as error:
            warnings.warn(KvizWarning(f"skipped: {error}"), stacklevel=2)
            skipped.append(file)
        else:
            y.append(place)
    counts = np.bincount(np.array(y, int), minlength=len(classes))
    if not counts.all():
        empty = classes[int(counts.argmin())]
        raise ImageError(
            f"The class {sanitise(empty.name)!r} holds no photo that can be read: {empty}"
        )
    return Photos(x[: len(y)], np.array(y), tuple(c.name for c in classes), tuple(skipped))


def split_folder(folder: Path, size: int, seed: int, share: float = 0.2) -> Split:
    """Read a folder of photos to train and test on.

    Args:
        folder: with the subfolders `train`, `test` and perhaps `validation`, each with one subfolder
            a class; or with the classes, of each of which a share goes to the test.
        size: as `read_folder` takes it.
        seed: of the share.
        share: how much of each class is for the test.

    Returns:
        The parts; photos to validate on only where there is a folder of them.

    Raises:
        ImageError: as `read_folder`, or if the parts do not have the same classes, or a class has
            one photo only.
    """
    if (folder / "train").is_dir() or (folder / "test").is_dir():
        train, test = (read_folder(folder / part, size) for part in ("train", "test"))
        more = folder / "validation"
        validation = read_folder(more, size) if more.is_dir() else None
        for part in (test, validation):
            if part is not None and part.class_names != train.class_names:
                raise ImageError(
                    f"The parts of {sanitise(folder, 80)} have other classes: "
                    f"{sanitise(train.class_names)} and {sanitise(part.class_names)}."
                )
        return Split(train, test, validation)
    photos = read_folder(folder, size)
    random = np.random.default_rng(seed)
    tested = []
    for place, name in enumerate(photos.class_names):
        its = random.permutation(np.flatnonzero(photos.y == place))
        if len(its) < 2:
            raise ImageError(
                f"The class {sanitise(name)!r} has one photo. "
                "Expected one to train on and one to test on."
            )
        tested += its[: max(1, round(share * len(its)))].tolist()
    rest = np.setdiff1d(np.arange(len(photos.y)), tested)
    return Split(photos.only(rest), photos.only(np.sort(tested)))


def crop_boxes(width: int, height: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where the demo cuts a photo: no pixel of a test crop is in a training crop.

    The photo is a board of 6 x 4 fields; its light ones are trained on, its dark ones tested, so that
    both hold something of every part of it.

    Args:
        width: the photo's.
        height: the photo's.
        seed: of the places.

    Returns:
        int64 `(178, 4)` and `(49, 4)`: left, top, right, bottom of each crop, all different.
    """
    random = np.random.default_rng(seed)
    wide, high = width // COLUMNS, height // ROWS
    across, down = wide - CROP + 1, high - CROP + 1
    cells = np.array([(column, row) for row in range(ROWS) for column in range(COLUMNS)])
    parts = []
    for odd, count in enumerate((TRAINING_CROPS, TEST_CROPS)):
        own = cells[cells.sum(axis=1) % 2 == odd] * (wide, high)
        place = random.choice(len(own) * across * down, count, replace=False)
        cell, within = np.divmod(place, across * down)
        corner = own[cell] + np.stack([within % across, within // across], axis=1)
        parts.append(np.concatenate([corner, corner + CROP], axis=1))
    return parts[0], parts[1]


def demo(size: int, seed: int = 0) -> Split:
    """Cut 356 training crops and 98 test crops from the two photos that ship with kviz.

    Args:
        size: the crops' side; they are cut as 64 x 64 pixels and resized.
        seed: of the places.

    Returns:
        The crops, half of them of each photo, and none to validate on.
    """
    parts: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    names = ("cat", "coffee")
    for name in names:
        with Image.open(IMAGES / f"{name}.png") as file:
            photo = file.convert("RGB")
        for part, boxes in zip(parts, crop_boxes(*photo.size, seed), strict=True):
            for box in boxes.tolist():
                crop = photo.crop(box).resize((size, size), Image.Resampling.BICUBIC)
                part.append(np.asarray(crop))
    made = [
        Photos(np.stack(part), np.repeat(np.arange(2), len(part) // 2), names) for part in parts
    ]
    return Split(*made)


def chosen(data: Path | None, is_demo: bool, size: int, seed: int) -> Split:
    """Return the photos that a command line asks for, and print how many there are.

    Args:
        data: a folder, as `split_folder` takes it, or None.
        is_demo: whether the demo's crops are wanted instead.
        size: the side of the photos.
        seed: of what is drawn at random.

    Returns:
        The photos.

    Raises:
        click.UsageError: unless exactly one of the two is given.
        ImageError: as `split_folder` raises it.
        OptionError: if `size` is no whole number from 1.
    """
    if (data is None) == (not is_demo):
        raise click.UsageError("Give either --data FOLDER or --demo.")
    if size < 1:
        raise OptionError(f"size takes a whole number from 1. Received: {size}")
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: click.echo(f"note: {message}", err=True)
        warnings.simplefilter("always", KvizWarning)
        split = split_folder(data, size, seed) if data else demo(size, seed)
    parts = [split.train, split.test] + ([split.validation] if split.validation else [])
    skipped = sum(len(part.skipped) for part in parts)
    print(
        f"{len(split.train.y)} photos to train on, {len(split.test.y)} to test on, of "
        f"{len(split.train.class_names)} classes: {', '.join(map(sanitise, split.train.class_names))}"
        + (f"; {skipped} skipped" if skipped else "")
    )
    return split
