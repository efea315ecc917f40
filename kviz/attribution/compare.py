"""compare: what several methods, or several models, say of the same images, side by side."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from kviz._caller import command
from kviz._checks import sanitise
from kviz.errors import ImageError, OptionError
from kviz.results.attribution import Attribution
from kviz.results.comparison import Comparison
from kviz.results.made_by import MadeBy


def compare(attributions: Iterable[Attribution]) -> Comparison:
    """Put attributions of the same images side by side.

    Args:
        attributions: one or more results of `attribute`, by other methods, of other classes or of other
            models.

    Returns:
        A `Comparison`, which a notebook shows; its pictures share one colour scale where they are asked
        to: `plot(scale="shared")`.

    Raises:
        OptionError: if there are none, or one is no `Attribution`.
        ImageError: if they are of different images.

    >>> import kviz
    >>> network, cat = kviz.load_model("models/squeezenet.keras"), "notebooks/images/cat.png"
    >>> found = [kviz.attribute(network, cat, method) for method in ("grad_cam", "saliency")]
    >>> [tile.role for tile in compare(found).tiles()]
    ['image', 'overlay', 'overlay']
    """
    found = tuple(attributions)
    if not found:
        raise OptionError("compare takes one or more attributions. Received: none")
    for one in found:
        if not isinstance(one, Attribution):
            raise OptionError(
                f"compare takes results of attribute. Received: {sanitise(type(one).__name__)}"
            )
        if not _of_the_same(found[0], one):
            raise ImageError(
                "compare takes attributions of the same images, in the same order. "
                f"Received: others for {sanitise(found[0].method, 40)} and {sanitise(one.method, 40)}"
            )
    first = found[0].made_by
    settings = {
        "methods": [one.method for one in found],
        "models": [one.made_by.model for one in found],
    }
    return Comparison(
        attributions=found,
        names=found[0].names,
        made_by=MadeBy(
            verb="compare",
            model=", ".join(dict.fromkeys(settings["models"])),
            images_sha256=first.images_sha256,
            settings=settings,
            call=command() or f"kviz.compare([{', '.join(one.made_by.call for one in found)}])",
            time=first.time,
            versions=first.versions,
        ),
        notes=tuple(dict.fromkeys(note for one in found for note in one.notes)),
    )


def _of_the_same(one: Attribution, other: Attribution) -> bool:
    """Return whether two attributions explain the same images; models may take them in other sizes."""
    if len(one.maps) != len(other.maps):
        return False
    hashes = one.made_by.images_sha256, other.made_by.images_sha256
    if hashes[0] and hashes[0] == hashes[1]:
        return True
    if one.images is not None and other.images is not None:
        return np.array_equal(one.images, other.images)
    return not (one.names and other.names) or one.names == other.names
