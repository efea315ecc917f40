"""What a verb is asked about: which input, and which class of each image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kviz._checks import sanitise, validate_choice
from kviz.engine.heads import Head, choose_head
from kviz.engine.passes import Score
from kviz.errors import OptionError
from kviz.network.network import Network
from kviz.scores import ClassScore


def looked_at(pixels: Mapping[str, Any], specs: Mapping[str, Any], input_name: str | None) -> str:
    """Return the name of the input that a verb looks at: the one named, or the first photo.

    Args:
        pixels: what has a shape, by input.
        specs: as `Network.specs` returns them.
        input_name: a name, or None.

    Raises:
        OptionError: if there is no such input.
    """
    if input_name is not None:
        validate_choice("input_name", input_name, pixels)
        return input_name

    def likeness(name: str) -> tuple[bool, bool, bool]:
        # What the model takes counts: whole numbers are pixels too where it takes real ones.
        kind = specs[name].dtype.as_numpy_dtype().dtype.kind
        return pixels[name].ndim == 4, kind in "fu", pixels[name].ndim > 2

    return max(specs, key=likeness)


def class_targets(class_index: Any, network: Network, total: int, head: Head | None = None) -> Any:
    """Return int32 `(N, classes)`, -1 for the predicted class.

    Args:
        class_index: None, an index or name for all images, a list of one for each, or a list of lists
            for several each.
        network: the network whose classes they are.
        total: N.
        head: the output whose classes they are, None for whichever gives classes.

    Raises:
        OptionError: if there is no such class, or a list does not fit the images.
    """
    if isinstance(class_index, np.ndarray):
        class_index = class_index.tolist()
    if class_index is None:
        return np.full((total, 1), -1, np.int32)
    if isinstance(class_index, np.integer):
        class_index = int(class_index)
    if isinstance(class_index, int | str):
        return np.full((total, 1), network.class_index(class_index, head), np.int32)
    if not isinstance(class_index, list | tuple):
        raise OptionError(f"class_index takes a class or a list. Received: {sanitise(class_index)}")
    rows = [
        [network.class_index(int(which) if isinstance(which, np.integer) else which, head)]
        if isinstance(which, int | str | np.integer)
        else [network.class_index(each, head) for each in _classes(which)]
        for which in class_index
    ]
    if len({len(row) for row in rows}) != 1 or len(rows) not in (1, total) or not rows[0]:
        raise OptionError(
            f"class_index takes one class, one for each of the {total} images, or as many for each. "
            f"Received: {sanitise(class_index)}"
        )
    if len(rows) < total and isinstance(class_index[0], int | str | np.integer):
        raise OptionError(f"Expected a class for each of {total} images. Received: {len(rows)}")
    return np.broadcast_to(np.array(rows, np.int32), (total, len(rows[0])))


def _classes(which: Any) -> Any:
    if not isinstance(which, list | tuple | np.ndarray):
        raise OptionError(
            f"class_index takes classes or lists of them. Received: {sanitise(which)}"
        )
    return which


def one_target(class_index: Any, network: Network, total: int, head: Head | None = None) -> Any:
    """Return int32 `(N,)`, one class for each image, as `class_targets` takes it.

    Raises:
        OptionError: if there is no such class, or there are several for an image.
    """
    targets = class_targets(class_index, network, total, head)
    if targets.shape[1] != 1:
        raise OptionError(f"Expected one class for each image. Received: {sanitise(class_index)}")
    return targets[:, 0]


def class_label(network: Network, index: int, head: Head | None, score: Score) -> str:
    """Return what is explained: a class's name, or, of another score, whose index is -1, its label."""
    if index < 0:
        return str(getattr(score, "label", "score"))
    if head is not None:
        return head.label(index, network.class_names)
    return network.class_names[index] if network.class_names else f"class {index}"


def head_for(network: Network, score: Score, specs: Mapping[str, Any]) -> Head | None:
    """Return the output that a score is of, None where it is of no class.

    Args:
        network: the network.
        score: as `kviz.scores.as_score` returns it.
        specs: as `Network.specs` returns them.

    Raises:
        OptionError: if there is no such output.
    """
    of_class = isinstance(getattr(score, "base", score), ClassScore)
    return answering_head(network, score, specs) if of_class else None


def answering_head(network: Network, score: Score, specs: Mapping[str, Any]) -> Head:
    """Return the output that says how an image is classified: a score's own, or else the default.

    Args: as `head_for` takes them.
    """
    output = getattr(getattr(score, "base", score), "output", None)
    return choose_head(network.engine.heads_for(specs), output)
