"""Gecko: the row code, eight bit streams side by side, and the units made of both (gecko.md; docs/gecko-ports.md)."""
