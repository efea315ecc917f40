"""pattern: the picture that a filter answers to most, arriving step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kviz.attribution.options import option
from kviz.serve.ask import Ask, Turn, validate_size_option, validate_steps
from kviz.serve.dreaming import arriving, dreamt
from kviz.serve.message import Message
from kviz.synthesis.filter_patterns import filter_patterns


@dataclass(frozen=True, kw_only=True)
class Pattern(Ask):
    """A filter's pattern."""

    slow: ClassVar[bool] = True

    layer: Any
    channel: int = option(least=0)
    seed: int = option(0, least=0)
    steps: int = option(64, check=validate_steps)
    size: Any = option(None, check=validate_size_option)

    def answer(self, turn: Turn) -> Message:
        """Return the reply."""
        info = turn.side.info(self.layer)
        found = arriving(
            turn,
            lambda tell: filter_patterns(
                turn.side.network, info.path, [self.channel], steps=self.steps, seed=self.seed,
                target_size=self.size, progress=tell,
            ),
        )  # fmt: skip
        return dreamt(found, layer=info.path, channel=self.channel)
