"""Masks: files of every mode, and boxes, polygons and run lengths as pycocotools draws them."""

import struct

import numpy as np
import pytest
from PIL import Image

import kviz
from kviz.formats.masks import (
    mask_of_box,
    mask_of_numbers,
    mask_of_polygon,
    mask_of_runs,
    read_mask,
)

SIZE = (23, 31)
# What pycocotools 2.0.11 makes of the ring below, and of the polygon.
RING = "c41c06L2N2N2O0OJH07OK05OM030M030M0200000N030M030M031K051I086101N2N2N4JX1"
POLYGON = [3.25, 2.5, 20.75, 4.1, 27.6, 15.3, 14.2, 19.9, 5.5, 12.25]
FILLED = "X21f04L4L1O1O1O1O1O00100O1O00O100O10001N3N2N1N3N1O_2"


def ring():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    outer = ((y - 9) / 8) ** 2 + ((x - 17) / 11) ** 2 <= 1
    return outer & (((y - 9) / 3) ** 2 + ((x - 17) / 5) ** 2 > 1)


def test_run_lengths_are_those_of_pycocotools():
    np.testing.assert_array_equal(mask_of_runs(RING, SIZE), ring())
    column = ring().T.reshape(-1)
    ends = np.flatnonzero(np.diff(column, prepend=False, append=False))
    counts = np.diff(ends, prepend=0, append=column.size).tolist()
    np.testing.assert_array_equal(mask_of_runs(counts, SIZE), ring())


@pytest.mark.parametrize(
    "counts",
    [[5], [0, -1, 714], [714], "", "c41", "\x00\x01", "ooooooooooooooo", [1.5, 711.5], ["a"]],
)
def test_run_lengths_that_do_not_fit(counts):
    with pytest.raises(ValueError, match="its run lengths"):
        mask_of_runs(counts, SIZE)


def test_a_polygon_is_that_of_pycocotools_but_for_its_edge():
    """Theirs goes along an edge of five times as many pixels; ours takes pixels' middles."""
    mine, theirs = mask_of_polygon(POLYGON, SIZE), mask_of_runs(FILLED, SIZE)
    assert mine.sum() == theirs.sum() == 266
    assert (mine ^ theirs).sum() <= 4


def test_a_polygon_has_the_pixels_whose_middles_it_holds():
    """By the winding of angles, of random polygons, also beyond the photo."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    for _ in range(20):
        corners = random.uniform(-6, 36, (random.integers(3, 9), 2))
        ahead = np.roll(corners, -1, axis=0)
        inside = np.zeros(SIZE, bool)
        for (x0, y0), (x1, y1) in zip(corners, ahead, strict=True):
            between = (y0 > y) != (y1 > y)
            right = x < (x1 - x0) * (y - y0) / (y1 - y0) + x0
            inside ^= between & right
        np.testing.assert_array_equal(mask_of_polygon(corners.reshape(-1), SIZE), inside)


def test_a_polygon_of_very_many_corners_is_that_of_its_halves():
    """Even-odd: a line that leaves and comes back crosses twice, however many corners it has."""
    corners = np.random.default_rng(0).uniform(-6, 36, (100_000, 2))
    whole = mask_of_polygon(corners.reshape(-1), SIZE)
    halves = [
        mask_of_polygon(half.reshape(-1), SIZE) for half in (corners[:50_001], corners[50_000:])
    ]
    # The lines that close the halves and the whole make a triangle.
    triangle = mask_of_polygon(corners[[0, 50_000, -1]].reshape(-1), SIZE)
    np.testing.assert_array_equal(whole, halves[0] ^ halves[1] ^ triangle)


def test_boxes():
    mask = mask_of_box((2.4, 3.6, 10.2, 7.7), SIZE)
    # pycocotools has rows 4 to 10 and columns 2 to 12 of it.
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 10, 2, 12)
    assert mask.sum() == 7 * 11
    assert mask_of_box((-5, -5, 1000, 1000), SIZE).all()
    # What is thinner than a pixel is where it is.
    thin = mask_of_box((4.6, 2, 0.2, 2), SIZE)
    assert np.argwhere(thin).tolist() == [[2, 4], [3, 4]]
    assert not mask_of_box((40, 2, 3, 3), SIZE).any()


def test_numbers_from_0_up():
    signs = np.array([[0, 0.25, 3, np.inf]])
    assert mask_of_numbers(signs, "m").tolist() == [[False, True, True, True]]
    for wrong, said in ((np.nan, "m holds NaN"), (-1, "m holds numbers below 0")):
        with pytest.raises(kviz.ImageError, match=f"{said}. A mask is bool, or numbers from 0 up"):
            mask_of_numbers(np.array([0, 1, wrong]), "m")


MASK = ring()


@pytest.mark.parametrize(
    ("mode", "picture"),
    [
        ("1", Image.fromarray(MASK)),
        ("L", Image.fromarray(np.where(MASK, np.uint8(255), np.uint8(0)))),
        ("L of ones", Image.fromarray(MASK.astype("uint8"))),
        ("I;16 of things", Image.fromarray(np.where(MASK, np.uint16(3), np.uint16(0)))),
        ("RGB", Image.fromarray(np.where(MASK[..., None], np.uint8([0, 0, 9]), np.uint8(0)))),
        ("RGBA", Image.fromarray(np.dstack([np.full((*SIZE, 3), 9, "uint8"), 255 * np.uint8(MASK)]))),
        ("F", Image.fromarray(np.where(MASK, np.float32(0.25), np.float32(0)))),
        ("LA", Image.fromarray(np.where(MASK[..., None], np.uint8([9, 255]), np.uint8([0, 255])))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_files_of_every_mode(tmp_path, mode, picture):
    path = tmp_path / ("mask.tif" if mode == "F" else "mask.png")
    picture.save(path)
    np.testing.assert_array_equal(read_mask(path), MASK)


def test_a_palette_counts_by_its_index(tmp_path):
    """As PASCAL VOC has it: 0 is no thing, whatever its colour."""
    picture = Image.fromarray(np.where(MASK, np.uint8(15), np.uint8(0)))
    picture.putpalette([200, 200, 200] + [0, 0, 0] * 255)
    picture.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), MASK)


def test_a_jpeg_s_black_is_not_quite_black(tmp_path):
    block = np.zeros((32, 32), bool)
    block[8:24, 8:24] = True
    Image.fromarray(np.where(block, np.uint8(255), np.uint8(3))).save(tmp_path / "mask.jpg")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.jpg"), block)


def test_what_is_no_mask_is_said(tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    whole = tmp_path / "whole.png"
    Image.fromarray(MASK).save(whole)
    (tmp_path / "half.png").write_bytes(whole.read_bytes()[:60])
    wide = bytearray(whole.read_bytes())
    wide[16:24] = struct.pack(">II", 60_000, 60_000)
    (tmp_path / "wide.png").write_bytes(wide)
    for name, wrong in (("below.tif", -1), ("nan.tif", np.nan)):
        Image.fromarray(np.where(MASK, np.float32(wrong), np.float32(0))).save(tmp_path / name)
    names = ["text.png", "empty.png", "half.png", "wide.png", "lost.png", "below.tif", "nan.tif"]
    for name in names:
        with pytest.raises(kviz.ImageError) as caught:
            read_mask(tmp_path / name)
        assert len(str(caught.value)) <= 300


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_half_transparent_counts(tmp_path, mode):
    alphas = np.uint8([[0, 1, 128], [254, 255, 0]])
    Image.fromarray(np.dstack([np.full((2, 3, len(mode) - 1), 9, "uint8"), alphas])).save(
        tmp_path / "mask.png"
    )
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), alphas > 0)


def test_of_a_jpeg_the_lighter_half_counts(tmp_path):
    """Of blocks that are even, which JPEG keeps to a level or two."""
    levels = np.uint8([0, 40, 120, 136, 200, 255]).repeat(16)
    Image.fromarray(np.tile(levels, (16, 1))).save(tmp_path / "mask.jpg", quality=95)
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.jpg"), np.tile(levels > 127, (16, 1)))
