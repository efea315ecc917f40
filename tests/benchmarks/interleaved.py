"""What the benchmarks share: works timed in turn, in one process, warm, as ratios to a floor."""

import json
import statistics
import time


def measure(name, floor, rounds=15, settle=lambda: None, **works):
    """Print one JSON line a work: the median of its time over the floor's in the same round.

    Wall time as well as CPU time, since other programs on a machine disturb the former; the spread is
    the middle half of the ratios. `settle` comes before each work, untimed: for works that leave some
    running, which would slow the one that comes next.
    """
    for work in (floor, *works.values()):
        work()
        work()
    times = {key: [] for key in ("floor", *works)}
    for _ in range(rounds):
        for key, work in (("floor", floor), *works.items()):
            settle()
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            times[key].append((time.perf_counter() - wall, time.process_time() - cpu))
    for key in works:
        ratios = [w[0] / f[0] for w, f in zip(times[key], times["floor"], strict=True)]
        cpus = [w[1] / f[1] for w, f in zip(times[key], times["floor"], strict=True)]
        low, _, high = statistics.quantiles(ratios, n=4)
        line(
            work=f"{name}: {key}",
            ratio=round(statistics.median(ratios), 3),
            spread=[round(low, 3), round(high, 3)],
            cpu_ratio=round(statistics.median(cpus), 3),
            milliseconds=round(1000 * statistics.median(w[0] for w in times[key]), 2),
            floor_milliseconds=round(1000 * statistics.median(f[0] for f in times["floor"]), 2),
            rounds=rounds,
        )


def line(**facts):
    """Print one JSON line."""
    print(json.dumps(facts, ensure_ascii=False), flush=True)
