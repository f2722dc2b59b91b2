"""Accuracy tasks: the float64 oracle, its goldens and the comparison with an implementation."""
