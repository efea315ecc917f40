"""Actor: a process of Ray's with one model, which runs shards as any other process would.

Nothing heavy is imported here: what an actor is made from comes as bytes, which are read when
TensorFlow's settings are in place. An actor never fails by an exception, which Ray would try again, on
every node, and tell in sixty lines: it answers with the sentence.
"""

from __future__ import annotations

import os
import platform
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kviz._checks import first_line, sanitise
from kviz.dataset.engines.attempts import attempt
from kviz.errors import ImageError, KvizError, ModelError

if TYPE_CHECKING:
    from kviz.dataset.runner import Counts
    from kviz.network.network import Network


@dataclass(frozen=True)
class Loading:
    """How an actor loads the model, and what has to be on its node as it is on the driver's.

    Attributes:
        path: the model's file.
        options: as `kviz.load_model` takes them.
        folder: what the source's relative paths are relative to.
        sample: a file of the source, None where none is known.
    """

    path: Path
    options: Mapping[str, Any]
    folder: Path
    sample: Path | None

    def network(self) -> Network:
        """Return the network.

        Raises:
            ModelError, ImageError: if this node lacks a file.
        """
        if self.folder.is_dir():
            os.chdir(self.folder)
        # Without this look each image would be a bad row here, and good ones elsewhere.
        for path, kind in ((self.path, ModelError), (self.sample, ImageError)):
            if path is not None and not path.exists():
                raise kind(
                    f"{sanitise(path, 120)} is not there. Model, source and store have to be seen by "
                    "every node of the cluster, under the same paths."
                )
        from kviz.network.loading import load_model

        return load_model(self.path, **self.options)


class Actor:
    """Takes shards' numbers and gives their counts, or the sentence with which one failed.

    Args:
        pickled: a `Loading` and a `Plan`.
        threads: how many TensorFlow and the decoder may use.
    """

    def __init__(self, pickled: bytes, threads: int) -> None:
        self._failure: dict[str, str] = {}
        try:
            self._begin(pickled, threads)
        except Exception as error:
            self._failure = _failure(error, f"On {platform.node()}: ")

    def _begin(self, pickled: bytes, threads: int) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        _set_devices(threads)
        import warnings

        from ray import cloudpickle, get_runtime_context

        warnings.simplefilter("ignore")  # the driver has loaded the same, and warned
        from kviz.dataset.plan import model_sha256
        from kviz.dataset.runner import ShardRunner

        loading, plan = cloudpickle.loads(pickled)
        self._store = store = plan.opened()
        # Ray restarts an actor under its own name, and would do so for ever.
        actor = f"actor-{get_runtime_context().get_actor_id()}"
        with attempt(store.places, actor, "A worker of Ray that loads the model"):
            network = loading.network()
        if model_sha256(network) != store.head.plan["model"]["sha256"]:
            raise ModelError(
                f"{sanitise(loading.path, 120)} is another model there than where the run began."
            )
        self._runner = ShardRunner(plan, network, store, threads)

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Return what came of each shard."""
        rows = [self._run(int(shard)) for shard in batch["shard"]]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def _run(self, shard: int) -> dict[str, Any]:
        from kviz.dataset.runner import Counts

        counts: Counts | None = None
        failure = self._failure
        try:
            if not failure:
                with attempt(
                    self._store.places, f"{shard:08}", f"A worker of Ray at shard {shard}"
                ):
                    counts = self._runner.run(shard)
                # An actor that died behind the commit was not heard.
                counts = counts or self._committed(shard)
        except Exception as error:
            failure = _failure(error, f"Shard {shard} failed on {platform.node()}: ")
        return {
            "shard": shard, "ran": counts is not None, **(counts or Counts())._asdict(),
            "error": "", "kind": "", "where": "", **failure,
        }  # fmt: skip

    def _committed(self, shard: int) -> Counts | None:
        from kviz.dataset.runner import Counts
        from kviz.dataset.store.marker import sums

        try:
            found = sums(self._store.places, [shard])
        except FileNotFoundError:  # another process is at it
            return None
        return Counts(*(found[name] for name in Counts._fields))


def _set_devices(threads: int) -> None:
    """Let TensorFlow use so many threads, and of a GPU's memory what it needs; before anything else."""
    from kviz.engine.backend import tf

    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    # Ray says OMP_NUM_THREADS=1, by which TensorFlow would run one thread wherever it looks at it.
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def _failure(error: Exception, before: str) -> dict[str, str]:
    """Return an error as text: what it says, its kind where it is one of kviz's, where it was."""
    where = "".join(traceback.format_exception(error))
    if isinstance(error, KvizError):
        said = f"{before}{error}" if before.startswith("On ") else str(error)
        return {"error": said, "kind": type(error).__name__, "where": where}
    return {
        "error": f"{before}{type(error).__name__}: {first_line(error)}",
        "kind": "",
        "where": where,
    }
