"""Layer-wise relevance propagation: the score is handed back from layer to layer to what made it.

S. Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by Layer-Wise Relevance
Propagation", PLOS ONE 2015; G. Montavon et al., "Layer-Wise Relevance Propagation: An Overview", 2019.
With z_j the sum of the a_i w_ij and the bias, epsilon: R_i = sum over j of a_i w_ij / z_j* R_j, where
z* is z moved away from 0 by epsilon; z+: R_i = sum over j of (a_i w_ij)+ / sum over k of (a_k w_kj)+
times R_j. Epsilon is added once for each activation function, not for what is linear behind another
linear layer (logits, pooling, a convolution before its normalisation).

It is computed as gradients, by what M. Ancona et al. (ICLR 2018, proposition 1) prove of epsilon: R is
a times the gradient in which each activation function f has the slope f(z) / z*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from kviz._checks import sanitise
from kviz.attribution.method import Method, Reduce
from kviz.attribution.methods._activations import NO_GRADIENT, Activation, noted, pulled_back
from kviz.attribution.options import option
from kviz.engine.backend import keras, tf
from kviz.engine.graph import last_operation
from kviz.engine.passes import Passes
from kviz.engine.tracing import Call, Trace
from kviz.errors import LayerError

# Functions with f(0) = 0, through which relevance passes whole, and what a share can be made by where
# a function is a value times a share of it: silu, gelu, mish, hard_silu.
_ACTIVATIONS = {"Elu", "LeakyRelu", "Relu", "Relu6", "Selu", "Tanh"}
_ELEMENTWISE = {
    *_ACTIVATIONS, "AddV2", "Cast", "Erf", "Erfc", "Exp", "Identity", "Maximum", "Minimum", "Mul",
    "Neg", "Pow", "RealDiv", "Sigmoid", "Softplus", "Square", "Sub",
}  # fmt: skip

_CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_OTHER = (
    keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose,
    keras.layers.SeparableConv1D, keras.layers.SeparableConv2D,
)  # fmt: skip

# What is linear in its one tensor that depends on the image.
_WEIGHTED = {
    "BatchMatMulV2", "BatchMatMulV3", "Conv2D", "Conv2DBackpropInput", "Conv3D",
    "Conv3DBackpropInputV2", "DepthwiseConv2dNative", "Einsum", "FusedBatchNormV3", "MatMul", "Mul",
}  # fmt: skip
_DIVIDING = {"DivNoNan", "RealDiv"}
# What adds tensors up, moves numbers about, or lets the largest through.
_PASSING = {
    "Add", "AddN", "AddV2", "AvgPool", "AvgPool3D", "BatchToSpaceND", "BiasAdd", "BroadcastTo", "Cast",
    "ConcatV2", "DepthToSpace", "ExpandDims", "GatherNd", "GatherV2", "Identity", "IdentityN", "Max",
    "MaxPool", "MaxPool3D", "Maximum", "Mean", "Minimum", "MirrorPad", "Neg", "Pack", "Pad", "PadV2",
    "Reshape", "ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor", "ReverseV2", "Roll", "Slice",
    "SpaceToBatchND", "SpaceToDepth", "Split", "SplitV", "Squeeze", "StridedSlice", "Sub", "Sum",
    "Tile", "Transpose", "Unpack",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Lrp(Method):
    """Layer-wise relevance propagation: the score is handed back from layer to layer to what made it.

    What preprocessing made of a pixel counts as the pixel. Without biases, and with a small epsilon,
    the map sums to the score: relevance is conserved.

    Paper: S. Bach et al., "On Pixel-Wise Explanations for Non-Linear Classifier Decisions by
    Layer-Wise Relevance Propagation", PLOS ONE 2015; G. Montavon et al., "Layer-Wise Relevance
    Propagation: An Overview", 2019.

    Equation: Epsilon: R_i = sum over j of a_i w_ij / z_j* R_j, where z* is z moved away from 0. z+:
    only (a_i w_ij)+, divided by their sum.

    Args:
        rule: `"epsilon"` for all layers, or `"z_plus"` for convolutions, together with the batch
            normalisation behind them, and epsilon for the rest.
        epsilon: moves denominators away from 0; more of it leaves out more of what is weak.
        reduce: `"sum"` of the channels, `"max_abs"` or None to keep them.

    >>> Lrp(rule="z_plus").epsilon
    1e-06
    """

    display_name: ClassVar[str] = "LRP"

    rule: Literal["epsilon", "z_plus"] = "epsilon"
    epsilon: float = option(1e-6, above=0)
    reduce: Reduce = "sum"

    def traced(self, passes: Passes, arguments: Sequence[Any]) -> Any:
        """Return `(N, …, channels)`, as `Method.traced`; a `LayerError` where a layer has no rule."""
        edits: Mapping[int, Callable[[Call], Any]] = {}
        divided: set[Any] = set()
        if self.rule == "z_plus":
            edits = _z_plus(passes.forward(arguments)[1].traced, self.epsilon, divided)

        def sloped(upstream: Any, activation: Activation) -> Any:
            epsilon = 0.0 if activation.z.ref() in divided else self.epsilon
            return upstream * _divided(activation.value, activation.z, epsilon)

        with noted(_ACTIVATIONS):
            value, seen = passes.forward(arguments, edits)
        start = _preprocessed(passes, seen.traced)
        gated = _gated(start)
        _check(value[0], start, gated)
        relevance = start * pulled_back(value[0], start, gated, sloped)
        return value, _of_pixels(relevance, start, arguments[passes.place])


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


def _divided(value: Any, by: Any, epsilon: Any) -> Any:
    """Return a quotient whose denominator is moved away from 0, as a constant."""
    away = tf.cast(tf.where(by < 0, -1.0, 1.0), by.dtype) * tf.cast(epsilon, by.dtype)
    return tf.stop_gradient(tf.math.divide_no_nan(value, by + away))


def _as_if(value: Any, surrogate: Any) -> Any:
    """Return a value with another one's gradient."""
    return tf.stop_gradient(value - surrogate) + surrogate


def _preprocessed(passes: Passes, traced: Trace) -> Any:
    """Return the input as the first layer with weights takes it."""
    tensor = traced.inputs[passes.place]
    scaling = (keras.layers.Rescaling, keras.layers.Normalization)
    for call in traced.calls:
        if isinstance(call.layer, scaling) and call.inputs and call.inputs[0] is tensor:
            tensor = call.outputs
    return tensor


def _z_plus(traced: Trace, epsilon: Any, divided: set[Any]) -> dict[int, Callable[[Call], Any]]:
    """Return edits of convolutions, and of the batch normalisation right behind one.

    What these make is put into `divided`: epsilon is in its denominators.
    """
    convolutions: dict[Any, Call] = {}

    def convolution(call: Call) -> Any:
        outputs = _positive(call, call.outputs, 1.0, epsilon)
        convolutions[outputs.ref()] = call
        divided.add(outputs.ref())
        return outputs

    def normalisation(call: Call) -> Any:
        behind = convolutions.get(call.inputs[0].ref())
        if behind is None or behind.layer.activation is not keras.activations.linear:
            return call.outputs
        # One linear layer together, whose weights a scale below 0 turns over.
        norm = call.layer
        scale = keras.ops.rsqrt(norm.moving_variance + norm.epsilon)
        if norm.scale:
            scale *= norm.gamma
        outputs = _positive(behind, call.outputs, scale, epsilon)
        divided.add(outputs.ref())
        return outputs

    edits: dict[int, Callable[[Call], Any]] = {}
    for call in traced.calls:
        if isinstance(call.layer, _CONVOLUTIONS + _DEPTHWISE):
            edits[call.order] = convolution
        elif isinstance(call.layer, keras.layers.BatchNormalization):
            edits[call.order] = normalisation
        elif isinstance(call.layer, _OTHER):
            raise LayerError(
                f"lrp's rule z_plus does not know layer {sanitise(call.path)!r} "
                f"({sanitise(type(call.layer).__name__)}). Take the rule epsilon."
            )
    return edits


def _positive(call: Call, outputs: Any, scale: Any, epsilon: Any) -> Any:
    """Return outputs whose gradient hands relevance to what was positive in a convolution."""
    layer, inputs = call.layer, call.inputs[0]
    depthwise = isinstance(layer, _DEPTHWISE)
    kernel = tf.convert_to_tensor(layer.kernel)
    scale = tf.cast(scale, kernel.dtype)
    kernel *= tf.reshape(scale, kernel.shape[-2:]) if depthwise and scale.shape.rank else scale

    def run(images: Any, weights: Any) -> Any:
        if not depthwise:
            return layer.convolution_op(images, weights)
        return keras.ops.depthwise_conv(
            images, weights, layer.strides, layer.padding, layer.data_format, layer.dilation_rate
        )

    zero = tf.zeros((), inputs.dtype)
    z = run(tf.maximum(inputs, zero), tf.maximum(kernel, 0))
    z += run(tf.minimum(inputs, zero), tf.minimum(kernel, 0))
    return _as_if(outputs, z * _divided(outputs, z, epsilon))


def _gated(start: Any) -> list[Activation]:
    """Return activation functions that are a value times a share computed from the value alone."""
    graph = start.graph
    depends = {start.ref()}
    found: dict[Any, Activation] = {}
    for operation in graph.get_operations():
        if not any(tensor.ref() in depends for tensor in operation.inputs):
            continue
        depends |= {tensor.ref() for tensor in operation.outputs}
        if operation.type == "Mul":
            left, right = operation.inputs
            for value, share in ((left, right), (right, left)):
                z = _scaled(value, depends)
                if value.ref() in depends and _made_of(share, z, depends):
                    found[operation] = Activation(operation, z)
        elif operation.type == "IdentityN":
            # tf.nn.silu has a gradient of its own, which begins here.
            inner = found.get(last_operation(operation.inputs[0]))
            data = {x.ref() for x in operation.inputs[1:] if x.ref() in depends}
            if inner is not None and data == {inner.z.ref()}:
                found[operation] = Activation(operation, inner.z)
    return list(found.values())


def _scaled(tensor: Any, depends: set[Any]) -> Any:
    """Return what a tensor is a fixed multiple of, or itself."""
    if tensor.op.type == "Mul":
        data = [x for x in tensor.op.inputs if x.ref() in depends]
        if len(data) == 1:
            return data[0]
    return tensor


def _made_of(share: Any, z: Any, depends: set[Any]) -> bool:
    """Return whether each number of a tensor is computed from the same one of `z` alone."""
    if share is z:
        return False
    stack, seen = [share], set()
    while stack:
        tensor = stack.pop()
        if tensor is z or tensor.ref() not in depends or tensor.ref() in seen:
            continue
        if tensor.op.type not in _ELEMENTWISE:
            return False
        seen.add(tensor.ref())
        stack += list(tensor.op.inputs)
    return share.ref() in depends


def _check(score: Any, start: Any, gated: list[Activation]) -> None:
    """Raise a LayerError if relevance came through an operation that has no rule."""
    stepped_over = {activation.operation: activation.z for activation in gated}
    upstream, stack = set(), [score]
    while stack:
        tensor = stack.pop()
        if tensor.ref() in upstream or not tensor.dtype.is_floating:
            continue
        upstream.add(tensor.ref())
        if tensor.op in stepped_over:
            stack.append(stepped_over[tensor.op])
        elif tensor is not start and tensor.op.type != "StopGradient":
            stack += list(tensor.op.inputs)
    depends = {start.ref()}
    for op in score.graph.get_operations():
        if op.type == "StopGradient" or not any(out.ref() in upstream for out in op.outputs):
            continue
        data = [place for place, x in enumerate(op.inputs) if x.ref() in depends]
        if not data:
            continue
        depends |= {out.ref() for out in op.outputs if out.dtype.is_floating}
        fits = (
            op in stepped_over
            or op.type in _PASSING | _ACTIVATIONS
            or (op.type in _WEIGHTED and len(data) == 1)
            or (op.type in _DIVIDING and data == [0])
        )
        if not fits:
            raise LayerError(
                f"lrp has no rule for the operation {op.type} ({sanitise(op.name, 100)}). It knows "
                "convolution, dense, pooling, normalisation at inference, sums, and activations that "
                "are 0 at 0, such as relu, tanh, silu and gelu."
            )
