"""Several GPUs: one call of a compiled function, its images shared out over them.

One GPU needs nothing: TensorFlow puts what it can on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from kviz.engine.backend import tf


@dataclass(frozen=True)
class Share:
    """How a function's work is shared out.

    Attributes:
        cut: for each argument, whether it is cut along its first axis, or goes whole to each device.
        added: the results' structure, with True where the devices' are to be added up and False where
            they are joined along the first axis; False alone is for all.
    """

    cut: Sequence[bool]
    added: Any = False


def several() -> Any:
    """Return the strategy that spreads work over devices, or None where there is only one.

    That is the `tf.distribute.Strategy` in whose scope this is called, or a mirrored one over all
    GPUs that TensorFlow sees.
    """
    own = tf.distribute.get_strategy()
    if own.num_replicas_in_sync > 1:
        return own
    return _over_gpus() if len(tf.config.list_logical_devices("GPU")) > 1 else None


@cache
def _over_gpus() -> Any:
    return tf.distribute.MirroredStrategy()


def shared(strategy: Any, run: Callable[..., Any], share: Share) -> Callable[..., Any]:
    """Return a function whose work a strategy's devices share, to be traced by a `tf.function`.

    Args:
        strategy: as `several` returns it.
        run: takes tensors.
        share: how.
    """
    count = strategy.num_replicas_in_sync

    def together(*arguments: Any) -> Any:
        def own(context: Any) -> Any:
            place = context.replica_id_in_sync_group
            parts = []
            for tensor, cut in zip(arguments, share.cut, strict=True):
                if cut:
                    total = tf.shape(tensor)[0]
                    part = tensor[place * total // count : (place + 1) * total // count]
                    part.set_shape([None, *tensor.shape[1:]])
                    tensor = part
                parts.append(tensor)
            return tuple(parts)

        values = strategy.experimental_distribute_values_from_function(own)
        found = strategy.run(run, args=values)
        results = [strategy.experimental_local_results(leaf) for leaf in tf.nest.flatten(found)]
        added = tf.nest.flatten(share.added)
        if share.added is False:
            added = [False] * len(results)
        joined = [
            None if parts[0] is None else tf.add_n(parts) if add else tf.concat(parts, 0)
            for parts, add in zip(results, added, strict=True)
        ]
        return tf.nest.pack_sequence_as(found, joined)

    return together
