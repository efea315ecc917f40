"""Chefer's relevance: attention weighted by the score's gradient, added up through all layers.

H. Chefer, S. Gur, L. Wolf, "Generic Attention-model Explainability for Interpreting Bi-Modal and
Encoder-Decoder Transformers", ICCV 2021, equations 5 and 6, for self-attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.methods._attention import OfAttention
from kviz.engine.backend import tf


@dataclass(frozen=True, kw_only=True)
class Chefer(OfAttention):
    """Chefer's relevance: what of a transformer's attention raises the score, through all layers.

    Unlike attention rollout it depends on the class. Where the score is computed from all tokens, the
    map is the mean of all patches'.

    Paper: H. Chefer, S. Gur, L. Wolf, "Generic Attention-model Explainability for Interpreting
    Bi-Modal and Encoder-Decoder Transformers", ICCV 2021.

    Equation: R = I, then for each layer R = R + E_h[relu(dy/dA * A)] R, with A its attention and the
    mean over the heads.

    When: Transformers: which patches raise the score of one class.

    When not: Nets without self-attention, which it refuses; details finer than a patch.

    Args:
        grid: rows and columns of the tokens, where the model does not tell them.

    >>> Chefer().grid is None
    True
    """

    display_name: ClassVar[str] = "Chefer"
    kind: ClassVar[str] = "attention"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "1"

    def relevance(self, value: Any, layers: Sequence[Any]) -> Any:
        """Return `(N, tokens, tokens)`, as `OfAttention.relevance`."""
        total = tf.eye(layers[0].shape[2], batch_shape=tf.shape(value), dtype=layers[0].dtype)
        for weights, gradient in zip(layers, tf.gradients(value, list(layers)), strict=True):
            if gradient is not None:
                raises = tf.reduce_mean(tf.nn.relu(gradient * weights), 1)
                total += raises @ total
        return total
