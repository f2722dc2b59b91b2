"""The store: the one place where runs, attempts and results are recorded."""
