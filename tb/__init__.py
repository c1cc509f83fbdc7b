"""Test bench: drives any generated unit from its manifest and compares every bit with the golden model.

`tb.manifest` reads what the unit is, `tb.runner` builds and runs it under Verilator, `tb.bulk` streams NumPy arrays
through it by the million. Nothing here knows how a unit works inside.
"""
