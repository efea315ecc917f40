"""What the class activation maps share: layers by name, ReLU, fusion of several layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz._types import Selector
from kviz.attribution.method import Found, Method, Request
from kviz.attribution.methods._resized import resized
from kviz.attribution.options import option, validate_layers
from kviz.attribution.registry import method_name
from kviz.engine.backend import tf
from kviz.errors import OptionError
from kviz.option_values import validate_grid


@dataclass(frozen=True, kw_only=True)
class Cam(Method):
    """A weighted sum of a layer's maps.

    Args:
        layer_names: a path, a glob or a list, as `LayerTable.select` takes them; several are each
            divided by their largest absolute value, brought to the first one's size and averaged. By
            default the last layer between the explained input and the score, of a class map the
            deepest; tokens of a picture are folded to their grid.
        grid: rows and columns of the tokens, where the model does not tell them; what stands before
            the last of them (a class token, registers) is left out.
        relu: keep only evidence for the class.
    """

    layer_sized: ClassVar[bool] = True

    layer_names: Selector = option(None, check=validate_layers)
    grid: tuple[int, int] | None = option(None, check=validate_grid)
    relu: bool = True

    def weighted(self, maps: Any, gradients: Any) -> Any:
        """Return the map `(N, …)` of one layer's maps and gradients `(N, …, channels)`."""
        raise NotImplementedError

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the layer's size, as `Method.maps`."""
        (scores, classes), pairs, layers = request.passes.layer_gradient(
            request.pixels, request.target, self.layer_names, self.grid
        )
        weighted = [self.weighted(maps, gradients) for maps, gradients in pairs]
        return Found(
            maps=self.fused(weighted), scores=scores, classes=classes, layers=layers,
            negative=left_nothing(self.relu, weighted),
        )  # fmt: skip

    def fused(self, maps: list[Any]) -> Any:
        """Return one map of each layer's."""
        if self.relu:
            maps = [tf.nn.relu(array) for array in maps]
        if len(maps) == 1:
            return maps[0]
        parts = []
        for array in maps:
            space = list(range(1, array.shape.rank))
            peak = tf.reduce_max(tf.abs(array), space, keepdims=True)
            part = self.scaled(tf.math.divide_no_nan(array, peak))
            size = maps[0].shape[1:]
            parts.append(part if part.shape[1:] == size else resized(part, size))
        return self.united(parts)

    def scaled(self, part: Any) -> Any:
        """Return a layer's map, whose values go to 1, as it is fused with others'."""
        return part

    def united(self, parts: list[Any]) -> Any:
        """Return one map of several of one size."""
        return tf.add_n(parts) / len(parts)

    def one_layer(self, request: Request) -> tuple[Any, Any, Any]:
        """Return (scores, classes), the maps of the one layer that is named, and its path."""
        found, maps, layers = request.passes.layer_maps(
            request.pixels, request.target, self.layer_names, self.grid
        )
        if len(maps) != 1:
            raise OptionError(f"{method_name(self)} takes one layer. Received: {len(maps)}")
        return found, maps[0], layers


def left_nothing(relu: bool, maps: list[Any]) -> Any:
    """Return bool `(N,)`: whether ReLU leaves nothing of an image's maps, though they are not zero."""
    flat = tf.concat([tf.reshape(array, [array.shape[0], -1]) for array in maps], 1)
    return relu & tf.reduce_all(flat <= 0, 1) & tf.reduce_any(flat < 0, 1)
