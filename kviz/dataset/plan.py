"""What a run is: all that decides what a store holds, in words, and as a runner to be made."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kviz.dataset.labels import Labels
from kviz.dataset.sources import Source
from kviz.dataset.store.places import Places
from kviz.dataset.store.store import Store
from kviz.dataset.store.zarr_arrays import Packing
from kviz.dataset.works.work import Work
from kviz.files import file_sha256
from kviz.formats.fitting import Wanted
from kviz.network.network import Network
from kviz.results.made_by import plain

# The index's columns before a work's own and behind them.
BEFORE = {"row": "int64", "image": "string", "label": "string", "label_index": "int32"}
BEHIND = {"error": "string"}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A verb over a source into a store.

    It can be pickled, and is all that another process needs besides the model, which it loads for
    itself.

    Args:
        verb: its name.
        work: the verb with its options.
        source: where images are.
        labels: what their labels mean.
        wanted: what each becomes.
        store: the folder of the store.
        batch_size: images at once.
        shard_size: images per shard.
        packing: how arrays are kept.
        keeps: whether arrays are kept, or statistics alone.
    """

    verb: str
    work: Work
    source: Source
    labels: Labels
    wanted: Wanted
    store: Path
    batch_size: int
    shard_size: int
    packing: Packing
    keeps: bool = True

    def first_pass(self, work: Work) -> Plan:
        """Return the pass that finds what statistics have to know before."""
        return replace(self, work=work, store=Places(self.store).first, keeps=False)

    def described(self, network: Network) -> dict[str, Any]:
        """Return what a resume is compared with: plain, without times, machines and places."""
        settings = {
            **self.work.settings(),
            "batch_size": self.batch_size,
            "fit": self.wanted.fit,
            "target_size": self.wanted.size,
            "bands": self.wanted.bands,
        }
        preprocess = network.preprocess
        named = preprocess if isinstance(preprocess, str | None) else plain(preprocess)
        return {
            "verb": self.verb,
            "model": {
                "name": network.name,
                "sha256": model_sha256(network),
                "preprocess": named,
                "class_names": None if network.class_names is None else list(network.class_names),
            },
            "settings": json.loads(json.dumps(plain(settings))),
            "source": {
                "kind": self.source.kind,
                "fingerprint": self.source.fingerprint,
                "label_names": self.source.label_names and list(self.source.label_names),
                "classes": self.labels.class_names and list(self.labels.class_names),
            },
        }

    def begin(self, network: Network, *, resume: bool, shared: bool) -> Store:
        """Return the store, begun or gone on with."""
        return Store.begin(
            self.store, self.described(network), count=self.source.count,
            shard_size=self.shard_size, columns={**BEFORE, **self.work.columns, **BEHIND},
            packing=self.packing, resume=resume, shared=shared,
        )  # fmt: skip

    def opened(self) -> Store:
        """Return the store that another process has begun."""
        return Store.at(self.store)

    def absolute(self) -> Plan:
        """Return the same for another process, which may be in another folder."""
        return replace(self, store=self.store.absolute())


def model_sha256(network: Network) -> str:
    """Return the SHA-256 of a model's file; of one that came from none, of its layers and weights."""
    if network.path is not None and network.path.is_file():
        return file_sha256(network.path)
    digest = hashlib.sha256()
    for weight in network.model.weights:
        digest.update(f"{weight.path} {weight.shape}".encode())
        digest.update(np.ascontiguousarray(weight.value).tobytes())
    try:
        digest.update(network.model.to_json().encode())
    except Exception:
        digest.update(network.name.encode())
    return digest.hexdigest()
