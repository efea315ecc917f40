"""Pictures in a page: what is laid over a photo is what `overlay` draws, and is said in words."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from kviz.reports.pictures import as_picture, overlay
from kviz.results import Attribution


def read(picture):
    data = base64.b64decode(picture.src.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def given(size, values=None):
    rows, columns = np.mgrid[:size, :size]
    photo = np.stack([rows, columns, rows + columns], -1) * 127 // size
    maps = np.zeros((1, 2, size, size), np.float32)
    maps[0, 0, : size // 3, : size // 3] = 1 if values is None else values
    found = Attribution(
        maps=maps, raw=maps, scores=np.ones((1, 2), np.float32), classes=np.array([[3, 5]]),
        class_names=("cat", "dog"), method="grad_cam", title="Grad-CAM",
        images=photo[None].astype(np.uint8),
    )  # fmt: skip
    return found, as_picture(photo.astype(np.uint8), "cat.png", "", "The image cat.png.")


@pytest.mark.parametrize(("size", "kind", "off"), [(24, "png", 0), (160, "jpeg", 3)])
def test_the_evidence_lies_over_the_photo(size, kind, off):
    found, photo = given(size)
    made = overlay({"grad_cam": found}, 0, photo)
    assert made.src.startswith(f"data:image/{kind};base64,")
    assert (made.width, made.height, made.tiny) == (size, size, size < 128)
    expected = found.overlay(image=0, class_index=3).astype(int)
    # JPEG is off where colours end; elsewhere not to be seen.
    assert np.median(np.abs(read(made) - expected)) <= off
    assert np.abs(read(made) - expected).mean() <= off
    # Where there is no evidence the photo is grey.
    assert np.ptp(read(made)[size // 2 :, size // 2 :], axis=-1).max() <= 2 * off
    assert made.alt == (
        "cat.png in grey with Grad-CAM's evidence for cat over it: in the upper left."
    )
    assert (made.title, made.detail) == ("cat.png", "Grad-CAM for cat")


def test_the_first_map_that_is_not_zero_is_taken_else_the_photo_stays():
    empty, photo = given(24, values=0)
    assert overlay({"grad_cam": empty}, 0, photo) is photo
    assert overlay({}, 0, photo) is photo
    second, _ = given(24)
    made = overlay({"grad_cam": empty, "other": second}, 0, photo)
    np.testing.assert_array_equal(read(made), second.overlay(image=0, class_index=3))


def test_what_does_not_lie_over_the_photo_is_not_laid_over_it():
    found, _ = given(24)
    _, larger = given(32)
    assert overlay({"grad_cam": found}, 0, larger) is larger


def test_a_large_photo_is_made_smaller():
    found, photo = given(1000)
    made = overlay({"grad_cam": found}, 0, photo)
    assert (made.width, made.height) == read(made).shape[:2] == (640, 640)
    assert len(made.src) < 60_000
