"""run: any verb over a data set, shard by shard, into a store.

The file is not called `run`: `kviz.dataset.run` is the verb, which a module of that name would hide.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from kviz._caller import command, spelled, warn, warning_once
from kviz._checks import sanitise, shown, validate_choice, validate_int
from kviz._types import ModelLike
from kviz.dataset.labels import labels_for
from kviz.dataset.opened import Dataset
from kviz.dataset.opened import open as open_store
from kviz.dataset.plan import Plan
from kviz.dataset.reductions.first_pass import firsts
from kviz.dataset.runner import Counts, ShardRunner, Tell
from kviz.dataset.sources import Source, as_source
from kviz.dataset.store.store import Store
from kviz.dataset.store.zarr_arrays import Packing
from kviz.dataset.works.registry import work_named
from kviz.errors import ImageError, OptionError, OutputError
from kviz.formats.fitting import Fit, Wanted
from kviz.images import wanted_by
from kviz.network.loading import as_network
from kviz.network.network import Network
from kviz.results.made_by import versions

SHARD_SIZE = 256
BATCH_SIZE = 32
ENGINES = ("local", "ray")


class Done(NamedTuple):
    """How far a run is.

    Attributes:
        rows: images done, by earlier runs too.
        total: images that this run is for.
        shards: shards done, by earlier runs too.
        shard_count: shards that this run is for.
        bad: images that could not be read, in this run.
        rate: images a second, in this run.
        seconds: since its first image.
    """

    rows: int
    total: int
    shards: int
    shard_count: int
    bad: int
    rate: float
    seconds: float


Progress = Callable[[Done], None]


class Engine(Protocol):
    """What hands out shards to runners and gives back what came of them, in any order."""

    def __call__(
        self, shards: list[int], tell: Tell
    ) -> Generator[tuple[int, Counts | None], None, None]:
        """Give shards that are done with their counts, None where another process is at one."""


def run(  # noqa: PLR0913 - a verb's options
    verb: str,
    model: ModelLike,
    source: Any,
    store: str | Path,
    *,
    fit: Fit = "crop",
    target_size: int | tuple[int, int] | None = None,
    bands: int | list[int] | None = None,
    path_column: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
    batch_size: int = BATCH_SIZE,
    shard_size: int = SHARD_SIZE,
    shard: tuple[int, int] | None = None,
    engine: Literal["local", "ray"] = "local",
    workers: int | None = None,
    address: str | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    resume: bool = False,
    max_bad: int | None = None,
    dtype: Literal["float32", "float16"] = "float32",
    compression: str = "lz4",
    progress: Progress | None = None,
    **options: Any,
) -> Dataset:
    """Run a verb over a data set and write what it finds into a store, in constant memory.

    The source is cut into shards. A shard is read, computed chunk by chunk and committed whole, so that
    a run that is stopped at any moment, however it is, goes on with `resume=True` as if it had not
    been: nothing is lost but the shard that was begun, and nothing is there twice.

    Args:
        verb: `"predict"`, `"activations"`, `"attribute"`, `"evaluate"` or `"fool"`.
        model: a `Network`, a `keras.Model` or a path.
        source: a folder (its subfolders are labels), a glob, a list file (`.txt`), a table of paths and
            labels (`.csv`, `.parquet`), a `.parquet` of image bytes, TFRecords, WebDataset tars,
            `.npy`, arrays, or a `tf.data.Dataset`.
        store: a folder, which need not be there.
        fit: how a photo gets the model's shape, as `kviz.load_images` takes it.
        target_size: height and width, where the model takes any.
        bands: which bands of the files.
        path_column: of a table, the column of paths.
        image_column: of a table, the column of images' bytes.
        label_column: of a table, the column of labels.
        batch_size: images processed at once.
        shard_size: images per shard: the unit of work, and of what is lost where a run is killed.
        shard: `(i, n)` for the i-th of n parts of the shards, from 1; any scheduler can so share a
            store among processes.
        engine: `"local"`, this process; `"ray"`, actors of Ray, one a GPU.
        workers: how many actors; by default one a GPU, or one a node.
        address: of a Ray cluster, `"auto"` for that of this node; by default that of RAY_ADDRESS, or
            Ray is begun on this machine.
        custom_objects: your own classes that the model's file names, for actors, which load it again.
        resume: go on with what is there, and begin where there is nothing yet.
        max_bad: stop where more images than this cannot be read.
        dtype: of real numbers in the store.
        compression: `"lz4"`, fast; `"zstd"`, a third smaller; `"none"`.
        progress: called with a `Done` after each chunk.
        **options: the verb's own, `statistics=["moments", "top_k=9"]` among them.

    Returns:
        A `Dataset`, as `kviz.dataset.open` returns it.

    Raises:
        OptionError: on an unknown verb, option or value.
        ImageError: if the source holds nothing, or more than `max_bad` images are bad.
        OutputError: if the store cannot be written, or is of another model, source or setting.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = run("predict", "models/fashion_cnn.keras", "notebooks/images/fashion", folder)
    ...     len(found), found.complete
    (10, True)
    """
    part = _part(shard)
    validate_choice("engine", engine, ENGINES)
    packing = Packing(dtype, compression)
    _validate_told(store, progress, engine, workers, address)
    work = work_named(verb, **options)
    if max_bad is not None:
        max_bad = validate_int("max_bad", max_bad, 0)
    images = as_source(
        source, path_column=path_column, image_column=image_column, label_column=label_column
    )
    network = as_network(model)
    alone = work.needs_labels and not work.predicts
    labels = labels_for(network, images.label_names, alone=alone)
    work.for_classes(labels.classes)
    plan = Plan(
        verb=verb,
        work=work,
        source=images,
        labels=labels,
        wanted=wanted_of(network, images, fit, target_size, bands),
        store=Path(store),
        batch_size=validate_int("batch_size", batch_size),
        shard_size=validate_int("shard_size", shard_size),
        packing=packing,
    )
    work.begin(network, batch_size)  # what of it the model has not is said before a file is made
    if engine == "local":
        engines: Any = nullcontext(lambda plan, store: _here(plan, network, store))
    else:
        from kviz.dataset.engines.ray import ray_engine

        engines = ray_engine(plan, network, workers, address, custom_objects)
    with warning_once(), engines as hand_out, _begun(plan, network, resume, part) as kept:
        if before := firsts(work.reductions):
            first = plan.first_pass(replace(work, statistics=before))
            begun = first.begin(network, resume=True, shared=True)
            _work_off(begun, part, hand_out(first, begun), max_bad, progress)
            work.settle(_first_found(first.store))
        _work_off(kept, part, hand_out(plan, kept), max_bad, progress)
    return open_store(store)


@contextmanager
def _begun(plan: Plan, network: Network, resume: bool, part: tuple[int, int]) -> Iterator[Store]:
    """Give the store; where a run fails before a shard is done, leave none that others would not fit.

    Parts leave it: the others may be about to begin.
    """
    is_alone = part == (1, 1)
    store = plan.begin(network, resume=resume, shared=not is_alone)
    try:
        yield store
    except BaseException:
        if is_alone:
            store.abandon()
        raise


def _first_found(store: Path) -> Any:
    """Return what a first pass found, once all parts of it are done."""
    found = open_store(store)
    if not found.complete:
        raise OutputError(
            f"A statistic needs a first pass over all images, of which {len(found.missing)} shards are "
            "left to other parts. Run this part again when they are done."
        )
    return found.statistics()


def _part(shard: tuple[int, int] | None) -> tuple[int, int]:
    if shard is None:
        return 1, 1
    whole = isinstance(shard, tuple | list) and len(shard) == 2 and all(map(_is_int, shard))
    if not whole or not 1 <= shard[0] <= shard[1]:
        raise OptionError(
            f"{spelled('shard')} takes I and N, the I-th of N parts, such as 1/4. "
            f"Received: {sanitise(shard)}"
        )
    return shard[0], shard[1]


def _validate_told(store: Any, progress: Any, engine: str, workers: Any, address: Any) -> None:
    """Raise an OptionError where what a run is told besides the verb cannot be."""
    if not isinstance(store, str | os.PathLike) or not os.fspath(store):
        raise OptionError(f"store takes the path of a folder. Received: {shown(store)}")
    if progress is not None and not callable(progress):
        raise OptionError(f"progress takes a function of a Done. Received: {shown(progress)}")
    if workers is not None:
        validate_int("workers", workers)
    if address is not None and not isinstance(address, str):
        raise OptionError(f"{spelled('address')} takes a text. Received: {shown(address)}")
    given = {"workers": workers, "address": address}
    if engine == "local" and (asked := [name for name in given if given[name] is not None]):
        raise OptionError(
            f"{spelled(asked[0])} is for the engine ray, and this one is here. Choose "
            f"{spelled('engine')} ray, or leave it out."
        )


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def wanted_of(
    network: Network, source: Source, fit: Fit, target_size: Any = None, bands: Any = None
) -> Wanted:
    """Return what images of a source are to become for a network.

    Raises:
        OptionError: if the network takes several inputs, or images of any size and nobody said which.
    """
    names = network.engine.input_names
    if len(names) > 1:
        raise OptionError(
            f"The model takes {len(names)} inputs ({sanitise(', '.join(names), 80)}); over a data set "
            "models of one input are run."
        )
    wanted = wanted_by(network, fit=fit, target_size=target_size, bands=bands)
    if None in wanted.size and not source.of_arrays:
        raise OptionError(
            "The model takes images of any size, and those of a data set need one: "
            f"{spelled('target_size', '(height, width)')}."
        )
    return wanted


def _here(plan: Plan, network: Network, store: Store) -> Engine:
    """Return what runs shards in this process."""

    def handed(shards: list[int], tell: Tell) -> Generator[tuple[int, Counts | None], None, None]:
        runner = ShardRunner(plan, network, store)
        for shard in shards:
            yield shard, runner.run(shard, tell)

    return handed


@dataclass
class _Watch:
    """What is told while a run goes on."""

    store: Store
    shards: list[int]
    before: set[int]
    max_bad: int | None
    progress: Progress | None
    counts: Counts = field(default_factory=Counts)
    begun: float = field(default_factory=time.monotonic)
    finished: int = 0
    error: str = ""

    def __post_init__(self) -> None:
        # Once, since there can be a million shards and as many chunks.
        self._earlier, self._total = (
            sum(map(self.store.size_of, some)) for some in (self.before, self.shards)
        )

    def tell(self, counts: Counts, error: str) -> None:
        self.counts += counts
        self.error = self.error or error
        if self.max_bad is not None and self.counts.bad > self.max_bad:
            raise ImageError(
                f"{self.counts.bad} of {self.counts.rows} images cannot be read, more than "
                f"{spelled('max_bad')} allows. {sanitise(self.error, 160)}".rstrip()
            )
        if self.progress:
            self.progress(self.done())

    def look(self) -> None:
        """Tell what is finished, and nobody has been told of yet."""
        finished = self.store.done().intersection(self.shards)
        self.finished = len(finished - self.before)
        if self.progress:
            self.progress(self.done())

    def done(self) -> Done:
        seconds = time.monotonic() - self.begun
        return Done(
            rows=self._earlier + self.counts.rows,
            total=self._total,
            shards=len(self.before) + self.finished,
            shard_count=len(self.shards),
            bad=self.counts.bad,
            rate=self.counts.rows / max(seconds, 1e-9),
            seconds=seconds,
        )


def _work_off(
    store: Store,
    part: tuple[int, int],
    handed: Engine,
    max_bad: int | None,
    progress: Progress | None,
) -> None:
    """Let shards be computed, and close the store when it has all of them."""
    shards = list(range(part[0] - 1, store.shards, part[1]))
    if not shards:
        warn(
            f"There is no shard for this part: {store.head.count:,} images are {store.shards} of "
            f"{store.head.shard_size:,}. A smaller {spelled('shard_size')} makes more."
        )
    ready = store.done()
    before = {shard for shard in shards if shard in ready}
    watch = _Watch(store, shards, before, max_bad, progress)
    left = [shard for shard in shards if shard not in ready]
    store.log(event="begin", call=command(), versions=dict(versions()), shards=len(left))
    if left:
        try:
            with closing(handed(left, watch.tell)) as results:
                for _, counts in results:
                    watch.finished += counts is not None
        except KeyboardInterrupt:
            watch.look()
            raise
    if progress:
        progress(watch.done())
    store.log(event="end", seconds=watch.done().seconds, **watch.counts._asdict())
    store.finish()
