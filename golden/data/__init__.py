"""Data sets in three fixed parts: `load(name)`; docs/data.md lists them."""

from golden.data.registry import SOURCES, load
from golden.data.sets import IGNORED, DataError, DataSet, Split

__all__ = ["IGNORED", "SOURCES", "DataError", "DataSet", "Split", "load"]
