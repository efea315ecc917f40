"""The frozen results: what they hold, how they show themselves, their round trip to disk."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from kviz._checks import sanitise
from kviz.errors import OutputError
from kviz.results.activations import Activations
from kviz.results.attribution import Attribution, save_compared
from kviz.results.predictions import Predictions
from kviz.results.result import Array, Progress
from kviz.results.synthesis import Synthesis
from kviz.results.weights import KernelForm, Weights

__all__ = [
    "Activations", "Array", "Attribution", "KernelForm", "Predictions", "Progress", "Synthesis",
    "Weights", "load_result", "save_compared",
]  # fmt: skip

_READERS: dict[str, Callable[[dict[str, Any], list[Array]], Any]] = {
    result.__name__: result._read
    for result in (Activations, Weights, Predictions, Attribution, Synthesis)
}


def load_result(path: str | Path) -> Any:
    """Read back what a result's `save("….npz")` wrote.

    Args:
        path: the `.npz` file.

    Returns:
        The result, equal to the one that was saved.

    Raises:
        OutputError: if the file is missing, not a result, or broken.

    >>> import tempfile
    >>> maps = Activations({"conv1": np.ones((1, 2, 2, 1), "float32")}, {"conv1": "Conv2D"})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load_result(maps.save(folder + "/maps.npz")[0])["conv1"].shape
    (1, 2, 2, 1)
    """
    path = Path(path)
    if not path.is_file():
        raise OutputError(f"There is no file {sanitise(path, 120)}.")
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            header = json.loads(file["header"].tobytes())
            arrays = [file[f"array_{index}"] for index in range(len(file.files) - 1)]
        return _READERS[header["result"]](header, arrays)
    except Exception as error:  # zip, deflate, npy and JSON raise a dozen types on broken files
        raise OutputError(
            f"{sanitise(path, 120)} is not a result that kviz saved as .npz, or it is broken."
        ) from error
