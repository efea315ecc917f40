"""FullGrad: what the input and every bias of the net add to the score.

S. Srinivas, F. Fleuret, "Full-Gradient Representation for Neural Network Visualization", NeurIPS 2019:
where a net is linear around an image, as nets of ReLUs are, its score is x * dY / dx, summed, and the
sum of b * dY / db over all biases b. What is added to a tensor is a bias, whichever layer does it: a
batch normalisation's shift is one; an activation function f adds f(z) - z f'(z), as the paper's
implicit biases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.method import Found, Method, Request, gaps_of
from kviz.attribution.methods._activations import upstream_operations
from kviz.attribution.methods._resized import resized
from kviz.engine.backend import tf
from kviz.engine.graph import downstream, upstream
from kviz.engine.model_inputs import to_channels_last
from kviz.engine.passes import NO_GRADIENT
from kviz.errors import LayerError

_ADDING = ("AddV2", "Add", "BiasAdd", "Sub")
_WEIGHING = (
    "Conv2D", "Conv3D", "DepthwiseConv2dNative", "MatMul", "BatchMatMulV2", "Einsum",
    "Conv2DBackpropInput", "Conv3DBackpropInputV2",
)  # fmt: skip
# One number makes one number, and not in proportion to it.
_BENDING = (
    "Relu6", "Elu", "Selu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Erf", "Exp", "Minimum",
    "Maximum", "Square",
)  # fmt: skip
_MOVING = ("Pad", "PadV2", "MirrorPad", "Identity", "Cast", "ExpandDims", "SpaceToBatchND")


@dataclass(frozen=True, kw_only=True)
class FullGrad(Method):
    """FullGrad: what the input and every bias of the net add to the score.

    The input is what the net's first weights take, behind its preprocessing. Biases without a position
    (of dense layers) are in no map, but they count for completeness: the result's `gaps` say how far
    all terms together are from the score, relative to it. They add up to it in nets of linear layers,
    normalisation by fixed numbers and activation functions of single numbers; of several inputs the
    other ones' terms are missing.

    Paper: S. Srinivas, F. Fleuret, "Full-Gradient Representation for Neural Network Visualization",
    NeurIPS 2019.

    Equation: psi(x * dY / dx) + the sum over layers of psi(b * dY / db), where psi takes sizes, brings
    each layer's to 0-1, enlarges them and adds up channels.

    When: All that the score is made of, the biases too, at the image's resolution; `signed=True`
    adds up to the score.

    When not: Telling evidence for a class from evidence against it, which look alike without
    `signed=True`.

    Args:
        signed: take the terms as they are instead, each layer's shared out over the pixels that its
            cells cover: the map's sum is (but for rounding at borders) what they add to the score.

    >>> FullGrad(signed=True).signed
    True
    """

    display_name: ClassVar[str] = "FullGrad"
    kind: ClassVar[str] = "gradient"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "1"

    layer_sized: ClassVar[bool] = True

    signed: bool = False

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the input's size and the gaps, as `Method.maps`."""
        passes, signed = request.passes, self.signed

        def run(*arguments: Any) -> Any:
            value, _ = passes.forward(arguments)
            terms = _terms(value[0], arguments[passes.place])
            total, size = _summed(terms, tf.add_n), _summed(map(tf.abs, terms), tf.add_n)
            if passes.engine.channels_first:
                terms = [to_channels_last(term) for term in terms]
            images = arguments[passes.place]
            # Of a vector only its own term has positions.
            placed = [terms[0]] if images.shape.rank == 2 else terms
            parts = [
                _shown(term, images, signed=signed)
                for term in placed
                if term.shape.rank == images.shape.rank
            ]
            return value, tf.add_n(parts), total, size

        value, maps, total, size = passes.compiled(("full grad", signed), run)(
            *request.pixels, request.target
        )
        gaps = gaps_of(total[:, None], size, value[0], tf.zeros_like(total))
        return Found(maps=maps, scores=value[0], classes=value[1], gaps=gaps)


def _terms(value: Any, pixels: Any) -> list[Any]:
    """Return what is added to a score, the input's term first, while tracing."""
    looking = downstream(pixels)
    operations = [
        operation
        for operation in upstream_operations(value)
        if operation.outputs
        and operation.outputs[0].ref() in looking
        and operation.outputs[0].dtype.is_floating
    ]
    start = _entry(operations, pixels, looking)
    before = upstream(start)
    added: list[tuple[Any, Any]] = [(start, start)]
    for operation in operations:
        made = operation.outputs[0]
        data = [source for source in operation.inputs if source.ref() in looking]
        if made.ref() in before or len(data) != 1:
            continue
        if operation.type in _ADDING:
            first, second = operation.inputs
            sign = -1 if operation.type == "Sub" and data[0] is first else 1
            bias = second if data[0] is first else first
            if operation.type == "BiasAdd" and operation.get_attr("data_format") == b"NCHW":
                bias = tf.reshape(bias, [-1, *[1] * (made.shape.rank - 2)])
            added.append((made, sign * bias))
        elif operation.type in _BENDING:
            slope = tf.gradients(made, data[0], stop_gradients=data)[0]
            added.append((made, made - slope * data[0]))
    gradients = tf.gradients(value, [tensor for tensor, _ in added])
    if gradients[0] is None:
        raise LayerError(NO_GRADIENT)
    pairs = zip(gradients, added, strict=True)
    return [gradient * bias for gradient, (_, bias) in pairs if gradient is not None]


def _entry(operations: Sequence[Any], pixels: Any, looking: set[Any]) -> Any:
    """Return what the net's first weights take, or the pixels where there are several such."""
    weighed: set[Any] = set()
    entries: dict[Any, Any] = {}
    for operation in operations:
        data = [source for source in operation.inputs if source.ref() in looking]
        if any(source.ref() in weighed for source in data):
            weighed |= {made.ref() for made in operation.outputs}
        elif operation.type in _WEIGHING and len(data) == 1:
            weighed |= {made.ref() for made in operation.outputs}
            tensor = data[0]
            while tensor.op.type in _MOVING:
                tensor = tensor.op.inputs[0]
            entries[tensor.ref()] = tensor
    found = next(iter(entries.values()), pixels)
    return found if len(entries) == 1 and found.shape.rank == pixels.shape.rank else pixels


def _summed(terms: Any, add: Any) -> Any:
    """Return the sum `(N,)` of all numbers of terms `(N, …)`."""
    return add([tf.reduce_sum(tf.reshape(term, [tf.shape(term)[0], -1]), 1) for term in terms])


def _shown(term: Any, images: Any, *, signed: bool) -> Any:
    """Return a term `(N, …, channels)` as a map of the images' size."""
    axes = list(range(1, term.shape.rank))
    size = [side or tf.shape(images)[axis] for axis, side in enumerate(images.shape[1:-1], 1)]
    if not signed:
        term = tf.abs(term)
        term -= tf.reduce_min(term, axes, keepdims=True)
        term = tf.math.divide_no_nan(term, tf.reduce_max(term, axes, keepdims=True))
    if term.shape.rank == 2:
        return term
    term = tf.reduce_sum(term, -1)
    if signed:
        covered = tf.reduce_prod(tf.shape(term)[1:]) / tf.reduce_prod(size)
        term *= tf.cast(covered, term.dtype)
    return resized(term, size)
