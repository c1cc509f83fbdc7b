"""Training in NumPy: layers with forward and backward side by side, every dot product behind one interface.

Layers know shapes and calculus, `Products` (`golden.nn.plain`) knows arithmetic: plain BLAS in FP32 or FP64 by default,
the bit-exact narrow products of the hardware when a precision is set. Activations are NHWC or (batch, time, features).
"""
