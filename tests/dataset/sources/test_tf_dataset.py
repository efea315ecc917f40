"""A tf.data.Dataset as a source, against what it was made from."""

import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf
from source_checks import listed, photo

from kviz.dataset.sources import as_source
from kviz.dataset.sources.decode import decode
from kviz.errors import ImageError, OptionError
from kviz.formats.fitting import Wanted

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 4, 3, 3), np.uint8)
LABELS = [3, 1, 4, 1, 5, 9, 2]
EXPECTED = [(f"image[{place}]", LABELS[place], IMAGES[place].tolist()) for place in range(7)]
HOT = np.eye(10, dtype=np.float32)[LABELS]


def of(*parts):
    return tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0])


@pytest.mark.parametrize(
    "dataset",
    [
        lambda: of(IMAGES, LABELS),
        lambda: of(IMAGES, LABELS).batch(3),
        lambda: of(IMAGES, LABELS, np.ones(7)).batch(3),
        lambda: of(IMAGES, HOT).batch(2).prefetch(1),
        lambda: of({"image": IMAGES, "label": LABELS, "id": range(7)}),
        lambda: of(IMAGES, LABELS).filter(lambda *_: True),
        lambda: tf.data.Dataset.range(7).map(
            lambda i: (tf.gather(IMAGES, i), tf.gather(LABELS, i))
        ),
    ],
)
def test_elements_are_images_and_labels_batched_or_not(dataset):
    source = as_source(dataset())
    assert source.describe() == "tf.data.Dataset of 7 images"
    assert listed(source) == EXPECTED
    for cut in (0, 3, 7):
        assert listed(source, 0, cut) + listed(source, cut) == EXPECTED
    assert listed(source, 5, 6) + listed(source, 2, 4) == EXPECTED[5:6] + EXPECTED[2:4]


def test_images_alone_grey_ones_and_encoded_ones():
    assert [row[1:] for row in listed(as_source(of(IMAGES)))] == [
        (None, one[2]) for one in EXPECTED
    ]
    assert listed(as_source(of(IMAGES[..., 0])))[0][2] == IMAGES[0, ..., 0].tolist()
    (item,) = as_source(of([b"bytes"])).items(0, 1)
    assert item.data == b"bytes"
    assert as_source(of([b"a", b"b", b"c"]).batch(2)).count == 3


def test_reading_on_goes_through_the_elements_once():
    passed = []

    def image(place):
        passed.append(int(place))
        return IMAGES[place]

    dataset = tf.data.Dataset.range(7).map(
        lambda place: tf.ensure_shape(tf.numpy_function(image, [place], tf.uint8), (4, 3, 3)),
        num_parallel_calls=1, deterministic=True,
    )  # fmt: skip
    source = as_source(dataset)
    for start in range(0, 7, 2):
        list(source.items(start, min(start + 2, 7)))
    assert sorted(passed) == list(range(7))


def test_photos_in_folders_keep_their_classes(tmp_path):
    for name in ("b/1.png", "a/1.png", "a/2.png"):
        photo(tmp_path / name, 50)
    source = as_source(keras.utils.image_dataset_from_directory(
        tmp_path, shuffle=False, image_size=(4, 4), verbose=False
    ))  # fmt: skip
    assert source.label_names == ("a", "b")
    items = list(source.items(0, 3))
    assert [item.label for item in items] == [0, 0, 1]
    assert np.all(decode(items[0], Wanted((4, 4))) == 50)


def test_what_is_wrong_is_said_in_one_sentence():
    def broken(place):
        return tf.py_function(lambda _: 1 / 0, [place], tf.float32)

    for dataset, kind, words in [
        (of(IMAGES).repeat(), ImageError, "repeats for ever"),
        (of(IMAGES).take(0), ImageError, "holds no image"),
        (of(np.zeros(3)), ImageError, "Expected images, or batches of them"),
        (of({"a": IMAGES}), OptionError, r"has no image. It has: 'a'"),
        (tf.data.Dataset.range(3).map(broken), ImageError, "unknown rank"),
        (of(IMAGES, LABELS, LABELS, LABELS), ImageError, "gives 4 things"),
        (
            tf.data.Dataset.range(3).map(lambda i: tf.ensure_shape(broken(i), (4, 4)))
            .filter(lambda _: True),
            ImageError, "A tf.data.Dataset fails: ",
        ),
    ]:  # fmt: skip
        with pytest.raises(kind, match=words):
            as_source(dataset)
    with pytest.raises(OptionError, match=r"is for a tf.data.Dataset of dicts"):
        as_source(of(IMAGES), image_column="image")
    with pytest.raises(OptionError, match="stays in the process that made it"):
        pickle.dumps(as_source(of(IMAGES)))
    (item,) = as_source(of(IMAGES[:1], [[1, 1]])).items(0, 1)
    with pytest.raises(ImageError, match="Expected a class's name or its number"):
        decode(item, Wanted())
    shrinking = as_source(of(IMAGES))
    object.__setattr__(shrinking, "elements", 9)
    with pytest.raises(ImageError, match="gave 7 only this time"):
        list(shrinking.items(0, 9))


def test_the_fingerprint_is_of_types_and_count():
    prints = {as_source(of(IMAGES)).fingerprint, as_source(of(IMAGES[:5])).fingerprint,
              as_source(of(IMAGES, LABELS)).fingerprint,
              as_source(of(IMAGES / 2)).fingerprint}  # fmt: skip
    assert len(prints) == 4
    assert as_source(of(255 - IMAGES)).fingerprint in prints
