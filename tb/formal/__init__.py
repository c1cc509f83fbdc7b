"""Formal proofs: claims about generated hardware that hold for every input and every stall, `python -m tb.formal`.

A proof is a circuit (`setup`), a method (`methods`) and one or more planted bugs (`proof`): the circuit without a bug
must be proved and each circuit with one refuted, or the proof counts for nothing. The solver is Yosys's own.
"""
