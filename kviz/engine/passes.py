"""Forward and backward passes of one model for one score.

Each pass is one compiled function, traced once, whatever the class (it is a
tensor) and the number of images. A backward pass ends at the layer that is asked for: what TensorFlow
has traced beyond it, it prunes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Protocol

from kviz._types import Selector
from kviz.engine.backend import keras, tf
from kviz.engine.devices import Share
from kviz.engine.engine import Engine
from kviz.engine.explained_layers import Laid, layers_for
from kviz.engine.heads import Head, choose_head
from kviz.engine.layers import LayerInfo, LayerTable, selector_key
from kviz.engine.lifting import lift
from kviz.engine.other_weights import OtherWeights
from kviz.engine.tracing import Edits, Trace
from kviz.errors import LayerError

NO_GRADIENT = "The score does not depend on the pixels, or not by a way that has gradients."


@dataclass(frozen=True, eq=False)
class Seen:
    """One call of a model, while it is traced: what a score is made of.

    Attributes:
        traced: the call.
        table: its layers.
        heads: what its outputs mean.
        mask: bool `(N, …)`, where in a class map each image's class counts; None for everywhere.
    """

    traced: Trace
    table: LayerTable
    heads: tuple[Head, ...]
    mask: Any = None

    @property
    def outputs(self) -> Any:
        """The model's outputs, in its own structure."""
        return self.traced.outputs

    def head(self, output: int | str | None) -> Head:
        """Return what one of the outputs means, as `kviz.engine.heads.choose_head`."""
        return choose_head(self.heads, output)

    def map_of(self, info: LayerInfo) -> Any:
        """Return a layer's first output, in the layer's own order of axes."""
        return keras.tree.flatten(self.traced.by_path[info.path].outputs)[0]


# The masks' name among the inputs: no layer is called so.
MASK = "/mask"


class Score(Protocol):
    """What is differentiated: `kviz.scores` has them."""

    def of(self, seen: Seen, target: Any) -> tuple[Any, Any]:
        """Return the scores and their classes, both `(N,)`, as tensors.

        Args:
            seen: one call of the model.
            target: int32 `(N,)`, the class of each image, -1 for the predicted one.
        """


class Passes:
    """The passes of a model for a score, with respect to one of its inputs.

    Args:
        engine: the model and how it runs.
        score: what is differentiated.
        pixels: an array per input, as `Network.pixels` gives them; only their shapes count.
        input_name: the input that is looked at.
    """

    def __init__(
        self,
        engine: Engine,
        score: Score,
        pixels: Mapping[str, Any],
        input_name: str,
    ) -> None:
        self.engine = engine
        self.score = score
        self.specs = engine.real_specs(pixels)
        self.input_name = input_name
        self.place = list(self.specs).index(input_name)
        # While a function is traced: the score, tensors in place of its numbers.
        self._score: Score | None = None

    def with_score(self, score: Score) -> Passes:
        """Return the same passes for another score."""
        other = copy(self)
        other.score = score
        return other

    def with_weights(self, weights: OtherWeights) -> Passes:
        """Return the same passes of the model with other numbers in its weights.

        Args:
            weights: these numbers.
        """
        other = copy(self)
        other.engine = self.engine.with_weights(weights)
        return other

    def with_masks(self, score: Score, axes: int) -> Passes:
        """Return the same passes for another score, and images that bring a mask each.

        Args:
            score: the score.
            axes: how many axes a mask has.
        """
        other = self.with_score(score)
        # Like an input: what makes copies of images makes as many of their masks.
        mask = tf.TensorSpec((self.fixed_batch, *[None] * axes), "bool")
        other.specs = {**self.specs, MASK: mask}
        return other

    def by_copies(self, cut: Sequence[bool], added: Any = False) -> Share:
        """Return how work is shared out where pixels and targets go whole to each device.

        Args:
            cut: for each further argument of a compiled function, whether it is cut.
            added: as `Share` takes it.
        """
        return Share(cut=[False] * (len(self.specs) + 1) + list(cut), added=added)

    def scores(self, pixels: Sequence[Any], target: Any) -> tuple[Any, Any]:
        """Return the scores and the class of each, both `(N,)`.

        Args:
            pixels: an array or tensor per input, in the network's order.
            target: int32 `(N,)`.
        """
        run = self.compiled("scores", lambda *arguments: self.forward(arguments)[0])
        result: tuple[Any, Any] = run(*pixels, target)
        return result

    def gradient(self, pixels: Sequence[Any], target: Any) -> Any:
        """Return (scores, classes), both `(N,)`, and the scores' gradient to the input's pixels.

        Args:
            pixels: an array or tensor per input, in the network's order.
            target: int32 `(N,)`.

        Raises:
            LayerError: if the score does not depend on the pixels.
        """
        run = self.compiled("gradient", lambda *arguments: self.differentiated(arguments))
        return run(*pixels, target)

    def differentiated(self, arguments: Sequence[Any]) -> Any:
        """Return scores and pixel gradient while a `tf.function` traces, for a method's own loop.

        Args:
            arguments: a tensor per input, and the targets.
        """
        watched = arguments[self.place]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            value, _ = self.forward(arguments)
        gradient = tape.gradient(value[0], watched)
        if gradient is None:
            raise LayerError(NO_GRADIENT)
        return value, tf.convert_to_tensor(gradient)

    def layer_gradient(
        self,
        pixels: Sequence[Any],
        target: Any,
        layer_names: Selector = None,
        grid: tuple[int, int] | None = None,
    ) -> tuple[Any, list[tuple[Any, Any]], Any]:
        """Return the scores and, for each layer, its maps and the scores' gradient to them.

        Args:
            pixels: an array or tensor per input, in the network's order.
            target: int32 `(N,)`.
            layer_names: as `LayerTable.select` takes it; None for the one that
                `kviz.engine.explained_layers.layers_for` takes by default.
            grid: as that takes it.

        Returns:
            (Scores, classes), both `(N,)`; pairs of tensors `(N, …, channels)`, channels last, in
            order; a tensor of strings `(layers, 2)`: the layers' paths, and notes.

        Raises:
            LayerError: if a layer is not there, has no spatial output, or the score does not
                depend on it.
        """

        def run(*arguments: Any) -> Any:
            value, seen = self.forward(arguments)
            layers = self.layers_for(value[0], seen, arguments, layer_names, grid)
            maps = [seen.map_of(laid.info) for laid in layers]
            pairs = []
            for laid, array, gradient in zip(
                layers, maps, tf.gradients(value[0], maps), strict=True
            ):
                if gradient is None:
                    raise laid.off_the_way()
                pairs.append((laid.map(array), laid.map(tf.convert_to_tensor(gradient))))
            return value, pairs, tf.constant([laid.said for laid in layers])

        result: tuple[Any, list[tuple[Any, Any]], Any] = self.compiled(
            ("layer gradient", selector_key(layer_names), grid), run
        )(*pixels, target)
        return result

    def layer_maps(
        self,
        pixels: Sequence[Any],
        target: Any,
        layer_names: Selector = None,
        grid: tuple[int, int] | None = None,
    ) -> tuple[Any, list[Any], Any]:
        """Return the scores and the layers' maps, without a backward pass.

        Args:
            pixels: an array or tensor per input, in the network's order.
            target: int32 `(N,)`.
            layer_names: as `layer_gradient` takes it.
            grid: the same.

        Returns:
            (Scores, classes), both `(N,)`; tensors `(N, …, channels)`, channels last, in order; a
            tensor of strings `(layers, 2)`: the layers' paths, and notes.
        """

        def run(*arguments: Any) -> Any:
            value, seen = self.forward(arguments)
            layers = self.layers_for(value[0], seen, arguments, layer_names, grid)
            maps = [laid.map(seen.map_of(laid.info)) for laid in layers]
            return value, maps, tf.constant([laid.said for laid in layers])

        result: tuple[Any, list[Any], Any] = self.compiled(
            ("layer maps", selector_key(layer_names), grid), run
        )(*pixels, target)
        return result

    def layers_for(
        self,
        value: Any,
        seen: Seen,
        arguments: Sequence[Any],
        layer_names: Selector,
        grid: tuple[int, int] | None = None,
    ) -> list[Laid]:
        """Return the layers that explain a score while a `tf.function` traces.

        Args:
            value: the score, symbolic.
            seen: the call that it is of.
            arguments: a tensor per input, and the targets.
            layer_names: as `kviz.engine.explained_layers.layers_for` takes it.
            grid: the same.
        """
        return layers_for(
            value, seen.traced, seen.table, arguments[self.place], layer_names,
            grid=grid, deepest=seen.mask is not None,
        )  # fmt: skip

    def forward(self, arguments: Sequence[Any], edits: Edits | None = None) -> tuple[Any, Seen]:
        """Return (scores, classes), and the call that they are of, while a `tf.function` traces.

        Args:
            arguments: a tensor per input, and the targets.
            edits: as `kviz.engine.tracing.trace` takes them.
        """
        seen = self.seen(arguments[:-1], edits)
        return (self._score or self.score).of(seen, arguments[-1]), seen

    def seen(
        self, pixels: Sequence[Any], edits: Edits | None = None, *, as_it_is: bool = False
    ) -> Seen:
        """Return one call of the model while a `tf.function` traces.

        Args:
            pixels: a tensor per input, and the masks.
            edits: as `kviz.engine.tracing.trace` takes them.
            as_it_is: as `kviz.engine.tracing.trace` takes it.
        """
        inputs = dict(zip(self.specs, pixels, strict=True))
        mask = inputs.pop(MASK, None)
        traced = self.engine.traced(inputs, edits, as_it_is=as_it_is)
        return Seen(traced, self.engine.table(traced), self.engine.heads(traced), mask)

    def compiled(
        self,
        key: Any,
        run: Callable[..., Any],
        extra: Sequence[Any] = (),
        share: Share | None = None,
        *,
        settings: Any = None,
    ) -> Any:
        """Return a function of pixels and targets compiled, and kept for this score.

        Args:
            key: tells it from others of this score, hashable.
            run: takes a tensor per input, the targets, and what `extra` describes.
            extra: a `tf.TensorSpec` for each further argument.
            share: how its work is shared out over several devices; without `extra` by images.
            settings: a structure of settings as `kviz.engine.lifting.lift` takes it apart: what is no
                number in it belongs to the key. Given, `run` takes it first, with float64 tensors in
                place of its floats, to be cast to what they are used with; the compiled function takes
                no more arguments for it.
        """
        specs = [*self.specs.values(), tf.TensorSpec((None,), "int32"), *extra]
        if not extra:
            share = Share(cut=[True] * len(specs))
        # Of a score only the structure is a key: a mask is an argument too.
        structure, numbers, restore = lift((self.score, settings))
        # A Python float is double precision, a NumPy one what it is.
        numbers = [tf.constant(x, "float64") if type(x) is float else x for x in numbers]
        numbers = [tf.convert_to_tensor(number) for number in numbers]
        count = len(specs)
        specs += [tf.TensorSpec([None] * number.shape.rank, number.dtype) for number in numbers]
        if share is not None:
            share = replace(share, cut=[*share.cut, *[False] * len(numbers)])

        def whole(*arguments: Any) -> Any:
            self._score, restored = restore(arguments[count:])
            try:
                return run(*([] if settings is None else [restored]), *arguments[:count])
            finally:
                self._score = None

        key = (self.input_name, len(self.specs), self.engine.meaning, key, structure)
        function = self.engine.compiled(key, whole, specs, share)
        return lambda *arguments: self.engine.run(function, [*arguments, *numbers])

    @property
    def fixed_batch(self) -> int | None:
        """The number of images that the model was built for, None where any will do."""
        return self.engine.fixed_batch


def slopes(
    watched: Any, run: Callable[[], tuple[Sequence[Any], Any]]
) -> tuple[Any, Any, list[Any]]:
    """Return values, what comes with them, and each value's gradient, while a `tf.function` traces.

    Args:
        watched: the tensor with respect to which.
        run: returns values, tensors or lists of them to be added up, and anything else.

    Returns:
        The values; the rest; a gradient for each value, None where it does not depend.
    """
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(watched)
        values, rest = run()
    return values, rest, [tape.gradient(value, watched) for value in values]
