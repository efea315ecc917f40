"""Which pixels decide: attribute, one call for every method."""

from kviz.attribution.attribute import Resize, attribute
from kviz.attribution.method import Method
from kviz.attribution.registry import method_named, method_names

__all__ = ["Method", "Resize", "attribute", "method_named", "method_names"]
