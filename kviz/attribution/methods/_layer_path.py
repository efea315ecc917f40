"""What integrated gradients of a layer and internal influence share: gradients to a layer on a way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kviz._checks import sanitise
from kviz._types import Selector
from kviz.attribution.method import Method, Request
from kviz.attribution.methods._copies import GRADIENTS, added, copies, gathered
from kviz.attribution.methods.integrated_gradients import points_of
from kviz.attribution.options import option, validate_layers
from kviz.attribution.registry import method_name
from kviz.engine.backend import tf
from kviz.engine.explained_layers import Laid
from kviz.engine.layers import selector_key
from kviz.engine.passes import Passes, Seen
from kviz.errors import LayerError, OptionError
from kviz.option_values import validate_baseline, validate_grid


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerPath(Method):
    """A mean over points on the way from a baseline to the image, of maps of a layer.

    Args:
        layer_names: a layer's path or a glob that means one layer.
        grid: rows and columns of tokens, where the model does not tell them.
        baseline: where the way begins.
        steps: points on the way, by Gauss and Legendre.
    """

    layer_sized: ClassVar[bool] = True
    fixed_target: ClassVar[bool] = True

    layer_names: Selector = option(None, check=validate_layers)
    grid: tuple[int, int] | None = option(None, check=validate_grid)
    baseline: Any = option("black", check=validate_baseline)
    steps: int = 64

    def ends(self, request: Request, baseline: Any) -> tuple[Any, Any, Any]:
        """Return what the layer gives of the images and of the baseline, and what is said of it."""
        passes = request.passes

        def run(*arguments: Any) -> Any:
            value, seen = passes.forward(arguments)
            laid = self.one(passes, value, seen, arguments)
            return seen.map_of(laid.info), tf.constant([laid.said])

        compiled = passes.compiled(("layer end", *self._key), run)
        high, said = compiled(*request.pixels, request.target)
        low, _ = compiled(*request.replaced(baseline), request.target)
        return high, low, said

    def mean(self, request: Request, run: Callable[..., Any], *ends: Any) -> Any:
        """Return the weighted sum of maps over points between baseline and image.

        Args:
            request: the images.
            run: takes tensors of copies: an input each and the targets, each of `ends`, and where on
                the way they are `(B,)`; returns maps `(B, …)`.
            ends: arrays `(N, …)`.
        """
        passes = request.passes
        fixed, count = passes.fixed_batch, len(passes.specs) + 1

        def summed(*arguments: Any) -> Any:
            given = arguments[: count + len(ends)]
            rows, owners, shares, factors = arguments[count + len(ends) :]
            maps = run(*gathered(given, rows, fixed), shares)
            factors = tf.cast(tf.reshape(factors, [-1, *[1] * (maps.shape.rank - 1)]), maps.dtype)
            return added(None, maps * factors, owners, tf.shape(arguments[0])[0])

        places, reals = (tf.TensorSpec((fixed,), kind) for kind in ("int32", "float64"))
        extra = [tf.TensorSpec((fixed, *[None] * (end.shape.rank - 1)), end.dtype) for end in ends]
        share = passes.by_copies([*[False] * len(ends), True, True, True, True], added=True)
        key = (method_name(self), *self._key)
        compiled = passes.compiled(key, summed, [*extra, places, places, reals, reals], share)
        points, weights = points_of("gauss_legendre", self.steps)
        total: Any = None
        for rows, numbers, owners in copies(request, len(points), GRADIENTS):
            more = compiled(
                *request.pixels, request.target, *ends,
                rows, owners, points[numbers], weights[numbers],
            )  # fmt: skip
            total = more if total is None else total + more
        return total

    def one(self, passes: Passes, value: Any, seen: Seen, arguments: Sequence[Any]) -> Laid:
        """Return the one layer that is named, while tracing."""
        layers = passes.layers_for(value[0], seen, arguments, self.layer_names, self.grid)
        if len(layers) != 1:
            raise OptionError(f"{method_name(self)} takes one layer. Received: {len(layers)}")
        return layers[0]

    @property
    def _key(self) -> tuple[Any, ...]:
        return selector_key(self.layer_names), self.grid


def gradient_to(value: Any, tensor: Any, laid: Laid) -> Any:
    """Return the gradient of a score to what a layer gives, or to what stands for it."""
    gradient = tf.gradients(value, tensor)[0]
    if gradient is None and laid.info.kind == "InputLayer":
        raise LayerError(
            f"Layer {sanitise(laid.info.path)!r} is the input itself. Take integrated_gradients, or "
            "name another layer."
        )
    if gradient is None:
        raise laid.off_the_way()
    return tf.convert_to_tensor(gradient)


def between(low: Any, high: Any, shares: Any, shape: Any) -> Any:
    """Return points on the ways from `low` to `high`, both `(B, …)`, at shares `(B,)`.

    Args:
        low: where the ways begin.
        high: where they end.
        shares: from 0 to 1.
        shape: what is known of a point's shape.
    """
    shares = tf.cast(tf.reshape(shares, [-1, *[1] * (high.shape.rank - 1)]), high.dtype)
    return tf.ensure_shape(low + shares * (high - low), shape)
