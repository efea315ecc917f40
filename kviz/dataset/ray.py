"""Shards handed out by Ray: Ray Data's `map_batches` over their numbers, with a pool of actors.

An actor loads the model from its file, once, and runs shards as this process would; only a shard's
number goes to it and its counts come back, so that no image and no map passes the object store. Scheduling,
retries, back-pressure and scaling are Ray's; what is done is known by the store's markers, not by Ray.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kviz._caller import spelled
from kviz._checks import first_line, sanitise
from kviz.dataset.plan import Plan
from kviz.dataset.runner import Counts, ShardRunner
from kviz.errors import KvizError, OptionError
from kviz.network.network import Network
from kviz.results.result import installed


@dataclass(frozen=True)
class Loading:
    """How an actor loads the model again, where it lies there too."""

    path: str
    options: Mapping[str, Any]
    folder: str
    threads: int

    @classmethod
    def of(
        cls, network: Network, custom_objects: Mapping[str, Any] | None, threads: int
    ) -> Loading:
        """Return it of a network.

        Raises:
            OptionError: if it was not read from a file.
        """
        if network.path is None:
            raise OptionError(
                f"{spelled('engine', 'ray')} loads the model in each actor from its file, and this one "
                "came from none. Save it with kviz.save_model, and give the file."
            )
        options = {
            "preprocess": network.preprocess,
            "class_names": network.class_names,
            "trust": not network.stranger,
            "custom_objects": custom_objects,
        }
        return cls(str(network.path.absolute()), options, str(Path.cwd()), threads)

    def network(self) -> Network:
        """Return the network, in the process that is to run it."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        if Path(self.folder).is_dir():  # relative paths of the source are meant from there
            os.chdir(self.folder)
        from kviz.engine.backend import tf

        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
        # Ray says OMP_NUM_THREADS=1, by which TensorFlow would run one thread wherever it looks at it.
        tf.config.threading.set_intra_op_parallelism_threads(self.threads)
        tf.config.threading.set_inter_op_parallelism_threads(self.threads)
        from kviz.network.loading import load_model

        return load_model(self.path, **self.options)


class Actor:
    """One process with one model: takes shards' numbers, gives their counts.

    Args:
        loading: the model.
        plan: the rest.
    """

    def __init__(self, loading: Loading, plan: Plan) -> None:
        network = loading.network()
        self._runner: ShardRunner = plan.runner(network, plan.opened())

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Return the counts of each shard, or the sentence with which it failed."""
        rows = [self._run(int(shard)) for shard in batch["shard"]]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def _run(self, shard: int) -> dict[str, Any]:
        counts, error, kind = Counts(), "", ""
        done: Counts | None = None
        try:
            done = self._runner.run(shard)
            counts = done or counts
        except KvizError as failed:  # the same on every machine: not to be tried again
            error, kind = str(failed), type(failed).__name__
        return {
            "shard": shard, "ran": done is not None, **counts._asdict(), "error": error, "kind": kind
        }  # fmt: skip


def ray_engine(
    plan: Plan,
    network: Network,
    workers: int | None,
    address: str | None,
    custom_objects: Mapping[str, Any] | None,
) -> Any:
    """Return what lets Ray hand out shards.

    Args:
        plan: what is run.
        network: the model, loaded here, whose file the actors load.
        workers: how many actors; by default one a GPU of the cluster, or one.
        address: the cluster's, None for Ray on this machine.
        custom_objects: as `kviz.load_model` takes them.

    Raises:
        OptionError: if Ray is missing or cannot be reached, or the model came from no file.
    """
    ray = installed("ray", "engine='ray'")
    Loading.of(network, custom_objects, 1)

    def handed(
        shards: list[int], tell: Callable[[Counts], None]
    ) -> Iterator[tuple[int, Counts | None]]:
        import ray.data

        with _connected(ray, address):
            found = ray.cluster_resources()
            gpus = int(found.get("GPU", 0))
            count = min(workers or gpus or 1, len(shards))
            cores = max(1, int(found.get("CPU", 1)) // count)
            loading = Loading.of(network, custom_objects, cores)
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False
            numbers = [{"shard": shard} for shard in shards]
            data = ray.data.from_items(numbers, override_num_blocks=len(numbers)).map_batches(
                Actor,
                fn_constructor_args=(loading, plan),
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=count),
                num_gpus=1 if gpus else 0,
                num_cpus=0 if gpus else cores,
            )
            for row in data.iter_rows():
                if row["error"]:
                    kind = next(
                        each for each in KvizError.__subclasses__() if each.__name__ == row["kind"]
                    )
                    raise kind(row["error"])
                counts = Counts(*(int(row[name]) for name in Counts._fields))
                tell(counts)
                yield int(row["shard"]), counts if row["ran"] else None

    return handed


@contextmanager
def _connected(ray: Any, address: str | None) -> Iterator[None]:
    """Be connected to a cluster, or to Ray on this machine, which ends with the run."""
    if ray.is_initialized():
        yield
        return
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        ray.init(
            address=address, include_dashboard=False, log_to_driver=False, logging_level="ERROR"
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        said = f" at {sanitise(address, 60)}" if address else ""
        raise OptionError(f"Ray cannot be reached{said}: {first_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()
