"""Measuring: replicates over processes, with the load and the speed of the machine beside them."""
