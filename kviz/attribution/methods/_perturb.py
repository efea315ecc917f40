"""What the perturbation methods share: scores of images that are partly replaced by a baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kviz._types import Array
from kviz.attribution.method import Request
from kviz.attribution.methods._copies import copies
from kviz.engine.backend import tf
from kviz.errors import OptionError


def spatial(request: Request) -> tuple[int, ...]:
    """Return a map's size: an image's height and width, a vector's number of features."""
    shape = tuple(request.images.shape[1:])
    return shape if len(shape) == 1 else shape[:-1]


def perturbed_scores(
    request: Request,
    key: str,
    keep: Callable[..., Any],
    count: int,
    drawn: Callable[[Array, Array], Sequence[Array]],
    baseline: Any,
    *,
    shared: Sequence[Any] = (),
    summed: bool = False,
) -> tuple[Array, Any]:
    """Return the scores of each image's perturbed copies, which are made inside the compiled pass.

    A copy is `keep * (image - baseline) + baseline`. At most `batch_size` copies are in flight,
    whichever images they are of.

    Args:
        request: the images.
        key: tells `keep` from others: it is traced once.
        keep: takes rows, the map's size, the shared arrays and the drawn ones, and returns which
            share of each pixel is kept, `(B, *size)`, from 0 to 1.
        count: copies of each image.
        drawn: takes the places `(B,)` of images and of their copies, and returns an array `(B, …)`
            for each further argument of `keep`.
        baseline: a tensor that broadcasts to the images.
        shared: arrays `(N, …)` that `keep` takes whole.
        summed: whether to add up `keep` over the copies, with the scores as weights and without.

    Returns:
        Float64 `(N, count)`, and both sums `(2, N, *size)` or None.
    """
    passes, place = request.passes, request.passes.place
    total = len(request.images)
    fixed = passes.fixed_batch

    def run(*arguments: Any) -> Any:
        pixels = arguments[: len(passes.specs)]
        target, low, rows, owners, span, *more = arguments[len(passes.specs) :]
        images = pixels[place]
        shape = tf.shape(images)
        size = shape[1:2] if images.shape.rank == 2 else shape[1:-1]
        real = images.dtype if images.dtype.is_floating else tf.float32
        kept = tf.cast(keep(rows, size, *more), real)
        share = kept if images.shape.rank == 2 else kept[..., None]
        low = tf.cast(low, real)
        # A product of two tensors that both have to be broadcast is slow: the gathered one is not.
        covered = tf.gather(tf.cast(images, real) - low, rows) * share
        single = tf.equal(tf.shape(low)[0], 1)
        covered += tf.cond(single, lambda: low, lambda: tf.gather(low, rows))
        covered = tf.ensure_shape(tf.cast(covered, images.dtype), [fixed, *images.shape[1:]])
        inputs = [covered if p == place else tf.gather(x, rows) for p, x in enumerate(pixels)]
        (scores, _), _ = passes.forward([*inputs, tf.gather(target, rows)])
        if not summed:
            return scores, ()
        owner = tf.one_hot(owners, span, axis=0, dtype=real)
        weights = tf.stack([owner * tf.cast(scores, real), owner])
        return scores, tf.tensordot(weights, kept, 1)

    shared = [tf.convert_to_tensor(array) for array in shared]
    example = drawn(np.zeros(1, np.int32), np.zeros(1, np.int32))
    image = passes.specs[passes.input_name]
    extra = [
        tf.TensorSpec([None] * image.shape.rank, image.dtype),
        tf.TensorSpec((fixed,), "int32"),
        tf.TensorSpec((fixed,), "int32"),
        tf.TensorSpec((), "int32"),
        *(tf.TensorSpec([None] * array.ndim, array.dtype) for array in shared),
        *(tf.TensorSpec([None] * array.ndim, array.dtype) for array in example),
    ]
    share = passes.by_copies(
        [False, True, True, False, *[False] * len(shared), *[True] * len(example)],
        (False, True) if summed else False,
    )
    compiled = passes.compiled(("perturbed", key, summed), run, extra, share)
    pixels = [tf.convert_to_tensor(array) for array in request.pixels]
    scores = np.empty(total * count)
    sums = np.zeros((2, total, *spatial(request))) if summed else None
    at = 0
    for rows, samples, owners in copies(request, count):
        first, own = rows[0], owners[owners >= 0]
        # Whoever only fills up the batch belongs to no image.
        owners = np.where(owners < 0, -1, owners - first).astype(np.int32)
        values, added = compiled(
            *pixels, request.target, baseline, rows, owners, own[-1] - first + 1,
            *shared, *drawn(rows, samples),
        )  # fmt: skip
        scores[at : at + len(own)] = values.numpy()[: len(own)]
        at += len(own)
        if sums is not None:
            sums[:, first : own[-1] + 1] += added.numpy()
    return scores.reshape(total, count), sums


def each_axis(option: str, value: Any, axes: int) -> tuple[int, ...]:
    """Return a number for each axis of a map, given one or one for all."""
    values = tuple(value) if isinstance(value, list | tuple) else (value,) * axes
    if len(values) != axes:
        raise OptionError(f"{option} takes a number or {axes} of them here. Received: {value!r}")
    return values
