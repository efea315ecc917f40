"""How much memory a compiled function takes, read from its graph before it runs.

The graph is given the shapes of what it is to run on, and walked in the order in which it was traced: a
tensor is there from the operation that makes it to the last one that reads it. The largest sum on the
way is the estimate, with all the gradients, copies and loops that the graph has. Nothing is allocated
for it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from kviz.engine.backend import tf

# What asks a tensor for its shape alone, which it does at once, whatever waits for the answer.
_SHAPES = frozenset("Rank Shape ShapeN Size".split())
# What has memory already, or next to none.
_NOTHING = frozenset("Const NoOp Placeholder ReadVariableOp VarHandleOp".split()) | _SHAPES
# What gives the memory of its first input on, under another shape or name.
_ALIASES = frozenset(
    "CheckNumerics EnsureShape ExpandDims Identity PlaceholderWithDefault PreventGradient Reshape "
    "Snapshot Squeeze StopGradient".split()
)
# What writes upon an input that nobody reads afterwards.
_IN_PLACE = frozenset(
    "Abs Add AddN AddV2 BiasAdd Cast ClipByValue DivNoNan Elu EluGrad Erf Exp Expm1 FusedBatchNorm "
    "FusedBatchNormV3 LeakyRelu LeakyReluGrad Log Log1p LogicalNot Maximum Minimum Mul MulNoNan Neg "
    "Pow RealDiv Relu Relu6 Relu6Grad ReluGrad Rsqrt RsqrtGrad Select SelectV2 Selu SeluGrad Sigmoid "
    "SigmoidGrad Sign Softmax Softplus SoftplusGrad Softsign Sqrt SqrtGrad Square SquaredDifference "
    "Sub Tanh TanhGrad TensorScatterUpdate Xdivy ZerosLike".split()
)
_LOOPS = ("While", "StatelessWhile")
# The parameters in which operations name functions that they run.
_FUNCTIONS = {
    "While": ("body",),
    "StatelessWhile": ("body",),
    "If": ("then_branch", "else_branch"),
    "StatelessIf": ("then_branch", "else_branch"),
    "PartitionedCall": ("f",),
    "StatefulPartitionedCall": ("f",),
}
# What takes a tensor apart into a list, and what remembers a tensor of each round of a loop.
_LISTS = ("TensorListFromTensor", "TensorListScatterIntoExistingList")
_REMEMBERED = ("TensorListPushBack", "TensorListSetItem")
_HANDLES = (tf.resource, tf.variant)
_DEPTH = 8


def needed(function: Any, shapes: Sequence[Any]) -> int:
    """Return about how many bytes a concrete function takes to run, its arguments among them.

    Args:
        function: the function.
        shapes: of its arguments, lists of whole numbers.
    """
    many = max((shape[0] for shape in shapes if len(shape)), default=1)
    try:
        walk = _Walk(function.graph, shapes, many)
    except (ValueError, tf.errors.OpError):
        # It does not fit these shapes, as TensorFlow will say when it is to run on them.
        return 0
    return walk.given + walk.peak


def is_small(graph: Any, many: int, most: int) -> bool:
    """Return whether all tensors of a graph together are clearly less than so many bytes.

    It costs a fifth of `needed`, and can be deceived by a graph that makes its batches larger.

    Args:
        graph: the graph, as it was traced.
        many: how many images there are.
        most: bytes.
    """
    left = most // 8
    given = [_shape(tensor) or [] for tensor in graph.inputs]
    if any(None in shape[1:] for shape in given):
        return False
    # What TensorFlow does not know of a gradient is no longer than what it is of.
    longest = max((size for shape in given for size in shape[1:] if size), default=1)
    for op in graph.get_operations():
        if op.type in _FUNCTIONS:
            return False
        for tensor in op.outputs:
            shape = [] if tensor.dtype in _HANDLES else _shape(tensor)
            if shape is None:
                return False
            sizes = [size or (longest if axis else many) for axis, size in enumerate(shape)]
            left -= math.prod(sizes) * int(tensor.dtype.size)
        if left < 0:
            return False
    return True


def graphs_within(graph: Any, op: Any) -> list[Any]:
    """Return the graphs that an operation of a graph runs: a loop's body, branches, a call's.

    Args:
        graph: the graph, as it was traced.
        op: the operation.
    """
    names = _FUNCTIONS.get(op.type, ())
    return [graph._get_function(op.get_attr(name).name).graph for name in names]


class _Walk:
    """One walk over a graph, whose inputs have shapes; None for one that is as the graph says.

    Attributes:
        given: bytes of the inputs.
        peak: bytes of the largest sum of tensors besides.
        kept: bytes that each round of a loop leaves behind, if the graph is a loop's.
    """

    def __init__(self, graph: Any, shapes: Sequence[Any], many: int, depth: int = 0) -> None:
        self._graph, self._many, self._depth = graph, many, depth
        with tf.Graph().as_default() as known:
            new = {
                tensor.name: tf.compat.v1.placeholder(tensor.dtype, shape)
                for tensor, shape in zip(graph.inputs, shapes, strict=False)
                if shape is not None
            }
            self.given = sum(map(self._size, new.values()))
            # A handle does not say what it holds.
            new |= {
                op.outputs[0].name: tf.compat.v1.placeholder(
                    op.outputs[0].dtype, op.outputs[0].shape
                )
                for op in graph.get_operations()
                if op.type == "ReadVariableOp"
            }
            # TensorFlow infers all shapes anew.
            tf.graph_util.import_graph_def(graph.as_graph_def(), input_map=new, name="")
        outputs = [
            new[tensor.name] if tensor.name in new else known.get_tensor_by_name(tensor.name)
            for tensor in graph.outputs
        ]
        self.kept = 0
        # A tensor's place in memory, and by place its bytes and who is still to read it.
        self._places = {id(tensor): -1 for tensor in new.values()}
        self._sizes: list[int] = []
        self._readers: Counter[int] = Counter()
        self.peak = self._walked(_upstream(known, outputs), outputs)

    def _walked(self, operations: list[Any], outputs: list[Any]) -> int:
        uses: Counter[int] = Counter(id(tensor) for op in operations for tensor in _read(op))
        uses.update(id(tensor) for tensor in outputs)
        live = peak = 0
        for op in operations:
            passing, taken = self._inside(op)
            for number, tensor in enumerate(op.outputs):
                place = self._place_for(op, tensor, number)
                if place is None:
                    place = len(self._sizes)
                    self._sizes.append(self._size(tensor) if tensor.dtype != tf.variant else taken)
                    taken = taken if tensor.dtype != tf.variant else 0
                    live += self._sizes[place]
                self._places[id(tensor)] = place
                self._readers[place] += uses[id(tensor)]
            peak = max(peak, live + passing)
            for tensor in _read(op):
                place = self._places.get(id(tensor), -1)
                self._readers[place] -= 1
                if place >= 0 and not self._readers[place]:
                    live -= self._sizes[place]
            for tensor in op.outputs:
                place = self._places[id(tensor)]
                if place >= 0 and not self._readers[place] and not uses[id(tensor)]:
                    live -= self._sizes[place]
                    self._sizes[place] = 0
        return peak

    def _place_for(self, op: Any, tensor: Any, number: int) -> int | None:
        """Return where an operation's output lies if it needs no memory of its own."""
        if op.type in _NOTHING:
            return -1
        if number == 0 and op.type in _ALIASES and op.inputs:
            return self._places.get(id(op.inputs[0]), -1)
        if op.type in _LOOPS and tensor.dtype != tf.variant:
            # A round writes where the one before it wrote.
            place = self._places.get(id(op.inputs[number]), -1)
            return place if place >= 0 and self._sizes[place] >= self._size(tensor) else None
        if number == 0 and op.type in _IN_PLACE:
            size = self._size(tensor)
            for given in op.inputs:
                place = self._places.get(id(given), -1)
                if place >= 0 and self._readers[place] == 1 and self._sizes[place] == size:
                    return place
        return None

    def _inside(self, op: Any) -> tuple[int, int]:
        """Return the bytes that an operation takes while it runs, and those of what it remembers."""
        if op.type in _LISTS:
            return 0, self._size(op.inputs[0])
        if op.type in _REMEMBERED:
            self.kept += self._size(op.inputs[-1])
            return 0, 0
        graphs = graphs_within(self._graph, op) if self._depth < _DEPTH else []
        if not graphs:
            return 0, 0
        loop = op.type in _LOOPS
        # The first input of a branch says which.
        given = list(op.inputs)[1 if "If" in op.type else 0 :]
        shapes = [None if x.dtype in _HANDLES else _shape(x) for x in given]
        walks = [_Walk(graph, shapes, self._many, self._depth + 1) for graph in graphs]
        kept = max(walk.kept for walk in walks)
        return max(walk.peak for walk in walks), kept * (_rounds(given) if loop else 1)

    def _size(self, tensor: Any) -> int:
        if tensor.dtype in _HANDLES or tensor.dtype == tf.string:
            return 0
        known = _shape(tensor)
        shape = [size for size in known or () if size is not None]
        if known is None or len(shape) < len(known):
            shape = self._as_traced(tensor, known)
        return math.prod(shape) * int(tensor.dtype.size)

    def _as_traced(self, tensor: Any, shape: list[int | None] | None) -> list[int]:
        """Return a shape where TensorFlow does not know it: as it was traced, of as many images."""
        try:
            traced = _shape(self._graph.get_tensor_by_name(tensor.name))
        except (KeyError, ValueError):
            traced = None
        shape = shape or [None] * len(traced or ())
        traced = traced or [None] * len(shape)
        pairs = enumerate(zip(shape, traced, strict=False))
        return [a or b or (1 if axis else self._many) for axis, (a, b) in pairs]


def _read(op: Any) -> Any:
    return () if op.type in _SHAPES else op.inputs


def _shape(tensor: Any) -> list[int | None] | None:
    return None if tensor.shape.rank is None else tensor.shape.as_list()


def _upstream(graph: Any, outputs: list[Any]) -> list[Any]:
    """Return the operations that outputs need, in order: TensorFlow runs no other."""
    found: set[Any] = set()
    stack = [tensor.op for tensor in outputs]
    while stack:
        op = stack.pop()
        if op not in found:
            found.add(op)
            stack += [tensor.op for tensor in op.inputs]
            stack += op.control_inputs
    return [op for op in graph.get_operations() if op in found]


def _rounds(given: list[Any]) -> int:
    """Return how many rounds a loop goes: as many as the lists have entries that it reads or fills."""
    lengths = [1]
    for tensor in given:
        if tensor.dtype == tf.variant and tensor.op.inputs:
            first = tensor.op.inputs[0] if tensor.op.type in _LISTS else tensor.op.inputs[-1]
            length = (
                (_shape(first) or [])[:1]
                if tensor.op.type in _LISTS
                else [tf.get_static_value(first)]
            )
            lengths += [int(number) for number in length if number is not None and number > 0]
    return max(lengths)
