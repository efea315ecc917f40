"""Other gradients for activation functions, as layers, arguments or operations of TensorFlow.

Nothing that another thread could see is exchanged: TensorFlow notes the gradient's name in the
operations that are made for the graph being traced, and no graph of the caller's own is that one.
What is an activation function only as several operations together (a threshold, or a value times a
share of it, as in silu and gelu) is found in the finished graph, and gradients step over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from kviz.engine.backend import tf
from kviz.engine.graph import last_operation
from kviz.engine.passes import NO_GRADIENT, Passes
from kviz.errors import LayerError

_RELU = ("Relu", "Relu6")


@dataclass(frozen=True, eq=False)
class Step:
    """A place in a graph where something else is handed back than the gradient.

    Attributes:
        kind: what it is: `"function"` of each number of its one source, or another word of whoever
            found it.
        value: what it gives.
        sources: the tensors to which something is handed back.
    """

    kind: str
    value: Any
    sources: tuple[Any, ...]

    @property
    def operation(self) -> Any:
        """The last of its operations."""
        return self.value.op


# Takes the upstream gradient and a step, and returns the gradient of each of its sources.
Backward = Callable[[Any, Step], Sequence[Any]]

_of_graph: WeakKeyDictionary[Any, Backward] = WeakKeyDictionary()
_NAME = "KvizActivation"


@tf.RegisterGradient(_NAME)  # type: ignore[untyped-decorator]
def _gradient(operation: Any, upstream: Any) -> Any:
    step = Step("function", operation.outputs[0], (operation.inputs[0],))
    return [*_of_graph[operation.graph](upstream, step), *[None] * (len(operation.inputs) - 1)]


@contextmanager
def noted(types: Iterable[str]) -> Iterator[None]:
    """Let operations that are made in the graph being traced ask `pulled_back` for their gradient.

    Args:
        types: TensorFlow's names of their kinds, each with one input that has a gradient, the first.
    """
    with tf.compat.v1.get_default_graph().gradient_override_map(dict.fromkeys(types, _NAME)):
        yield


def pulled_back(
    value: Any, starts: Sequence[Any], steps: Sequence[Step], backward: Backward
) -> list[Any]:
    """Return the gradients of a value in which steps hand back what `backward` says.

    Args:
        value: a tensor that was computed under `noted`.
        starts: the tensors with respect to which.
        steps: steps that are several operations, in the graph's order.
        backward: what these hand back, and what was noted.

    Returns:
        A gradient for each start, None where the value does not depend on it.

    Raises:
        LayerError: if it depends on none of them.
    """
    ends = {end.ref(): end for end in [*starts, *(step.value for step in steps)]}
    sums: dict[Any, Any] = {}

    def pull(tensor: Any, upstream: Any) -> None:
        near = _nearest(tensor, ends)
        parts = tf.gradients(tensor, near, grad_ys=upstream, stop_gradients=near) if near else []
        for end, part in zip(near, parts, strict=True):
            if part is not None:
                sums[end.ref()] = sums[end.ref()] + part if end.ref() in sums else part

    graph = value.graph
    _of_graph[graph] = backward
    try:
        pull(value, None)
        for step in reversed(steps):
            if (upstream := sums.get(step.value.ref())) is not None:
                for source, part in zip(step.sources, backward(upstream, step), strict=True):
                    pull(source, part)
    finally:
        del _of_graph[graph]
    found = [sums.get(start.ref()) for start in starts]
    if all(part is None for part in found):
        raise LayerError(NO_GRADIENT)
    return [None if part is None else tf.convert_to_tensor(part) for part in found]


def _nearest(tensor: Any, ends: Mapping[Any, Any]) -> list[Any]:
    """Return the first of several tensors on each way up from a tensor."""
    found, seen, stack = [], set(), [tensor]
    while stack:
        top = stack.pop()
        if top.ref() in seen:
            continue
        seen.add(top.ref())
        if top.ref() in ends:
            found.append(top)
        else:
            stack += list(top.op.inputs)
    return found


def relu_gradient(
    passes: Passes, arguments: Sequence[Any], backward: Callable[[Any, Any], Any], name: str
) -> tuple[Any, Any]:
    """Return the scores, and their pixel gradient with another gradient for ReLU, while tracing.

    Args:
        passes: the network's passes.
        arguments: a tensor per input, and the targets.
        backward: takes the upstream gradient and where the input was let through, as a 0-1 tensor.
        name: the method's, for the error.

    Returns:
        (Scores, classes), both `(N,)`, and the gradient `(N, …, channels)`.

    Raises:
        LayerError: if the model calls no ReLU, or one where its gradient cannot be changed.
    """

    def changed(upstream: Any, relu: Step) -> Any:
        kind, value = relu.operation.type, relu.value
        if kind == "SelectV2":
            through = relu.operation.inputs[0]
        else:
            through = (value > 0) & (value < 6) if kind == "Relu6" else value > 0
        return [backward(upstream, tf.cast(through, upstream.dtype))]

    with noted(_RELU):
        value, _ = passes.forward(arguments)
    operations = upstream_operations(value[0])
    if inner := _inner_types(operations) & set(_RELU):
        raise LayerError(
            f"A {'/'.join(sorted(inner))} of the model runs inside a loop, a branch or a compiled "
            f"function, where {name} cannot change its gradient. Use saliency or gradient instead."
        )
    above = _above_threshold(operations)
    if not above and not any(operation.type in _RELU for operation in operations):
        raise LayerError(
            f"The model has no ReLU whose gradient {name} could change; the map would be the plain "
            "gradient. Use saliency or gradient instead."
        )
    return value, pulled_back(value[0], [arguments[passes.place]], above, changed)[0]


def upstream_operations(value: Any) -> list[Any]:
    """Return the operations that a tensor is computed by, in the graph's order."""
    seen: set[Any] = set()
    stack = [value.op]
    while stack:
        operation = stack.pop()
        if operation not in seen:
            seen.add(operation)
            stack += [tensor.op for tensor in operation.inputs]
    return [operation for operation in value.graph.get_operations() if operation in seen]


def _above_threshold(operations: Iterable[Any]) -> list[Step]:
    """Return what is 0 up to a threshold, and above it what it is computed from."""
    found = []
    for operation in operations:
        if operation.type == "SelectV2":
            above, z, other = operation.inputs
            if (
                above.op.type == "Greater"
                and above.op.inputs[0] is z
                and last_operation(above.op.inputs[1]).type == other.op.type == "Const"
                and not tf.get_static_value(other).any()
            ):
                found.append(Step("function", operation.outputs[0], (z,)))
    return found


def _inner_types(operations: Sequence[Any]) -> set[str]:
    """Return the kinds of operations in functions that operations call, themselves or by others."""
    called = {name for operation in operations for name in functions_called(operation.node_def)}
    return types_within(called, functions_of(operations[0].graph)) if called else set()


def functions_of(graph: Any) -> dict[str, Any]:
    """Return the nodes of each function that a graph knows, by name."""
    library = graph.as_graph_def().library.function
    return {function.signature.name: function.node_def for function in library}


def types_within(called: Iterable[str], library: Mapping[str, Any]) -> set[str]:
    """Return the kinds of operations in functions, themselves or by others that they call."""
    types: set[str] = set()
    stack = list(called)
    seen = set(stack)
    while stack:
        for node in library.get(stack.pop(), ()):
            types.add(node.op)
            new = set(functions_called(node)) - seen
            seen |= new
            stack += new
    return types


def functions_called(node: Any) -> list[str]:
    """Return the names of functions that an operation calls."""
    named = [attribute for attribute in node.attr.values() if attribute.HasField("func")]
    lists = [a.list.func for a in node.attr.values() if a.HasField("list") and a.list.func]
    return [a.func.name for a in named] + [each.name for several in lists for each in several]
