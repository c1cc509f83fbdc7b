"""Deliberate bugs in emitted Verilog, to see that the bench would notice: `python -m tb.mutants`.

`catalogue` lists bugs that people make, each a change of one line; `scatter` lets Yosys make hundreds at random. A bug
that nothing notices is a hole in the bench, unless it changes nothing.
"""
