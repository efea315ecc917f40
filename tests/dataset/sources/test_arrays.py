"""Sources of arrays: .npy, .npz and what Python holds, against NumPy."""

import os

import numpy as np
import pytest
from source_checks import check_slices, listed

from kviz.dataset.sources import as_source
from kviz.errors import ImageError, OptionError

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 3), np.uint8)


def expected(name, labels=(None,) * 5):
    return [(f"{name}[{i}]", labels[i], IMAGES[i].tolist()) for i in range(5)]


def test_a_npy_file_is_read_as_it_is_used(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    source = as_source(tmp_path / "x.npy")
    assert listed(source) == expected("x.npy")
    assert source.describe() == "array of 5 images"
    assert isinstance(next(source.items(0, 1)).data, np.memmap)
    check_slices(source)


@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("images", "labels")])
def test_a_npz_file_has_labels_too(tmp_path, x, y):
    np.savez(tmp_path / "a.npz", **{y: np.arange(5)[:, None] * 2, x: IMAGES})
    source = as_source(tmp_path / "a.npz")
    assert listed(source) == expected("a.npz", [0, 2, 4, 6, 8])
    check_slices(source)


def test_the_arrays_of_a_npz_are_asked_for_by_name(tmp_path):
    path = tmp_path / "mnist.npz"
    np.savez_compressed(path, x_train=IMAGES[:2], y_train=[1, 2], x_test=IMAGES, y_test=range(5))
    with pytest.raises(OptionError, match=r"no array of images. It has: 'x_train', 'y_train'"):
        as_source(path)
    with pytest.raises(OptionError, match=r"has no column 'z'"):
        as_source(path, image_column="x_test", label_column="z")
    source = as_source(path, image_column="x_test", label_column="y_test")
    assert listed(source) == expected("mnist.npz", list(range(5)))
    other = as_source(path, image_column="x_test")
    assert other.fingerprint != source.fingerprint


def test_arrays_of_python_are_known_by_their_numbers():
    assert listed(as_source(IMAGES)) == expected("image")
    source = as_source((IMAGES, ["a", "b", "a", "c", "b"]))
    assert listed(source) == expected("image", ["a", "b", "a", "c", "b"])
    check_slices(source)
    assert as_source(IMAGES.copy()).fingerprint == as_source(IMAGES).fingerprint
    changed = IMAGES.copy()
    changed[-1, -1, -1, -1] ^= 1
    prints = [as_source(one).fingerprint for one in (IMAGES, changed, IMAGES[:, ::-1], IMAGES[:4])]
    prints += [source.fingerprint, as_source((IMAGES, ["a", "b", "a", "c", "a"])).fingerprint]
    assert len(set(prints)) == 6


def test_a_npz_file_that_changes_between_two_readings_is_read_anew(tmp_path):
    np.savez(tmp_path / "a.npz", x=IMAGES)
    source = as_source(tmp_path / "a.npz")
    assert listed(source) == expected("a.npz")
    np.savez(tmp_path / "a.npz", x=255 - IMAGES)
    assert np.array_equal(next(source.items(0, 1)).data, 255 - IMAGES[0])


def test_a_source_is_read_from_another_folder_too(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", IMAGES)
    monkeypatch.chdir(tmp_path)
    source = as_source("x.npy")
    monkeypatch.chdir("/")
    assert listed(source) == expected("x.npy")


def test_a_fingerprint_of_a_file_changes_with_it_and_not_with_its_place(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    before = as_source(tmp_path / "x.npy").fingerprint
    (tmp_path / "else").mkdir()
    (tmp_path / "x.npy").rename(tmp_path / "else/x.npy")
    assert as_source(tmp_path / "else/x.npy").fingerprint == before
    os.utime(tmp_path / "else/x.npy", ns=(1, 1))
    assert as_source(tmp_path / "else/x.npy").fingerprint != before


def test_what_is_wrong_is_said_in_one_sentence(tmp_path):
    path = tmp_path / "a.npz"
    for arrays, words in [
        ({"x": IMAGES, "y": [1, 2]}, r"have shape \(2,\). Expected one for each of 5 images"),
        ({"x": IMAGES, "y": [0.5] * 5}, "hold 0.5. Expected a class's name or its number"),
        ({"x": IMAGES[:0]}, "holds no image"),
        ({"x": IMAGES[0, 0]}, r"shape \(3, 3\). Expected images"),
    ]:
        np.savez(path, **arrays)
        with pytest.raises(ImageError, match=words):
            as_source(path)
    for given, words in [
        (IMAGES.astype(str), "Expected numbers"),
        ((IMAGES, [1]), "Expected one for each"),
        (IMAGES[0, 0], "Expected images"),
        (tmp_path / "none.npy", "not a regular file"),
    ]:
        with pytest.raises(ImageError, match=words):
            as_source(given)
    np.save(tmp_path / "x.npy", IMAGES)
    source = as_source(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", IMAGES[:2])
    with pytest.raises(ImageError, match="has changed while it was read"):
        next(source.items(0, 1))
