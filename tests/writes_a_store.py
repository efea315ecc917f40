"""Writes a store from a process of its own, without TensorFlow: rows that depend on their number alone.

    python writes_a_store.py FOLDER [--resume] [--shared] [--die N] [--count N] [--side N]

With `--die N` it kills itself before the N-th time that Python has the disk take a file.
"""

import argparse
import os
import resource
import signal
import sys
from pathlib import Path
from types import ModuleType

import numpy as np

import kviz

if __name__ == "__main__":
    # Without what the package itself imports: TensorFlow takes seconds and half a gigabyte.
    sys.modules["kviz.dataset"] = ModuleType("kviz.dataset")
    sys.modules["kviz.dataset"].__path__ = [str(Path(kviz.__file__).with_name("dataset"))]

from kviz.dataset.store import writer
from kviz.dataset.store.store import Store
from kviz.dataset.store.zarr_arrays import Packing

COUNT, SHARD, CHUNK = 103, 20, 8
COLUMNS = {"image": "string", "label": "string", "best": "int32", "error": "string"}
PLAN = {
    "verb": "activations",
    "model": {"name": "net", "sha256": "ab" * 32, "preprocess": None},
    "settings": {"pooling": None, "layer_names": ["conv1", "block/conv2"], "seed": (1, 2)},
    "source": {"kind": "folder", "fingerprint": "cd" * 32},
}


def maps(start, stop, side=20):
    """Return arrays of some rows; every tenth image is bad."""
    rows = np.arange(start, stop)
    bad = rows % 10 == 3
    where = rows[:, None, None, None] + np.arange(side * side * 3).reshape(side, side, 3)
    conv1 = np.maximum(np.sin(where), 0).astype(np.float32)
    pooled = np.cos(rows[:, None] + np.arange(5)).astype(np.float32)
    conv1[bad], pooled[bad] = np.nan, np.nan
    return {
        "conv1": conv1,
        "block/conv2": pooled,
        "best": np.where(bad, 0, rows % 7).astype(np.int32),
    }


def columns(start, stop):
    rows = range(start, stop)
    return {
        "image": [f"{row:04}.png" for row in rows],
        "label": [None if row % 4 else f"class {row % 3}" for row in rows],
        "best": [None if row % 10 == 3 else row % 7 for row in rows],
        "error": ["not an image" if row % 10 == 3 else None for row in rows],
    }


def begin(path, count=COUNT, shard_size=SHARD, plan=None, dtype=None, compression="lz4", **how):
    how = {"columns": COLUMNS, "packing": Packing(dtype, compression), **how}
    return Store.begin(
        path, PLAN if plan is None else plan, count=count, shard_size=shard_size, **how
    )


def write_shard(store, shard, side=20):
    """Return whether the shard was written: it was not done, and nobody else was at it."""
    with store.claim(shard) as writer:
        if writer is None:
            return False
        first, last = store.rows_of(shard)
        for start in range(first, last, CHUNK):
            stop = min(start + CHUNK, last)
            writer.write(start, maps(start, stop, side), columns(start, stop))
            store.constants({"kinds": {"conv1": "Conv2D"}})
        count = {"count": np.int64(last - first), "sum": np.arange(first, last).sum()}
        writer.statistics({"conv1": {"moments": count}})
        writer.commit(bad=sum(row % 10 == 3 for row in range(first, last)), notes=["a note"])
    return True


def write(path, side=20, **how):
    store = begin(path, **how)
    store.log(event="begin")
    for shard in range(store.shards):
        write_shard(store, shard, side)
    store.finish()
    return store


def _die_at(number):
    """Let this process kill itself before the n-th `fsync` of Python's."""
    sync, left = os.fsync, number

    def counted(file):
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(file)

    os.fsync = counted


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("path")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("--die", type=int)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--side", type=int, default=20)
    given = parser.parse_args()
    if given.die is not None:
        _die_at(given.die)
    writer._PENDING = 4_000_000
    print("begins", flush=True)
    write(given.path, given.side, count=given.count, resume=given.resume, shared=given.shared)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    main()
