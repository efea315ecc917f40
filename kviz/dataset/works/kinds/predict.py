"""predict over a data set: what the model answers for each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz import look
from kviz._checks import validate_int
from kviz._types import Array
from kviz.dataset.labels import UNKNOWN
from kviz.dataset.store.slices import Slice
from kviz.dataset.works.work import Batch, Found, Step, Work
from kviz.errors import OptionError
from kviz.network.network import Network
from kviz.results import Predictions

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Predict(Work):
    """The classes' scores of each image, and the best class.

    Args:
        top_k: keep so many of the best scores and their classes; by default all scores.
        output: which output of a model that has several, as `kviz.predict` takes it.
        statistics: of the scores, as `Work` has them; `"confusion"` needs labels.
    """

    top_k: int | None = None
    output: int | str | None = None

    columns: ClassVar[Mapping[str, str]] = {
        "prediction": "int32",
        "predicted": "string",
        "score": "float32",
    }
    answer: ClassVar[str | None] = "prediction"
    predicts: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.top_k is not None:
            validate_int("top_k", self.top_k)

    def begin(self, network: Network, batch_size: int) -> Step:
        """Return what predicts a batch."""

        def step(batch: Batch) -> Found:
            found = look.predict(
                network, batch.pixels, 1, output=self.output, batch_size=batch_size,
                names=batch.names,
            )  # fmt: skip
            answers = _answers(found)
            arrays = {"scores": found.scores} if found.scores.shape[1] else {}
            states = {}
            if self.reductions and not arrays:
                raise OptionError(
                    "Statistics of predict are of scores, and the model gives an image. Leave them out."
                )
            if self.reductions:
                classes = [UNKNOWN if answer is None else answer for answer in answers]
                states = {"scores": self.states("scores", found.scores, batch, classes)}
            if self.top_k is not None and arrays:
                arrays = _best(found.scores, self.top_k)
            if found.maps is not None:
                arrays["maps"] = found.maps
            named = [None if one is None else found.label(one) for one in answers]
            best = [
                None if one is None else float(row[one])
                for one, row in zip(answers, found.scores, strict=True)
            ]
            return Found(
                arrays,
                {"prediction": answers, "predicted": named, "score": best},
                states,
                {
                    "kind": found.kind,
                    "is_probability": found.is_probability,
                    "class_names": found.class_names,
                    "classes": found.scores.shape[1],
                },
                found.notes,
            )

        return step

    @staticmethod
    def result(rows: Slice) -> Predictions:
        """Return `Predictions`; scores that were not kept are NaN, or zero of probabilities."""
        constants, names = rows.constants, rows.constants["class_names"]
        if "classes" in rows.arrays:
            rest = 0 if constants["is_probability"] else np.nan
            scores = np.full((len(rows.names), constants["classes"]), rest, np.float32)
            np.put_along_axis(scores, rows.arrays["classes"], rows.arrays["scores"], axis=1)
        elif "scores" in rows.arrays:
            scores = rows.arrays["scores"]
        else:
            scores = np.zeros((len(rows.names), 0), np.float32)
        return Predictions(
            scores=scores.astype(np.float32, copy=False),
            top=min(_SHOWN, rows.settings.get("top_k") or _SHOWN),
            class_names=None if names is None else tuple(names),
            is_probability=constants["is_probability"],
            names=rows.names,
            made_by=rows.made_by,
            notes=rows.notes,
            kind=constants["kind"],
            maps=rows.arrays.get("maps"),
        )


def _answers(found: Predictions) -> list[Any]:
    """Return the class that each image is classified as, None where the output has no classes."""
    if found.kind == "values" or not found.scores.shape[1]:
        return [None] * len(found.scores)
    best: list[Any] = found.scores.argmax(axis=1).tolist()
    return best


def _best(scores: Array, count: int) -> dict[str, Array]:
    places = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return {
        "classes": places.astype(np.int32),
        "scores": np.take_along_axis(scores, places, axis=1),
    }
