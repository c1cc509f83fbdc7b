"""Combinational leaves of integer arithmetic."""
