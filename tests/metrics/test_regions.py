"""Regions: from boxes, masks and files to the model's pixels, the way that the photo went."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import kviz
from kviz.formats.fitting import box_of
from kviz.metrics.regions import read_regions

# Rows and columns of the thing in a photo of 48 x 80 pixels, upright.
HIGH, WIDE = 48, 80
TOP, LEFT, BOTTOM, RIGHT = 11, 23, 37, 57
BOX = (LEFT, TOP, RIGHT - LEFT, BOTTOM - TOP)
# By EXIF's number, how a picture lies that stands upright when it is turned.
LIES = {
    1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
    5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1), 8: lambda a: np.rot90(a, -1),
}  # fmt: skip


def thing():
    mask = np.zeros((HIGH, WIDE), bool)
    mask[TOP:BOTTOM, LEFT:RIGHT] = True
    return mask


def photo(path, turn=1, mask=None):
    """Write a photo that is red where the thing is, each in its own blue."""
    red = np.uint8(255) * LIES[turn](thing() if mask is None else mask)
    blue = np.full_like(red, len(str(path)) + ord(path.stem[0]))
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(np.dstack([red, np.zeros_like(red), blue])).save(path, exif=exif)
    return path


def coco(path, things, *, name="a.png", size=(WIDE, HIGH), kinds=("cat", "dog")):
    photos = name if isinstance(name, list) else [name]
    sides = {} if size is None else {"width": size[0], "height": size[1]}
    told = {
        "images": [{"id": 7 + k, "file_name": name, **sides} for k, name in enumerate(photos)],
        "annotations": [
            {"id": k, "image_id": 7, "category_id": 1, **one} for k, one in enumerate(things)
        ],
        "categories": [{"id": k, "name": name} for k, name in enumerate(kinds, start=1)],
    }
    path.write_text(json.dumps(told))
    return path


def read(given, path, names=None, **options):
    """Return the regions, and where the photo that the model is given is red."""
    images = kviz.load_images(path, **options)
    paths = path if isinstance(path, list) else [path]
    names = [each.name for each in paths] if names is None else names
    return read_regions(given, images, names), images[..., 0] > 127


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(20, 16), (16, 64), (HIGH, WIDE), (96, 96)])
def test_a_region_goes_the_way_of_its_photo(tmp_path, fit, size):
    """The thing is red: where the model's photo is, there is its region, to within a half pixel."""
    path = photo(tmp_path / "a.png")
    for given in (BOX, thing(), {"a.png": thing()}, coco(tmp_path / "c.json", [{"bbox": BOX}])):
        given = given if not isinstance(given, np.ndarray) else [given]
        found, red = read(given, path, fit=fit, target_size=size)
        np.testing.assert_array_equal(found.whole, red)
    # And by the middles of its pixels, in the photo.
    left, top, right, bottom = box_of((WIDE, HIGH), size[::-1], fit)
    x = left + (np.arange(size[1]) + 0.5) * (right - left) / size[1]
    y = top + (np.arange(size[0]) + 0.5) * (bottom - top) / size[0]
    inside = np.outer((y > TOP) & (y < BOTTOM), (x > LEFT) & (x < RIGHT))
    np.testing.assert_array_equal(found.whole[0], inside)


@pytest.mark.parametrize("turn", [*LIES])
@pytest.mark.parametrize("fit", ["crop", "pad"])
def test_a_photo_that_lies_on_its_side(tmp_path, fit, turn):
    """Boxes and upright masks are of the upright photo; what has the file's size is turned too."""
    path = photo(tmp_path / "a.png", turn)
    lying = LIES[turn](thing())
    ways = [BOX, [thing()], coco(tmp_path / "upright.json", [{"bbox": BOX}])]
    if turn >= 5:
        rows, columns = np.nonzero(lying)
        box = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
        box = list(map(int, box))
        ways += [[lying], coco(tmp_path / "lying.json", [{"bbox": box}], size=(HIGH, WIDE))]
    for given in ways:
        found, red = read(given, path, fit=fit, target_size=(32, 24))
        assert red.any()
        np.testing.assert_array_equal(found.whole, red)


def test_what_is_small_is_not_lost_and_what_is_cut_off_is_told(tmp_path):
    mask = np.zeros((HIGH, WIDE), bool)
    mask[20, 40] = True
    paths = [photo(tmp_path / f"{name}.png") for name in "abc"]
    found, _ = read([(0, 0, 4, 4), mask, BOX], paths, target_size=(6, 6))
    assert found.whole.sum(axis=(1, 2)).tolist() == [0, 1, 4 * 4]
    assert np.argwhere(found.whole[1]).tolist() == [[2, 3]]
    assert found.notes == (
        "Metrics of regions leave out 1 of the 3 images, in which the model sees no region: a.png.",
    )
    with pytest.raises(kviz.OptionError, match="The image has no region that the model sees"):
        read((0, 0, 4, 4), paths[0], target_size=(6, 6))


def test_what_is_of_the_model_s_size_is_taken_as_it_is(tmp_path):
    path = photo(tmp_path / "a.png")
    own = np.random.default_rng(0).random((1, 20, 16)) < 0.5
    np.save(tmp_path / "own.npy", own)
    Image.fromarray(own[0]).save(tmp_path / "own.png")
    ways = [
        own,
        own[0],
        own.astype("uint8"),
        own[..., None],
        [own[0]],
        tmp_path / "own.npy",
        tmp_path / "own.png",
    ]
    for given in [*ways, str(tmp_path / "own.png"), {"a": own[0]}]:
        found, _ = read(given, path, target_size=(20, 16))
        np.testing.assert_array_equal(found.whole, own)
    # Of an array nobody knows a photo: boxes count in it.
    array = np.random.default_rng(1).integers(0, 256, (2, 20, 16, 3), "uint8")
    found = read_regions([(1, 2, 3, 4), None], array, [])
    assert np.argwhere(found.whole[0])[[0, -1]].tolist() == [[2, 1], [5, 3]]
    assert found.notes[0].endswith("no region: an image.")
    boxes = np.array([(1, 2, 3, 4), (0, 0, 1, 1)])
    assert read_regions(boxes, array, []).whole.sum(axis=(1, 2)).tolist() == [12, 1]
    two = read_regions([(1, 2, 3, 4), (0, 0, 1, 1)], array[:1], [])
    assert two.whole.sum() == 13
    signal = np.zeros((2, 9, 3))
    assert read_regions(np.eye(2, 9), signal, []).whole.sum() == 2


def test_a_folder_of_masks(tmp_path):
    (tmp_path / "masks").mkdir()
    paths = [photo(tmp_path / f"{name}.png") for name in "abc"]
    Image.fromarray(thing()).save(tmp_path / "masks/a.png")
    Image.fromarray(~thing()).save(tmp_path / "masks/c.bmp")
    found, red = read(tmp_path / "masks", paths, target_size=(20, 16))
    np.testing.assert_array_equal(found.whole[0], red[0])
    np.testing.assert_array_equal(found.whole[2], ~red[2])
    assert not found.whole[1].any()
    assert found.said == str(tmp_path / "masks")
    # The names that images were given count, and where there are none those of their files.
    swapped, _ = read(tmp_path / "masks", paths, list("cba"), target_size=(20, 16))
    np.testing.assert_array_equal(swapped.whole, found.whole[::-1])
    unnamed, _ = read(tmp_path / "masks", paths, [], target_size=(20, 16))
    np.testing.assert_array_equal(unnamed.whole, found.whole)


def test_annotations_of_every_kind(tmp_path):
    path = photo(tmp_path / "a.png")
    polygon = [[LEFT, TOP, RIGHT, TOP, RIGHT, BOTTOM, LEFT, BOTTOM]]
    column = [0] * LEFT * HIGH
    column += (RIGHT - LEFT) * (TOP * [0] + (BOTTOM - TOP) * [1] + (HIGH - BOTTOM) * [0])
    column += [0] * (HIGH * WIDE - len(column))
    ends = np.flatnonzero(np.diff(column, prepend=0, append=0))
    runs = {"size": [HIGH, WIDE], "counts": np.diff(ends, prepend=0, append=HIGH * WIDE).tolist()}
    halves = [{"bbox": [LEFT, TOP, 10, BOTTOM - TOP]}]
    halves += [{"bbox": [LEFT + 10, TOP, RIGHT - LEFT - 10, BOTTOM - TOP], "category_id": 2}]
    for things in (
        [{"segmentation": polygon, "bbox": [0, 0, 1, 1]}],
        # One within another adds nothing, and takes nothing away.
        [{"segmentation": [*polygon, [LEFT, TOP, LEFT + 6, TOP, LEFT + 6, BOTTOM, LEFT, BOTTOM]]}],
        [{"segmentation": runs, "iscrowd": 1}],
        [{"segmentation": [], "bbox": BOX}],
        [{"segmentation": {}, "bbox": BOX}],
        halves,
    ):
        for size in ((WIDE, HIGH), None):
            file = coco(tmp_path / "c.json", things, size=size)
            found, red = read(file, path, target_size=(30, 50))
            np.testing.assert_array_equal(found.whole, red)


def test_the_class_that_is_explained_has_its_category_s_regions(tmp_path):
    paths = [photo(tmp_path / f"{name}.png") for name in "ab"]
    things = [{"bbox": (0, 0, 8, 8)}, {"bbox": (40, 8, 8, 8), "category_id": 2}]
    things += [{"bbox": (64, 40, 8, 8), "image_id": 8, "category_id": 2}]
    file = coco(tmp_path / "c.json", things, name=["a.png", "b.png"], kinds=("Cat", "dog", "cow"))
    found, _ = read(file, paths, fit="stretch", target_size=(6, 10))
    whole, every = found.whole, slice(None)
    assert whole.sum(axis=(1, 2)).tolist() == [2, 1]
    np.testing.assert_array_equal(found.of(["tabby", "tabby"], every), whole)
    cats, dogs = found.of(["cat", "CAT"], every), found.of(["dog", "dog"], every)
    assert cats.sum(axis=(1, 2)).tolist() == [1, 0]
    np.testing.assert_array_equal(cats | dogs, whole)
    assert not found.of(["cow"], slice(0, 1)).any()
    np.testing.assert_array_equal(found.of(["cat", "dog"], slice(1, 2)), whole[1:])


def test_photos_of_one_name_are_told_by_their_folders(tmp_path):
    for folder in "xy":
        (tmp_path / folder).mkdir()
    paths = [photo(tmp_path / "x/a.png"), photo(tmp_path / "y/a.png", mask=~thing())]
    file = coco(tmp_path / "c.json", [{"bbox": BOX}], name=["x/a.png", "y/a.png"])
    found, red = read(file, paths, target_size=(30, 50))
    np.testing.assert_array_equal(found.whole[0], red[0])
    assert not found.whole[1].any()
    with pytest.raises(kviz.ImageError, match=r"tells of one photo 'a.png', and there are several"):
        read(coco(tmp_path / "one.json", [{"bbox": BOX}]), paths, target_size=(30, 50))
    array = np.zeros((1, HIGH, WIDE, 3), "uint8")
    with pytest.raises(kviz.ImageError, match=r"several photos that are called a.png"):
        read_regions(file, array, ["a.png"])
    # What was written on Windows.
    file = coco(tmp_path / "c.json", [{"bbox": BOX}], name=["x\\a.png", "y\\a.png"])
    for given in (file, {"x\\a.png": BOX, "y\\a.png": None}):
        np.testing.assert_array_equal(
            read(given, paths, target_size=(30, 50))[0].whole, found.whole
        )
    assert read_regions(file, array, ["x\\a.png"]).whole.any()


def test_a_photo_of_another_size_than_it_is_said_to_have(tmp_path):
    path = photo(tmp_path / "a.png")
    file = coco(tmp_path / "c.json", [{"bbox": BOX}], size=(2 * WIDE, 2 * HIGH))
    with pytest.raises(kviz.ImageError, match=r"is of 160 x 96 pixels.* of the photo, 80 x 48"):
        read(file, path, target_size=(30, 50))
    array = np.ones((1, 24, 40, 3), "uint8")
    with pytest.raises(kviz.ImageError, match="From which file it was read is not known"):
        read_regions({"a.png": thing()}, array, ["a.png"])


BAD = [
    ("lost", kviz.ImageError, "There is no file or folder"),
    ("lost.json", kviz.ImageError, "There is no file or folder"),
    ("empty", kviz.OptionError, "None of the 2 images has a region"),
    ("a.png", kviz.OptionError, "is one mask, and there are 2 images"),
    ([], kviz.OptionError, "takes boxes"),
    (5, kviz.OptionError, "takes boxes"),
    ([BOX], kviz.OptionError, "an entry for each of 2 images"),
    ([None, None], kviz.OptionError, "tells of none"),
    ({"x.png": BOX}, kviz.OptionError, "such as a.png"),
    ([BOX, "lost.png"], kviz.ImageError, "lost.png is not a regular file"),
    ([BOX, object()], kviz.OptionError, "The region of b.png is no box"),
    ([BOX, (1, 2, 3)], kviz.OptionError, "The region of b.png is no box"),
    ([BOX, (1, 2, 0, 3)], kviz.OptionError, "within 80 x 48 pixels"),
    ([BOX, (80, 2, 3, 3)], kviz.OptionError, "within 80 x 48 pixels"),
    ([BOX, (1, 2, 3, np.nan)], kviz.OptionError, "within 80 x 48 pixels"),
    ([BOX, np.ones((5, 5))], kviz.ImageError, "The region of b.png is of 5 x 5 pixels"),
    (np.ones((3, 24, 40)), kviz.OptionError, "an entry for each of 2 images"),
    (np.array(["a", "b"]), kviz.ImageError, "a is not a regular file"),
    ("", kviz.OptionError, "Received an empty text"),
    ({0: BOX}, kviz.OptionError, "by the images' names.* Received: 0"),
    ({b"a.png": BOX}, kviz.OptionError, "by the images' names.* Received: b'a.png'"),
    (np.full((2, HIGH, WIDE), np.nan), kviz.ImageError, "The region of a.png holds NaN"),
    ([BOX, -1 * thing()], kviz.ImageError, "The region of b.png holds numbers below 0"),
]


@pytest.mark.parametrize(("given", "error", "message"), BAD, ids=range(len(BAD)))
def test_bad_input_is_one_sentence(tmp_path, monkeypatch, given, error, message):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    paths = [photo(Path("a.png")), photo(Path("b.png"), mask=~thing())]
    with pytest.raises(error, match=message) as caught:
        read(given, paths, target_size=(30, 50))
    assert len(str(caught.value)) <= 300


def images(*entries):
    return f'{{"images": [{", ".join(entries)}], "annotations": []}}'


def annotations(*entries):
    return f'{{"images": [], "annotations": [{", ".join(entries)}]}}'


def categories(*entries):
    return f'{{"images": [], "annotations": [], "categories": [{", ".join(entries)}]}}'


NO_COCO = [
    ("{", "cannot be read as JSON"),
    ("[" * 100_000, "cannot be read as JSON"),
    ("1" * 5000, "a number in it has thousands of digits"),
    (b"\xff", "it is not text in UTF-8"),
    ("[]", "is no COCO file: it is .*images with id and file_name, annotations with"),
    ("[" * 500 + "]" * 500, "is no COCO file: it is "),
    ("{}", "it has no images"),
    ('{"images": null}', "it has the images null"),
    ('{"images": [], "annotations": {}}', "it has the annotations {}"),
    (images("3"), r"images\[0\] is 3"),
    (images('{"file_name": "a.png"}'), r"images\[0\] has no id"),
    (images('{"id": [], "file_name": "a.png"}'), r"images\[0\] has the id \[\]"),
    (images('{"id": 1}'), r"images\[0\] has no file_name"),
    (images(*['{"id": 7, "file_name": "a.png"}'] * 2), "two of its images have the id 7"),
    (annotations('"x"'), r'annotations\[0\] is "x"'),
    (annotations('{"bbox": [1, 2, 3, 4]}'), r"annotations\[0\] has no image_id"),
    (annotations('{"image_id": 7, "category_id": {}}'), "has the category_id {}"),
    (categories('{"id": 1, "name": null}'), r"categories\[0\] has the name null"),
    (categories('{"id": 1, "name": ""}'), r'categories\[0\] has the name ""'),
    (categories(*['{"id": 1, "name": "cat"}'] * 2), "two of its categories have the id 1"),
    ([{"bbox": [1, 2, 3]}], "without a bbox of 4 numbers"),
    ([{"bbox": [1, 2, 3, -4]}], "without a bbox of 4 numbers"),
    ([{"bbox": [1, 2, 3, "x"]}], "without a bbox of 4 numbers"),
    ([{"bbox": [1, 2, 3, 1e400]}], "without a bbox of 4 numbers"),
    ([{"bbox": [1, 2, 3, 10**400]}], "without a bbox of 4 numbers"),
    ([{"bbox": "1234"}], 'its bbox is "1234"'),
    ([{}], "its bbox is null"),
    ([{"segmentation": [[1, 2, 3, 4]]}], r"its polygon is \[1, 2, 3, 4\]"),
    ([{"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}], r"its polygon is \[1, 2, 3, 4, 5, 6, 7\]"),
    ([{"segmentation": [1, 2, 3, 4, 5, 6]}], "its polygon is 1"),
    ([{"segmentation": 5}], "its polygon is 5"),
    ([{"segmentation": [[1, 2, 3, 4, 5, 1e308, 7, -1e308]]}], None),
    ([{"segmentation": {"size": [9, 9], "counts": [81]}}], "its mask has the size"),
    ([{"segmentation": {"size": [HIGH, WIDE], "counts": [81]}}], "do not add up to its size"),
    ([{"segmentation": {"size": [HIGH, WIDE], "counts": "~"}}], "no text of COCO's"),
    ([{"segmentation": {"counts": "~"}}], "its mask has the size null"),
    ([{"segmentation": {"size": [HIGH, WIDE]}}], "its run lengths are null"),
]


@pytest.mark.parametrize(("text", "message"), NO_COCO, ids=range(len(NO_COCO)))
def test_a_file_that_is_not_coco_s_is_said(tmp_path, text, message):
    file = tmp_path / "c.json"
    if isinstance(text, list):
        coco(file, text)
    else:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    path = photo(tmp_path / "a.png")
    if message is None:
        read(file, path, target_size=(30, 50))
        return
    with pytest.raises(kviz.ImageError, match=message) as caught:
        read(file, path, target_size=(30, 50))
    assert len(str(caught.value)) <= 300
    # None of Python's own words.
    assert not re.search(r"Error\(|object|NoneType|sys\.|None", str(caught.value))


def test_a_size_that_no_photo_has_takes_no_memory(tmp_path):
    file = coco(tmp_path / "c.json", [{"bbox": BOX}], size=(10**6, 10**6))
    with pytest.raises(kviz.ImageError, match="megapixels"):
        read(file, photo(tmp_path / "a.png"), target_size=(30, 50))


def test_a_mask_of_a_photo_four_pixels_wide_is_no_list_of_boxes(tmp_path):
    mask = np.zeros((24, 4), bool)
    mask[6:18, 1:3] = True
    path = photo(tmp_path / "a.png", mask=mask)
    found, red = read([mask.astype("uint8")], path, target_size=(48, 8))
    np.testing.assert_array_equal(found.whole, red)
