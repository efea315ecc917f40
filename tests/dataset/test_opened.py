"""What is read back is what was written: by kviz, and by zarr and pandas without it."""

import json
import pickle
import shutil

import numpy as np
import pytest
from needed import need_package
from writes_a_store import COUNT, PLAN, begin, columns, maps, write, write_shard

from kviz.dataset import opened
from kviz.dataset.store.lazy_array import LazyArray
from kviz.dataset.works import registry
from kviz.errors import LayerError, OptionError, OutputError
from kviz.files import slug

DTYPES = ["bool", "uint8", "int32", "int64", "float16", "float32", "float64"]


@pytest.fixture(autouse=True)
def _needed():
    for package in ("tensorstore", "pyarrow", "filelock", "pandas", "zarr"):
        need_package(package, "test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("opened") / "store"
    write(folder)
    return folder


@pytest.fixture(scope="module")
def store(folder):
    return opened.open(folder)


@pytest.fixture(scope="module")
def half(tmp_path_factory):
    """A store of which shards 1 and 4 are done, and shard 2 is half there."""
    folder = tmp_path_factory.mktemp("half") / "store"
    writing = begin(folder)
    write_shard(writing, 4)
    write_shard(writing, 1)
    with writing.claim(2) as writer:
        writer.write(40, maps(40, 60), columns(40, 60))
    (folder / "index/000/00000002.parquet").write_bytes(b"half")
    return opened.open(folder)


def zarr_array(folder, path):
    import zarr

    return zarr.open_array(folder / "arrays" / slug(path), mode="r")


# Without kviz.


@pytest.mark.parametrize("path", ["conv1", "block/conv2", "best"])
def test_zarr_reads_an_array(folder, path):
    array = zarr_array(folder, path)
    np.testing.assert_array_equal(array[:], maps(0, COUNT)[path])
    assert array.attrs["path"] == path


def test_pandas_reads_the_index(folder):
    import pandas

    frame = pandas.read_parquet(folder / "index")
    assert list(frame.columns) == ["row", "image", "label", "best", "error"]
    assert frame["row"].tolist() == list(range(COUNT))
    for name, values in columns(0, COUNT).items():
        assert [None if pandas.isna(one) else one for one in frame[name]] == values
    assert pandas.read_parquet(folder / "index", filters=[("row", "<", 5)]).shape == (5, 5)


def test_json_reads_the_rest(folder):
    head = json.loads((folder / "store.json").read_text())
    assert head["plan"]["settings"]["seed"] == [1, 2]
    assert json.loads((folder / "constants.json").read_text()) == {"kinds": {"conv1": "Conv2D"}}


# Types, shapes, cuts.


@pytest.mark.parametrize("compression", ["lz4", "zstd", "none"])
@pytest.mark.parametrize(
    ("count", "shard_size", "chunk"), [(1, 7, 3), (23, 7, 3), (24, 8, 8), (9, 4, 1)]
)
def test_what_is_written_is_read_whatever_the_cut(tmp_path, count, shard_size, chunk, compression):
    rng = np.random.default_rng(count)
    shapes = [(), (5,), (3, 4), (2, 3, 4), (2, 1, 2, 3)]
    given = {
        f"{dtype} {len(shape)}": (rng.normal(size=(count, *shape)) * 9).astype(dtype)
        for dtype in DTYPES
        for shape in (shapes if dtype == "float32" else shapes[-2:-1])
    }
    store = begin(tmp_path / "store", count=count, shard_size=shard_size, compression=compression)
    for shard in reversed(range(store.shards)):
        with store.claim(shard) as writer:
            first, last = store.rows_of(shard)
            for start in range(first, last, chunk):
                stop = min(start + chunk, last)
                part = {path: array[start:stop] for path, array in given.items()}
                writer.write(start, part, columns(start, stop))
            writer.commit()
    assert store.finish()
    found = opened.open(tmp_path / "store")
    assert found.paths == list(given)
    for path, array in given.items():
        assert found[path].dtype == array.dtype
        np.testing.assert_array_equal(found[path][:], array, strict=True)
        np.testing.assert_array_equal(zarr_array(tmp_path / "store", path)[:], array, strict=True)


def test_half_precision_is_as_numpy_rounds(tmp_path):
    values = np.array([[0.1, 1e-8, 65504, 1e6, -1e6, np.nan]] * 4, np.float32)
    store = begin(tmp_path / "store", count=4, dtype="float16")
    with store.claim(0) as writer:
        writer.write(0, {"conv1": values, "classes": np.arange(4)}, columns(0, 4))
        writer.commit()
    found = opened.open(tmp_path / "store")
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(found["conv1"][:], values.astype(np.float16), strict=True)
    assert found["classes"].dtype == np.int64


def test_bfloat16_is_kept_as_single_precision(tmp_path):
    import ml_dtypes  # TensorFlow brings it

    values = np.arange(8, dtype=np.float32).reshape(4, 2).astype(ml_dtypes.bfloat16)
    store = begin(tmp_path / "store", count=4)
    with store.claim(0) as writer:
        writer.write(0, {"conv1": values}, columns(0, 4))
        writer.commit()
    found = opened.open(tmp_path / "store")["conv1"][:]
    np.testing.assert_array_equal(found, values.astype(np.float32), strict=True)


def test_rows_without_answer_are_nan_and_zero(tmp_path):
    store = begin(tmp_path / "store", count=30, shard_size=10)
    given = {"maps": np.ones((4, 3), np.float32), "n": np.ones(4, np.int32), "is": np.ones(4, bool)}
    for shard in range(3):
        with store.claim(shard) as writer:
            start = 10 * shard
            # The second shard is bad as a whole, the others have bad images first and last.
            writer.write(start, {}, columns(start, start + 3))
            writer.write(start + 3, {} if shard == 1 else given, columns(start + 3, start + 7))
            writer.write(start + 7, {}, columns(start + 7, start + 10))
            writer.commit()
    assert store.finish()
    good = np.isin(np.arange(30) % 10, range(3, 7)) & ~np.isin(np.arange(30), range(10, 20))
    found = opened.open(tmp_path / "store")
    for path in given:
        for array in (found[path][:], zarr_array(tmp_path / "store", path)[:]):
            assert (array[good] == 1).all()
            assert (np.isnan(array) if path == "maps" else array == 0)[~good].all()
    assert len(found.index) == 30


def test_a_shard_of_bad_images_has_the_columns_of_the_others(tmp_path):
    import pyarrow.parquet

    store = begin(tmp_path / "store", count=8, shard_size=4, columns={"image": "string",
                  "score": "float32", "label_index": "int32", "five": "list<int32>"})  # fmt: skip
    for shard, score in ((0, [None] * 4), (1, np.ones(4))):
        with store.claim(shard) as writer:
            five = [None] * 4 if shard == 0 else np.arange(8).reshape(4, 2)
            writer.write(4 * shard, {}, {"image": ["a"] * 4, "score": score, "five": five})
            writer.commit()
    files = sorted((tmp_path / "store/index").rglob("*.parquet"))
    one, other = (pyarrow.parquet.read_schema(file) for file in files)
    assert one.equals(other)
    assert [str(field.type) for field in one] == [
        "int64",
        "string",
        "float",
        "int32",
        "list<element: int32>",
    ]
    frame = opened.open(tmp_path / "store").index
    assert frame["score"].isna().tolist() == [True] * 4 + [False] * 4
    assert frame["five"][5].tolist() == [2, 3]


# Lazily.


KEYS = [
    0, -1, np.int64(3), slice(None), slice(18, 43), slice(50, 20), slice(None, None, -7),
    slice(-5, None), slice(3, 90, 20), [5], [1, 1, 99, 0], [], np.array([[1, 2], [102, -1]]),
    (slice(2, 5), 1), (slice(2, 5), slice(None), [0, 3]), ([3, 4], [1, 2]), ([3, 4], 0, slice(1, 3)),
    (..., 0), (None, 3),
    (5, 2, 1), (slice(0, 9, 4), ..., 1), np.arange(COUNT) % 5 == 2, [True, False] * 51 + [True],
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_an_array_is_indexed_as_numpys(store, key):
    np.testing.assert_array_equal(store["conv1"][key], maps(0, COUNT)["conv1"][key], strict=True)


@pytest.mark.parametrize(
    "key", [COUNT, -COUNT - 1, [0, COUNT], (0, 99), [True, False], "a", 1.5, (0,) * 5]
)
def test_what_numpy_refuses_is_refused(store, key):
    with pytest.raises(IndexError) as theirs:
        maps(0, COUNT)["conv1"][key]
    with pytest.raises(IndexError) as ours:
        store["conv1"][key]
    assert type(ours.value) is type(theirs.value)


def test_a_row_costs_the_same_of_however_many(tmp_path):
    count = 10**12
    store = begin(tmp_path / "store", count=count, shard_size=1)
    with store.claim(count - 1) as writer:
        writer.write(count - 1, {"conv1": np.ones((1, 3), np.float32)}, columns(0, 1))
        writer.commit()
    array = opened.open(tmp_path / "store")["conv1"]
    for key in (-1, count - 1, [-1], np.array([count - 1], np.uint64), slice(-1, None)):
        assert (array[key] == 1).all()
        assert array[key].shape == ((3,) if isinstance(key, int) else (1, 3))
    assert array[[]].shape == (0, 3)
    for key in (count, [0, count], "a", 1.5):
        with pytest.raises(IndexError):
            array[key]


def test_an_array_says_what_it_is(store):
    array = store["conv1"]
    assert (array.shape, array.dtype, array.ndim, len(array)) == (
        (COUNT, 20, 20, 3),
        np.float32,
        4,
        COUNT,
    )
    assert array.nbytes == COUNT * 20 * 20 * 3 * 4
    assert repr(array) == "<LazyArray 'conv1' (103, 20, 20, 3) float32>"
    np.testing.assert_array_equal(np.asarray(store["best"], np.float64), maps(0, COUNT)["best"])
    with pytest.raises(ValueError, match="copied"):
        np.array(array, copy=False)


def test_only_the_rows_that_are_meant_are_read(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "store")
    for shard in (0, 1, 3, 4, 5):
        (tmp_path / f"store/arrays/conv1/c.{shard}.0.0.0").write_bytes(b"broken")
        (tmp_path / f"store/index/000/{shard:08}.parquet").write_bytes(b"broken")
    found = opened.open(tmp_path / "store")
    for key in (slice(40, 60), [59, 41], 45, (slice(41, 50), 0)):
        np.testing.assert_array_equal(found["conv1"][key], maps(0, COUNT)["conv1"][key])
    assert found.slice(range(40, 60)).names[1] == "0041.png"
    for read in (lambda: found["conv1"][39], lambda: found.index, lambda: found.slice([5, 45])):
        with pytest.raises(OutputError, match=r"^Cannot read .*(broken|store)"):
            read()


# The index, the plan, the states.


def test_a_part_of_the_index(store):
    import pyarrow.compute

    assert store.rows(["row", "image"]).columns.tolist() == ["row", "image"]
    bad = store.rows(["row"], filter=[("error", "==", "not an image")])
    assert bad["row"].tolist() == list(range(3, COUNT, 10))
    assert len(store.rows(filter=pyarrow.compute.field("best") == 3)) == sum(
        row % 7 == 3 and row % 10 != 3 for row in range(COUNT)
    )
    with pytest.raises(OptionError, match=r"no 'lable'\. Did you mean 'label'\?"):
        store.rows(["lable"])


def test_what_it_holds_is_told(store, half):
    assert (len(store), store.verb, store.complete, store.missing, store.shard_size) == (
        COUNT, "activations", True, [], 20,
    )  # fmt: skip
    assert store.paths == ["conv1", "block/conv2", "best"]
    assert "conv1" in store
    assert "conv2" not in store
    assert store.plan["settings"] == {**PLAN["settings"], "seed": [1, 2]}
    assert store.constants == {"kinds": {"conv1": "Conv2D"}}
    assert store.counts() == {"shards": 6, "rows": COUNT, "bad": 10, "notes": ["a note"]}
    first, _, *rows = repr(store).splitlines()
    assert first == "activations over 103 images, complete"
    assert [row.split()[0] for row in rows] == store.paths
    with pytest.raises(LayerError, match=r"holds no 'conv_1'\. Did you mean 'conv1'\?"):
        store["conv_1"]
    assert (half.complete, half.done, half.missing) == (False, [1, 4], [0, 2, 3, 5])
    assert repr(half).startswith("activations over 103 images, 2 of 6 shards done")
    assert half.counts() == {"shards": 2, "rows": 40, "bad": 4, "notes": ["a note"]}


def test_what_is_not_done_is_not_there(half):
    done = np.isin(np.arange(COUNT) // 20, [1, 4])
    assert half.index["row"].tolist() == np.flatnonzero(done).tolist()
    assert np.isnan(half["conv1"][:20]).all()
    np.testing.assert_array_equal(half["conv1"][done], maps(0, COUNT)["conv1"][done])
    assert half.slice(range(20, 40)).names[0] == "0020.png"
    with pytest.raises(OutputError, match="Rows 40 to 59 are not done yet"):
        half.slice(range(30, 45))
    assert [states["conv1"]["moments"]["count"] for states in half.states()] == [20, 20]


class Sum:
    """Stands for a reduction: adds its states up."""

    def merge(self, left, right):
        return {name: left[name] + right[name] for name in left}

    def result(self, state):
        return {name: int(value) for name, value in state.items()}


def test_states_are_merged(store, half):
    assert store.merged({"moments": Sum(), "others": Sum()}) == {
        "conv1": {"moments": {"count": COUNT, "sum": sum(range(COUNT))}}
    }
    assert half.merged({"moments": Sum()})["conv1"]["moments"]["sum"] == sum(
        [*range(20, 40), *range(80, 100)]
    )
    assert half.merged({}) == {}


def test_states_keep_names_of_any_kind(tmp_path):
    names = ["a/b", "../c", "é\n", "x" * 300, "x" * 301, "header"]
    states = {of: {name: {"n": np.arange(3)} for name in names} for of in names}
    store = begin(tmp_path / "store", count=1)
    with store.claim(0) as writer:
        writer.write(0, {}, columns(0, 1))
        writer.statistics(states)
        writer.commit()
    (found,) = opened.open(tmp_path / "store").states()
    assert found.keys() == states.keys()
    assert found["é\n"].keys() == states["é\n"].keys()
    np.testing.assert_array_equal(found["../c"]["x" * 301]["n"], np.arange(3))


# The verb's own results.


class Work:
    """Stands for a verb: returns what it is given."""

    @staticmethod
    def result(rows):
        return rows


@pytest.mark.parametrize(
    ("key", "rows"),
    [
        (slice(0, 16), range(16)),
        (slice(-3, None), range(100, 103)),
        (slice(None, None, -40), range(102, -1, -40)),
        (7, [7]),
        (-1, [102]),
        (slice(5, 5), []),
    ],
)
def test_rows_are_the_verbs_own_result(store, monkeypatch, key, rows):
    monkeypatch.setattr(registry, "work_class", {"activations": Work}.get)
    found = store[key]
    wanted = maps(0, COUNT)
    errors = columns(0, COUNT)["error"]
    bad, rows = ([row for row in rows if bool(errors[row]) == is_bad] for is_bad in (True, False))
    assert list(found.arrays) == store.paths
    for path, array in found.arrays.items():
        np.testing.assert_array_equal(array, wanted[path][list(rows)], strict=True)
    assert found.names == tuple(f"{row:04}.png" for row in rows)
    best = columns(0, COUNT)["best"]
    assert found.columns["best"] == [best[row] for row in rows]
    assert found.columns["row"] == list(rows)
    assert found.settings["layer_names"] == ["conv1", "block/conv2"]
    assert found.constants == {"kinds": {"conv1": "Conv2D"}}
    left_out = [note for note in found.notes if note.startswith("Left out")]
    assert len(left_out) == bool(bad)
    assert all(f"{row:04}.png" in left_out[0] for row in bad[:3])
    assert found.notes[len(left_out) :] == (("a note",) if len(rows) else ())
    assert (found.made_by.verb, found.made_by.model, found.made_by.model_sha256) == (
        "activations", "net", "ab" * 32,
    )  # fmt: skip


def test_arrays_of_rows_are_read_when_they_are_asked_for(store, monkeypatch):
    part = store.slice([3, 1])
    monkeypatch.setattr(LazyArray, "__getitem__", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        part.arrays["conv1"]
    assert part.arrays.get("conv9") is None
    assert len(part.arrays) == 3


def test_a_row_that_is_not_there_is_refused(store):
    with pytest.raises(IndexError):
        store[COUNT]


def test_a_verb_that_is_not_known_is_refused(tmp_path):
    write(tmp_path / "store", count=4, plan={"verb": "os"})
    with pytest.raises(OptionError, match="There is no verb over a data set 'os'"):
        opened.open(tmp_path / "store")[0:2]


def test_it_pickles(store):
    again = pickle.loads(pickle.dumps(store))  # noqa: S301 - its own
    np.testing.assert_array_equal(again["best"][:], store["best"][:])


# Not to be opened.


def test_what_is_no_store_says_so(tmp_path):
    with pytest.raises(OutputError, match=r"nowhere is no store: there is nothing there\.$"):
        opened.open(tmp_path / "nowhere")
    with pytest.raises(OutputError, match=r"is no store: it holds no store\.json\.$"):
        opened.open(tmp_path)


@pytest.mark.parametrize(
    "file",
    ["constants.json", "complete.json", "arrays/conv1/zarr.json", "statistics/000/00000001.npz"],
)
def test_what_is_broken_says_so(folder, tmp_path, file):
    shutil.copytree(folder, tmp_path / "store")
    (tmp_path / "store" / file).write_bytes(b"{broken")
    found = opened.open(tmp_path / "store")
    with pytest.raises(OutputError, match=r"^Cannot read .*: it is broken\.$"):
        (found.counts(), found["conv1"], found.constants, list(found.states()))
