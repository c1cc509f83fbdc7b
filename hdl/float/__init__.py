"""Floating-point leaves: unpack, normalise, add, and the one rounder that packs every FP32 result.

Between those leaves a number is *raw*: sign, a significand whose top bit weighs 2^(biased - 126), and `biased` >= 0.
biased = 0 is FP32's lowest binade, where the top bit may be clear: subnormals need no case of their own.
"""
