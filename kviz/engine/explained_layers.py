"""Which layers' maps explain a score, and where their cells lie.

A layer that nobody names is the last that looks at the explained input, feeds the score and has as many
axes with positions as that input. Of a class map it is the deepest of them, where a net that goes down
and up again is narrowest: its last layer would be the answer itself. Tokens, `(N, T, features)` of a
picture, are folded to the grid of patches that they were made of; what stands before or behind them (a
class token, registers) is left out. The grid is told by the operation that unfolded it, or by the user.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from kviz._checks import sanitise
from kviz._types import Selector
from kviz.engine.backend import keras, tf
from kviz.engine.graph import downstream, plain_source, upstream
from kviz.engine.layers import LayerInfo, LayerTable
from kviz.engine.model_inputs import to_channels_last
from kviz.engine.receptive_fields import ReceptiveField
from kviz.engine.tracing import Trace, tensors_of
from kviz.errors import LayerError


@dataclass(frozen=True)
class Laid:
    """A layer whose cells have positions.

    Attributes:
        info: the layer.
        grid: height and width in tokens, where it gives tokens of a picture.
        first: how many tokens stand before those of the grid.
        beside: the last layer of another way from the explained input to the score, "" for none.
    """

    info: LayerInfo
    grid: tuple[int, int] | None = None
    first: int = 0
    beside: str = ""

    def off_the_way(self) -> LayerError:
        """Return what is said where the score does not depend on it."""
        return LayerError(
            f"The score does not depend on layer {sanitise(self.info.path)!r}; choose one on its way."
        )

    @property
    def note(self) -> str:
        """What is to be said to whoever reads its map, else ""."""
        told, path = [], sanitise(repr(self.info.path), 60)
        tokens = self.info.output_shape[1] if self.grid is not None else None
        if self.grid is not None and tokens is not None and tokens > math.prod(self.grid):
            left = tokens - math.prod(self.grid)
            told.append(
                f"Of the {tokens} tokens of {path} the {self.grid[0]} × {self.grid[1]} patches are "
                f"shown; {left} that {'lie' if left > 1 else 'lies'} nowhere in the image "
                f"{'are' if left > 1 else 'is'} left out."
            )
        if self.beside:
            told.append(
                f"The score depends on the image by a second way too, which ends in "
                f"{sanitise(repr(self.beside), 60)}; {path} is not on it."
            )
        return " ".join(told)

    @property
    def said(self) -> list[str]:
        """Its path and `note`, as `kviz.attribution.method.Found.layers` has them."""
        return [self.info.path, self.note]

    @property
    def sizes(self) -> tuple[int | None, ...]:
        """How many cells it has along each axis."""
        if self.grid is not None:
            return self.grid
        first = 2 if self.info.data_format == "channels_first" else 1
        return self.info.output_shape[first : first + len(self.info.output_shape) - 2]

    def map(self, tensor: Any) -> Any:
        """Return what the layer gave as maps `(N, …, channels)`."""
        if self.info.data_format == "channels_first":
            tensor = to_channels_last(tensor)
        if self.grid is None:
            return tensor
        high, wide = self.grid
        tokens = tensor[:, self.first : self.first + high * wide]
        return tf.reshape(tokens, [-1, high, wide, tensor.shape[2]])


def layers_for(
    value: Any,
    traced: Trace,
    table: LayerTable,
    watched: Any,
    layer_names: Selector,
    *,
    grid: tuple[int, int] | None = None,
    deepest: bool = False,
) -> list[Laid]:
    """Return the layers that a selector means, or by default the one that explains a score.

    Args:
        value: the score, symbolic.
        traced: the call that it is of.
        table: its layers.
        watched: the explained input, symbolic.
        layer_names: as `LayerTable.select` takes it, or None.
        grid: of how many rows and columns tokens are, where the graph does not tell; what stands
            before the last of them is no patch.
        deepest: of those that fit take the narrowest.

    Raises:
        LayerError: if there is none, or one that is named has no positions.
    """
    axes = max((watched.shape.rank or 0) - 2, 1)
    looking = downstream(watched)
    if layer_names is not None:
        laid = [_laid(info, traced, axes, grid) for info in table.select(layer_names, maps=True)]
        for each in laid:
            # Another input's layer lies where it lies.
            tokens = axes == 2 and _tensor(each.info, traced).ref() in looking
            _check_grid(each, grid)
            _check_positions(each, tokens)
        return laid
    feeding = upstream(value)
    mixed = _before_one_is_taken(value, looking)
    if mixed is not None:
        feeding &= mixed
    outputs = {plain_source(tensor).ref() for tensor in tensors_of(traced.outputs)}
    between = []
    for info in table:
        if (
            not info.reached
            or info.outputs != 1
            or not info.spatial
            or _holds_its_maps(info, table)
        ):
            continue
        tensor = _tensor(info, traced)
        answer = deepest and plain_source(tensor).ref() in outputs
        if tensor.ref() in feeding & looking and not answer and not _has_heads(traced, info):
            between.append(_laid(info, traced, axes, grid))
    fitting = [
        laid
        for laid in between
        if len(laid.sizes) == axes
        and any(size is None or size > 1 for size in laid.sizes)
        # Of one layer whose inside is closed, the input alone would be left: the photo itself.
        and laid.info.kind != "InputLayer"
    ]
    if not fitting:
        tokens = axes == 2 and any(len(laid.sizes) == 1 for laid in between)
        raise LayerError(
            "No layer with spatial extent, as many axes as the input has, lies between the input and "
            f"the score; name one{', or give the rows and columns of tokens as grid=' * tokens}."
        )
    if deepest:
        narrowest = min(map(_area, fitting))
        fitting = [laid for laid in fitting if _area(laid) == narrowest]
    last = max(fitting, key=_order)
    _check_grid(last, grid)
    if deepest:
        return [last]
    before = upstream(_tensor(last.info, traced))
    others = [laid for laid in fitting if _tensor(laid.info, traced).ref() not in before]
    return [replace(last, beside=max(others, key=_order).info.path) if others else last]


def laid_tokens(info: LayerInfo, traced: Trace, watched: Any, grid: tuple[int, int] | None) -> Laid:
    """Return where the tokens of a layer lie in the explained input.

    Args:
        info: a layer that gives `(N, tokens, features)`.
        traced: the call that it is of.
        watched: the explained input, symbolic.
        grid: as `layers_for` takes it.

    Raises:
        LayerError: if they lie nowhere.
    """
    axes = max((watched.shape.rank or 0) - 2, 1)
    laid = _laid(info, traced, axes, grid)
    _check_grid(laid, grid)
    _check_positions(laid, axes == 2)
    return laid


def _order(laid: Laid) -> int:
    return laid.info.order


def _tensor(info: LayerInfo, traced: Trace) -> Any:
    return tensors_of(traced.by_path[info.path].outputs)[0]


def _has_heads(traced: Trace, info: LayerInfo) -> bool:
    """Return whether what a layer gives is `(N, T, heads, features)`, inside an attention."""
    call = traced.by_path[info.path].parent
    while call is not None:
        if isinstance(call.layer, _ATTENTION):
            return True
        call = call.parent
    return False


_ATTENTION = (
    keras.layers.MultiHeadAttention, keras.layers.GroupQueryAttention, keras.layers.Attention,
)  # fmt: skip


def _holds_its_maps(info: LayerInfo, table: LayerTable) -> bool:
    """Tell whether what a layer gives is what one inside it gives, as a model's output is.

    Of a layer that runs others over time, frame by frame, nothing inside gives all frames.
    """
    return info.contains > 0 and any(
        inside.path.startswith(f"{info.path}/")
        and len(inside.output_shape) == len(info.output_shape)
        for inside in table
    )


def _before_one_is_taken(value: Any, looking: set[Any]) -> set[Any] | None:
    """Return what tokens are made of before they last mix, where a score takes one of them.

    Behind the last attention of a vision transformer, only the class token feeds the score.

    Args:
        value: the score.
        looking: references to all that depends on the explained input.
    """
    takes_one, mixed, seen, stack = False, set(), set(), [value]
    while stack:
        tensor = stack.pop()
        if tensor.ref() in seen:
            continue
        seen.add(tensor.ref())
        operation = tensor.op
        data = [source for source in operation.inputs if source.ref() in looking]
        if len(data) > 1 and operation.type in _MIXING:
            mixed |= upstream(tensor)
            continue
        taken = operation.type in ("StridedSlice", "GatherV2") and tensor.shape.rank == 2
        takes_one |= taken and operation.inputs[0].shape.rank == 3
        stack += data
    return mixed if takes_one and mixed else None


_MIXING = ("BatchMatMul", "BatchMatMulV2", "BatchMatMulV3", "Einsum")


def _area(laid: Laid) -> float:
    """Return how many cells a layer has, or where that is free a number that grows with it."""
    if all(size is not None for size in laid.sizes):
        return math.prod(size or 0 for size in laid.sizes)
    field = laid.info.receptive_field
    return -float(math.prod(field.stride)) if isinstance(field, ReceptiveField) else 0.0


def _laid(info: LayerInfo, traced: Trace, axes: int, grid: tuple[int, int] | None = None) -> Laid:
    if axes != 2 or len(info.output_shape) != 3 or info.outputs != 1:
        return Laid(info)
    tensor = _tensor(info, traced)
    found = _grid(tensor)
    if found is not None:
        return Laid(info, *found)
    tokens = tensor.shape[1]
    if grid is not None and tokens is not None and tokens >= math.prod(grid):
        return Laid(info, grid, tokens - math.prod(grid))
    return Laid(info)


def _check_grid(laid: Laid, grid: tuple[int, int] | None) -> None:
    """Raise a LayerError if rows and columns were given that are not the layer's."""
    if grid is None or laid.grid == grid:
        return
    path, shape = sanitise(repr(laid.info.path)), laid.info.output_shape
    if laid.grid is not None:
        said = f"the model tells that those of {path} are {laid.grid[0]} × {laid.grid[1]}"
    elif len(shape) == 3:
        said = f"{path} gives {shape[1]} of them"
    else:
        said = f"{path} ({laid.info.kind}) gives maps"
    raise LayerError(f"grid= is the rows and columns of tokens, and {said}. Received: {grid}")


def _check_positions(laid: Laid, of_picture: bool) -> None:
    """Raise a LayerError if the cells of a layer that was named lie nowhere."""
    info = laid.info
    called = f"Layer {sanitise(info.path)!r} ({info.kind})"
    if not info.spatial or info.outputs != 1:
        raise LayerError(
            f"{called} has no spatial output. Expected (N, H, W, channels); ask for a layer before it."
        )
    if of_picture and len(info.output_shape) == 3 and laid.grid is None:
        raise LayerError(
            f"{called} gives {info.output_shape[1] or 'any number of'} tokens, and the model does not "
            "tell where they lie in the image. Give their rows and columns as grid=(rows, columns), or "
            "ask for a layer before it."
        )


def _grid(tokens: Any) -> tuple[tuple[int, int], int] | None:
    """Return of how many rows and columns tokens `(N, T, features)` are, and how many come before."""
    total = tokens.shape[1]
    before: dict[int, int] = {}
    seen, queue = {tokens.ref()}, deque([tokens])
    while queue and total is not None:
        tensor = queue.popleft()
        operation = tensor.op
        if operation.type == "ConcatV2" and tensor.shape.rank == 3:
            first = 0
            for part in operation.inputs[:-1]:
                size = _count(part) if part.shape.rank == 3 else None
                if size is None:
                    break
                before.setdefault(size, first)
                first += size
        grid = _unfolded(operation)
        if grid is not None:
            count = grid[0] * grid[1]
            if count == total or count in before:
                return grid, 0 if count == total else before[count]
        for source in operation.inputs:
            if source.ref() not in seen:
                seen.add(source.ref())
                queue.append(source)
    return None


def _count(tokens: Any) -> int | None:
    """Return how many tokens there are, also where the traced shape does not tell."""
    grid = _unfolded(tokens.op)
    known: int | None = tokens.shape[1]
    return known if known is not None or grid is None else math.prod(grid)


def _unfolded(operation: Any) -> tuple[int, int] | None:
    """Return the rows and columns that an operation makes tokens of, None for any other."""
    if operation.type != "Reshape":
        return None
    before, after = operation.inputs[0].shape, operation.outputs[0].shape
    if before.rank != 4 or after.rank != 3 or before[3] != after[2]:
        return None
    high, wide = before[1], before[2]
    # To (batch, -1, features) with a batch of any size: the traced shape has two unknowns.
    known = high is not None and wide is not None and after[1] in (None, high * wide)
    return (high, wide) if known else None
