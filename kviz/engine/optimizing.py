"""Graphs that TensorFlow's own optimizer cannot take, and how they run without it.

Its arithmetic optimizer writes sums of sums out: `x + x` of `x + x`, a hundred times, has more terms
than there is memory. Such graphs run without that one optimizer, all others as ever.
"""

from __future__ import annotations

from typing import Any

from kviz.engine.backend import context, tf
from kviz.engine.estimate import graphs_within

_SUMS = frozenset(("Add", "AddV2", "AddN"))
# Sums of models that people make have dozens of terms.
_TERMS = 2_000


def explodes(graph: Any, depth: int = 0) -> bool:
    """Return whether a sum in a graph, written out, has thousands of terms.

    Args:
        graph: of a function as it was traced.
        depth: how many graphs it is inside of.
    """
    terms: dict[str, int] = {}
    for op in graph.get_operations():
        if op.type in _SUMS:
            count = sum(terms.get(tensor.op.name, 1) for tensor in op.inputs)
            if count > _TERMS:
                return True
            terms[op.name] = count
        elif depth < 4 and any(explodes(inner, depth + 1) for inner in graphs_within(graph, op)):
            return True
    return False


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
