"""What is differentiated or watched: a class, a filter, a masked class map, any function of outputs.

A score is one number per image, and a frozen dataclass with one function, `of`. Classes are scored
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

from kviz._checks import first_line, sanitise
from kviz.engine.backend import tf
from kviz.engine.graph import picked
from kviz.engine.heads import Head
from kviz.engine.model_inputs import to_channels_last
from kviz.engine.passes import Score, Seen
from kviz.errors import ModelError, OptionError


@dataclass(frozen=True, eq=False)
class ClassScore:
    """A class's unnormalised score; of a class map, its mean over a mask; of a regression, a value.

    One unit scores class 1, and with the other sign class 0. Of a class map the default mask is where
    the class is predicted in the image as it is given: it stays so whatever is done to the image.

    Args:
        output: which output of a model that has several: its key, its layer's name or its place; by
            default the one that gives probabilities.
        mask: bool `(H, W)`, or `(N, H, W)` for each image its own, for outputs `(N, H, W, classes)`:
            where the class counts.
    """

    output: int | str | None = None
    mask: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.mask is not None and (
            np.ndim(self.mask) < 2 or np.asarray(self.mask).dtype.kind not in "biu"
        ):
            raise OptionError(
                "mask is bool and has the shape (H, W) or (N, H, W). "
                f"Received: {np.asarray(self.mask).dtype} {np.shape(self.mask)}"
            )

    def of(self, seen: Seen, target: Any) -> tuple[Any, Any]:
        """Return the scores, as `Score.of`."""
        head = seen.head(self.output)
        _check(head, head.output(seen.outputs))
        logits = head.logits(seen.outputs)
        numbers = self._numbers(head, logits)
        if not head.is_map:
            target = tf.where(target < 0, _predicted(head, logits), target)
            return picked(numbers, target), target
        target = tf.where(target < 0, _most(head, head.here(seen.outputs)), target)
        maps = tf.gather(numbers, target, axis=numbers.shape.rank - 1, batch_dims=1)
        space = list(range(1, maps.shape.rank))
        mask = self.mask if seen.mask is None else seen.mask
        if mask is None:
            return tf.reduce_mean(maps, space), target
        weights = tf.broadcast_to(tf.cast(mask, maps.dtype), tf.shape(maps))
        total = tf.reduce_sum(maps * weights, space)
        return tf.math.divide_no_nan(total, tf.reduce_sum(weights, space)), target

    def _numbers(self, head: Head, logits: Any) -> Any:  # noqa: ARG002
        """Return what is picked of, `(N, …, classes)`."""
        return logits

    def where(self, seen: Seen, target: Any) -> tuple[Any, Any]:
        """Return where in a class map each image's class is predicted, bool `(N, …)`, and the classes.

        Args:
            seen: as `Score.of` takes it.
            target: int32 `(N,)`, -1 for the class that is predicted most.
        """
        head = seen.head(self.output)
        here = head.here(seen.outputs)
        target = tf.where(target < 0, _most(head, here), target)
        return tf.gather(here, target, axis=here.shape.rank - 1, batch_dims=1), target


@dataclass(frozen=True, eq=False)
class ProbabilityScore(ClassScore):
    """A class's probability: of a class map its mean, of a regression the value itself.

    Metrics ask for it: a probability lies between 0 and 1 whatever the image. A method that explains a
    class is better given its unnormalised score, whose gradient does not vanish at a probability of 1.

    >>> import kviz
    >>> cat = "notebooks/images/cat.png"
    >>> found = kviz.attribute("models/squeezenet.keras", cat, "gradient", score=ProbabilityScore())
    >>> found.class_names, found.scores.round(2)
    (('Egyptian cat',), array([0.37], dtype=float32))
    """

    def _numbers(self, head: Head, logits: Any) -> Any:
        if not head.has_classes:
            return logits
        return tf.sigmoid(logits) if head.is_unit or head.independent else tf.nn.softmax(logits)


def _check(head: Head, output: Any) -> None:
    if head.kind in ("image", "other"):
        raise ModelError(
            f"The output is of shape {sanitise(output.shape)}. Expected (N, classes), or a class map "
            "(N, H, W, classes). In Python score= takes a function of the outputs."
        )


def _predicted(head: Head, logits: Any) -> Any:
    """Return the classes that a vector of scores is for; of a regression the first value."""
    best = tf.argmax(logits, 1, "int32")
    return best if head.has_classes else tf.zeros_like(best)


def _most(head: Head, here: Any) -> Any:
    """Return the class that is predicted at the most positions; of one unit class 1 where it is."""
    share = tf.reduce_mean(tf.cast(here, "float32"), list(range(1, here.shape.rank - 1)))
    if head.is_unit:
        return tf.cast(share[:, 1] > 0, "int32")
    return tf.argmax(share, 1, "int32")


@dataclass(frozen=True)
class LossScore:
    """Minus the cross-entropy with a class, so that its gradient is minus the loss's."""

    base: ClassScore

    def of(self, seen: Seen, target: Any) -> tuple[Any, Any]:
        """Return the scores, as `Score.of`."""
        head = seen.head(self.base.output)
        if head.is_map or not head.has_classes:
            raise ModelError("A loss needs classes, outputs (N, classes).")
        logits = head.logits(seen.outputs)
        target = tf.where(target < 0, _predicted(head, logits), target)
        if head.is_unit or head.independent:
            # A unit's own cross-entropy, with label 1: that of class 0 is the other one of a pair.
            return -tf.nn.softplus(-picked(logits, target)), target
        return -tf.nn.sparse_softmax_cross_entropy_with_logits(target, logits), target


@dataclass(frozen=True)
class MarginScore:
    """A class's unnormalised score less the largest of the others': above 0 where it is predicted.

    Of one unit it is twice what the unit gives, with class 0's sign turned.

    Args:
        base: the class's score.
    """

    base: ClassScore

    def of(self, seen: Seen, target: Any) -> tuple[Any, Any]:
        """Return the scores, as `Score.of`."""
        head = seen.head(self.base.output)
        if head.is_map or not head.has_classes:
            raise ModelError("A margin needs classes, outputs (N, classes).")
        logits = head.logits(seen.outputs)
        target = tf.where(target < 0, _predicted(head, logits), target)
        own, rival = rivals(logits, target)
        return own - rival, target


def rivals(scores: Any, target: Any) -> tuple[Any, Any]:
    """Return a class's scores and the best of the others', both `(N,)`, while a function is traced.

    Args:
        scores: `(N, classes)`.
        target: int32 `(N,)`.
    """
    own = picked(scores, target)
    mask = tf.one_hot(target, tf.shape(scores)[1], on_value=True, off_value=False)
    others = tf.where(mask, tf.constant(-np.inf, scores.dtype), scores)
    return own, tf.reduce_max(others, 1)


@dataclass(frozen=True)
class FilterScore:
    """The mean of one filter's map.

    Args:
        layer_name: the layer's path.
        filter_index: the filter, from 0.
    """

    layer_name: str
    filter_index: int

    @property
    def label(self) -> str:
        """What is explained, as pictures and tables call it."""
        return f"{sanitise(self.layer_name)}, filter {self.filter_index}"

    def of(self, seen: Seen, target: Any) -> tuple[Any, Any]:
        """Return the scores, as `Score.of`."""
        info = seen.table[self.layer_name]
        tensor = seen.traced.by_path[info.path].outputs
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
class NeuronScore:
    """One cell of a layer: what made this neuron answer, here.

    Args:
        layer_name: the layer's path.
        index: the cell, channels last: `(y, x, channel)` of a map, `(unit,)` of a dense layer.

    >>> import kviz
    >>> cat, cell = "notebooks/images/cat.png", NeuronScore("conv10", (6, 6, 285))
    >>> kviz.attribute("models/squeezenet.keras", cat, "saliency", score=cell).class_names
    ('conv10, cell (6, 6, 285)',)
    """

    layer_name: str
    index: tuple[int, ...]

    @property
    def label(self) -> str:
        """What is explained, as pictures and tables call it."""
        return f"{sanitise(self.layer_name)}, cell {sanitise(self.index)}"

    def of(self, seen: Seen, target: Any) -> tuple[Any, Any]:
        """Return the scores, as `Score.of`."""
        info = seen.table[self.layer_name]
        tensor = seen.map_of(info)
        if info.data_format == "channels_first":
            tensor = to_channels_last(tensor)
        values = _cell(tensor, self.index, f"Layer {sanitise(info.path)!r}")
        return values, tf.fill(tf.shape(target), -1)


@dataclass(frozen=True)
class ContrastScore:
    """A class's unnormalised score less another's: why this one and not that one.

    The question of Z. Zhang et al., "Finer-CAM: Spotting the Difference Reveals Finer Details for
    Visual Explanation", CVPR 2025.

    Args:
        class_index: the class, from 0.
        against: the other one.
        weight: how much the other one counts.
        output: as `ClassScore` takes it.

    >>> import kviz
    >>> cat, why = "notebooks/images/cat.png", ContrastScore(285, against=281)
    >>> kviz.attribute("models/squeezenet.keras", cat, "grad_cam", score=why).maps.shape
    (1, 227, 227)
    """

    class_index: int
    against: int
    weight: float = 1.0
    output: int | str | None = None

    @property
    def label(self) -> str:
        """What is explained, as pictures and tables call it."""
        return f"class {self.class_index} against class {self.against}"

    def of(self, seen: Seen, target: Any) -> tuple[Any, Any]:
        """Return the scores, as `Score.of`."""
        head = seen.head(self.output)
        if head.is_map or not head.has_classes:
            raise ModelError("A contrast needs classes, outputs (N, classes).")
        logits = head.logits(seen.outputs)
        for index in (self.class_index, self.against):
            if not 0 <= index < logits.shape[1]:
                raise OptionError(
                    f"Class indices go from 0 to {logits.shape[1] - 1}. Received: {index}"
                )
        weight = tf.cast(self.weight, logits.dtype)
        values = logits[:, self.class_index] - weight * logits[:, self.against]
        return values, tf.fill(tf.shape(target), -1)


@dataclass(frozen=True)
class OutputScore:
    """One number of the model's output as it is: a probability, a coordinate of a box, a pixel.

    Args:
        index: which, without the image: `(class,)`, or `(y, x, channel)`.
        output: as `ClassScore` takes it.

    >>> import kviz
    >>> cat, probability = "notebooks/images/cat.png", OutputScore((285,))
    >>> kviz.attribute("models/squeezenet.keras", cat, "gradient", score=probability).scores.round(2)
    array([0.37], dtype=float32)
    """

    index: tuple[int, ...]
    output: int | str | None = None

    @property
    def label(self) -> str:
        """What is explained, as pictures and tables call it."""
        return f"output {sanitise(self.index)}"

    def of(self, seen: Seen, target: Any) -> tuple[Any, Any]:
        """Return the scores, as `Score.of`."""
        head = seen.head(self.output)
        tensor = head.output(seen.outputs)
        values = _cell(tensor, self.index, f"The output {sanitise(repr(head.name))}")
        return values, tf.fill(tf.shape(target), -1)


def _cell(tensor: Any, index: Any, what: str) -> Any:
    """Return one number of each image, `(N,)`."""
    index = tuple(index) if isinstance(index, tuple | list) else (index,)
    shape = tensor.shape[1:]
    fits = len(index) == len(shape) and all(
        isinstance(place, int | np.integer) and place >= 0 and (size is None or place < size)
        for place, size in zip(index, shape, strict=True)
    )
    if not fits:
        raise OptionError(
            f"{what} has cells (0, …) to {sanitise(tuple(n and n - 1 for n in shape))}. "
            f"Received: {sanitise(repr(index))}"
        )
    return tensor[(slice(None), *index)]


@dataclass(frozen=True)
class FunctionScore:
    """Any function of the model's outputs.

    Args:
        function: takes the outputs in the model's own structure, as tensors, and returns `(N,)`.
    """

    function: Callable[[Any], Any]

    def of(self, seen: Seen, target: Any) -> tuple[Any, Any]:
        """Return the scores, as `Score.of`."""
        try:
            values = self.function(seen.outputs)
        except Exception as error:  # whatever the caller's function raises
            raise OptionError(f"The function given as score= fails: {first_line(error)}") from error
        if not tf.is_tensor(values) or values.shape.rank != 1:
            raise OptionError(
                "A function as score= returns one number per image, a tensor of shape (N,). "
                f"Received: {sanitise(getattr(values, 'shape', type(values).__name__))}"
            )
        return values, tf.fill(tf.shape(target), -1)


def as_score(score: Any, output: int | str | None = None) -> Score:
    """Return what a verb was given as a score: None for a class's, a score, or a function.

    Args:
        score: None, an object with `of`, or a function of the outputs.
        output: the output whose class's score it is, where `score` is None.

    Returns:
        The score.

    Raises:
        OptionError: if it is none of these.

    >>> as_score(None, "age").output
    'age'
    """
    if score is None:
        return ClassScore(output)
    if output is not None:
        raise OptionError(
            "output= is for a class's score; a score= is told itself: "
            "kviz.scores.ClassScore(output=…)."
        )
    if hasattr(score, "of"):
        result: Score = score
        return result
    if callable(score):
        return FunctionScore(score)
    raise OptionError(
        f"score takes a function of the outputs or a score of kviz.scores. "
        f"Received: {sanitise(repr(score))}"
    )
