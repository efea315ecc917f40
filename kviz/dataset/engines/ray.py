"""Shards handed out by Ray: Ray Data's `map_batches` over their numbers, with a pool of actors.

An actor loads the model from its file, once, and runs shards as this process would; only a shard's
number goes to it and its counts come back, so that no image and no map passes the object store.
Scheduling, retries, back-pressure and scaling are Ray's; what is done is known by the store's markers,
not by Ray.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from kviz._caller import spelled, warn
from kviz._checks import first_line, sanitise
from kviz.dataset.engines.actor import Actor, Loading
from kviz.dataset.engines.attempts import forget
from kviz.dataset.plan import Plan
from kviz.dataset.runner import Counts, Tell
from kviz.dataset.store.store import Store
from kviz.errors import KvizError, OptionError
from kviz.extras import installed
from kviz.network.network import Network

# Ray keeps books of each block; of a hundred million images there are more shards than it likes.
_BLOCKS = 10_000
_RAY_CLIENT = "ray://"
# Of what Ray's C++ code writes, to the error stream too; it is read as Ray begins.
_LOG_LEVEL = "RAY_BACKEND_LOG_LEVEL"


_Handed = Generator[tuple[int, Counts | None], None, None]


class Room(NamedTuple):
    """What actors get of a cluster.

    Attributes:
        workers: how many.
        cores: of each.
        gpus: of each.
    """

    workers: int
    cores: int
    gpus: int


def room(nodes: Iterable[tuple[float, float]], workers: int | None) -> Room:
    """Return how many actors get how much of a cluster: a GPU each where there are any.

    It does not depend on how much work is left, since results may depend on the number of threads.

    Args:
        nodes: cores and GPUs of each.
        workers: how many actors are wanted; by default one a GPU, or one a node.

    >>> room([(8, 2), (4, 0)], None), room([(4, 0), (8, 0)], 3)
    (Room(workers=2, cores=4, gpus=1), Room(workers=3, cores=4, gpus=0))
    """
    whole = [(int(cores), int(gpus)) for cores, gpus in nodes]
    some = [(cores, gpus) for cores, gpus in whole if gpus]
    if some:
        cores = min(max(1, cores // gpus) for cores, gpus in some)
        return Room(workers or sum(gpus for _, gpus in some), cores, 1)
    own = [cores for cores, _ in whole if cores]
    count = workers or max(1, len(own))
    # The most that leaves as many of them as there are to be.
    fits = (each for each in range(max(own, default=1), 1, -1) if _places(own, each) >= count)
    return Room(count, next(fits, 1), 0)


def _places(nodes: Iterable[int], cores: int) -> int:
    return sum(own // cores for own in nodes)


def validate_ray() -> None:
    """Raise an OptionError if Ray is not installed."""
    installed("ray.data", spelled("engine", "ray"), "ray")


@contextmanager
def ray_engine(
    plan: Plan,
    network: Network,
    workers: int | None,
    address: str | None,
    custom_objects: Mapping[str, Any] | None,
) -> Iterator[Any]:
    """Give what lets Ray hand out the shards of a plan and a store; Ray begins with the first.

    Args:
        plan: what is run.
        network: the model, loaded here, whose file the actors load.
        workers: how many actors; by default one a GPU of the cluster, or one a node.
        address: the cluster's; by default that of RAY_ADDRESS, or Ray is begun on this machine.
        custom_objects: as `kviz.load_model` takes them.

    Raises:
        OptionError: if Ray is missing or cannot be reached that way, the model came from no file, or
            what is run cannot be sent to another process.
    """
    validate_ray()
    import ray

    _check_address(ray, address)
    _pickled(ray, plan, network, custom_objects)
    with ExitStack() as stack:
        begun: list[Room] = []

        def hand_out(plan: Plan, store: Store) -> Any:
            def handed(shards: list[int], tell: Tell) -> _Handed:
                if not begun:
                    is_own = stack.enter_context(_connected(ray, address))
                    begun.append(_room(ray, workers, is_own=is_own))
                pickled = _pickled(ray, plan, network, custom_objects)
                forget(store.places)
                with closing(_rows(ray, pickled, begun[0], shards)) as rows:
                    for row in rows:
                        _check_row(row)
                        counts = Counts(*(int(row[name]) for name in Counts._fields))
                        tell(counts, "")
                        yield int(row["shard"]), counts if row["ran"] else None

            return handed

        yield hand_out


def _check_address(ray: Any, address: str | None) -> None:
    """Raise an OptionError where Ray is to be reached through Ray Client, which Ray Data cannot use."""
    wanted = address or os.environ.get("RAY_ADDRESS", "")
    is_client = wanted.startswith(_RAY_CLIENT) and not ray.is_initialized()
    with suppress(AttributeError):
        is_client = is_client or ray.util.client.ray.is_connected()
    if is_client:
        raise OptionError(
            f"Ray Data does not run through Ray Client ({_RAY_CLIENT}…). Run this command on a node of "
            f"the cluster, or as a job of it (ray job submit), with {spelled('address', 'auto')}."
        )


def _pickled(
    ray: Any, plan: Plan, network: Network, custom_objects: Mapping[str, Any] | None
) -> bytes:
    """Return what an actor is made from."""
    if network.path is None:
        raise OptionError(
            f"{spelled('engine', 'ray')} loads the model in each actor from its file, and this one "
            "came from none. Save it with kviz.save_model, and give the file."
        )
    if not plan.source.travels:
        raise OptionError(
            f"{spelled('engine', 'ray')} reads the images in each actor, and these are in memory here. "
            "Save them as a .npy file, and give the file."
        )
    options = {
        "preprocess": network.preprocess,
        "class_names": network.class_names,
        "trust": not network.stranger,
        "custom_objects": custom_objects,
    }
    loading = Loading(network.path.absolute(), options, Path.cwd(), _sample(plan))
    try:
        pickled: bytes = ray.cloudpickle.dumps((loading, plan.absolute()))
    except Exception as error:  # what a user's own classes raise
        raise OptionError(
            f"What is run cannot be sent to another process, as {spelled('engine', 'ray')} does: "
            f"{first_line(error)}"
        ) from error
    return pickled


def _sample(plan: Plan) -> Path | None:
    """Return a file of the source that is there."""
    first = min(plan.source.count, 8)
    given = (item.data for item in islice(plan.source.items(0, first), first))
    return next(
        (data.absolute() for data in given if isinstance(data, Path) and data.exists()), None
    )


def _room(ray: Any, workers: int | None, *, is_own: bool) -> Room:
    nodes = [
        (node["Resources"].get("CPU", 0), node["Resources"].get("GPU", 0))
        for node in ray.nodes()
        if node["Alive"]
    ]
    found = room(nodes, workers)
    what, most = ("GPU", 1) if found.gpus else ("core", found.cores)
    places = _places((int(node[found.gpus]) for node in nodes), most)
    # A cluster may get more nodes, which it does by what waits for them.
    if is_own and found.workers > places:
        warn(f"Of {found.workers} workers {places} run, one a {what}: there are no more.")
        return found._replace(workers=max(1, places))
    return found


def _rows(
    ray: Any, pickled: bytes, found: Room, shards: list[int]
) -> Generator[dict[str, Any], None, None]:
    """Give what actors answer, in the order in which they do.

    Raises:
        KvizError: if Ray gives up.
    """
    numbers = [{"shard": shard} for shard in shards]
    count = min(found.workers, len(shards))
    try:
        data = ray.data.from_items(
            numbers, override_num_blocks=min(len(shards), _BLOCKS)
        ).map_batches(
            Actor,
            fn_constructor_args=(pickled, found.cores),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=count, max_tasks_in_flight_per_actor=2),
            num_gpus=found.gpus,
            num_cpus=0 if found.gpus else found.cores,
        )
        # A copy of the user's own, which stays as it is.
        data.context.enable_progress_bars = False
        batches = iter(
            data.iter_batches(batch_size=None, prefetch_batches=0, batch_format="pyarrow")
        )
        with closing(batches):
            for batch in batches:
                yield from batch.to_pylist()
    except Exception as error:
        raise KvizError(
            f"Ray has ended the run: {type(error).__name__}: {first_line(error)}"
        ) from error


def _check_row(row: Mapping[str, Any]) -> None:
    """Raise the error of an actor as it would have been raised here."""
    if row["error"]:
        kinds = {kind.__name__: kind for kind in KvizError.__subclasses__()}
        raise kinds.get(row["kind"], KvizError)(row["error"]) from RuntimeError(row["where"])


@contextmanager
def _connected(ray: Any, address: str | None) -> Iterator[bool]:
    """Be connected to a cluster; give whether it is Ray on this machine, which ends with the run."""
    if ray.is_initialized():
        yield False
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    is_own = address == "local"
    with _quiet():
        try:
            _knock(address)
            _connect(ray, address)
        except (ConnectionError, OSError, ValueError, RuntimeError) as error:
            said = "begun" if is_own else f"reached at {sanitise(address, 60)}"
            raise OptionError(f"Ray cannot be {said}: {first_line(error)}") from error
        try:
            yield is_own
        finally:
            ray.shutdown()


def _knock(address: str) -> None:
    """Raise an OSError where nobody answers, which Ray would wait for, minutes long."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _connect(ray: Any, address: str) -> None:
    """Call `ray.init`, and leave this process's signals and environment as they were."""
    own: dict[str, Any] = {}
    if address == "local":
        own = {"include_dashboard": False}
        if hasattr(os, "sched_getaffinity"):
            own["num_cpus"] = len(os.sched_getaffinity(0))
    ends, ended = signal.getsignal(signal.SIGTERM), False
    before = os.environ.get(_LOG_LEVEL)
    os.environ.setdefault(_LOG_LEVEL, "fatal")
    try:
        with _no_errors_shown():
            ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, **own)
    except SystemExit:  # as Ray ends at SIGTERM
        ended = True
        raise
    finally:
        if before is None:
            os.environ.pop(_LOG_LEVEL, None)
        with suppress(ValueError, TypeError):  # another thread than the first, or set in C
            signal.signal(signal.SIGTERM, ends)
        if ended:
            os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _no_errors_shown() -> Iterator[None]:
    """Send the error stream nowhere: Ray's C++ code tells there at what level it is going to tell."""
    sys.stderr.flush()
    screen, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(screen, 2)
        os.close(screen)
        os.close(nowhere)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what Ray says: of a data set's progress, and on stdout of workers that died."""
    from ray._private import worker

    logger = logging.getLogger("ray.data")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    # As Ray's own debugger does; nothing public reaches it.
    worker._worker_logs_enabled = False
    try:
        yield
    finally:
        worker._worker_logs_enabled = True
        logger.setLevel(before)
