"""Graphs that TensorFlow's own optimizer cannot take, and how they run without it.

Its arithmetic optimizer writes sums of sums out: `x + x` of `x + x`, a hundred times, has more terms
than there is memory. Such graphs run without that one optimizer, all others as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kviz.engine.backend import context, tf
from kviz.engine.estimate import graphs_within

_SUMS = frozenset(("Add", "AddV2", "AddN"))
# Sums of models that people make have dozens of terms.
_TERMS = 2_000


# What other optimizers take away before, so that the sums on both its sides are one.
_TAKEN_AWAY = frozenset(("Identity", "IdentityN", "PreventGradient", "StopGradient"))
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def explodes(graph: Any) -> bool:
    """Return whether a sum in a graph, written out, has thousands of terms.

    Args:
        graph: of a function as it was traced.
    """
    return _terms(graph, (), 0) is None


def _terms(graph: Any, given: Sequence[int], depth: int) -> int | None:
    """Return the most terms that an output has, None where a sum has thousands.

    Args:
        graph: of a function as it was traced.
        given: the terms of its inputs, one each where there are none.
        depth: how many graphs it is inside of.
    """
    terms = {tensor.op.name: count for tensor, count in zip(graph.inputs, given, strict=False)}
    for op in graph.get_operations():
        counts = [terms.get(tensor.op.name, 1) for tensor in op.inputs]
        if op.type in _SUMS:
            terms[op.name] = sum(counts)
            if terms[op.name] > _TERMS:
                return None
        elif op.type in _TAKEN_AWAY or (op.type == "ConcatV2" and op.get_attr("N") == 1):
            terms[op.name] = max(counts)
        elif depth < 4:
            is_call = op.type in _CALLS  # which is written out in its place; loops are not
            for inner in graphs_within(graph, op):
                count = _terms(inner, counts if is_call else (), depth + 1)
                if count is None:
                    return None
                if is_call:
                    terms[op.name] = count
    return max((terms.get(tensor.op.name, 1) for tensor in graph.outputs), default=1)


class WithoutArithmetic:
    """A concrete function that runs without the arithmetic optimizer.

    Args:
        function: the function.
    """

    def __init__(self, function: Any) -> None:
        self.function = function
        self.graph = function.graph

    def __call__(self, *arguments: Any) -> Any:
        """Return what the function returns."""
        here = context.context()
        before = here.function_call_options
        config = tf.compat.v1.ConfigProto.FromString(before.config_proto_serialized)
        rewriting = config.graph_options.rewrite_options
        rewriting.arithmetic_optimization = type(rewriting).OFF
        # These are of this thread alone.
        here.function_call_options = context.FunctionCallOptions(
            executor_type=before.executor_type, config_proto=config
        )
        try:
            return self.function(*arguments)
        finally:
            here.function_call_options = before
