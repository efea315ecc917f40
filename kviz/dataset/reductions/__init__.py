"""Statistics that merge: what batches, shards and hosts find of a data set, put together exactly."""

from kviz.dataset.reductions.look import Look, Seen
from kviz.dataset.reductions.many import merged, states_in_graph
from kviz.dataset.reductions.reduction import Reduction, State
from kviz.dataset.reductions.registry import (
    as_reductions,
    reduction_name,
    reduction_named,
    reduction_names,
)

__all__ = [
    "Look",
    "Reduction",
    "Seen",
    "State",
    "as_reductions",
    "merged",
    "reduction_name",
    "reduction_named",
    "reduction_names",
    "states_in_graph",
]
