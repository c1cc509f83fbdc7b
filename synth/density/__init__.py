"""Arithmetic density of complete units against float units: `python -m synth.density`."""
