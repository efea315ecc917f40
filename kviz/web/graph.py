"""A model's layers as a drawing: where each box stands and how the lines between them go."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from kviz._checks import sanitise
from kviz.engine.layers import LayerInfo, LayerTable
from kviz.web.letters import fitted_text, width_of
from kviz.web.packing import NAME_LENGTH

HEIGHT = 40
# What stands in a box: its text's sizes, and what is kept free beside it.
NAME_SIZE, DETAIL_SIZE, LEFT, RIGHT = 12.5, 10.5, 14, 8
_NARROWEST, _WIDEST = 120, 250
_GAP, _DOWN = 20, HEIGHT + 24
_MARGIN = 8


@dataclass(frozen=True)
class Node:
    """A box: a layer, its left top corner, and what is written into it.

    Attributes:
        info: the layer.
        at: its place in the table of all layers.
        x: of its left edge, in pixels.
        y: of its upper edge.
        family: what it is drawn as, a CSS class.
        name: its name without its parents', cut in the middle where it is too long.
        detail: its kind and shape, cut likewise.
    """

    info: LayerInfo
    at: int
    x: float
    y: float
    family: str
    name: str
    detail: str


@dataclass(frozen=True)
class Line:
    """A line between two boxes: their places in the table of all layers, and SVG path data."""

    source: int
    target: int
    path: str


@dataclass(frozen=True)
class Drawing:
    """One model or nested model, drawn from the top down.

    Attributes:
        path: of the nested model, empty for the model itself.
        nodes: its boxes.
        lines: what connects them.
        box: how wide each box is, in pixels.
        width: in pixels.
        height: in pixels.
    """

    path: str
    nodes: list[Node]
    lines: list[Line]
    box: float
    width: float
    height: float


def drawings(table: LayerTable) -> list[Drawing]:
    """Return a drawing of the model, then one of each nested model and of each block with layers.

    Laid out by K. Sugiyama's method (1981): ranks, few crossings, long lines led around boxes.

    Args:
        table: the model's layers.

    Returns:
        Drawings, parents first.
    """
    groups: dict[str, dict[int, LayerInfo]] = defaultdict(dict)
    for at, info in enumerate(table):
        groups[info.path.rpartition("/")[0]][at] = info
    edges: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for info in table:
        for source in info.sources if not info.contains else ():
            above, one, other = _apart(source, info.path)
            if one != other:
                edges[above].add((one, other))
    return [_drawn(path, infos, edges[path]) for path, infos in groups.items()]


def _apart(one: str, other: str) -> tuple[str, str, str]:
    """Return the deepest group that holds two layers, and the paths of its parts with each."""
    ones, others = one.split("/"), other.split("/")
    same = 0
    while same < min(len(ones), len(others)) - 1 and ones[same] == others[same]:
        same += 1
    return "/".join(ones[:same]), "/".join(ones[: same + 1]), "/".join(others[: same + 1])


def _drawn(path: str, infos: dict[int, LayerInfo], edges: set[tuple[str, str]]) -> Drawing:
    places = list(infos)
    order = {info.path: key for key, info in enumerate(infos.values())}
    pairs = sorted((order[a], order[b]) for a, b in edges if a in order and b in order)
    texts = [_texts(info) for info in infos.values()]
    box = _box(texts)
    nodes: list[Node] = []
    lines: list[Line] = []
    left, height = float(_MARGIN), 0.0
    for found, chains in _parts(len(infos), pairs):
        top = max(y for _, y in found.values())
        first = min(x for x, _ in found.values())
        corners = {
            key: (left + (x - first) * (box + _GAP), _MARGIN + (top - y) * _DOWN)
            for key, (x, y) in found.items()
        }
        for key, (x, y) in corners.items():
            if key >= 0:
                info = infos[places[key]]
                nodes.append(Node(info, places[key], x, y, family(info), *_cut(texts[key], box)))
        for chain in chains:
            line = _line([corners[key] for key in chain], box)
            lines.append(Line(places[chain[0]], places[chain[-1]], line))
        left = max(x for x, _ in corners.values()) + box + _GAP
        height = max(height, max(y for _, y in corners.values()) + HEIGHT + _MARGIN)
    nodes.sort(key=lambda node: node.at)
    return Drawing(path, nodes, lines, box, left - _GAP + _MARGIN, height)


def _texts(info: LayerInfo) -> tuple[str, str]:
    """Return a layer's name within its parent, and its kind with its shape."""
    shape = "×".join("?" if size is None else str(size) for size in info.output_shape[1:])
    name = sanitise(info.path.rpartition("/")[2], NAME_LENGTH)
    return name, sanitise(f"{info.kind} {shape}", NAME_LENGTH)


def _box(texts: list[tuple[str, str]]) -> float:
    """Return the width of boxes into which the longest text goes, within reason."""
    widest = max(max(width_of(a, NAME_SIZE), width_of(b, DETAIL_SIZE)) for a, b in texts)
    return min(max(float(math.ceil(widest)) + LEFT + RIGHT, _NARROWEST), _WIDEST)


def _cut(texts: tuple[str, str], box: float) -> tuple[str, str]:
    room = box - LEFT - RIGHT
    return fitted_text(texts[0], NAME_SIZE, room), fitted_text(texts[1], DETAIL_SIZE, room)


Places = dict[int, tuple[float, float]]


def _parts(count: int, pairs: list[tuple[int, int]]) -> Iterable[tuple[Places, list[list[int]]]]:
    """Give connected parts: places by number, below 0 for bends, and each line's numbers in order."""
    from fast_sugiyama import from_edges

    linked = sorted({end for pair in pairs for end in pair})
    # The library counts from 0 without gaps, numbers bends from there on, and takes no empty list.
    short = {key: place for place, key in enumerate(linked)}

    def own(number: int | str) -> int:
        number = int(number)
        return linked[number] if number < len(linked) else -number

    edges = [(short[one], short[other]) for one, other in pairs]
    options: dict[str, Any] = {
        "vertex_spacing": 1,
        "dummy_vertices": True,
        "ranking_type": "minimize",
    }
    for positions, _, _, links in from_edges(edges, **options) if edges else ():
        ends = [(own(one), own(other)) for one, other in links or ()]
        after = {one: other for one, other in ends if one < 0}
        chains = [[one, other] for one, other in ends if one >= 0]
        for chain in chains:
            while chain[-1] < 0:
                chain.append(after[chain[-1]])
        yield {own(number): (float(x), float(y)) for number, (x, y) in positions}, chains
    for alone in sorted(set(range(count)) - set(linked)):
        yield {alone: (0.0, 0.0)}, []


def _line(points: list[tuple[float, float]], box: float) -> str:
    """Return a line from a box's lower edge through bends to another's upper edge."""
    ends = [(x + box / 2, y + HEIGHT / 2) for x, y in points]
    ends[0] = (ends[0][0], ends[0][1] + HEIGHT / 2)
    ends[-1] = (ends[-1][0], ends[-1][1] - HEIGHT / 2)
    text = f"M{ends[0][0]:g} {ends[0][1]:g}"
    for (x, y), (to_x, to_y) in pairwise(ends):
        middle = (y + to_y) / 2
        if x == to_x:
            text += f"V{to_y:g}"
        else:
            text += f"C{x:g} {middle:g} {to_x:g} {middle:g} {to_x:g} {to_y:g}"
    return text


_FAMILIES: Mapping[str, tuple[str, ...]] = {
    "pooling": ("Pool",),
    "convolution": ("Conv",),
    "dense": ("Dense", "Attention", "Embedding", "LSTM", "GRU", "RNN"),
    "joining": (
        "Add",
        "Concatenate",
        "Multiply",
        "Average",
        "Maximum",
        "Minimum",
        "Subtract",
        "Dot",
    ),
    "normalisation": ("Normalization",),
    "activation": ("Activation", "ReLU", "Softmax", "ELU", "PReLU"),
}


def family(info: LayerInfo) -> str:
    """Return what a layer is drawn as: its kind's family, `"model"` where it holds others.

    Args:
        info: the layer.

    Returns:
        A word that is a CSS class.
    """
    if info.contains:
        return "model"
    for name, parts in _FAMILIES.items():
        if any(part in info.kind for part in parts):
            return name
    return "input" if info.kind == "InputLayer" else "other"
