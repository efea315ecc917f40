"""evaluate over a data set: what metrics say of methods' maps of each image, and of chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz import results
from kviz._checks import validate_int
from kviz.attribution.attribute import settings_of
from kviz.attribution.registry import as_method, method_name
from kviz.dataset.store.slices import Slice
from kviz.dataset.works.work import Batch, Found, Step, Work
from kviz.errors import OptionError
from kviz.metrics import evaluate as measure
from kviz.network.network import Network
from kviz.results.null_names import ANOTHER

# What is the same for all images, as `Evaluation` has it.
_CONSTANT = ("metrics", "titles", "baselines", "better", "methods", "nulls")


@dataclass(frozen=True, kw_only=True)
class Evaluate(Work):
    """What metrics say of each image's maps, beside what maps by chance get; without curves.

    Args:
        methods: a method's name or instance, or several.
        metrics: a metric's name or instance, or several; by default three.
        baselines: what stands in the place of pixels, as `kviz.evaluate` takes it.
        nulls: how many maps of random numbers.
        class_index: the class to explain, the same for all; by default the predicted one of each.
        output: which output of a model that has several.
        seed: for what is drawn at random.
        statistics: none.
    """

    methods: Any = "grad_cam"
    metrics: Any = None
    baselines: Any = ("black", "blur")
    nulls: int = 4
    class_index: int | str | None = None
    output: int | str | None = None
    seed: int = 0

    tells_of_all: ClassVar[bool] = True
    columns: ClassVar[Mapping[str, str]] = {"class_index": "int32", "class_name": "string"}

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reductions:
            raise OptionError("evaluate has no statistics: its values are few. Leave them out.")
        given = self.methods
        methods = given if isinstance(given, list | tuple) else [given]
        object.__setattr__(self, "methods", tuple(as_method("methods", one) for one in methods))
        validate_int("nulls", self.nulls)

    def settings(self) -> dict[str, Any]:
        """Return what the verb is asked, methods by their names with their options."""
        methods = [{"name": method_name(one), **settings_of(one)} for one in self.methods]
        return super().settings() | {"methods": methods}

    def begin(self, network: Network, batch_size: int) -> Step:
        """Return what measures a batch."""

        def step(batch: Batch) -> Found:
            found = measure(
                network, batch.pixels, list(self.methods), self.metrics, baselines=self.baselines,
                nulls=self.nulls, class_index=self.class_index, output=self.output,
                batch_size=batch_size, seed=self.seed, names=batch.names,
            )  # fmt: skip
            constants = {key: getattr(found, key) for key in _CONSTANT}
            null_values = found.null_values
            if ANOTHER not in found.nulls:  # of one image alone
                constants["nulls"] = (*found.nulls, ANOTHER)
                null_values = np.insert(null_values, len(found.nulls), np.nan, axis=2)
            # Every method explains the same class of an image.
            classes = [int(one) if one >= 0 else None for one in found.classes[0]]
            return Found(
                {
                    "values": np.moveaxis(found.values, -1, 0),
                    "null_values": np.moveaxis(null_values, -1, 0),
                    "scores": found.scores.T,
                },
                {"class_index": classes, "class_name": list(found.class_names[: len(classes)])},
                constants=constants,
                notes=found.notes,
            )

        return step

    @staticmethod
    def result(rows: Slice) -> results.Evaluation:
        """Return an `Evaluation`, without the curves."""
        constants = {key: tuple(rows.constants[key]) for key in _CONSTANT}
        count = len(constants["methods"])
        classes = [-1 if one is None else one for one in rows.columns["class_index"]]
        return results.Evaluation(
            values=np.moveaxis(rows.arrays["values"], 0, -1),
            null_values=np.moveaxis(rows.arrays["null_values"], 0, -1),
            **constants,
            curves={},
            null_curves={},
            curve_at={},
            curve_axes={},
            curve_points={},
            classes=np.array([classes] * count, np.int32),
            class_names=tuple(name or "" for name in rows.columns["class_name"]) * count,
            scores=rows.arrays["scores"].T,
            names=rows.names,
            made_by=rows.made_by,
            notes=rows.notes,
        )
