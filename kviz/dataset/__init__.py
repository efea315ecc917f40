"""A data set through any verb: source, shards, store, reductions; in one process or on Ray.

Nothing is imported before it is used: a store is read without TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kviz.dataset.opened import Dataset
    from kviz.dataset.opened import open as open  # noqa: A004 - as gzip has it
    from kviz.dataset.run_verb import Done, run
    from kviz.dataset.works.registry import work_named, work_names
    from kviz.dataset.works.work import Batch, Found, Work

_HOMES = {
    "Batch": "works.work",
    "Dataset": "opened",
    "Done": "run_verb",
    "Found": "works.work",
    "Work": "works.work",
    "open": "opened",
    "run": "run_verb",
    "work_named": "works.registry",
    "work_names": "works.registry",
}

__all__ = ["Batch", "Dataset", "Done", "Found", "Work", "open", "run", "work_named", "work_names"]

# A type checker would take any name for one of these.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            return getattr(import_module(f"kviz.dataset.{_HOMES[name]}"), name)
        raise AttributeError(f"module 'kviz.dataset' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
