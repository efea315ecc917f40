"""What a data set is: a folder, a list, a table, an archive of records; a kind a file in `kinds`."""

from kviz.dataset.sources.registry import as_source
from kviz.dataset.sources.source import Item, Source

__all__ = ["Item", "Source", "as_source"]
