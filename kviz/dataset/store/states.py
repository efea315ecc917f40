"""States of reductions in a file: an `.npz` whose bytes depend on nothing but them.

An array's name is the layer's, the reduction's and its own, as in
`np.load(file)["conv1/moments/count"]`. As names are escaped there, and long ones cut, `header` holds
all three as they are, in JSON.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kviz._types import Array
from kviz.dataset.store.places import json_object
from kviz.results.npz import array_name, most_unpacked

# Arrays by what they are of (a layer), their reduction's name, and their own.
States = Mapping[str, Mapping[str, Mapping[str, Array]]]


def write_states(nested: States) -> bytes:
    """Return states as a file's bytes."""
    states = {
        (of, name, key): array
        for of, reductions in nested.items()
        for name, state in reductions.items()
        for key, array in state.items()
    }
    named = {array_name(*names): names for names in sorted(states)}
    arrays = {"header": np.array(json.dumps(named))}
    arrays.update({name: np.asarray(states[names]) for name, names in named.items()})
    packed = _zipped(arrays, zipfile.ZIP_DEFLATED)
    if sum(array.nbytes for array in arrays.values()) <= most_unpacked(len(packed)):
        return packed
    return _zipped(arrays, zipfile.ZIP_STORED)


def _zipped(arrays: Mapping[str, Array], how: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")  # of 1980, whatever the clock says
            member.compress_type = how
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)
    return file.getvalue()


def read_states(path: Path) -> States:
    """Return the states in a file."""
    states: dict[str, dict[str, dict[str, Array]]] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            # Counts of nothing pack well, but not as a bomb does.
            if sum(info.file_size for info in archive.infolist()) > most_unpacked(
                path.stat().st_size
            ):
                raise ValueError("it would unpack to far more than its size")
        with np.load(path, allow_pickle=False) as file:
            for member, (of, name, key) in json_object(json.loads(str(file["header"]))).items():
                states.setdefault(of, {}).setdefault(name, {})[key] = file[member]
    except (KeyError, TypeError, MemoryError, zipfile.BadZipFile) as error:
        raise ValueError("not as written") from error
    return states
