"""Bit-exact inputs, quantised blocks, float64 references and error bounds, in NumPy."""
