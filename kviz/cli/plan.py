"""Plan: what a command with --dry-run would cost, from its passes and a batch that is timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from kviz import _process
from kviz._checks import sanitise
from kviz.cli.costs import copies

if TYPE_CHECKING:
    from kviz.cli.costs import Cost
    from kviz.network.network import Network


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
    batch = copies(pixels, many)
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
    if images := told.get("images"):
        lines.append(
            f"Images   {images['count']:,} in {_counted(images['shards'], 'shard')}, "
            f"{_counted(images['batches'], 'batch')}"
        )
    for work in told["work"]:
        most = "at most " if work["at_most"] else ""
        numbers = [
            f"{work[way]:,} {way}" for way in ("forward", "backward") if work[way] not in (0, None)
        ]
        if work["forward"] is None or work["backward"] is None:
            most, numbers = "", ["not known"]
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
        most = "at most" if any(work["at_most"] for work in told["work"]) else "about"
        lines.append(
            f"Time     computing {most} {_duration(told['seconds'])}; loading, compiling and drawing "
            f"take some seconds more (from one batch of {told['batch']}: {timed})"
        )
    return "\n".join([*lines, f"Writes   nothing now; else {sanitise(told['writes'], 120)}"])


def _counted(count: int, what: str) -> str:
    """Return how many there are of what.

    >>> _counted(1, "shard"), _counted(2000, "batch")
    ('1 shard', '2,000 batches')
    """
    plural = "es" if what.endswith("ch") else "s"
    return f"{count:,} {what}{plural * (count != 1)}"


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
