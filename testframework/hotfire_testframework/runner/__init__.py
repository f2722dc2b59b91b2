"""The runner: takes one attempt through setup, run and teardown beside the code under test; standard library only."""

RUNNER_VERSION = "1"
