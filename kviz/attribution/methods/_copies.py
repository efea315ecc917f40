"""What the methods share that look at many copies of each image: which of them are in flight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kviz.attribution.method import Request
from kviz.engine.backend import tf

# Of gradients no more: on a CPU 50 at once took as long, and twice the memory.
GRADIENTS = 16


def copies(
    request: Request, count: int, limit: int | None = None
) -> Iterator[tuple[Any, Any, Any]]:
    """Give the copies of all images, as many at once as may be in flight.

    Args:
        request: the images.
        count: copies of each.
        limit: how many at most, besides the request's batch size.

    Returns:
        Int32 arrays `(B,)`: the images' places, the copies' numbers, and the images' places again, but
        -1 for what only fills up the batch of a model that was built for a fixed one.
    """
    fixed = request.passes.fixed_batch
    step = fixed or min(request.batch_size, limit or request.batch_size)
    total = len(request.images) * count
    for start in range(0, total, step):
        pairs = np.arange(start, start + step if fixed else min(start + step, total))
        rows, numbers = np.divmod(pairs.clip(max=total - 1), count)
        owners = np.where(pairs < total, rows, -1)
        yield rows.astype(np.int32), numbers.astype(np.int32), owners.astype(np.int32)


def gathered(arguments: Sequence[Any], rows: Any, fixed: int | None) -> list[Any]:
    """Return the rows of tensors `(N, …)`, while tracing."""
    taken = []
    for tensor in arguments:
        several = tf.gather(tensor, rows)
        several.set_shape([fixed, *tensor.shape[1:]])
        taken.append(several)
    return taken


def added(total: Any, values: Any, owners: Any, count: int) -> Any:
    """Return sums `(N, …)` with the values of further copies added to those of their images.

    Args:
        total: the sums so far, or None.
        values: `(B, …)`.
        owners: as `copies` gives them.
        count: N.
    """
    # As a product of matrices it takes a third of unsorted_segment_sum's time on a CPU.
    own = tf.one_hot(owners, count, axis=0, dtype=values.dtype)
    sums = tf.tensordot(own, values, 1)
    return sums if total is None else total + sums
