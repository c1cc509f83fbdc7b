"""Floating-point leaves: unpack, normalise, add, and the one rounder that packs every result.

Between those leaves a number is *raw*: sign, `biased` >= 0, and a significand whose top bit weighs
2^(biased + 1 - bias), that is 2^(biased - 126) on the way to FP32. biased = 0 is the float's lowest binade, where the
top bit may be clear: subnormals need no case of their own.
"""
