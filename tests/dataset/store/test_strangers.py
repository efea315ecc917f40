"""A store that anybody has made or bent is read, or said to be broken: no code, no hang, no flood."""

import json
import shutil
import zipfile

import numpy as np
import pytest
from needed import need_package
from writes_a_store import COUNT, write

from kviz import _process
from kviz.dataset import opened
from kviz.dataset.store.states import read_states, write_states
from kviz.errors import KvizError, OptionError, OutputError


@pytest.fixture(autouse=True)
def _needed():
    for package in ("tensorstore", "pyarrow", "filelock", "pandas"):
        need_package(package, "test")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strangers") / "store"
    write(folder)
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "store")


def bend(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head["columns"].update(best="list<" * 3000 + "int8" + ">" * 3000),
        lambda head: head["plan"].update(settings=[]),
        lambda head: head["plan"].update(model="net"),
    ],
    ids=["columns", "settings", "model"],
)
def test_a_description_that_cannot_be_is_broken(folder, change):
    bend(folder / "store.json", change)
    with pytest.raises(OutputError, match=r"its store\.json is broken"):
        opened.open(folder)


def test_more_shards_than_memory_holds_are_not_listed(folder):
    bend(folder / "store.json", lambda head: head.update(count=2**50))
    with pytest.raises(OutputError, match="too many to list"):
        _ = opened.open(folder).missing


@pytest.mark.parametrize("text", ["[1]", "5", "{", "[" * 100_000])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("complete.json", lambda store: store.counts()),
        ("constants.json", lambda store: store.constants),
        ("done/000/00000001.json", lambda store: store.counts()),
        ("arrays/conv1/zarr.json", lambda store: store.paths),
    ],
)
def test_what_is_no_object_is_broken(folder, name, read, text):
    if name.startswith("done"):
        (folder / "complete.json").unlink()
    (folder / name).write_text(text)
    with pytest.raises(OutputError, match="it is broken"):
        read(opened.open(folder))


@pytest.mark.parametrize("about", [[1], {"place": "x"}, {"path": ["conv1"]}])
def test_attributes_of_other_types_are_broken(folder, about):
    bend(folder / "arrays/conv1/zarr.json", lambda zarr: zarr.update(attributes=about))
    with pytest.raises(OutputError, match="it is broken"):
        _ = opened.open(folder).paths


def test_an_index_of_other_rows_is_broken(folder):
    shutil.copy(folder / "index/000/00000001.parquet", folder / "index/000/00000000.parquet")
    with pytest.raises(OutputError, match="it is broken"):
        opened.open(folder).slice([1])


def test_rows_that_memory_does_not_hold_are_not_read(folder, monkeypatch):
    monkeypatch.setattr(_process, "free", lambda: 20_000_000_000)

    def huge(at, size):
        for codec in (zarr["chunk_grid"], zarr["codecs"][0]):
            codec["configuration"]["chunk_shape"][at] = size

    zarr = json.loads((folder / "arrays/conv1/zarr.json").read_text())
    shape = zarr["shape"]
    zarr["shape"] = [COUNT, 10**10, *shape[2:]]
    huge(1, 10**10)
    (folder / "arrays/conv1/zarr.json").write_text(json.dumps(zarr))
    with pytest.raises(OutputError, match=r"2 rows of 'conv1' take .* 20.0 GB of memory are free"):
        _ = opened.open(folder)["conv1"][0:2]
    # Of one row a whole chunk is read.
    zarr["shape"] = shape
    huge(1, shape[1])
    huge(0, 4 * 10**9)
    (folder / "arrays/conv1/zarr.json").write_text(json.dumps(zarr))
    with pytest.raises(OutputError, match="1 rows of 'conv1' take"):
        _ = opened.open(folder)["conv1"][3]


@pytest.mark.parametrize(
    "header", [None, "[1]", '{"x": ["conv1", "moments", "count"]}', '{"x": 5}']
)
def test_states_that_are_none_are_broken(folder, header):
    arrays = {} if header is None else {"header": np.array(header)}
    np.savez(next((folder / "statistics").rglob("*.npz")), other=np.zeros(3), **arrays)
    with pytest.raises(OutputError, match="it is broken"):
        list(opened.open(folder).states())


def test_states_larger_than_memory_are_broken(folder):
    path = next((folder / "statistics").rglob("*.npz"))
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("header.npy", "w") as file:
            np.lib.format.write_array(file, np.array('{"x": ["conv1", "moments", "count"]}'))
        with archive.open("x.npy", "w") as file:
            declared = {"descr": "<f8", "fortran_order": False, "shape": (10**15,)}
            np.lib.format.write_array_header_1_0(file, declared)
    with pytest.raises(OutputError, match="it is broken"):
        list(opened.open(folder).states())


@pytest.mark.parametrize("rows", [[-1], [COUNT], [1.0], [[1]], 5, [True], None])
def test_rows_that_are_none_are_refused(folder, rows):
    with pytest.raises(OptionError, match=f"rows takes numbers from 0 to {COUNT - 1}"):
        opened.open(folder).slice(rows)


@pytest.mark.parametrize("key", [None, 1.5, [1, 2], (1, 2)])
def test_keys_that_are_none_are_refused(folder, key):
    with pytest.raises(KvizError, match=r"over\(\) takes several rows"):
        _ = opened.open(folder)[key]


def test_states_that_would_unpack_to_far_more_are_not_read(folder):
    path = next((folder / "statistics").rglob("*.npz"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.npy", b"0" * 200_000_000)
    with pytest.raises(OutputError):
        list(opened.open(folder).states())


def test_states_of_zeros_are_written_so_that_they_are_read(tmp_path):
    zeros = {"conv": {"mean_by_class": {"total": np.zeros((10_000_000,))}}}
    path = tmp_path / "states.npz"
    path.write_bytes(write_states(zeros))
    assert path.stat().st_size > 80_000_000  # packed, it would look like a bomb
    assert not read_states(path)["conv"]["mean_by_class"]["total"].any()
