"""Executors: what turns an attempt into something running."""
