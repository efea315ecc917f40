"""What is killed, full, shared or otherwise begun: the store is the same, or says why not."""

import errno
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import writes_a_store
from needed import need_package
from writes_a_store import (
    COLUMNS,
    PLAN,
    begin,
    columns,
    maps,
    write,
    write_shard,
)

from kviz.dataset import opened
from kviz.dataset.store import places, writer
from kviz.dataset.store.head import read_head
from kviz.dataset.store.store import Store
from kviz.dataset.store.zarr_arrays import rows_a_file
from kviz.errors import OptionError, OutputError
from kviz.extras import install_command

PROGRAM = Path(writes_a_store.__file__)


@pytest.fixture(autouse=True)
def _needed():
    for package in ("tensorstore", "pyarrow", "filelock", "pandas"):
        need_package(package, "store")


def tree(folder):
    """Return all that is in a folder but the log: files' bytes, and None for folders."""
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
        if path.name != "log.jsonl"
    }


def started(path, *options):
    return subprocess.Popen([sys.executable, PROGRAM, path, *options], stdout=subprocess.PIPE)


def ended(process, code=0):
    output, _ = process.communicate(timeout=120)
    assert process.returncode == code
    return output.split()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "store"
    write(folder)
    return folder


# Whole: what is where.


def test_a_complete_store_holds_what_it_should_and_nothing_else(whole):
    shards = range(6)
    zarr = {"block-conv2-": 2, "conv1": 4, "best": 1}
    found = set(tree(whole))
    named = {f"{kind}/000/{shard:08}.{end}" for shard in shards for kind, end in
             (("index", "parquet"), ("done", "json"), ("statistics", "npz"))}  # fmt: skip
    assert named <= found
    arrays = {path.name for path in (whole / "arrays").iterdir()}
    assert len(arrays) == 3
    for name in arrays:
        axes = next(axes for start, axes in zarr.items() if name.startswith(start))
        chunks = {".".join(["c", str(shard), *["0"] * (axes - 1)]) for shard in shards}
        assert {path.name for path in (whole / "arrays" / name).iterdir()} == {"zarr.json", *chunks}
        found -= {f"arrays/{name}", *(f"arrays/{name}/{each}" for each in ("zarr.json", *chunks))}
    others = {
        "store.json",
        "constants.json",
        "complete.json",
        "index",
        "done",
        "statistics",
        "arrays",
    }
    assert found - named == others | {f"{kind}/000" for kind in ("index", "done", "statistics")}


def test_two_runs_write_the_same_whatever_the_clock_says(whole, tmp_path):
    write(tmp_path / "again")
    assert tree(tmp_path / "again") == tree(whole)
    text = b"".join(data for data in tree(whole).values() if data)
    for private in (os.uname().nodename.encode(), str(tmp_path.parent).encode()):
        assert private not in text
    lines = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["begin"]
    assert lines[0]["host"]
    assert lines[0]["time"].startswith("20")


def test_states_of_one_moment_are_not_those_of_another(whole):
    with zipfile.ZipFile(whole / "statistics/000/00000001.npz") as file:
        assert {member.date_time for member in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    with np.load(whole / "statistics/000/00000001.npz") as file:
        assert file["conv1/moments/count"] == 20
        assert file["conv1/moments/sum"] == sum(range(20, 40))


def test_the_last_file_counts_what_all_shards_count(whole):
    assert json.loads((whole / "complete.json").read_text()) == {
        "shards": 6, "rows": 103, "bad": 10, "notes": ["a note"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("shard_size", "row", "arrays", "rows"),
    [
        (1000, 802_816, 1, 50),  # 40 MB: the next divisor, 100, would be 80
        (1000, 1, 1, 1000),
        (1000, 64_000_000, 1, 1),
        (1000, 100_000_000, 1, 1),
        (1000, 802_816, 100, 5),  # of so many arrays each has 5 MB
        (997, 802_816, 1, 1),  # a prime has no other divisors
        (5, 0, 1, 5),
    ],
)
def test_a_file_has_rows_of_one_shard_and_room_in_memory(shard_size, row, arrays, rows):
    assert rows_a_file(shard_size, row, arrays) == rows
    assert shard_size % rows == 0


def test_inner_chunks_are_a_row_or_small(tmp_path):
    store = begin(tmp_path / "store", count=64, shard_size=64, columns={"image": "string"})
    big, small = np.zeros((64, 300, 300), np.float32), np.zeros((64, 50, 50), np.float32)
    with store.claim(0) as writer:
        writer.write(0, {"big": big, "small": small}, {"image": ["x"] * 64})
        writer.commit()
    chunks = {}
    for name in ("big", "small"):
        metadata = json.loads((tmp_path / "store/arrays" / name / "zarr.json").read_text())
        chunks[name] = metadata["codecs"][0]["configuration"]["chunk_shape"][0]
    assert chunks == {"big": 1, "small": 16}  # 160 kB; 32 would be 320


# Killed.


def kill_somewhere(process, moment):
    process.stdout.readline()
    time.sleep(moment)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def disturb(path, whole, moments):
    """Kill a run again and again, and let the last one end."""
    for moment in moments:
        kill_somewhere(started(path, "--resume"), moment)
    ended(started(path, "--resume"))
    assert tree(path) == tree(whole)


def test_what_is_killed_at_random_moments_ends_as_if_it_had_not_been(whole, tmp_path):
    disturb(tmp_path / "store", whole, np.random.default_rng().uniform(0, 0.25, 2))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_kills_at_more_random_moments(whole, tmp_path, seed):
    moments = np.random.default_rng(seed).uniform(0, 0.3, 1 + seed % 4)
    disturb(tmp_path / "store", whole, moments)


def killed_at_files(whole, path, numbers):
    for number in numbers:
        ended(started(path, "--resume", "--die", str(number)), -signal.SIGKILL)
    ended(started(path, "--resume"))
    assert tree(path) == tree(whole)


def test_what_is_killed_at_its_first_files_ends_the_same(whole, tmp_path):
    # Before the first shard's marker is there.
    killed_at_files(whole, tmp_path / "store", [10])


@pytest.mark.slow
def test_what_is_killed_before_any_file_is_on_the_disk_ends_the_same(whole, tmp_path):
    for number in range(0, 48, 2):
        killed_at_files(whole, tmp_path / f"{number}", [number])


def test_what_a_killed_process_left_is_removed_by_who_goes_on(whole, tmp_path):
    store = begin(tmp_path / "store")
    with store.claim(2) as writer:
        writer.write(40, maps(40, 60), columns(40, 60))
    array = tmp_path / "store/arrays/conv1"
    assert (array / "c.2.0.0.0").exists()
    # Half a file, the next one's beginnings, those of files that Python writes, another's lock.
    (array / "c.2.0.0.0").write_bytes(b"half")
    for name in ("c.2.0.0.0.__lock", "zarr.json.__lock"):
        (array / name).write_bytes(b"half")
    for name in ("index/000/.00000002.parquet.part", "done/000/.00000002.json.part"):
        (tmp_path / "store" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "store" / name).write_bytes(b"half")
    assert not store.done()
    write(tmp_path / "store", resume=True)
    assert tree(tmp_path / "store") == tree(whole)


def test_rows_that_another_attempt_left_are_not_those_of_this_one(tmp_path):
    store = begin(tmp_path / "store", count=20)
    with store.claim(0) as writer:
        writer.write(0, {"conv1": np.ones((20, 3), np.float32)}, columns(0, 20))
    (tmp_path / "store/arrays/conv1/c.0.0.__lock").write_bytes(b"half")
    with store.claim(0) as writer:  # all images have become unreadable since
        writer.write(0, {}, columns(0, 20))
        writer.commit()
    assert np.isnan(opened.open(tmp_path / "store")["conv1"][:]).all()
    assert [path.name for path in (tmp_path / "store/arrays/conv1").iterdir()] == ["zarr.json"]


def test_what_is_undone_has_no_marker_any_more(tmp_path, monkeypatch):
    store = begin(tmp_path / "store")
    write_shard(store, 0)
    # A file server that has not told yet of another host's marker.
    monkeypatch.setattr(Store, "_is_done", lambda *_: False)

    def fail():
        with store.claim(0):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    left = {path.name for path in (tmp_path / "store").rglob("0*") if path.is_file()}
    assert left == {"00000000.lock"}
    assert store.done() == set()


def test_statistics_of_another_attempt_are_not_those_of_this_one(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "store")
    (tmp_path / "store/complete.json").unlink()
    (tmp_path / "store/done/000/00000002.json").unlink()
    store = begin(tmp_path / "store", resume=True)
    with store.claim(2) as writer:  # all images have become unreadable since
        writer.write(40, {}, columns(40, 60))
        writer.commit()
    assert [len(each) for each in opened.open(tmp_path / "store").states()] == [1] * 5


def test_what_ends_by_an_error_is_undone_and_free_again(tmp_path):
    store = begin(tmp_path / "store")

    def fail():
        with store.claim(0) as writer:
            writer.write(0, maps(0, 8), columns(0, 8))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert store.done() == set()
    assert write_shard(store, 0)
    assert store.done() == {0}


def test_a_shard_is_committed_whole(tmp_path):
    store = begin(tmp_path / "store")
    with store.claim(0) as writer:
        writer.write(0, maps(0, 8), columns(0, 8))
        with pytest.raises(ValueError, match="rows up to 20, and 8 is next"):
            writer.commit()
        for start, stop in ((9, 10), (0, 8), (8, 21)):
            with pytest.raises(ValueError, match="rows from 8, at most to 20"):
                writer.write(start, maps(start, stop), columns(start, stop))
        with pytest.raises(ValueError, match="rows from 8"):
            writer.write(8, maps(8, 12), columns(8, 13))
        with pytest.raises(ValueError, match=r"not \{'more'\}"):
            writer.write(8, {**maps(8, 12), "more": np.zeros(4)}, columns(8, 12))
        for other in (np.ones((4, 1), np.float32), np.ones((4, 5), np.complex64)):
            with pytest.raises(ValueError, match=r"Expected rows \(5,\) of float32, not \("):
                writer.write(8, {**maps(8, 12), "block/conv2": other}, columns(8, 12))
        with pytest.raises(ValueError, match=r"Expected rows .* of int32, not .* of float32"):
            writer.write(8, {**maps(8, 12), "best": np.ones(4, np.float32)}, columns(8, 12))
        with pytest.raises(ValueError, match=r"not \{'colour'\}"):
            writer.write(8, maps(8, 12), {"colour": [1, 2, 3, 4]})
    assert store.done() == set()
    assert not store.finish()


# Shared.


def test_two_at_once_share_the_shards(whole, tmp_path):
    processes = [started(tmp_path / "store", "--shared") for _ in range(2)]
    for process in processes:
        ended(process)
    assert tree(tmp_path / "store") == tree(whole)


def test_one_shard_has_one_writer(tmp_path):
    one, other = begin(tmp_path / "store"), begin(tmp_path / "store", shared=True)
    with one.claim(1) as writer:
        assert writer is not None
        with other.claim(1) as second:
            assert second is None
        with other.claim(0) as second:
            assert second is not None
    with other.claim(1) as second:
        assert second is not None


def test_a_shard_that_was_done_meanwhile_is_not_done_again(tmp_path, monkeypatch):
    one, other = begin(tmp_path / "store"), begin(tmp_path / "store", shared=True)
    looked = []

    def late(self, shard):
        looked.append(shard)
        if len(looked) == 1:  # the other looks for the marker, and then this one makes it
            monkeypatch.undo()
            assert write_shard(one, 0)
            return False
        return self.places.part("done", shard, "json").exists()

    monkeypatch.setattr(Store, "_is_done", late)
    with other.claim(0) as writer:
        assert writer is None
    assert not list((tmp_path / "store/locks").glob("0*"))


def test_who_comes_after_the_end_leaves_no_locks(tmp_path):
    store = write(tmp_path / "store", count=20)
    before = tree(tmp_path / "store")
    with store.claim(0) as writer:
        assert writer is None
    assert store.finish()
    assert tree(tmp_path / "store") == before
    # One that had looked before the end.
    (tmp_path / "store/locks").mkdir()
    (tmp_path / "store/locks/00000000.lock").touch()
    again = begin(tmp_path / "store", count=20, resume=True)
    assert again.finish()
    assert tree(tmp_path / "store") == before


def test_the_marker_is_a_shards_last_file(tmp_path, monkeypatch):
    made = []

    def put(path, data):
        made.append(path.parts[-3])
        # Arrays too are whole by then.
        assert not list((tmp_path / "store/arrays").rglob("*.__lock"))
        assert len(list((tmp_path / "store/arrays").rglob("c.*"))) == 3
        places.put(path, data)

    monkeypatch.setattr(writer, "put", put)
    write_shard(begin(tmp_path / "store"), 0)
    assert made == ["index", "statistics", "done"]


@pytest.mark.parametrize("each", [1, 60])
def test_notes_are_told_once_and_no_more_than_a_person_reads(tmp_path, each):
    store = begin(tmp_path / "store", count=4, shard_size=1)
    for shard in range(4):
        with store.claim(shard) as writing:
            writing.write(shard, {}, columns(shard, shard + 1))
            notes = ["of all", *(f"{shard} {place}" for place in range(each))]
            writing.commit(notes=notes, bad=1)
    store.finish()
    told = opened.open(tmp_path / "store").counts()
    every = ["of all", *(f"{shard} {place}" for shard in range(4) for place in range(each))]
    assert told == {"shards": 4, "rows": 4, "bad": 4, "notes": every[:100]}


def test_the_end_comes_with_the_last_shard(tmp_path):
    store = begin(tmp_path / "store", count=40)
    write_shard(store, 1)
    assert not store.finish()
    assert not (tmp_path / "store/complete.json").exists()
    write_shard(store, 0)
    assert store.finish()
    assert (tmp_path / "store/complete.json").exists()


# Given up.


def first_of(path):
    """A store of a first pass within another."""
    begin(path)
    return begin(path / "first", count=40)


def test_a_store_without_a_shard_is_removed(tmp_path):
    first = first_of(tmp_path / "store")
    with first.claim(0):
        pass
    Store.at(tmp_path / "store").abandon()
    assert not (tmp_path / "store").exists()
    with pytest.raises(OutputError, match=r"There is no store in \S+ any more"), first.claim(0):
        pass


def test_a_first_pass_of_which_a_shard_is_done_stays(tmp_path):
    first = first_of(tmp_path / "store")
    write_shard(first, 1)
    before = tree(tmp_path / "store")
    Store.at(tmp_path / "store").abandon()
    assert tree(tmp_path / "store") == before


@pytest.mark.parametrize("within", ["", "first"])
def test_who_is_at_a_shard_keeps_the_store(tmp_path, within):
    first_of(tmp_path / "store")
    with Store.at(tmp_path / "store" / within).claim(0) as writer:
        before = tree(tmp_path / "store")
        Store.at(tmp_path / "store").abandon()
        assert writer is not None
        after = tree(tmp_path / "store")
        assert {name: after[name] for name in before} == before


# Begun otherwise, or not to be begun.


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"plan": {**PLAN, "verb": "predict"}}, 'verb was "activations", and is "predict" now'),
        (
            {"plan": {**PLAN, "model": {**PLAN["model"], "sha256": "ee" * 32}}},
            r'model\'s sha256 was "abab\S+, and is "eeee\S+ now',
        ),
        (
            {"plan": {**PLAN, "settings": {**PLAN["settings"], "pooling": "avg"}}},
            'pooling was null, and is "avg" now',
        ),
        (
            {"plan": {**PLAN, "settings": {**PLAN["settings"], "top_k": 5}}},
            "top_k was not given, and is 5 now",
        ),
        (
            {"plan": {**PLAN, "source": {**PLAN["source"], "fingerprint": "f"}}},
            r"was begun on other images: their number, names, sizes or times",
        ),
        ({"count": 104}, "count was 103, and is 104 now"),
        ({"shard_size": 10}, "shard_size was 20, and is 10 now"),
        ({"dtype": "float16"}, 'dtype was null, and is "float16" now'),
        ({"compression": "zstd"}, 'compression was "lz4", and is "zstd" now'),
        (
            {"plan": {**PLAN, "verb": "fool"}, "count": 9},
            r'verb was "activations", and is "fool" now \(and 1 more differs\)',
        ),
        (
            {"columns": {**COLUMNS, "best": "int64"}},
            'columns\'s best was "int32", and is "int64" now',
        ),
    ],
)
@pytest.mark.parametrize("join", ["resume", "shared"])
def test_what_was_begun_otherwise_is_refused_with_what_differs(whole, how, match, join):
    before = tree(whole)
    with pytest.raises(OutputError, match=match) as raised:
        begin(whole, **{join: True}, **how)
    assert len(str(raised.value)) < 300
    assert "was begun o" in str(raised.value)
    assert tree(whole) == before


def test_who_begins_at_the_same_time_does_not_begin_anew(tmp_path, monkeypatch):
    begin(tmp_path / "store")
    before = tree(tmp_path / "store")
    looked = []

    def late(where):  # this one looked before the other had written
        looked.append(where)
        return None if len(looked) == 1 else read_head(where)

    monkeypatch.setattr("kviz.dataset.store.store.read_head", late)
    with pytest.raises(OutputError, match="count was 103, and is 104 now"):
        begin(tmp_path / "store", count=104, shared=True)
    assert tree(tmp_path / "store").items() >= before.items()


def test_the_same_as_text_is_the_same(whole):
    settings = {**PLAN["settings"], "seed": [np.int64(1), 2]}
    assert begin(whole, plan={**PLAN, "settings": settings}, resume=True).done() == set(range(6))


def test_a_store_that_is_there_is_gone_on_with_only_if_that_is_said(whole, tmp_path):
    with pytest.raises(OutputError, match=r"holds a complete store\. Choose another folder"):
        begin(whole)
    assert begin(tmp_path / "new", resume=True).shards == 6
    assert begin(tmp_path / "newer", shared=True).shards == 6
    (tmp_path / "empty").mkdir()
    assert begin(tmp_path / "empty").shards == 6


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "photo.png").write_bytes(b"photo")
    for join in ({}, {"resume": True}, {"shared": True}):
        with pytest.raises(OutputError, match=r"is no store, and .* such as photo\.png"):
            begin(tmp_path, **join)
        with pytest.raises(OutputError, match=r"photo\.png is a file, and a store is a folder"):
            begin(tmp_path / "photo.png", **join)
        with pytest.raises(OutputError, match="a part of the path is a file"):
            begin(tmp_path / "photo.png/store", **join)
    with pytest.raises(OutputError, match="NUL"):
        begin("a\0b")
    assert {path.name for path in tmp_path.iterdir()} == {"photo.png"}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"", "its store.json is broken"),
        (b"[]", "its store.json is broken"),
        (b'{"made_by": "zarr", "format": 1}', "its store.json is broken"),
        (b'{"made_by": "kviz", "format": 1}', "its store.json is broken"),
        (b'{"made_by": "kviz", "format": 1, "plan": {}, "count": -1, "shard_size": 1, "columns": {}, '
         b'"packing": {}}', "its store.json is broken"),
        (b'{"made_by": "kviz", "format": 1, "plan": {}, "count": 1, "shard_size": 1, "columns": {}, '
         b'"packing": {"compression": "rar"}}', "its store.json is broken"),
        (b'{"made_by": "kviz", "format": 2}', "A newer kviz wrote .* its format is 2, .* reads 1"),
        (b"[" * 100_000, "its store.json is broken"),
    ],
)  # fmt: skip
def test_a_description_that_cannot_be_read_says_so(tmp_path, text, match):
    (tmp_path / "store.json").write_bytes(text)
    for use in (opened.open, lambda path: begin(path, resume=True), begin, Store.at):
        with pytest.raises(OutputError, match=match):
            use(tmp_path)
    assert tree(tmp_path) == {"store.json": text}


def test_options_are_checked_before_anything_is_written(tmp_path):
    with pytest.raises(OptionError, match="dtype takes one of"):
        begin(tmp_path / "store", dtype="int8")
    with pytest.raises(OptionError, match="compression takes one of"):
        begin(tmp_path / "store", compression="rar")
    assert not (tmp_path / "store").exists()


def test_what_is_missing_is_told_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    for use in (begin, opened.open):
        with pytest.raises(
            OptionError, match=f"tensorstore, .* {re.escape(install_command('store'))}"
        ):
            use(tmp_path / "store")


# Full, or not to be written.


class Filled:
    """A folder on a disk with little room: a file system of 4 MB, or files of a least size."""

    def __init__(self, folder):
        self.folder, self._mounted = folder, False
        folder.mkdir()
        if not os.geteuid() and shutil.which("mount"):
            mount = [shutil.which("mount"), "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder]
            self._mounted = not subprocess.run(mount, stderr=subprocess.DEVNULL).returncode
        self._most = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self, left):
        if self._mounted:
            with suppress(OSError):
                (self.folder / "filler").write_bytes(bytes(4 * 1024**2 - left))
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (left // 4, self._most[1]))

    def free(self):
        (self.folder / "filler").unlink(missing_ok=True)
        resource.setrlimit(resource.RLIMIT_FSIZE, self._most)

    def end(self):
        self.free()
        if self._mounted:
            subprocess.run([shutil.which("umount"), self.folder], check=True)


@pytest.fixture
def small(tmp_path):
    disk = Filled(tmp_path / "small")
    yield disk
    disk.end()


_FULL = r"Cannot write \S+: (the disk is full|the file would be larger than is allowed here)\."


def test_a_full_disk_is_one_sentence_and_more_room_goes_on(small, tmp_path):
    small.fill(1_200_000)
    with pytest.raises(OutputError, match=_FULL):
        write(small.folder / "store", side=60)
    assert len(begin(small.folder / "store", resume=True).done()) < 6
    small.free()
    write(small.folder / "store", side=60, resume=True)
    write(tmp_path / "whole", side=60)
    assert tree(small.folder / "store") == tree(tmp_path / "whole")


def test_a_full_disk_is_one_sentence_whatever_is_written(small):
    small.fill(0)
    with pytest.raises(OutputError, match=_FULL):
        begin(small.folder / "store")


def test_a_file_is_on_the_disk_before_it_has_its_name_and_then_its_name_is(tmp_path, monkeypatch):
    steps, sync, replace = [], os.fsync, Path.replace

    def synced(number):
        path = Path(f"/proc/self/fd/{number}").readlink()
        steps.append(("sync", path.name, path.is_dir() or path.read_bytes()))
        sync(number)

    def replaced(self, target):
        steps.append(("rename", self.name, target.name))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    places.put(tmp_path / "done/7.json", b"all")
    assert steps == [
        ("sync", ".7.json.part", b"all"), ("rename", ".7.json.part", "7.json"), ("sync", "done", True),
    ]  # fmt: skip
    assert (tmp_path / "done/7.json").read_bytes() == b"all"


@pytest.mark.parametrize(
    ("number", "match"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "permission denied"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EDQUOT, "quota"),
    ],
)
def test_what_tensorstore_says_of_the_disk_is_said_plainly(tmp_path, number, match):
    said = f"RESOURCE_EXHAUSTED: Error writing local file [os_error_code='{number}'] [more='1']"
    with pytest.raises(OutputError, match=match) as raised, places.writing(tmp_path):
        raise ValueError(said)
    assert "\n" not in str(raised.value)
    assert "RESOURCE" not in str(raised.value)
    with pytest.raises(ValueError, match=r"^another$"), places.writing(tmp_path):
        raise ValueError("another")


@pytest.mark.parametrize("what", ["mkdir", "open"])
def test_a_folder_that_takes_nothing_says_so(tmp_path, monkeypatch, what):
    def refuse(self, *_, **__):
        raise OSError(errno.EROFS, "Read-only file system", str(self))

    monkeypatch.setattr(Path, what, refuse)
    with pytest.raises(OutputError, match=r"(write|read) \S+: the file system is read-only"):
        begin(tmp_path / "store")


# Memory.


def peak(path, count):
    return int(ended(started(path, "--count", str(count), "--side", "100"))[-1]) / 1024


def test_memory_is_flat(tmp_path):
    # 12 MB of maps, and 48.
    small, large = peak(tmp_path / "small", 100), peak(tmp_path / "large", 400)
    assert large - small < 12
