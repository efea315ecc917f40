"""A data set through any verb: source, shards, store, reductions; in one process or on Ray."""

from kviz.dataset.opened import Dataset
from kviz.dataset.opened import open as open  # noqa: A004 - as gzip has it
from kviz.dataset.registry import work_named, work_names
from kviz.dataset.run import Done, run
from kviz.dataset.work import Batch, Found, Work

__all__ = ["Batch", "Dataset", "Done", "Found", "Work", "open", "run", "work_named", "work_names"]
