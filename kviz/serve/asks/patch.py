"""patch: one value of a map worked out: kernel × patch + bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kviz.attribution.options import option
from kviz.serve.ask import Ask, Turn
from kviz.serve.message import Message
from kviz.serve.patches import (
    can_be_worked_out,
    field_of,
    not_worked_out,
    read_by,
    worked_out,
)
from kviz.web.packing import as_planes

# Channels of which a reader is told what part of the sum they have.
_MOST = 64


@dataclass(frozen=True, kw_only=True)
class Patch(Ask):
    """A value worked out."""

    photo: str
    layer: Any
    channel: int = option(least=0)
    row: int = option(least=0)
    column: int = option(least=0)

    def answer(self, turn: Turn) -> Message:
        """Return the reply."""
        side, photo = turn.side, turn.photo(self.photo)
        info = side.info(self.layer)
        made = as_planes(side.maps_of(photo, info.path))
        if made is None or not can_be_worked_out(info):
            raise not_worked_out(info)
        together = [one for one in map(side.info, side.group(info.path)) if can_be_worked_out(one)]
        read = side.found(
            photo,
            ("read by", together[0].path),
            lambda: read_by(side.network, side.fitted(photo).pixels, together),
            lambda arrays: sum(array.nbytes for array in arrays.values()),
        )
        place = (self.channel, self.row, self.column)
        worked = worked_out(info, read[info.path], made, place)
        head = {
            "photo": photo.id,
            "layer": info.path,
            "channel": self.channel,
            "row": self.row,
            "column": self.column,
            "sum": worked.total,
            "bias": worked.bias,
            "value": worked.value,
            "activation": worked.activation,
            "output": worked.output,
            "kernel_size": list(worked.kernel.shape[:2]),
            "input": info.sources[0] if len(info.sources) == 1 else None,
            "top": worked.rows[0],
            "left": worked.columns[0],
            "rows": worked.rows,
            "columns": worked.columns,
            "channels": worked.channels,
            "parts": worked.parts(_MOST),
            "field": field_of(info, self.row, self.column),
        }
        return Message(head, {"patch": worked.patch, "kernel": worked.kernel})
