"""What a model's outputs are: which of several is meant."""

from __future__ import annotations

from typing import Any

from kviz._caller import spelled
from kviz._checks import sanitise
from kviz.engine.backend import keras
from kviz.errors import OptionError


def choose_output(outputs: Any, output: int | str | None) -> Any:
    """Return one of a model's outputs, or say which there are.

    Args:
        outputs: a tensor, or a structure of them.
        output: a dict's key or a place; None where there is one only.

    Returns:
        The tensor.

    Raises:
        OptionError: if there is no such output, or several and none was named.
    """
    flat = keras.tree.flatten(outputs)
    names = list(outputs) if isinstance(outputs, dict) else list(range(len(flat)))
    if output is None and len(flat) == 1:
        return flat[0]
    if output is None or output not in names:
        said = "" if output is None else f" Received: {sanitise(repr(output))}"
        raise OptionError(
            f"The model has the outputs {sanitise(names, 120)}. "
            f"Choose one with {spelled('score', 'kviz.scores.ClassScore(output=…)')}.{said}"
        )
    return outputs[output] if isinstance(outputs, dict) else flat[int(output)]
