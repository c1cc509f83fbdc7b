"""Amaranth generators of narrow-precision units, and the command line that emits their Verilog."""
