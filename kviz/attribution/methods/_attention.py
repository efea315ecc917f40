"""What is made of a transformer's attention: one map of who looks at whom, layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.method import Found, Method, Request
from kviz.attribution.options import option
from kviz.attribution.registry import method_name
from kviz.engine.attention import Attention, attention_of
from kviz.engine.backend import tf
from kviz.option_values import validate_grid


@dataclass(frozen=True, kw_only=True)
class OfAttention(Method):
    """A map of what the tokens that a score is computed from looked at.

    Args:
        grid: rows and columns of the tokens, where the model does not tell them.
    """

    layer_sized: ClassVar[bool] = True

    grid: tuple[int, int] | None = option(None, check=validate_grid)

    def relevance(self, value: Any, layers: Sequence[Any]) -> Any:
        """Return how much each token counts for each, `(N, tokens, tokens)`.

        Args:
            value: the scores `(N,)`.
            layers: the attention of each layer, `(N, heads, tokens, tokens)`.
        """
        raise NotImplementedError

    def maps(self, request: Request) -> Found:
        """Return `(N, rows, columns)` of the patches, as `Method.maps`."""
        passes = request.passes

        def run(*arguments: Any) -> Any:
            value, seen = passes.forward(arguments)
            watched = arguments[passes.place]
            attention = attention_of(value[0], seen.traced, seen.table, watched, self.grid)
            relevance = self.relevance(value[0], attention.layers)
            return value, _read(relevance, attention), tf.constant([attention.laid.said])

        (scores, classes), maps, layers = passes.compiled((method_name(self), self.grid), run)(
            *request.pixels, request.target
        )
        return Found(maps=maps, scores=scores, classes=classes, layers=layers)


def _read(relevance: Any, attention: Attention) -> Any:
    """Return the maps of the tokens that the score is computed from; of all patches, their mean."""
    laid, count = attention.laid, relevance.shape[1]
    patches = laid.grid[0] * laid.grid[1] if laid.grid else count
    rows = attention.reads or range(laid.first, laid.first + patches)
    row = tf.reduce_mean(tf.gather(relevance, list(rows), axis=1), 1)
    return laid.map(row[..., None])[..., 0]
