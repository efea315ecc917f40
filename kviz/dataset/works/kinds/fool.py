"""fool over a data set: the least change of each image that makes the model see another class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from kviz._checks import validate_bool, validate_choice, validate_int, validate_number
from kviz._types import Array
from kviz.dataset.store.slices import Slice
from kviz.dataset.works.work import Batch, Found, Step, Work
from kviz.errors import OptionError
from kviz.network.network import Network
from kviz.results import Synthesis
from kviz.synthesis import fooling


@dataclass(frozen=True, kw_only=True)
class Fool(Work):
    """Each image changed until the network takes it for another class.

    Args:
        class_index: the class that each image should be classified as; with `targeted=False` the one to
            get away from, by default the predicted class.
        targeted: go to the class; False goes away from it, as by default where no class is given.
        objective: as `kviz.fool` takes it; so the others.
        output: which output of a model that has several.
        step_size: a step's length.
        max_norm: how far from the original an image may go.
        norm: how far is measured.
        steps: how many at most.
        random_start: begin at a random place within `max_norm`.
        confidence: go on until the class is this probable.
        bounds: the values that an image may have.
        seed: for the random start.
        keep_images: whether the changed images are kept, or only what came of them.
        statistics: none.
    """

    class_index: int | str | None = None
    targeted: bool | None = None
    objective: str = "margin"
    output: int | str | None = None
    step_size: float | None = None
    max_norm: float | None = None
    norm: str = "l2"
    steps: int = 100
    random_start: bool = False
    confidence: float | None = None
    bounds: tuple[float, float] | None = None
    seed: int = 0
    keep_images: bool = True

    columns: ClassVar[Mapping[str, str]] = {
        "prediction": "int32",
        "predicted": "string",
        "confidence": "float32",
        "arrived": "bool",
        "fooled_class": "int32",
        "fooled_name": "string",
        "fooled_confidence": "float32",
        "made_for": "string",
        "l2": "float32",
        "linf": "float32",
    }
    answer: ClassVar[str | None] = "prediction"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reductions:
            raise OptionError("fool has no statistics: its index holds what came of each image.")
        if self.targeted is None:
            object.__setattr__(self, "targeted", self.class_index is not None)
        if self.targeted and self.class_index is None:
            raise OptionError("fool takes the class to aim at, class_index=.")
        if self.max_norm is not None:
            validate_number("max_norm", self.max_norm, above=0)
        validate_choice("objective", self.objective, ("margin", "cross_entropy", "logit"))
        validate_choice("norm", self.norm, ("l2", "linf"))
        validate_int("steps", self.steps)
        validate_int("seed", self.seed, 0)
        validate_bool("keep_images", self.keep_images)

    def begin(self, network: Network, batch_size: int) -> Step:
        """Return what changes a batch."""

        def step(batch: Batch) -> Found:
            found = fooling.fool(
                network, batch.pixels, self.class_index, targeted=bool(self.targeted),
                objective=self.objective, output=self.output,  # type: ignore[arg-type]
                step_size=self.step_size, max_norm=self.max_norm,
                norm=self.norm, steps=self.steps,  # type: ignore[arg-type]
                random_start=self.random_start, confidence=self.confidence, bounds=self.bounds,
                batch_size=batch_size, seed=self.seed, names=batch.names,
            )  # fmt: skip
            if found.stopped:
                # What is half done is not kept: the data set's run ends here.
                raise KeyboardInterrupt
            arrays = {"images": _kept(found)} if self.keep_images else {}
            return Found(
                arrays,
                _columns(found),
                constants={"bounds": found.bounds, "is_probability": found.is_probability},
                notes=found.notes,
            )

        return step

    @staticmethod
    def result(rows: Slice) -> Synthesis:
        """Return a `Synthesis`, without the originals and the scores of each step."""
        columns, count = rows.columns, len(rows.names)
        images = rows.arrays.get("images")
        if images is None:
            raise OptionError(
                "The images were not kept (keep_images=False); the index has the rest."
            )

        def numbers(*names: str) -> Array:
            return np.array([columns[name] for name in names], np.float32).T.reshape(
                count, len(names)
            )

        confidences = numbers("confidence", "fooled_confidence")
        classes = [
            [-1 if one is None else one for one in columns[name]]
            for name in ("prediction", "fooled_class")
        ]
        return Synthesis(
            images=images.astype(np.float32),
            scores=np.full((1, count), np.nan, np.float32),
            labels=tuple(name or "" for name in columns["made_for"]),
            verb="fool",
            arrived=np.array(columns["arrived"], bool),
            bounds=tuple(rows.constants["bounds"]),
            norms=numbers("l2", "linf"),
            predictions=tuple(
                (before or "", after or "")
                for before, after in zip(columns["predicted"], columns["fooled_name"], strict=True)
            ),
            confidences=confidences,
            classes=np.array(classes, np.int32).T,
            is_probability=rows.constants["is_probability"],
            names=rows.names,
            made_by=rows.made_by,
            notes=rows.notes,
        )


def _kept(found: Synthesis) -> Array:
    """Return images as bytes where fooling keeps to whole numbers 0-255, whatever these hold."""
    whole = found.images.ndim == 4 and tuple(found.bounds or ()) == (0, 255)
    return found.images.astype(np.uint8) if whole else found.images


def _columns(found: Synthesis) -> dict[str, Any]:
    count = len(found.images)
    nothing: Array = np.full((count, 2), np.nan, np.float32)
    confidences = nothing if found.confidences is None else found.confidences
    norms = nothing if found.norms is None else found.norms
    classes = np.full((count, 2), -1) if found.classes is None else found.classes
    names = found.predictions or (("", ""),) * count
    return {
        "prediction": [int(one) if one >= 0 else None for one in classes[:, 0]],
        "predicted": [before for before, _ in names],
        "confidence": confidences[:, 0].tolist(),
        "arrived": found.arrived.tolist(),
        "fooled_class": [int(one) if one >= 0 else None for one in classes[:, 1]],
        "fooled_name": [after for _, after in names],
        "fooled_confidence": confidences[:, 1].tolist(),
        "made_for": list(found.labels),
        "l2": norms[:, 0].tolist(),
        "linf": norms[:, 1].tolist(),
    }
