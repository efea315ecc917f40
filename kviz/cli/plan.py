"""Plan: what a command with --dry-run would cost, by its options and one pass of one batch.

Passes are counted: those of a method from its card (`kviz.cards`), those of an ascent from its steps.
Seconds are these, times what one forward and one backward pass take of a batch. What does not follow
from the options, such as the maps that a metric asks for again, has no `--dry-run`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from kviz import _process
from kviz._checks import sanitise
from kviz.shelf import METHODS

if TYPE_CHECKING:
    from kviz.network.network import Network


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one verb costs.

    Attributes:
        what: what is computed, in words.
        forward: forward passes of single images; None where nobody knows before.
        backward: backward passes, likewise.
        at_most: whether it can be fewer.
    """

    what: str
    forward: int | None
    backward: int | None
    at_most: bool = False


def cost_of(
    verb: str, network: Network, pixels: Any, given: Sequence[Any], options: Mapping[str, Any]
) -> Cost:
    """Return what a verb costs.

    Args:
        verb: its name.
        network: the model.
        pixels: the photos as the model takes them, None for a verb that takes none.
        given: what the verb is given behind these.
        options: its options.
    """
    count = 0 if pixels is None else len(_first(pixels))
    if verb == "activations":
        return Cost(what="feature maps", forward=count, backward=0)
    if verb == "attribute":
        return _of_attribute(network, pixels, given[0], options)
    steps = options["steps"]
    if verb == "class_image":
        # A quarter more where another class has won, and what is predicted after either.
        many = len(options["class_index"])
        steps += max(1, steps // 4)
        return Cost(what=f"images of {many} classes", forward=many * (steps + 4),
                    backward=many * steps, at_most=True)  # fmt: skip
    if verb == "filter_patterns":
        many = len(options["filter_indices"] or range(_channels(network, options["layer_names"])))
        return Cost(what=f"{many} filters, and more for those that stay silent",
                    forward=many * (steps + 1), backward=many * steps)  # fmt: skip
    if verb == "deep_dream":
        runs = count * options["octaves"]
        return Cost(what="dreams", forward=runs * (steps + 1), backward=runs * steps, at_most=True)
    norms = options["max_norm"]
    runs = count * (len(norms) if isinstance(norms, list) else 1)
    return Cost(what="fooling images", forward=runs * (steps + 4), backward=runs * steps,
                at_most=True)  # fmt: skip


def _of_attribute(network: Network, pixels: Any, method: Any, options: Mapping[str, Any]) -> Cost:
    from kviz.attribution import method_name

    name = method_name(method)
    card = METHODS.card(name)
    wanted = options["class_index"]
    classes = len(wanted[0]) if wanted and isinstance(wanted[0], list) else 1
    settings = {key: getattr(method, key) for key in card.options}
    settings |= _decided(network, pixels, method, card.forward + card.backward)
    forward, backward = (card.count(text, **settings) for text in (card.forward, card.backward))
    # The class has to be known before.
    first = int(method.fixed_target and not wanted)
    many = len(_first(pixels))
    return Cost(
        what=name,
        forward=None if forward is None else many * (classes * forward + first),
        backward=None if backward is None else many * classes * backward,
        at_most=card.kind == "perturbation" and "segments" in card.options,
    )


def _decided(network: Network, pixels: Any, method: Any, formula: str) -> dict[str, int]:
    """Return what the image and the network decide of a method's passes."""
    import kviz

    first = _first(pixels)
    if "channels" in formula:
        one = _copies(pixels, 1)
        found = kviz.attribute(network, one, "eigen_cam", layer_names=method.layer_names)
        channels = _channels(network, found.layers[0])
        return {"channels": min(channels, getattr(method, "max_channels", None) or channels)}
    if "windows" in formula:
        starts, _ = method.placed(first.shape[1:-1])
        return {"windows": math.prod(map(len, starts))}
    if "players" in formula and method.segments is not None:
        segments = method.segments
        return {"players": segments if isinstance(segments, int) else len(np.unique(segments))}
    return {}


def _channels(network: Network, layer_names: Any) -> int:
    """Return how many channels one layer has."""
    (info,) = network.layers.select(layer_names)
    return int(info.output_shape[-1] or 0)


def _first(pixels: Any) -> Any:
    """Return the array of the model's first input."""
    return next(iter(pixels.values())) if isinstance(pixels, dict) else pixels


def _copies(pixels: Any, count: int) -> Any:
    """Return so many images: the first ones, again from the first where there are fewer."""
    if isinstance(pixels, dict):
        return {name: _copies(array, count) for name, array in pixels.items()}
    return np.resize(pixels, (count, *pixels.shape[1:]))


def noise_for(network: Network, target_size: Any, count: int) -> Any:
    """Return images for a model whose verb takes none."""
    from kviz.synthesis._begin import blank_of, canvas_of

    return blank_of(network, canvas_of(network, target_size), count)


def plan(
    network: Network, pixels: Any, costs: Sequence[Cost], batch_size: int, writes: str
) -> dict[str, Any]:
    """Return what a command would cost, with the time that one pass of one batch takes here.

    Args:
        network: the model.
        pixels: images as it takes them; of a verb that takes none, empty ones.
        costs: of the command's verbs.
        batch_size: images at once.
        writes: where its result would go.
    """
    import kviz

    # A batch as full as most of the work's: methods make many copies of one photo.
    passes = max((cost.forward or cost.backward or 1 for cost in costs), default=1)
    many = max(1, min(batch_size, passes))
    batch = _copies(pixels, many)
    estimates: list[int] = []
    network.engine.memory.estimates = estimates
    try:
        forward = _timed(lambda: kviz.predict(network, batch, batch_size=batch_size))
        backward: float | None = None
        if any(cost.backward for cost in costs):
            both = _timed(
                lambda: kviz.attribute(
                    network, batch, "gradient", class_index=0, batch_size=batch_size
                )
            )
            backward = max(both - forward, 0.0)
    finally:
        network.engine.memory.estimates = None
    known = all(None not in (cost.forward, cost.backward) for cost in costs)
    ahead, back = (
        sum(getattr(cost, way) or 0 for cost in costs) / many for way in ("forward", "backward")
    )
    seconds = ahead * forward + back * (backward or 0)
    return {
        "layers": len(network.layers),
        "parameters": network.model.count_params(),
        "work": [
            {"what": c.what, "forward": c.forward, "backward": c.backward, "at_most": c.at_most}
            for c in costs
        ],
        "batch": many,
        "seconds_per_batch": {"forward": forward, "backward": backward},
        "seconds": seconds if known else None,
        "memory": {"batch": max(estimates, default=None), "free": _process.free()},
        "writes": writes,
    }  # fmt: skip


def _timed(run: Callable[[], Any]) -> float:
    """Return the seconds that something takes once what it needs is compiled."""
    run()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def words(told: Mapping[str, Any]) -> str:
    """Return a plan as text."""
    each = told["seconds_per_batch"]
    lines = [f"Model    {told['layers']} layers, {told['parameters']:,} parameters"]
    for work in told["work"]:
        most = "at most " if work["at_most"] else ""
        numbers = [
            f"{work[way]:,} {way}" for way in ("forward", "backward") if work[way] not in (0, None)
        ]
        if work["forward"] is None or work["backward"] is None:
            most, numbers = "", ["not known before"]
        lines.append(f"Passes   {sanitise(work['what'], 60)}: {most}{', '.join(numbers)}")
    if told["memory"]["batch"] is not None:
        free = told["memory"]["free"]
        there = f"; {_process.in_words(free)} are free" if free is not None else ""
        lines.append(
            f"Memory   about {_process.in_words(told['memory']['batch'])} for a pass of "
            f"{told['batch']} at once{there}"
        )
    timed = f"forward {each['forward']:.2g} s"
    timed += f", backward {each['backward']:.2g} s" if each["backward"] is not None else ""
    if told["seconds"] is not None:
        most = "at most " if any(work["at_most"] for work in told["work"]) else ""
        lines.append(
            f"Time     {most}about {_duration(told['seconds'])}, from one batch of {told['batch']} "
            f"({timed}); loading, compiling and drawing come on top"
        )
    return "\n".join([*lines, f"Writes   nothing now; else {sanitise(told['writes'], 120)}"])


def _duration(seconds: float) -> str:
    """Return a time as people read it.

    >>> _duration(0.123), _duration(42.4), _duration(5400)
    ('0.12 s', '42 s', '90 min')
    """
    if seconds < 10:
        return f"{seconds:.2g} s"
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:,.0f} min"


def say_plan(told: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a plan."""
    from kviz.cli.output import print_json

    if as_json:
        print_json({"files": [], "verb": "dry_run", **told})
    else:
        click.echo(words(told))
