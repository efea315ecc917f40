"""Layer-wise relevance propagation: the score is handed back from layer to layer to what made it.

S. Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance
Propagation", PLOS ONE 2015; G. Montavon et al., "Layer-Wise Relevance Propagation: An Overview", 2019.
With z_j the sum of the a_i w_ij and the bias, epsilon: R_i = sum over j of a_i w_ij / z_j* R_j, where
z* is z moved away from 0 by epsilon; z+: R_i = sum over j of (a_i w_ij)+ / sum over k of (a_k w_kj)+
times R_j. Epsilon is added once for each activation function, not for what is linear behind another
linear layer (logits, pooling, a convolution before its normalisation).

It is computed as gradients, by what M. Ancona et al. (ICLR 2018, proposition 1) prove of epsilon: R is
a times the gradient in which each activation function f has the slope (f(z) - f(0)) / z*. What f is
at 0, 1/2 of a sigmoid, counts as a bias; elsewhere f(0) is 0. Gates, attention and deviations are
constant factors of what they are multiplied with (`_steps`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from kviz.attribution.method import Method, Reduce
from kviz.attribution.methods._activations import Step, noted, pulled_back
from kviz.attribution.methods._lrp_rules import Rules, divided
from kviz.attribution.methods._steps import AT_REST, Walk
from kviz.attribution.options import option
from kviz.engine.backend import keras, tf
from kviz.engine.passes import NO_GRADIENT, Passes
from kviz.engine.tracing import Call, Trace
from kviz.errors import LayerError, OptionError

# Composites by name: the rule for convolutions, and for the first layer.
_RULES: dict[str, tuple[str | None, str | None]] = {
    "epsilon": (None, None),
    "z_plus": ("z_plus", None),
    "alpha2_beta1": ("alpha2_beta1", None),
    "gamma": ("gamma", None),
    "epsilon_plus_flat": ("z_plus", "flat"),
    "epsilon_alpha2_beta1_flat": ("alpha2_beta1", "flat"),
}


@dataclass(frozen=True, kw_only=True)
class Lrp(Method):
    """Layer-wise relevance propagation: the score is handed back from layer to layer to what made it.

    What preprocessing made of a pixel counts as the pixel. Without biases, and with a small epsilon,
    the map sums to the score: relevance is conserved. The result's `gaps` say how far from it the sum
    is, which is what biases took.

    Paper: S. Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by
    Layer-Wise Relevance Propagation", PLOS ONE 2015; G. Montavon et al., "Layer-Wise Relevance
    Propagation: An Overview", 2019.

    Equation: Epsilon: R_i = sum over j of a_i w_ij / z_j* R_j, where z* is z moved away from 0. z+:
    only (a_i w_ij)+, divided by their sum. alpha2 beta1: twice that, less the same of (a_i w_ij)-.
    Gamma: w_ij + gamma w_ij+ for w_ij. Flat: 1 for a_i w_ij. z^B: a_i w_ij - low w_ij+ - high w_ij-.

    When: Evidence in each pixel that is handed back from layer to layer and conserved, in one
    backward pass.

    When not: Nets with layers that it has no rule for, which it refuses; nets whose biases take
    much of the score, as `gaps` says.

    Args:
        rule: `"epsilon"` for all layers; or `"z_plus"`, `"alpha2_beta1"` or `"gamma"` for
            convolutions, together with the batch normalisation behind them, and epsilon for the rest;
            or such a pair with flat for the first layer, `"epsilon_plus_flat"` (z+) or
            `"epsilon_alpha2_beta1_flat"`.
        first: a rule for the first layer: `"flat"`, or `"z_box"` for pixels between `low` and `high`.
        epsilon: moves denominators away from 0; more of it leaves out more of what is weak.
        gamma: how much more than the rest positive weights count, by the rule gamma.
        low: the least that a pixel can be, for z_box.
        high: the most that a pixel can be.
        reduce: `"sum"` of the channels, `"max_abs"` or None to keep them.

    >>> Lrp(rule="z_plus").epsilon
    1e-06
    """

    display_name: ClassVar[str] = "LRP"
    kind: ClassVar[str] = "modified backpropagation"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "1"
    sums_to_score: ClassVar[bool] = True

    rule: Literal[
        "epsilon",
        "z_plus",
        "alpha2_beta1",
        "gamma",
        "epsilon_plus_flat",
        "epsilon_alpha2_beta1_flat",
    ] = "epsilon"
    first: Literal["flat", "z_box"] | None = None
    epsilon: float = option(1e-6, above=0)
    gamma: float = option(0.25, above=0)
    low: float = 0.0
    high: float = 255.0
    reduce: Reduce = "sum"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low >= self.high:
            raise OptionError(f"low is below high. Received: {self.low} and {self.high}")

    def traced(self, passes: Passes, arguments: Sequence[Any]) -> Any:
        """Return `(N, …, channels)`, as `Method.traced`; a `LayerError` where a layer has no rule."""
        pixels = arguments[passes.place]
        hidden, first = _RULES[self.rule]
        rules = Rules(
            hidden, self.first or first, self.epsilon, self.gamma,
            lambda tensor: _bounds(tensor, pixels, self.low, self.high),
        )  # fmt: skip
        edits: Mapping[int, Callable[[Call], Any]] = {}
        if hidden or rules.first:
            value, seen = passes.forward(arguments)
            edits = rules.edits(seen.traced, _preprocessed(passes, value[0], seen.traced))
        with noted(AT_REST):
            value, seen = passes.forward(arguments, edits)
        start = _preprocessed(passes, value[0], seen.traced)
        starts = [start, *(each.ones for each in rules.firsts)]
        walk = Walk(starts, "lrp", AT_REST, shares=True, constants=rules.constants)

        def handed(upstream: Any, step: Step) -> Sequence[Any]:
            if step.kind == "same":
                return [upstream]
            (source,) = step.sources
            if step.kind != "function":
                inputs = list(step.operation.inputs)
                return [tf.gradients(step.value, source, upstream, stop_gradients=inputs)[0]]
            made = step.value
            if step.operation.type not in AT_REST or source is not step.operation.inputs[0]:
                # What a function is at 0 no input has made: like a bias.
                made -= walk.function(step)(tf.zeros_like(source[:1]))
            epsilon = 0.0 if source.ref() in rules.divided else self.epsilon
            return [upstream * divided(made, source, epsilon)]

        slopes = pulled_back(value[0], starts, walk.steps(value[0]), handed)
        relevance = [
            (tensor, slope if place else tensor * slope)
            for place, (tensor, slope) in enumerate(
                zip([start, *(each.inputs for each in rules.firsts)], slopes, strict=True)
            )
            if slope is not None
        ]
        return value, tf.add_n([_of_pixels(part, tensor, pixels) for tensor, part in relevance])


def _of_pixels(relevance: Any, start: Any, pixels: Any) -> Any:
    """Return the relevance of the pixels, given that of what preprocessing made of them.

    What preprocessing does is taken to be one number's for one number: what a number that it made
    contributes is its pixel's, whatever was subtracted or in which order channels are.
    """
    back, scale = (
        tf.gradients(start, pixels, grad_ys=upstream)[0]
        for upstream in (relevance, tf.ones_like(start))
    )
    if back is None:
        raise LayerError(NO_GRADIENT)
    return tf.math.divide_no_nan(back, scale)


def _preprocessed(passes: Passes, value: Any, traced: Trace) -> Any:
    """Return the input as the first layer with weights takes it, where nothing goes past that."""
    tensor = traced.inputs[passes.place]
    scaling = (keras.layers.Rescaling, keras.layers.Normalization)
    for call in traced.calls:
        scales = isinstance(call.layer, scaling) and call.inputs and call.inputs[0] is tensor
        if scales and not _goes_past(tensor, call.outputs, value):
            tensor = call.outputs
    return tensor


def _goes_past(start: Any, through: Any, end: Any) -> bool:
    """Return whether there is a way from one tensor to another that does not lead through a third."""
    seen, stack = {through.ref()}, [end]
    while stack:
        top = stack.pop()
        if top is start:
            return True
        if top.ref() not in seen and top.op.type != "Shape":
            seen.add(top.ref())
            stack += list(top.op.inputs)
    return False


def _bounds(tensor: Any, pixels: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """Return between what the numbers lie that are made of pixels by scaling them."""
    # The gradient of a gradient is the derivative along a direction.
    zeros = tf.zeros_like(tensor)
    back = tf.gradients(tensor, pixels, zeros)[0]
    ends = [
        tensor + tf.gradients(back, zeros, tf.cast(end, pixels.dtype) - pixels)[0]
        for end in (low, high)
    ]
    return tf.minimum(*ends), tf.maximum(*ends)
