"""How the runner drives the tests of a task: one command, native executables, pytest."""
