"""Labels of a data set as classes of a model, where they are those."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kviz._caller import spelled
from kviz._checks import sanitise
from kviz.errors import OptionError
from kviz.network.network import Network

UNKNOWN = -1


def class_count(network: Network) -> int | None:
    """Return how many classes a model tells apart, None where that is not known; one unit tells two."""
    count = network.classes or len(network.class_names or ())
    return max(count, 2) if count else None


@dataclass(frozen=True)
class Labels:
    """What a source's labels mean.

    A label that is a text is a class's name, whatever its case, and with "-" or "_" for a space; or,
    where the source's labels have an order and the classes no names, its place in that order. One that
    is a number is a class's index; where both sides have names, as Hugging Face's data sets do, the
    class of the name that it counts.

    Args:
        class_names: the model's, or None.
        classes: how many the model has, or None.
        label_names: the source's, in order, or None.
    """

    class_names: Sequence[str] | None = None
    classes: int | None = None
    label_names: Sequence[str] | None = None

    def __post_init__(self) -> None:
        known = _places(self.class_names or ())
        if not known and self.label_names and len(self.label_names) == self.classes:
            known = _places(self.label_names)
        object.__setattr__(self, "_known", known)
        named = [known.get(_plain(name), UNKNOWN) for name in self.label_names or ()]
        by_place = len(named) == self.classes and set(named) == {UNKNOWN}
        meant = named if self.class_names and not by_place else []
        object.__setattr__(self, "_meant", meant)

    def index(self, label: int | str | None) -> int:
        """Return the class of a label, -1 where it is none of the model's.

        >>> Labels(["cat", "dog"]).index("Dog"), Labels(classes=2).index(1), Labels().index("cat")
        (1, 1, -1)
        >>> Labels(["ankle boot", "bag"]).index("Ankle-boot")
        0
        >>> Labels(["cat", "dog"], 2, ["dog", "cat"]).index(0)
        1
        """
        known: dict[str, int] = self._known  # type: ignore[attr-defined]
        meant: list[int] = self._meant  # type: ignore[attr-defined]
        if isinstance(label, str):
            if (found := known.get(_plain(label))) is not None:
                return found
            if not label.isascii() or not label.isdigit() or len(label) > 18:
                return UNKNOWN
            label = int(label)
        if label is None or not 0 <= label < (len(meant) or self.classes or 2**31):
            return UNKNOWN
        return meant[label] if meant else label

    def validate_fit(self, label: int | str | None) -> None:
        """Raise an OptionError where a statistic needs labels and this one is no class."""
        if self.index(label) != UNKNOWN:
            return
        if label is None:
            raise OptionError(
                "A statistic needs labels and the source has none: a folder of folders, a table or a "
                "list with labels has them."
            )
        names = self.class_names
        wanted = "an index" + (f" from 0 to {self.classes - 1}" if self.classes else "")
        if names:
            wanted += f", or a name such as {sanitise(names[0], 30)!r}"
        raise OptionError(
            f"The label {sanitise(label, 40)!r} is no class of the model. Expected {wanted}; "
            f"{spelled('class_names', '…')} names the classes."
        )


def labels_for(
    network: Network, label_names: Sequence[str] | None, *, alone: bool = False
) -> Labels:
    """Return what a source's labels mean to a model.

    Args:
        network: the model.
        label_names: the source's, in order, or None.
        alone: whether labels stand for themselves where they are no classes of the model, since nothing
            is compared with what it predicts.
    """
    found = Labels(network.class_names, class_count(network), label_names)
    if alone and label_names and any(found.index(name) == UNKNOWN for name in label_names):
        return Labels(label_names, len(label_names), label_names)
    return found


def _plain(name: str) -> str:
    """Return a name as it is compared: a folder's cannot have all signs that a class's can."""
    return re.sub(r"[\s_/-]+", " ", name.casefold()).strip()


def _places(names: Iterable[str]) -> dict[str, int]:
    """Return places by name as it is compared; of names that would be equal, the first counts."""
    found: dict[str, int] = {}
    for place, name in enumerate(names):
        found.setdefault(_plain(name), place)
    return found
