"""Arrays in files: as they are, and checked before anything is allocated."""

import io
import pickle
import struct
import tracemalloc
import zipfile
from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image
from refusals import refused as refused_as

import kviz
from kviz.formats.array_files import read_array


@dataclass
class Input:
    input_shapes: list
    image_size: tuple[int | None, int | None] = (None, None)
    channels: int | None = 3


def refused(match):
    return refused_as(match, kviz.ImageError)


def random(*shape):
    return np.random.default_rng(0).random(shape).astype(np.float32)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", ">u2", "float16", "<f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_numbers_are_taken_as_they_are(tmp_path, dtype, order):
    array = np.asarray(random(5, 8, 9, 3) * 200, dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", whatever=array)
    for name in ("a.npy", "a.npz"):
        found = kviz.load_images(tmp_path / name)
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("shape", "takes", "found"),
    [
        ((8, 9), None, (1, 8, 9, 1)),
        ((8, 9, 3), None, (1, 8, 9, 3)),
        ((8, 9, 3), (None, 8, 9, 3), (1, 8, 9, 3)),
        ((4, 28, 28), (None, 28, 28, 1), (4, 28, 28, 1)),
        ((6, 100, 2), (None, 100, 2), (6, 100, 2)),
        ((100, 2), (None, None, 2), (1, 100, 2)),
        ((7,), (None, 7), (1, 7)),
        ((2, 7, 8, 9, 1), (None, 7, 8, 9, 1), (2, 7, 8, 9, 1)),
    ],
)
def test_shapes_are_those_that_the_network_takes(tmp_path, shape, takes, found):
    np.save(tmp_path / "a.npy", random(*shape))
    network = None if takes is None else Input([takes])
    assert kviz.load_images(tmp_path / "a.npy", network).shape == found


def test_several_files_are_one_array(tmp_path):
    np.save(tmp_path / "a.npy", random(2, 8, 9, 3))
    Image.new("RGB", (9, 8), (1, 2, 200)).save(tmp_path / "b.png")
    found = kviz.load_images([tmp_path / "a.npy", tmp_path / "b.png"])
    assert found.shape == (3, 8, 9, 3)
    np.testing.assert_array_equal(found[:2], random(2, 8, 9, 3))
    assert found[2, 0, 0].tolist() == [1, 2, 200]


def test_a_folder_is_searched_for_photos_only(tmp_path):
    np.save(tmp_path / "labels.npy", random(3))
    Image.new("RGB", (9, 8), "red").save(tmp_path / "b.png")
    assert kviz.load_images(tmp_path).shape == (1, 8, 9, 3)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"target_size": 7}, "a.npy holds images of 8 x 9; arrays are not resized"),
        ({"bands": (1, 2, 3)}, "bands is for photos. .* is an array"),
    ],
)
def test_what_is_done_to_photos_is_not_done_to_arrays(tmp_path, options, match):
    np.save(tmp_path / "a.npy", random(8, 9, 3))
    with pytest.raises(kviz.KvizError, match=match):
        kviz.load_images(tmp_path / "a.npy", **options)


def header(shape, dtype="<f4", version=1):
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (header((10**6, 10**6, 3)) + bytes(100), "says that it holds an array of shape"),
        (header((2**62, 2**62)) + bytes(100), "says that it holds an array of shape"),
        (header((-1, 4, 3)) + bytes(100), "holds no array: a side is negative"),
        (header((8, 9, 3), "|O") + bytes(900), "holds Python objects, not numbers"),
        (header((8, 9, 3), "<c8") + bytes(9000), "holds complex64, not numbers"),
        (header((8, 9, 3), "<U4") + bytes(9000), "holds <U4, not numbers"),
        (header((8, 9, 3), "M8[s]") + bytes(9000), "holds datetime64"),
        (header((8, 9, 3), version=9) + bytes(9000), "holds no array: "),
        (header((0, 8, 9, 3)), "at least one image"),
        (header((1,) * 40) + bytes(4), "holds an array of shape|holds no array"),
        (header("x" * 5), "holds no array"),
        (b"\x93NUMPY\x01\0\xff\xff" + b"(" * 65535, "holds no array"),
        (b"\x93NUMPY", "holds no array"),
        (b"", "holds no array"),
        (b"only text", "holds no array"),
        (b"PK\3\4 nothing", "holds no array"),
        (header((4, 4, 3)) + np.full((4, 4, 3), np.nan, "f4").tobytes(), "not finite"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(tmp_path, data, match):
    (tmp_path / "a.npy").write_bytes(data)
    with refused(match):
        kviz.load_images(tmp_path / "a.npy")


def test_a_pickle_is_not_opened(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("opened",))

    (tmp_path / "a.npy").write_bytes(header((1,), "|O") + pickle.dumps(Bomb()))
    with refused("Python objects"):
        kviz.load_images(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(pickle.dumps(Bomb()))
    with refused("holds no array"):
        kviz.load_images(tmp_path / "a.npy")


def zipped(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as box:
        for name, data in members:
            box.writestr(name, data)
    return path


def test_a_zip_that_unpacks_to_too_much_is_refused_unpacked(tmp_path):
    zeros = header((300, 1000, 1000), "|u1") + bytes(300_000_000)
    path = zipped(tmp_path / "a.npz", ("a.npy", zeros))
    del zeros
    tracemalloc.start()
    with refused("unpacks to 300 MB; kviz unpacks at most 256. Save it as .npy"):
        kviz.load_images(path)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()
    path = zipped(tmp_path / "a.npz", ("a.npy", header((10**5, 10**5)) + bytes(100)))
    with refused("says that it holds an array of shape"):
        kviz.load_images(path)


def test_a_table_of_contents_of_thousands_is_not_read(tmp_path):
    path = zipped(tmp_path / "a.npz", *((f"{place}.npy", b"") for place in range(20_000)))
    with refused("far more arrays than a model has inputs"):
        kviz.load_images(path)


def test_one_of_several_arrays_has_to_be_meant(tmp_path):
    buffer = io.BytesIO()
    np.savez(buffer, photo=random(2, 8, 9, 3), meta=random(2, 7))
    (tmp_path / "a.npz").write_bytes(buffer.getvalue())
    with refused("Expected a .npz of one array. .* holds photo, meta"):
        kviz.load_images(tmp_path / "a.npz")
    np.testing.assert_array_equal(read_array(tmp_path / "a.npz", "meta"), random(2, 7))


def test_a_large_file_stays_on_the_disk(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((100, 200, 200, 3), np.uint8))
    tracemalloc.start()
    found = kviz.load_images(tmp_path / "a.npy")
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()
    assert found.shape == (100, 200, 200, 3)
