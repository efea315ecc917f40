"""Attention rollout: what each token has looked at through all layers, shortcuts counted.

S. Abnar, W. Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.methods._attention import OfAttention
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class AttentionRollout(OfAttention):
    """Attention rollout: what the class token has looked at through all layers of a transformer.

    It does not tell which pixels are evidence for a class: every class has the same map. Where the
    score is computed from all tokens, the map is the mean of all patches'. The rows that it is made of
    sum to 1.

    Paper: S. Abnar, W. Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020.

    Equation: A_L ... A_2 A_1, where A_l = (W_l + I) / 2 and W_l is the mean over the heads of layer l.

    When: Transformers: which patches the class token has read from, in one forward pass.

    When not: Asking why one class and not another: every class has the same map. Take `chefer`.

    Args:
        grid: rows and columns of the tokens, where the model does not tell them.

    >>> AttentionRollout(grid=(14, 14)).grid
    (14, 14)
    """

    display_name: ClassVar[str] = "Attention rollout"
    kind: ClassVar[str] = "attention"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "0"

    def relevance(self, value: Any, layers: Sequence[Any]) -> Any:  # noqa: ARG002 - no class's
        """Return `(N, tokens, tokens)`, as `OfAttention.relevance`; each row sums to 1."""
        rolled = None
        for weights in layers:
            mean = tf.reduce_mean(weights, 1)
            mixed = (mean + tf.eye(mean.shape[1], dtype=mean.dtype)) / 2
            rolled = mixed if rolled is None else mixed @ rolled
        return rolled
