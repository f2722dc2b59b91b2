"""Exit codes of `hotfire`: a public interface, each with a sentence."""

from __future__ import annotations

from enum import IntEnum

from hotfire_infra.analysis.gate import CLI_CODE
from hotfire_infra.states import RunVerdict


class CliExit(IntEnum):
    """What the shell, make and Jenkins learn without reading a line."""

    OK = 0
    """All is well."""
    RED = 1
    """The result is red: tests failed, or a regression was found."""
    USAGE = 2
    """What was typed, or a file it names, cannot be used."""
    INFRASTRUCTURE = 3
    """Infrastructure trouble, or cells that were lost: there is no answer."""
    ACCESS = 4
    """The service wants another token, or none was given."""
    NOTHING_SELECTED = 5
    """Nothing was selected, so nothing could be done."""
    INCONCLUSIVE = 6
    """A comparison has too little data, or the two sides cannot be compared."""
    PENDING = 8
    """The run still goes."""
    POLICY = 9
    """Refused by a policy."""
    TIME_LIMIT = 124
    """The time limit given on the command line is over; the run goes on."""
    INTERRUPTED = 130
    """Ctrl-C; what was started goes on and can be resumed."""


def exit_of_run(verdict: str | None) -> CliExit:
    """Return the exit code of a run's verdict by the gate's table; without one it is pending."""
    return CliExit.PENDING if verdict is None else CliExit(CLI_CODE[RunVerdict(verdict)])
