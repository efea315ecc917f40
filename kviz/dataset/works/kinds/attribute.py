"""attribute over a data set: a map for each image, by any method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from kviz._checks import validate_int
from kviz.attribution.attribute import Resize, explain, settings_of
from kviz.attribution.method import Method
from kviz.attribution.registry import as_method, method_name, method_named
from kviz.dataset.store.slices import Slice
from kviz.dataset.works.work import Batch, Found, Step, Work
from kviz.errors import OptionError
from kviz.network.network import Network
from kviz.results import Attribution


@dataclass(frozen=True, kw_only=True)
class Attribute(Work):
    """A map for each image.

    Args:
        method: a method's name, its own options beside these, or an instance.
        class_index: the class to explain, by index or name, the same for all; by default the predicted
            one of each.
        output: which output of a model that has several, as `kviz.attribute` takes it.
        resize: as `kviz.attribute` takes it; None keeps a layer's maps of the layer's size, which are
            hundreds of times smaller.
        seed: for methods that draw at random: what is drawn for an image follows from its place in the
            source.
        statistics: of the maps, as `Work` has them; `"mean_map"` needs labels for a map per class.
    """

    method: Any = "grad_cam"
    class_index: int | str | None = None
    output: int | str | None = None
    resize: Resize | None = "bilinear"
    seed: int = 0

    columns: ClassVar[Mapping[str, str]] = {
        "class_index": "int32",
        "class_name": "string",
        "score": "float32",
        "gap": "float32",
        "negative": "bool",
    }

    by_place: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "method", as_method("method", self.method))
        validate_int("seed", self.seed, 0)
        if isinstance(self.class_index, list | tuple):
            raise OptionError(
                "Over a data set, class_index takes one class. Run it for each class."
            )

    @classmethod
    def of(cls, make: Callable[..., Any], options: Mapping[str, Any]) -> Attribute:
        """Return it; options that are none of its own are the method's."""
        own = {each.name for each in fields(cls) if each.init}
        others = {key: value for key, value in options.items() if key not in own}
        given = {key: value for key, value in options.items() if key in own}
        if others:
            method = given.get("method", "grad_cam")
            if isinstance(method, Method):
                raise OptionError("Options belong to a method's name; give an instance its fields.")
            given["method"] = method_named(method, **others)
        made: Attribute = make(**given)
        return made

    def settings(self) -> dict[str, Any]:
        """Return what the verb is asked, the method by its name with its options."""
        method = {"name": method_name(self.method), **settings_of(self.method)}
        return super().settings() | {"method": method}

    def begin(self, network: Network, batch_size: int) -> Step:
        """Return what explains a batch."""

        def step(batch: Batch) -> Found:
            found = explain(
                network, batch.pixels, self.method, class_index=self.class_index,
                output=self.output, resize=self.resize, batch_size=batch_size, seed=self.seed,
                names=batch.names, first=int(batch.rows[0]),
            )  # fmt: skip
            states = {}
            if self.reductions:
                maps = found.maps[..., None]
                states = {found.method: self.states(found.method, maps, batch, found.classes)}
            count = len(found.maps)
            known = found.classes >= 0
            return Found(
                {found.method: found.maps},
                {
                    "class_index": [
                        int(one) if real else None
                        for one, real in zip(found.classes, known, strict=True)
                    ],
                    "class_name": list(found.class_names),
                    "score": found.scores.tolist(),
                    "gap": [None] * count if found.gaps is None else found.gaps.tolist(),
                    "negative": (
                        [None] * count if found.negative is None else found.negative.tolist()
                    ),
                },
                states,
                {"method": found.method, "title": found.title, "layers": found.layers},
                found.notes,
            )

        return step

    @staticmethod
    def result(rows: Slice) -> Attribution:
        """Return an `Attribution`, without the images."""
        constants, columns = rows.constants, rows.columns
        maps = rows.arrays[constants["method"]].astype(np.float32, copy=False)
        gaps, cut = columns["gap"], columns["negative"]
        return Attribution(
            maps=maps,
            raw=maps,
            scores=np.array(columns["score"], np.float32),
            classes=np.array(
                [-1 if one is None else one for one in columns["class_index"]], "int32"
            ),
            class_names=tuple(name or "" for name in columns["class_name"]),
            method=constants["method"],
            title=constants["title"],
            layers=tuple(constants["layers"]),
            gaps=None if None in gaps else np.array(gaps, np.float32),
            negative=None if None in cut else np.array(cut, bool),
            names=rows.names,
            made_by=rows.made_by,
            notes=rows.notes,
        )
