"""LRP's rules for layers with weights, as outputs that have another gradient.

A layer's output o gives way to one of equal value whose gradient hands o to the contributions that a
rule names, in proportion to them:

- z+: (a_i w_ij)+; alpha2 beta1: twice that, less (a_i w_ij)- (S. Bach et al., PLOS ONE 2015);
- gamma: a_i (w_ij + gamma w_ij+) where o is above 0, with w_ij- where it is below, and for inputs
  below 0 the other way round, bias and all (G. Montavon et al., 2019; L. Andéol et al., 2021);
- flat: 1 for each input (S. Lapuschkin et al., 2019);
- z^B, of inputs between l and h: a_i w_ij - l_i w_ij+ - h_i w_ij- (G. Montavon et al., "Explaining
  nonlinear classification decisions with deep Taylor decomposition", 2017).

The last two are for the first layer; what they hand to an input is no multiple of it, which can be 0.
Biases are left out but for gamma. Batch normalisation right behind a convolution is part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from kviz._checks import sanitise
from kviz.attribution.methods._steps import plainly_from
from kviz.engine.backend import keras, tf
from kviz.engine.graph import upstream
from kviz.engine.tracing import Call, Trace
from kviz.errors import LayerError

_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_OTHER = (
    keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose,
    keras.layers.SeparableConv1D, keras.layers.SeparableConv2D,
)  # fmt: skip


_OPERATIONS = ("Conv2D", "Conv3D", "DepthwiseConv2dNative", "Conv2DBackpropInput")


@dataclass(frozen=True, eq=False)
class First:
    """A call of the first layer: its input, and ones, one for each input, that bear its relevance."""

    inputs: Any
    ones: Any


@dataclass(frozen=True, eq=False)
class Rules:
    """The rules of one backward pass, and what they leave behind in the graph while it is traced.

    Attributes:
        hidden: for convolutions: `"z_plus"`, `"alpha2_beta1"`, `"gamma"`, or None for epsilon's.
        first: for the first layer: `"flat"`, `"z_box"`, or None for no other.
        epsilon: moves denominators away from 0.
        gamma: how much more what is positive counts.
        bounds: takes a tensor made of pixels by scaling them, and returns its bounds.
        divided: tensors in whose denominators epsilon is already.
        firsts: the first layer's calls.
        constants: tensors that nothing is handed back to.
    """

    hidden: str | None
    first: str | None
    epsilon: Any
    gamma: Any
    bounds: Callable[[Any], tuple[Any, Any]]
    divided: set[Any] = field(default_factory=set)
    firsts: list[First] = field(default_factory=list)
    constants: set[Any] = field(default_factory=set)

    def edits(self, traced: Trace, start: Any) -> Mapping[int, Callable[[Call], Any]]:
        """Return edits of a model's layers.

        Args:
            traced: an earlier call.
            start: in it, the input.

        Raises:
            LayerError: if a layer has no such rule, or there is no first layer.
        """
        found: dict[int, Callable[[Call], Any]] = {}
        if self.hidden is None and self.first is None:
            return found
        behind: dict[Any, tuple[Call, bool]] = {}
        plain = plainly_from(start) if self.first is not None else set()
        has_first = False
        for call in traced.calls:
            layer = call.layer
            convolves = isinstance(layer, _CONVOLUTIONS + _DEPTHWISE)
            first = (
                self.first is not None
                and (convolves or isinstance(layer, keras.layers.Dense))
                and call.inputs[0].ref() in plain
            )
            has_first |= first
            if first or (convolves and self.hidden is not None):
                found[call.order] = self._weighted(first, behind)
            elif isinstance(layer, keras.layers.BatchNormalization):
                found[call.order] = self._normalised(behind)
            elif isinstance(layer, _OTHER) and self.hidden is not None:
                raise LayerError(
                    f"lrp's rule {self.hidden} does not know layer {sanitise(call.path)!r} "
                    f"({sanitise(type(layer).__name__)}). Take the rule epsilon."
                )
        if self.hidden is not None:
            _refuse_others(traced, found, self.hidden)
        if self.first is not None and not has_first:
            raise LayerError(
                f"lrp's rule {self.first} is for a convolution or a dense layer that is the first to "
                "look at the image; the model has none."
            )
        return found

    def _weighted(self, first: bool, behind: dict[Any, tuple[Call, bool]]) -> Callable[[Call], Any]:
        def edit(call: Call) -> Any:
            layer = call.layer
            if layer.activation is keras.activations.linear or not _is_kerass_own(layer):
                outputs = self._ruled(call, first, call.outputs, 1.0, layer.bias)
                if layer.activation is keras.activations.linear:
                    behind[outputs.ref()] = (call, first)
                return outputs
            # The activation function has a rule of its own, and may be the head's.
            made = _run(layer, call.inputs[0], layer.kernel)
            if layer.bias is not None:
                made += _along_channels(layer, layer.bias, made)
            return layer.activation(self._ruled(call, first, made, 1.0, layer.bias))

        return edit

    def _normalised(self, behind: dict[Any, tuple[Call, bool]]) -> Callable[[Call], Any]:
        def edit(call: Call) -> Any:
            if call.inputs[0].ref() not in behind:
                return call.outputs
            # One linear layer together, whose weights a scale below 0 turns over.
            convolution, first = behind[call.inputs[0].ref()]
            norm = call.layer
            scale = keras.ops.rsqrt(norm.moving_variance + norm.epsilon)
            if norm.scale:
                scale *= norm.gamma
            bias = -norm.moving_mean
            if convolution.layer.bias is not None:
                bias += convolution.layer.bias
            bias *= scale
            if norm.center:
                bias += norm.beta
            return self._ruled(convolution, first, call.outputs, scale, bias)

        return edit

    def _ruled(self, call: Call, first: bool, outputs: Any, scale: Any, bias: Any) -> Any:
        """Return outputs of another gradient, given the scale of the weights and the whole bias."""
        layer, inputs = call.layer, call.inputs[0]
        kernel = tf.convert_to_tensor(layer.kernel)
        scale = tf.cast(scale, kernel.dtype)
        if isinstance(layer, _DEPTHWISE) and scale.shape.rank:
            scale = tf.reshape(scale, kernel.shape[-2:])
        kernel = tf.cast(kernel * scale, inputs.dtype)
        if first:
            ones = tf.fill(tf.shape(inputs), tf.ones((), inputs.dtype))
            ones.set_shape(inputs.shape)
            self.firsts.append(First(inputs, ones))
            made = self._of_first(layer, inputs, ones, kernel, outputs)
        else:
            made = self._of_hidden(layer, inputs, kernel, bias, outputs)
        made = self._constant(outputs - made) + made
        self.divided.add(made.ref())
        return made

    def _of_hidden(self, layer: Any, inputs: Any, kernel: Any, bias: Any, outputs: Any) -> Any:
        above, below = self._where(inputs, inputs > 0), self._where(inputs, inputs < 0)
        more, less = tf.maximum(kernel, 0), tf.minimum(kernel, 0)
        if self.hidden == "gamma":
            gamma = tf.cast(self.gamma, kernel.dtype)
            more, less = kernel + gamma * more, kernel + gamma * less
        positive = _run(layer, above, more) + _run(layer, below, less)
        if self.hidden == "z_plus":
            return positive * self._share(outputs, positive)
        negative = _run(layer, above, less) + _run(layer, below, more)
        if self.hidden == "alpha2_beta1":
            return 2 * positive * self._share(outputs, positive) - negative * self._share(
                outputs, negative
            )
        high = low = tf.zeros((), kernel.dtype)
        if bias is not None:
            bias = _along_channels(layer, tf.cast(bias, kernel.dtype), outputs)
            high, low = bias + gamma * tf.maximum(bias, 0), bias + gamma * tf.minimum(bias, 0)
        return positive * self._share(self._where(outputs, outputs > 0), positive + high) + (
            negative * self._share(self._where(outputs, outputs < 0), negative + low)
        )

    def _of_first(self, layer: Any, inputs: Any, ones: Any, kernel: Any, outputs: Any) -> Any:
        if self.first == "flat":
            made = _run(layer, ones, tf.ones_like(kernel))
        else:
            low, high = self.bounds(inputs)
            made = _run(layer, ones * self._constant(inputs), kernel)
            made -= _run(layer, ones * self._constant(low), tf.maximum(kernel, 0))
            made -= _run(layer, ones * self._constant(high), tf.minimum(kernel, 0))
        return made * self._share(outputs, made)

    def _share(self, outputs: Any, total: Any) -> Any:
        return self._constant(divided(outputs, total, self.epsilon))

    def _where(self, values: Any, condition: Any) -> Any:
        """Return values where a condition holds, 0 elsewhere, as linear in the values."""
        return values * self._constant(tf.cast(condition, values.dtype))

    def _constant(self, value: Any) -> Any:
        held = tf.stop_gradient(value)
        self.constants.add(held.ref())
        return held


def divided(value: Any, by: Any, epsilon: Any) -> Any:
    """Return a quotient whose denominator is moved away from 0."""
    away = tf.cast(tf.where(by < 0, -1.0, 1.0), by.dtype) * tf.cast(epsilon, by.dtype)
    return tf.math.divide_no_nan(value, by + away)


def _run(layer: Any, inputs: Any, kernel: Any) -> Any:
    """Return what a layer makes with other weights, without bias and activation."""
    if isinstance(layer, keras.layers.Dense):
        return keras.ops.matmul(inputs, kernel)
    if isinstance(layer, _DEPTHWISE):
        return keras.ops.depthwise_conv(
            inputs, kernel, layer.strides, layer.padding, layer.data_format, layer.dilation_rate
        )
    if layer.padding == "causal":
        inputs = keras.ops.pad(inputs, layer._compute_causal_padding())
        return keras.ops.conv(
            inputs, kernel, list(layer.strides), "valid", layer.data_format, layer.dilation_rate
        )
    return layer.convolution_op(inputs, kernel)


def _along_channels(layer: Any, values: Any, like: Any) -> Any:
    """Return a number per channel in a shape that fits the layer's outputs."""
    first = getattr(layer, "data_format", "") == "channels_first"
    return tf.reshape(values, [-1, *[1] * (like.shape.rank - 2)]) if first else values


def _is_kerass_own(layer: Any) -> bool:
    """Return whether a layer computes as Keras's of its kind does."""
    owner = next(kind for kind in type(layer).__mro__ if "call" in vars(kind))
    return owner.__module__.partition(".")[0] == "keras"


def _refuse_others(traced: Trace, ruled: Container[int], rule: str) -> None:
    """Raise a LayerError where a convolution is no layer that the rule knows: it would go without."""
    known: set[Any] = set()
    for call in traced.calls:
        if call.order in ruled and call.inputs:
            inside = upstream(call.outputs) - upstream(call.inputs[0])
            known |= {each.deref().op for each in inside}
    for tensor in keras.tree.flatten(traced.outputs):
        for each in upstream(tensor):
            operation = each.deref().op
            if operation.type in _OPERATIONS and operation not in known:
                raise LayerError(
                    f"lrp's rule {rule} is for convolutions that are layers; this model has one that "
                    "is none, such as keras.ops.conv makes. Take the rule epsilon."
                )
