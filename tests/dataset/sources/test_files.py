"""Sources whose images are files each: folders, globs, lists, against Keras and plain Python."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from source_checks import check_slices, listed, photo

from kviz.dataset.sources import as_source
from kviz.dataset.sources.decode import decode
from kviz.errors import ImageError, OptionError
from kviz.formats.fitting import Wanted


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "photos"
    for level, name in enumerate(
        ["b/2.png", "b/10.png", "a-b/x.jpg", "a/x.JPG", "a/-/x.png", "a/deep/er/1.png", "a/z.png",
         "a/deep/2.png", "a/deep-er/3.png", "Z/1.png"]
    ):  # fmt: skip
        photo(root / name, level)
    photo(root / "a/.hidden.png", 1)
    photo(root / ".git/1.png", 1)
    (root / "a/notes.txt").write_text("no photo")
    (root / "a/deep/folder.png").mkdir()
    return root


def test_a_folder_has_the_order_and_labels_of_keras(folder):
    import keras

    own = keras.utils.image_dataset_from_directory(
        folder, shuffle=False, batch_size=None, image_size=(5, 6), verbose=False
    )
    names = [os.path.relpath(path, folder) for path in own.file_paths]
    labels = [own.class_names[int(label)] for _, label in own]
    seen = [place for place, name in enumerate(names) if name != "a/.hidden.png"]
    names, labels = ([values[place] for place in seen] for values in (names, labels))
    source = as_source(folder)
    assert source.label_names == tuple(own.class_names)
    items = list(source.items(0, source.count))
    assert [item.name for item in items] == names
    assert [item.label for item in items] == labels
    assert [item.data for item in items] == [folder / name for name in names]
    assert source.describe() == "folder of 10 photos in 4 classes"
    check_slices(source)


def test_a_folder_without_photos_in_subfolders_has_no_labels(tmp_path):
    for name in ("b.png", "a.png"):
        photo(tmp_path / name, 1)
    (tmp_path / "empty").mkdir()
    source = as_source(str(tmp_path))
    assert [item[:2] for item in source.items(0, 2)] == [("a.png", None), ("b.png", None)]
    assert source.label_names is None
    assert source.describe() == "folder of 2 photos"


def test_photos_beside_the_subfolders_come_first_and_have_no_label(folder):
    photo(folder / "zzz.png", 1)
    first, second = as_source(folder).items(0, 2)
    assert (first.name, first.label) == ("zzz.png", None)
    assert (second.name, second.label) == ("Z/1.png", "Z")


def test_links_to_folders_are_followed_at_the_first_step_only(folder, tmp_path):
    photo(tmp_path / "else/1.png", 1)
    (folder / "linked").symlink_to(tmp_path / "else")
    (folder / "linked/round").symlink_to(folder)
    names = [item.name for item in as_source(folder).items(0, 11)]
    assert [name for name in names if "linked" in name] == ["linked/1.png"]


def test_a_name_that_is_no_unicode_is_read_and_told(tmp_path):
    photo(tmp_path / "1.png", 7)
    (tmp_path / "1.png").rename(tmp_path / os.fsdecode(b"\xff.png"))
    (item,) = as_source(tmp_path).items(0, 1)
    assert item.name == "\\xff.png"
    assert decode(item, Wanted()).max() == 7


def test_a_fingerprint_is_of_what_is_there_and_not_of_where(folder, tmp_path):
    before = as_source(folder).fingerprint
    moved = tmp_path / "else/where"
    moved.parent.mkdir()
    shutil.copytree(folder, moved, copy_function=shutil.copy2)
    assert as_source(moved).fingerprint == before
    changed = {before}
    os.utime(moved / "a/z.png", ns=(1, 1))
    changed.add(as_source(moved).fingerprint)
    photo(moved / "a/z.png", 1, (99, 99))
    os.utime(moved / "a/z.png", ns=(1, 1))
    changed.add(as_source(moved).fingerprint)
    (moved / "a/z.png").rename(moved / "a/y.png")
    changed.add(as_source(moved).fingerprint)
    (moved / "a/y.png").unlink()
    changed.add(as_source(moved).fingerprint)
    assert len(changed) == 5


def test_a_glob_is_sorted_and_named_from_its_fixed_part(folder, monkeypatch):
    expected = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("[!.]*.png"))
    expected = [name for name in expected if not name.startswith(".") and "folder" not in name]
    source = as_source(f"{folder}/**/*.png")
    assert [item.name for item in source.items(0, source.count)] == expected
    assert source.label_names is None
    check_slices(source)
    monkeypatch.chdir(folder.parent)
    near = as_source("photos/**/*.png")
    assert near.fingerprint == source.fingerprint
    assert [item.name for item in near.items(0, near.count)] == expected
    everything = as_source("photos/a/*")
    assert [item.name for item in everything.items(0, 2)] == ["x.JPG", "z.png"]
    assert everything.count == 2
    (one,) = as_source("photos/a/z.png").items(0, 1)
    assert (one.name, one.data) == ("z.png", folder / "a/z.png")


def test_a_list_has_paths_and_labels(folder):
    lines = ["a/z.png\t3", "", "b/2.png\t 7 ", f"{folder}/Z/1.png\t07", "a/none.png"]
    path = folder / "list.txt"
    path.write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    source = as_source(path)
    assert listed(source) == [
        ("a/z.png", 3, folder / "a/z.png"),
        ("b/2.png", 7, folder / "b/2.png"),
        (f"{folder}/Z/1.png", 7, folder / "Z/1.png"),
        ("a/none.png", None, folder / "a/none.png"),
    ]
    assert source.describe() == "list of 4 photos in 2 classes"
    check_slices(source)


@pytest.mark.parametrize(
    ("line", "name", "label"),
    [
        ("a b.jpg", "a b.jpg", None),
        ("a b.JPG 12", "a b.JPG", 12),
        ("a.jpg Egyptian cat", "a.jpg", "Egyptian cat"),
        ("a.jpg b.jpg", "a.jpg b.jpg", None),
        ("a.raw 5", "a.raw 5", None),
        ("a.raw\tb c", "a.raw", "b c"),
        ("a.jpg -1", "a.jpg", -1),
        ("a.jpg 1.5", "a.jpg", "1.5"),
        ("a.jpg " + "9" * 30, "a.jpg", "9" * 30),
    ],
)
def test_a_line_is_a_path_and_a_label_that_is_told_from_it(tmp_path, line, name, label):
    (tmp_path / "a.lst").write_text(line)
    (item,) = as_source(tmp_path / "a.lst").items(0, 1)
    assert (item.name, item.label) == (name, label)


def test_numbers_are_numbers_only_where_all_labels_are(tmp_path):
    (tmp_path / "a.txt").write_text("a.jpg 1\nb.jpg cat\n")
    assert [item.label for item in as_source(tmp_path / "a.txt").items(0, 2)] == ["1", "cat"]


def test_a_list_that_was_moved_with_its_photos_is_the_same(folder, tmp_path):
    def written(root):
        (root / "l.txt").write_text(f"{root}/a/z.png\n{root}/b/2.png\n")
        return as_source(root / "l.txt").fingerprint

    before = written(folder)
    moved = tmp_path / "moved"
    folder.rename(moved)
    assert written(moved) == before
    os.utime(moved / "b/2.png", ns=(1, 1))
    assert written(moved) != before


def test_an_absolute_path_alone_counts_by_its_name(tmp_path):
    prints = set()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "l.txt").write_text(f"{tmp_path}/{name}")
        prints.add(as_source(tmp_path / "l.txt").fingerprint)
    assert len(prints) == 2


def test_labels_are_part_of_the_fingerprint(tmp_path):
    (tmp_path / "a.txt").write_text("a.jpg 1")
    (tmp_path / "b.txt").write_text("a.jpg 2")
    one, two = (as_source(tmp_path / name).fingerprint for name in ("a.txt", "b.txt"))
    assert one != two


def test_paths_are_taken_in_their_order(folder):
    paths = [folder / "b/2.png", str(folder / "a/z.png")]
    assert [item.data for item in as_source(paths).items(0, 2)] == list(map(Path, paths))


def test_what_is_wrong_is_said_in_one_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "a.xyz").write_text("")
    for given, words in [
        (tmp_path / "empty", "holds no image. Expected files ending in .jpg"),
        (tmp_path / "empty.txt", "empty.txt holds no image"),
        (tmp_path / "none.txt", "none.txt is not there"),
        (tmp_path / "none", "There is no file or folder"),
        (tmp_path / "a.xyz", "is no data set. Expected a folder, a glob, "),
        (f"{tmp_path}/*.jpg", "No file matches"),
        ("", "Received an empty name"),
    ]:
        with pytest.raises(ImageError, match=words):
            as_source(given)
    for given in (None, 3, [], [1]):
        with pytest.raises(OptionError, match="Expected a data set: a folder"):
            as_source(given)
    with pytest.raises(OptionError, match="label_column is for tables"):
        as_source(tmp_path / "empty", label_column="a")


def test_bad_rows_are_found_where_they_are_decoded(tmp_path):
    photo(tmp_path / "good.png", 9)
    (tmp_path / "bad.png").write_text("no photo")
    (tmp_path / "a.txt").write_bytes(b"good.png\ngone.png\nbad.png\nnul\0.png\n.\n" + b"x" * 5000)
    source = as_source(tmp_path / "a.txt")
    said = []
    for item in source.items(0, source.count):
        try:
            assert np.all(decode(item, Wanted((2, 2))) == 9)
        except ImageError as error:
            said.append(str(error))
    assert [words for words, text in zip(
        ["No such file", "is not an image", "null", "not a regular file", "too long"], said, strict=True
    ) if words not in text] == []  # fmt: skip
    assert not any(str(tmp_path) in text for text in said)
