"""TFRecord and WebDataset: records against TensorFlow's own reader, archives against tarfile."""

import io
import json
import os
import struct
import tarfile

import numpy as np
import pytest
from source_checks import check_slices, listed, photo

from kviz.dataset.sources import as_source
from kviz.dataset.sources.decode import decode
from kviz.errors import ImageError, OptionError
from kviz.formats.fitting import Wanted


def feature(*values):
    import tensorflow as tf

    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    packed = [one.encode() if isinstance(one, str) else one for one in values]
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=packed))


def example(**values):
    import tensorflow as tf

    told = {name.replace("__", "/"): feature(value) for name, value in values.items()}
    return tf.train.Example(features=tf.train.Features(feature=told)).SerializeToString()


def write_records(path, records):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


def test_records_are_those_that_tensorflow_reads(tmp_path):
    import tensorflow as tf

    rows = [(f"photo {row}".encode() * (row + 1), row - 3) for row in range(7)]
    for part, chunk in enumerate((rows[:4], [], rows[4:])):
        write_records(
            tmp_path / f"a.tfrecord-{part:05}-of-00003",
            [example(image__encoded=image, image__class__label=label) for image, label in chunk],
        )
    source = as_source(f"{tmp_path}/a.tfrecord-*")
    read = tf.data.TFRecordDataset(sorted(map(str, tmp_path.iterdir()))).map(
        lambda record: tf.io.parse_single_example(
            record,
            {
                "image/encoded": tf.io.FixedLenFeature((), tf.string),
                "image/class/label": tf.io.FixedLenFeature((), tf.int64),
            },
        )
    )
    expected = [
        (int(one["image/class/label"]), one["image/encoded"]) for one in read.as_numpy_iterator()
    ]
    assert [item[1:] for item in source.items(0, 7)] == expected
    assert [item.name for item in source.items(3, 5)] == [
        "a.tfrecord-00000-of-00003[3]", "a.tfrecord-00002-of-00003[0]",
    ]  # fmt: skip
    assert source.describe() == "TFRecord of 7 images in 3 files"
    check_slices(source)


def test_an_example_names_its_image_label_and_size(tmp_path):
    pixels = np.arange(60, dtype=np.uint8)
    path = write_records(tmp_path / "a.tfrecords", [
        example(
            image_raw=pixels.tobytes(), height=4, width=5, depth=3, label="cat", image__filename="x"
        ),
        example(image_raw=pixels.tobytes(), label=1.5),
        example(label=2),
        b"no example",
        example(image_raw=b"1", label=3, other=b"2"),
    ])  # fmt: skip
    source = as_source(path)
    items = list(source.items(0, 5))
    assert (items[0].name, items[0].label) == ("x", "cat")
    assert np.array_equal(items[0].data, pixels.reshape(4, 5, 3))
    for item, words in [(items[1], r"hold 1\.5"), (items[2], "holds no image"),
                        (items[3], "is no tf.train.Example"), (items[4], "not an image")]:  # fmt: skip
        with pytest.raises(ImageError, match=words):
            decode(item, Wanted())
    assert items[2].label == 2
    with pytest.raises(OptionError, match=r"no key 'nope'. It has: 'depth', 'height', "):
        as_source(path, image_column="nope")
    with pytest.raises(OptionError, match=r"no key 'nope'. It has: 'depth', 'height', "):
        as_source(path, label_column="nope")
    assert as_source(path, label_column="width").fingerprint != source.fingerprint
    assert next(as_source(path, label_column="width").items(0, 1)).label == 5


def test_a_broken_record_file_is_said_in_one_sentence(tmp_path):
    path = write_records(
        tmp_path / "a.tfrecord", [example(image=b"1", label=place) for place in range(9)]
    )
    whole = path.read_bytes()
    before = as_source(path).fingerprint
    length = struct.unpack("<Q", whole[:8])[0]

    def said(data):
        path.write_bytes(data)
        with pytest.raises(ImageError) as error:
            as_source(path)
        return str(error.value)

    assert "ends within record 8" in said(whole[:-1])
    assert "ends within record 1" in said(whole[: length + 16 + 5])
    for place in (0, 7, 8, length + 16, length + 16 + 3):
        broken = bytearray(whole)
        broken[place] ^= 1
        assert "a length has not its checksum" in said(bytes(broken))
    assert "a length has not its checksum" in said(b"\xff" * 1000)
    assert "packed as a whole" in said(b"\x1f\x8b\x08\0" * 9)
    assert "holds no image" in said(b"")
    path.write_bytes(whole)
    os.utime(path, ns=(1, 1))
    source = as_source(path)
    assert source.fingerprint != before
    path.write_bytes(whole[:-1])
    with pytest.raises(ImageError, match="has changed while it was read"):
        list(source.items(0, 9))


def archive(path, members):
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_samples_are_files_of_one_name_up_to_its_first_dot(tmp_path):
    png = photo(tmp_path / "1.png", 40).read_bytes()
    archive(tmp_path / "1.tar", [
        ("a/v1.2/x.jpg", b"one"), ("a/v1.2/x.cls", b"7\n"),
        ("b.seg.png", b"mask"), ("b.cls", b"cat"), ("b.PNG", png), ("b.json", b'{"label": 3}'),
        ("c.txt", b"-12"), ("c.webp", b"three"),
        ("text.txt", b"no image"), ("._d.jpg", b"hidden"),
        ("e.jpg", b"five"),
        ("long/" + "n" * 150 + ".jpg", b"six"),
    ])  # fmt: skip
    archive(tmp_path / "2.tar", [
        ("a.jpg", b"1"), ("a.json", json.dumps({"n": 5, "class": "dog"}).encode()),
        ("b.jpg", b"2"), ("b.json", b"{"), ("c.jpg", b"3"), ("c.json", b'{"label": [1, 2]}'),
        ("d.jpg", b"4"), ("d.json", b"9"),
    ])  # fmt: skip
    source = as_source(f"{tmp_path}/*.tar")
    items = list(source.items(0, source.count))
    assert [item.name for item in items] == [
        "1.tar/a/v1.2/x", "1.tar/b", "1.tar/c", "1.tar/e", "1.tar/long/" + "n" * 150,
        "2.tar/a", "2.tar/b", "2.tar/c", "2.tar/d",
    ]  # fmt: skip
    assert [item.label for item in items] == [7, "cat", -12, None, None, "dog", None, None, 9]
    kept = [item.data for item in items if isinstance(item.data, bytes)]
    assert kept == [b"one", png, b"three", b"five", b"six", b"1", b"4"]
    assert decode(items[1], Wanted()).max() == 40
    for item, words in [(items[6], "are no JSON"), (items[7], r"hold \[1, 2\]")]:
        with pytest.raises(ImageError, match=words):
            decode(item, Wanted())
    assert source.describe() == "WebDataset of 9 images in 2 files"
    with pytest.raises(OptionError, match=r"has no member 'gif'. It has: 'cls', 'jpg', "):
        as_source(f"{tmp_path}/*.tar", image_column="gif")
    masks = as_source(f"{tmp_path}/*.tar", image_column="seg.png", label_column="json")
    assert [item[1:] for item in masks.items(0, masks.count)] == [(3, b"mask")]
    assert next(as_source(tmp_path / "2.tar", label_column="n").items(0, 1)).label == 5


@pytest.mark.parametrize("how", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_an_archive_is_what_tarfile_wrote(tmp_path, how):
    rng = np.random.default_rng(0)
    expected = []
    with tarfile.open(tmp_path / "a.tar", "w", format=how) as tar:
        for row in range(20):
            data = rng.bytes(int(rng.integers(0, 2000)))
            for ending, content in (("jpg", data), ("cls", str(row % 3).encode())):
                info = tarfile.TarInfo(f"train/{row:06}.{ending}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            expected.append((f"a.tar/train/{row:06}", row % 3, data))
    source = as_source(tmp_path / "a.tar")
    assert listed(source) == expected
    check_slices(source)
    before = source.fingerprint
    (tmp_path / "b").mkdir()
    (tmp_path / "a.tar").rename(tmp_path / "b/a.tar")
    assert as_source(tmp_path / "b/a.tar").fingerprint == before
    os.utime(tmp_path / "b/a.tar", ns=(1, 1))
    assert as_source(tmp_path / "b/a.tar").fingerprint != before


def test_what_is_no_file_in_an_archive_is_left_out(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE)
        kinds += (tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE)
        for place, kind in enumerate(kinds):
            info = tarfile.TarInfo(f"{place}.jpg")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        info = tarfile.TarInfo("9.jpg")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"good"))
    assert listed(as_source(path)) == [("a.tar/9", None, b"good")]


def test_an_archive_that_says_more_than_it_holds_is_said_in_one_sentence(tmp_path):
    path = archive(tmp_path / "a.tar", [("1.jpg", b"x" * 2000), ("2.jpg", b"y")])
    whole = path.read_bytes()

    def said(data):
        path.write_bytes(data)
        with pytest.raises(ImageError) as error:
            as_source(path)
        return str(error.value)

    def claiming(size, kind=tarfile.REGTYPE):
        info = tarfile.TarInfo("1.jpg")
        info.size, info.type = size, kind
        return info.tobuf(tarfile.GNU_FORMAT) + whole[512:]

    assert "ends early" in said(claiming(1 << 40))
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        assert "a.tar" in said(claiming(1 << 50, kind))
    assert "a.tar" in said(whole[:700])
    assert "cannot be read" in said(b"no archive" * 100)
    assert "packed as a whole" in said(b"\x1f\x8b\x08\0" * 300)
    with pytest.raises(OptionError, match=r"has no image. It has: 'txt'"):
        as_source(archive(tmp_path / "b.tar", [("1.txt", b"x")]))
    huge = archive(tmp_path / "c.tar", [("1.jpg", b"1"), ("1.json", b" " * 1_000_001)])
    with pytest.raises(ImageError, match="take 1 MB"):
        decode(next(as_source(huge).items(0, 1)), Wanted())
    source = as_source(archive(tmp_path / "d.tar", [("1.jpg", b"1")]))
    (tmp_path / "d.tar").write_bytes(b"")
    with pytest.raises(ImageError, match="ends early: its archive has changed"):
        next(source.items(0, 1))
