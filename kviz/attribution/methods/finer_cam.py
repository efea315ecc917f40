"""Finer-CAM: Grad-CAM of what sets a class apart from those that are most like it.

Z. Zhang et al., "Finer-CAM: Spotting the Difference Reveals Finer Details for Visual Explanation", CVPR
2025: with the class's unnormalised score y_c, relu(sum over channels k of mean(d(y_c - weight *
mean of the similar classes' y) / dA_k) * A_k).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from kviz.attribution.method import Found, Request
from kviz.attribution.methods.grad_cam import GradCam
from kviz.attribution.options import option
from kviz.engine.backend import tf
from kviz.engine.graph import picked
from kviz.engine.passes import Seen
from kviz.errors import ModelError, OptionError
from kviz.scores import ClassScore


@dataclass(frozen=True, kw_only=True)
class FinerCam(GradCam):
    """Finer-CAM: Grad-CAM of what sets a class apart from those that are most like it.

    Which these are is asked of each image: those whose scores are nearest to the class's. All count
    alike; the authors' program weighs them by their probabilities. The result's scores are the
    differences. `kviz.scores.ContrastScore` compares with a class of your choice, by any method.

    Paper: Z. Zhang et al., "Finer-CAM: Spotting the Difference Reveals Finer Details for Visual
    Explanation", CVPR 2025.

    Equation: relu(sum over channels k of w_k A_k), where w_k is the mean over the map of
    d(y_c - weight * mean of the similar classes' y) / dA_k.

    When: Classes that look alike: which parts are evidence for one of them rather than for its
    runners-up.

    When not: A class that no other comes near: `grad_cam` shows more of the object.

    Args:
        layer_names: a layer's path, a glob or a list, as `activations` takes them; several are each
            divided by their largest absolute value, brought to the first one's size and averaged. By
            default the last layer between the explained input and the score.
        grid: rows and columns of tokens, where the model does not tell them.
        relu: keep only evidence for the class.
        similar: with how many classes it is compared.
        weight: how much they count: 0 gives Grad-CAM.

    >>> FinerCam(similar=1).weight
    1.0
    """

    display_name: ClassVar[str] = "Finer-CAM"
    kind: ClassVar[str] = "class activation map"
    forward_passes: ClassVar[str] = "1"
    backward_passes: ClassVar[str] = "1"
    score_name: ClassVar[str] = "difference of logits"

    similar: int = 3
    weight: float = option(1.0, least=0)

    def maps(self, request: Request) -> Found:
        """Return `(N, …)` of the layer's size, as `Method.maps`; the scores are the differences."""
        passes = request.passes
        if not isinstance(passes.score, ClassScore):
            raise OptionError("finer_cam needs a class; it takes no score= of another kind.")
        apart = passes.with_score(_ApartScore(passes.score, float(self.similar), self.weight))
        return super().maps(replace(request, passes=apart))


@dataclass(frozen=True)
class _ApartScore:
    """A class's unnormalised score less a share of the mean of those nearest to it."""

    base: ClassScore
    # A number as a float is an argument of what is traced.
    similar: float
    weight: float

    def of(self, seen: Seen, target: Any) -> tuple[Any, Any]:
        """Return the scores, as `Score.of`."""
        head = seen.head(self.base.output)
        if head.is_map or not head.has_classes:
            raise ModelError("finer_cam needs classes to compare, outputs (N, classes).")
        _, target = self.base.of(seen, target)
        logits = head.logits(seen.outputs)
        classes = logits.shape[1]
        own = picked(logits, target)
        far = tf.one_hot(target, classes, on_value=logits.dtype.max, dtype=logits.dtype)
        distance = tf.abs(logits - own[:, None]) + far
        count = tf.minimum(tf.cast(self.similar, "int32"), classes - 1)
        nearest = tf.math.top_k(-distance, count).indices
        others = tf.reduce_mean(tf.gather(logits, nearest, axis=1, batch_dims=1), 1)
        return own - tf.cast(self.weight, own.dtype) * others, target
