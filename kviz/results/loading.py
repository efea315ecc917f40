"""load_result: a result back from its file."""

from __future__ import annotations

from pathlib import Path

from kviz._checks import sanitise
from kviz.errors import OutputError
from kviz.results.activations import Activations
from kviz.results.attribution import Attribution
from kviz.results.comparison import Comparison
from kviz.results.evaluation import Evaluation
from kviz.results.npz import read_npz
from kviz.results.predictions import Predictions
from kviz.results.statistics import Statistics
from kviz.results.synthesis import Synthesis
from kviz.results.weights import Weights

AnyResult = (
    Activations
    | Attribution
    | Comparison
    | Evaluation
    | Predictions
    | Statistics
    | Synthesis
    | Weights
)
_KINDS = {
    kind.__name__: kind
    for kind in (
        Activations,
        Attribution,
        Comparison,
        Evaluation,
        Predictions,
        Statistics,
        Synthesis,
        Weights,
    )
}


def load_result(path: str | Path, *, trust: bool = False) -> AnyResult:
    """Read back what a result's `save("….npz")` wrote.

    The file may be a stranger's: nothing in it runs, its sizes are checked before they take memory,
    and a result whose fields do not fit together is refused here, not when it is drawn.

    Args:
        path: the `.npz` file.
        trust: read it even where it unpacks to far more than it takes on disk.

    Returns:
        The result, equal to the one that was saved.

    Raises:
        OutputError: if the file is missing, not a result, broken, too large or of a newer kviz.

    >>> import tempfile
    >>> import numpy as np
    >>> maps = Activations({"conv1": np.ones((1, 2, 2, 1), "float32")}, {"conv1": "Conv2D"})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     load_result(maps.save(folder + "/maps.npz")[0])["conv1"].shape
    (1, 2, 2, 1)
    """
    path = Path(path)
    try:
        there = path.is_file()
    except OSError:  # a name too long to exist
        there = False
    if not there:
        raise OutputError(f"There is no file {sanitise(path, 120)}.")
    result: AnyResult = read_npz(path, _KINDS, trust=trust)
    return result
