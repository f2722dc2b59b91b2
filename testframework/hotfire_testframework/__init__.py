"""What runs beside the code under test: contract, runner, pytest plugin, measuring."""
