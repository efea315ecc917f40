"""The attention of a transformer: who looks at whom, read off the traced operations.

Every attention ends in a softmax over `(N, heads, tokens, tokens)`, also where `MultiHeadAttention`
gives no scores back or computes them in one fused step. It is taken from there, so that a model's own
attention layers are seen too.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from kviz._checks import sanitise
from kviz.engine.backend import tf
from kviz.engine.explained_layers import Laid, laid_tokens
from kviz.engine.graph import downstream, upstream
from kviz.engine.tracing import Trace, tensors_of
from kviz.errors import LayerError


@dataclass(frozen=True, eq=False)
class Attention:
    """The attention between an input and a score.

    Attributes:
        layers: `(N, heads, tokens, tokens)` each, the first first; each row sums to 1.
        reads: which tokens the score is computed from, none where from all.
        laid: where the tokens lie.
    """

    layers: list[Any]
    reads: tuple[int, ...]
    laid: Laid


def attention_of(
    value: Any,
    traced: Trace,
    table: Any,
    watched: Any,
    grid: tuple[int, int] | None = None,
) -> Attention:
    """Return the attention that a score comes through, while a function is traced.

    Args:
        value: the score, symbolic.
        traced: the call that it is of.
        table: its layers.
        watched: the explained input, symbolic.
        grid: as `kviz.engine.explained_layers.layers_for` takes it.

    Raises:
        LayerError: if there is none, or not all tokens look at all others.
    """
    feeding, looking = upstream(value), downstream(watched)
    found = []
    for operation in value.graph.get_operations():
        if operation.type != "Softmax":
            continue
        weights = operation.outputs[0]
        on_its_way = weights.ref() in feeding & looking
        if on_its_way and weights.shape.rank == 4 and weights.shape[2] == weights.shape[3]:
            found.append(weights)
    if not found:
        raise LayerError(
            "No self-attention (N, heads, tokens, tokens) lies between the input and the score. "
            "Take a class activation map, such as grad_cam."
        )
    sizes = {weights.shape[2] for weights in found}
    if len(sizes) > 1 or None in sizes:
        said = ", ".join(sorted(map(str, sizes)))
        raise LayerError(
            "Attention is followed where every layer looks at the same tokens. Those of this model "
            f"look at {sanitise(said, 60)}. Take a class activation map, such as grad_cam."
        )
    laid = _laid(found[0], traced, table, watched, grid)
    return Attention(found, _reads(value, sizes.pop(), looking), laid)


def _laid(
    weights: Any, traced: Trace, table: Any, watched: Any, grid: tuple[int, int] | None
) -> Laid:
    """Return where the tokens lie that the first attention looks at."""
    count, behind = weights.shape[2], upstream(weights)
    for info in sorted(table, key=lambda info: -info.order):
        if not info.reached or info.outputs != 1 or len(info.output_shape) != 3:
            continue
        tensor = tensors_of(traced.by_path[info.path].outputs)[0]
        if tensor.shape[1] == count and tensor.ref() in behind:
            return laid_tokens(info, traced, watched, grid)
    raise LayerError("The tokens that the attention looks at are no layer's output.")


def _reads(value: Any, count: int, looking: set[Any]) -> tuple[int, ...]:
    """Return which of the tokens a score is computed from, none where from all or any number."""
    found, seen, queue = set(), {value.ref()}, deque([value])
    while queue:
        operation = queue.popleft().op
        place = _one_taken(operation, count)
        if place is not None:
            found.add(place)
            continue
        for source in operation.inputs:
            if source.shape.rank == 3 and source.shape[1] == count:
                continue
            if source.ref() in looking - seen:
                seen.add(source.ref())
                queue.append(source)
    return tuple(sorted(found))


def _one_taken(operation: Any, count: int) -> int | None:
    """Return the place of the one token that an operation takes of `(N, tokens, features)`."""
    if operation.type not in ("StridedSlice", "GatherV2") or not operation.inputs:
        return None
    before, after = operation.inputs[0].shape, operation.outputs[0].shape
    if before.rank != 3 or before[1] != count or after.rank not in (2, 3):
        return None
    first = tf.get_static_value(operation.inputs[1])
    if first is None:
        return None
    if operation.type == "GatherV2":
        return int(first) % count if first.size == 1 else None
    one = after.rank == 2 or after[1] == 1
    return int(first[1]) % count if one and len(first) > 1 else None
