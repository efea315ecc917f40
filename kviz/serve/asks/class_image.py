"""class_image: the picture with the highest logit for a class, arriving step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.options import option
from kviz.serve.ask import Ask, Turn, validate_class, validate_size_option, validate_steps
from kviz.serve.dreaming import arriving, dreamt
from kviz.serve.message import Message
from kviz.synthesis.class_image import class_image


@dataclass(frozen=True, kw_only=True)
class ClassImage(Ask):
    """A class's picture."""

    slow: ClassVar[bool] = True

    class_index: Any = option(check=validate_class)
    seed: int = option(0, least=0)
    steps: int = option(128, check=validate_steps)
    size: Any = option(None, check=validate_size_option)

    def answer(self, turn: Turn) -> Message:
        """Return the reply."""
        side = turn.side
        index = side.class_index(self.class_index)
        found = arriving(
            turn,
            lambda tell: class_image(
                side.network, index, steps=self.steps, seed=self.seed, target_size=self.size,
                progress=tell,
            ),
        )  # fmt: skip
        return dreamt(found, class_index=index)
