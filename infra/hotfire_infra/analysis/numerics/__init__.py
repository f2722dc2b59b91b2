"""Numeric error of the kernels over runs: its distribution, and drift before a tolerance trips."""
