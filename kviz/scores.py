"""What is differentiated or watched: a class, a filter, a masked class map, any function of outputs.

A score is one number an image, and a frozen dataclass with one function, `of`. Classes are scored
before softmax or sigmoid: at a probability of .94 the gradient of the probability can vanish where
that of the unnormalised score does not. Where the activation happens does not matter, in a layer of
its own or as the last one's argument, since it is the operation that is looked through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kviz._checks import sanitise
from kviz.engine.backend import tf
from kviz.engine.graph import unnormalise
from kviz.engine.heads import choose_output
from kviz.engine.layers import LayerTable
from kviz.engine.passes import Score
from kviz.engine.tracing import Trace
from kviz.errors import ModelError, OptionError


@dataclass(frozen=True, eq=False)
class ClassScore:
    """A class's unnormalised score; of a class map, its mean over a mask.

    Args:
        output: which output, by name or index, of a model that has several.
        mask: bool `(H, W)`, for outputs `(N, H, W, classes)`: where the class counts, in every image;
            by default where it is the predicted one.
    """

    output: int | str | None = None
    mask: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.mask is not None and np.ndim(self.mask) != 2:
            raise OptionError(f"mask has the shape (H, W). Received: {np.shape(self.mask)}")

    def of(self, traced: Trace, table: LayerTable, target: Any) -> tuple[Any, Any]:  # noqa: ARG002
        """Return the scores, as `Score.of`."""
        logits = unnormalise(choose_output(traced.outputs, self.output))
        rank = logits.shape.rank
        if rank == 2:
            target = tf.where(target < 0, tf.argmax(logits, 1, "int32"), target)
            if logits.shape[1] == 1:
                # Class 1 is that it is not the unit's.
                return tf.where(target == 1, -logits[:, 0], logits[:, 0]), target
            return tf.gather(logits, target, axis=1, batch_dims=1), target
        if rank != 4:
            raise ModelError(
                f"The output is of shape {sanitise(logits.shape)}. Expected (N, classes) or "
                "(N, H, W, classes). In Python score= takes a function of the outputs."
            )
        best = tf.argmax(logits, 3, "int32")
        flat = tf.reshape(tf.reduce_mean(logits, [1, 2]), [-1, tf.shape(logits)[3]])
        target = tf.where(target < 0, tf.argmax(flat, 1, "int32"), target)
        mask = tf.equal(best, target[:, None, None]) if self.mask is None else self.mask
        weights = tf.broadcast_to(tf.cast(mask, logits.dtype), tf.shape(best))
        maps = tf.gather(logits, target, axis=3, batch_dims=1)
        total = tf.reduce_sum(maps * weights, [1, 2])
        return tf.math.divide_no_nan(total, tf.reduce_sum(weights, [1, 2])), target


@dataclass(frozen=True)
class LossScore:
    """Minus the cross-entropy with a class, so that its gradient is minus the loss's."""

    base: ClassScore

    def of(self, traced: Trace, table: LayerTable, target: Any) -> tuple[Any, Any]:  # noqa: ARG002
        """Return the scores, as `Score.of`."""
        logits = unnormalise(choose_output(traced.outputs, self.base.output))
        if logits.shape.rank != 2:
            raise ModelError("A loss needs outputs (N, classes).")
        if logits.shape[1] == 1:
            target = tf.where(target < 0, tf.cast(logits[:, 0] > 0, "int32"), target)
            label = tf.cast(target[:, None] != 0, logits.dtype)
            return -tf.nn.sigmoid_cross_entropy_with_logits(label, logits)[:, 0], target
        target = tf.where(target < 0, tf.argmax(logits, 1, "int32"), target)
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(target, logits), target


@dataclass(frozen=True)
class FilterScore:
    """The mean of one filter's map.

    Args:
        layer_name: the layer's path.
        filter_index: the filter, from 0.
    """

    layer_name: str
    filter_index: int

    def of(self, traced: Trace, table: LayerTable, target: Any) -> tuple[Any, Any]:
        """Return the scores, as `Score.of`."""
        info = table[self.layer_name]
        tensor = next(call.outputs for call in traced.calls if call.path == info.path)
        axis = 1 if info.data_format == "channels_first" else tensor.shape.rank - 1
        filters = tensor.shape[axis]
        if filters is not None and not 0 <= self.filter_index < filters:
            raise OptionError(
                f"Layer {sanitise(info.path)!r} has filters 0 to {filters - 1}. "
                f"Received: {self.filter_index}"
            )
        maps = tf.gather(tensor, self.filter_index, axis=axis)
        values = tf.reduce_mean(tf.reshape(maps, [tf.shape(maps)[0], -1]), 1)
        return values, tf.fill(tf.shape(target), -1)


@dataclass(frozen=True)
class FunctionScore:
    """Any function of the model's outputs.

    Args:
        function: takes the outputs in the model's own structure, as tensors, and returns `(N,)`.
    """

    function: Callable[[Any], Any]

    def of(self, traced: Trace, table: LayerTable, target: Any) -> tuple[Any, Any]:  # noqa: ARG002
        """Return the scores, as `Score.of`."""
        values = self.function(traced.outputs)
        if not tf.is_tensor(values) or values.shape.rank != 1:
            raise OptionError(
                "A function as score= returns one number an image, a tensor of shape (N,). "
                f"Received: {sanitise(getattr(values, 'shape', type(values).__name__))}"
            )
        return values, tf.fill(tf.shape(target), -1)


def as_score(score: Any) -> Score:
    """Return what a verb was given as a score: None for a class's, a score, or a function.

    Args:
        score: None, an object with `of`, or a function of the outputs.

    Returns:
        The score.

    Raises:
        OptionError: if it is none of these.

    >>> as_score(None).mask is None
    True
    """
    if score is None:
        return ClassScore()
    if hasattr(score, "of"):
        result: Score = score
        return result
    if callable(score):
        return FunctionScore(score)
    raise OptionError(
        f"score takes a function of the outputs or a score of kviz.scores. "
        f"Received: {sanitise(repr(score))}"
    )
