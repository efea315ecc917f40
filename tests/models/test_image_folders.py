"""Image folders, read and checked; the demo's crops share no pixel."""

import warnings

import image_folders
import numpy as np
import pytest
from PIL import Image
from refusals import refused

import kviz


@pytest.fixture
def folder(tmp_path):
    for name, level in (("black", 20), ("white", 255)):
        (tmp_path / name).mkdir()
        for index in range(5):
            Image.new("RGB", (12, 9), (level, level, index)).save(tmp_path / name / f"{index}.png")
    return tmp_path


def test_classes_by_name(folder):
    photos = image_folders.read_folder(folder, 8)
    assert photos.class_names == ("black", "white")
    assert photos.x.shape == (10, 8, 8, 3)
    assert np.array_equal(photos.x[:, 0, 0, 0] == 255, photos.y == 1)


def test_more_than_fits_is_read_from_a_file(folder, monkeypatch):
    inside = image_folders.read_folder(folder, 8).x
    monkeypatch.setattr(image_folders, "IN_MEMORY", 100)
    outside = image_folders.read_folder(folder, 8).x
    assert isinstance(outside, np.memmap)
    assert np.array_equal(inside, outside)
    train = image_folders.split_folder(folder, 8, 0).train
    assert isinstance(train.x, np.memmap)
    monkeypatch.setattr(image_folders, "IN_MEMORY", 1 << 30)
    assert np.array_equal(image_folders.split_folder(folder, 8, 0).train.x, train.x)


def test_a_command_line_leaves_warnings_as_they_were(folder, capsys):
    before = warnings.showwarning
    (folder / "black/1.png").write_bytes(b"no")
    image_folders.chosen(folder, False, 8, 0)
    assert "note: skipped" in capsys.readouterr().err
    assert warnings.showwarning is before


def test_a_broken_photo_is_named_and_left_out(folder):
    whole = (folder / "black/1.png").read_bytes()
    (folder / "black/1.png").write_bytes(whole[: len(whole) // 2])
    with pytest.warns(kviz.KvizWarning, match=r"skipped: .*1\.png"):
        photos = image_folders.read_folder(folder, 8)
    assert photos.skipped == (folder / "black/1.png",)
    assert np.bincount(photos.y).tolist() == [4, 5]
    assert np.array_equal(photos.x[:, 0, 0, 0] == 255, photos.y == 1)


def test_split_by_seed(folder):
    one, same, other = (image_folders.split_folder(folder, 8, seed) for seed in (0, 0, 1))
    assert np.bincount(one.train.y).tolist() == [4, 4]
    assert np.bincount(one.test.y).tolist() == [1, 1]
    assert np.array_equal(one.test.x, same.test.x)
    assert not np.array_equal(one.test.x, other.test.x)
    every = {photo.tobytes() for photo in np.concatenate([one.train.x, one.test.x])}
    assert len(every) == 10


def test_parts_by_folder(folder, tmp_path):
    for part in ("train", "test", "validation"):
        (tmp_path / "parts" / part).mkdir(parents=True)
        for name in ("black", "white"):
            (tmp_path / "parts" / part / name).symlink_to(folder / name)
    split = image_folders.split_folder(tmp_path / "parts", 8, 0)
    assert [len(p.y) for p in (split.train, split.test, split.validation)] == [10, 10, 10]
    (tmp_path / "parts/test/white").rename(tmp_path / "parts/test/grey")
    with refused("other classes", kviz.ImageError):
        image_folders.split_folder(tmp_path / "parts", 8, 0)


def test_no_folder_one_class_an_empty_class(tmp_path):
    with refused("There is no folder", kviz.ImageError):
        image_folders.read_folder(tmp_path / "none", 8)
    (tmp_path / "one").mkdir()
    Image.new("RGB", (9, 9)).save(tmp_path / "one/1.png")
    with refused("has 1 subfolders", kviz.ImageError):
        image_folders.read_folder(tmp_path, 8)
    (tmp_path / "two").mkdir()
    with refused("'two' holds no photo", kviz.ImageError):
        image_folders.read_folder(tmp_path, 8)


@pytest.mark.parametrize("size", [(451, 300), (600, 400)])
def test_no_pixel_of_a_test_crop_was_trained_on(size):
    seen = [np.zeros(size[::-1], bool) for _ in range(2)]
    for mask, boxes, count in zip(seen, image_folders.crop_boxes(*size, 0), (178, 49), strict=True):
        assert len(set(map(tuple, boxes.tolist()))) == count
        for left, top, right, bottom in boxes:
            assert (right - left, bottom - top) == (64, 64)
            assert 0 <= left < right <= size[0]
            assert 0 <= top < bottom <= size[1]
            mask[top:bottom, left:right] = True
    assert all(mask.any() for mask in seen)
    assert not (seen[0] & seen[1]).any()


def test_the_demo():
    split = image_folders.demo(16)
    assert np.bincount(split.train.y).tolist() == [178, 178]
    assert np.bincount(split.test.y).tolist() == [49, 49]
    assert split.train.x.shape == (356, 16, 16, 3)
