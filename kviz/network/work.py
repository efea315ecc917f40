"""How much work a file makes of building its model, counted before Keras builds it.

A few thousand characters can ask for millions of calls: models nested and called ten times each, layers
that read all layers before them, recurrent layers unrolled for each step. And Keras looks through all
layers again for each one that stands before what it reads, so that in the copy that it loads they stand
in order.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import RLock
from typing import Any

from kviz._caller import spelled
from kviz.engine.backend import keras
from kviz.errors import ModelError
from kviz.network.kept import replaced
from kviz.network.refusals import refuse

LAYERS = 5_000
# Of so many layers: what they may read, for how many steps one may be unrolled, and what they may make.
_EDGES = 4
_STEPS = 5
_TENSORS = 20

_PARTS = ("layers", "cells", "layer", "forward_layer", "backward_layer", "cell", "model")

_most: ContextVar[int | None] = ContextVar("_most", default=LAYERS)


@contextmanager
def counted(max_layers: int | None = None, *, trust: bool = False) -> Iterator[None]:
    """Count the work of a file that is loaded within the body.

    Args:
        max_layers: calls of layers that are allowed, and by it all else; None for 5,000.
        trust: where `max_layers` is not given, count nothing.
    """
    token = _most.set(None if trust and max_layers is None else max_layers or LAYERS)
    try:
        yield
    finally:
        _most.reset(token)


_lock = RLock()
_tensors: ContextVar[int | None] = ContextVar("_tensors", default=None)


@contextmanager
def tensors_counted() -> Iterator[None]:
    """Count, on this thread, the symbolic tensors that are made within the body.

    One operation can take its input apart into as many as there are numbers in it.
    """
    most = _most.get()
    if most is None:
        yield
        return
    with _lock:
        original = keras.KerasTensor.__init__
        token = _tensors.set(_TENSORS * most)

        def made(self: Any, *args: Any, **kwargs: Any) -> None:
            left = _tensors.get()
            if left is not None:
                _tensors.set(left - 1)
                if left < 1:
                    error: Any = ModelError(_told(f"makes more than {_TENSORS * most:,} tensors"))
                    error._keras_call_info_injected = (
                        True  # Keras puts no words of its own around it
                    )
                    raise error
            original(self, *args, **kwargs)

        try:
            with replaced(keras.KerasTensor, "__init__", made):
                yield
        finally:
            _tensors.reset(token)


def layers_allowed() -> int | None:
    """Return how many layers a file may list, None for any number."""
    return _most.get()


def steps_allowed() -> int | None:
    """Return for how many steps a recurrent layer of a file may be unrolled, None for any number."""
    most = _most.get()
    return None if most is None else most // _STEPS


def look_at_work(config: Any) -> None:
    """Refuse a config of more work than `counted` allows.

    Args:
        config: a model's, as JSON gives it, nested no deeper than Python can go.

    Raises:
        ModelError: if it makes more calls, or these read more.
    """
    most = _most.get()
    if most is None or not isinstance(config, dict):
        return
    calls, edges = _work(config)
    if calls > most:
        _refuse(f"calls layers {_many(calls)} times, more than the {most:,} that are allowed")
    if edges > _EDGES * most:
        _refuse(f"has {_many(edges)} connections, more than the {_EDGES * most:,} that are allowed")


def _many(count: int) -> str:
    return f"{count:,}" if count < 10**9 else "over a billion"


def _refuse(what: str) -> None:
    refuse(_told(what))


def _told(what: str) -> str:
    return (
        f"The model {what}; {spelled('max_layers', '…')} allows more, if it is not made to keep the "
        "machine busy."
    )


def _work(thing: dict[str, Any]) -> tuple[int, int]:
    """Return the calls, and what they read, that one call of an object makes."""
    inside = [part for part in _parts(thing) if isinstance(part, dict)]
    calls = edges = 0
    for part in inside:
        nodes = part.get("inbound_nodes")
        times = len(nodes) if isinstance(nodes, list) and nodes else 1
        own_calls, own_edges = _work(part)
        calls += times * own_calls
        edges += times * own_edges + len(_sources(nodes))
    config = thing.get("config")
    if isinstance(config, dict):
        edges += len(_sources([config.get("input_layers"), config.get("output_layers")]))
    return max(calls, 1), edges


def _parts(thing: dict[str, Any]) -> Iterator[Any]:
    config = thing.get("config")
    # A Sequential of the first Keras has a list.
    if isinstance(config, list):
        yield from config
    if isinstance(config, dict):
        for key, value in config.items():
            if key in _PARTS or key.endswith("activation"):
                yield from value if isinstance(value, list) else [value]


def _sources(value: Any) -> list[tuple[str, int]]:
    """Return the layers that a node reads, and which of their calls."""
    if isinstance(value, dict):
        return _sources(list(value.values()))
    if not isinstance(value, list):
        return []
    if link := _link(value):  # as Keras 2 writes it
        return [link, *_sources(value[3:])]
    return [source for entry in value for source in _sources(entry)]


def _link(value: list[Any]) -> tuple[str, int] | None:
    plain = (
        len(value) >= 3 and isinstance(value[0], str) and type(value[1]) is type(value[2]) is int
    )
    return (value[0], value[1]) if plain else None


def in_order(value: Any) -> Any:
    """Return a config in which each layer of a functional model stands behind those that it reads.

    Args:
        value: the config, or what is inside it.

    Raises:
        ModelError: if layers are called in turns so that no order would do.
    """
    if isinstance(value, list):
        return [in_order(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    found = {key: in_order(entry) for key, entry in value.items()}
    layers = found.get("layers")
    if "input_layers" in found and isinstance(layers, list):
        found["layers"] = _sorted(layers)
    return found


def _sorted(layers: list[Any]) -> list[Any]:
    names = [layer.get("name") if isinstance(layer, dict) else None for layer in layers]
    nodes = [layer.get("inbound_nodes") if isinstance(layer, dict) else None for layer in layers]
    if len(set(names)) < len(names):
        refuse("The model has two layers of one name. Keras writes no such file.")
        return layers
    if not all(isinstance(each, list) for each in nodes):
        return layers
    place = {name: number for number, name in enumerate(names)}
    order, passes = _order(place, nodes)  # type: ignore[arg-type]
    most = _most.get()
    # Keras tries every layer again in each pass.
    if most is not None and passes > _EDGES * most:
        _refuse(f"calls its layers in turns, so that they are tried {_many(passes)} times")
    return [layers[number] for number in order]


def _order(place: dict[Any, int], nodes: list[list[Any]]) -> tuple[list[int], int]:
    """Return the layers in the order of their first calls, and how often Keras tries all of them."""
    calls = [
        (layer, number) for layer, each in enumerate(nodes) for number in range(max(len(each), 1))
    ]
    waiting: dict[tuple[int, int], int] = {}
    readers: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for layer, number in calls:
        reads = [(place[name], at) for name, at in _sources(nodes[layer][number : number + 1])
                 if name in place]  # fmt: skip
        # A layer's calls are made one after another.
        before = set(reads) | ({(layer, number - 1)} if number else set())
        waiting[layer, number] = len(before)
        for one in before:
            readers.setdefault(one, []).append((layer, number))
    ready = [call for call, count in waiting.items() if not count]
    heapq.heapify(ready)  # as the file has them, where either would do
    made: dict[int, int] = {}
    after = dict.fromkeys(waiting, 0)
    last: dict[int, int] = {}
    while ready:
        call = heapq.heappop(ready)
        layer = call[0]
        made.setdefault(layer, len(made))
        last[layer] = after[call]
        for reader in readers.get(call, ()):
            again = reader[0] != layer and made.get(reader[0], len(made)) < made[layer]
            after[reader] = max(after[reader], after[call] + again)
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, reader)
    if len(made) < len(nodes) or any(waiting.values()):
        refuse("The model calls layers on what none of its calls gives, or in a circle.")
    rest = [layer for layer in range(len(nodes)) if layer not in made]
    return [*made, *rest], sum(last.values())
