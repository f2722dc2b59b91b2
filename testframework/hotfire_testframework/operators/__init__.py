"""Operator descriptors: one file each, the source of every kernel case."""
