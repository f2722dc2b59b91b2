"""Errors of the test framework; standard library only, since the runner's zipapp carries this file.

FrameworkError
├── ContractError           a value does not have the form the contract states
│   ├── DecodeError         JSON that does not fit; names the field and the value
│   ├── IdentifierError     a test identifier, case line, variant or ULID that cannot be parsed
│   └── MetricError         a metric is defined wrongly, unregistered, or used with another unit
├── RunnerError             the runner cannot go on; carries the exit code of the contract
└── PluginError             the pytest plugin refuses to run in this configuration
"""

from __future__ import annotations


class FrameworkError(Exception):
    """Something in the test framework went wrong."""


class ContractError(FrameworkError):
    """A value does not have the form that the contract between the rooms states."""


class DecodeError(ContractError):
    """A JSON value does not fit its field."""

    def __init__(self, field: str, value: object, expected: str) -> None:
        shown = repr(value)
        if len(shown) > 120:
            shown = shown[:117] + "..."
        super().__init__(f"{field or 'value'}: got {shown}, expected {expected}")
        self.field = field
        self.value = value
        self.expected = expected


class IdentifierError(ContractError):
    """A test identifier, case line, variant or ULID cannot be parsed."""


class MetricError(ContractError):
    """A metric is defined wrongly, is not registered, or is used with another unit."""


class RunnerError(FrameworkError):
    """The runner cannot go on."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class PluginError(FrameworkError):
    """The pytest plugin refuses to run in this configuration."""
