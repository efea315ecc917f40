"""`attribute` as type checkers see it: `typed.pyi`, which tests/attribution/test_typing.py makes."""

from kviz.attribution.attribute import attribute

__all__ = ["attribute"]
