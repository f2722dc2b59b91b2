"""Every error of every room becomes one message, one next command and one exit code: here."""

from __future__ import annotations

import errno
import re
from collections.abc import Mapping
from dataclasses import dataclass

from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.errors import InfraError


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What the user reads: what is wrong, what to type next, and the code the shell gets."""

    message: str
    next_command: str
    code: int


class CliError(InfraError):
    """Something only the command line can notice, with its remedy."""

    def __init__(self, message: str, *, next_command: str, code: CliExit = CliExit.USAGE) -> None:
        super().__init__(message)
        self.next_command = next_command
        self.code = code


# By class name, so that explaining an error imports none of the rooms; bases are asked too.
_NEXT: Mapping[str, str] = {
    "RunNotFoundError": "hotfire ps",
    "AmbiguousRunError": "hotfire ps",
    "SourceError": "git status",
    "PlanRefusedError": "hotfire plan pre-merge",
    "PlanError": "hotfire plan pre-merge -o json",
    "WaiverError": "hotfire waivers --help",
    "PipelineError": "hotfire plan --help",
    "RequestRefusedError": "hotfire show latest",
    "ReportRefusedError": "hotfire import --help",
    "StorageFullError": "hotfire run --resume",
    "SchemaVersionError": "hotfire config doctor",
    "LockLostError": "hotfire run --resume",
    "ServingRefusedError": "hotfire serve",
    "ServiceUnreachableError": "hotfire serve",
    "AccessDeniedError": "hotfire tokens create --help",
    "VersionMismatchError": "hotfire config doctor",
    "ExecutorError": "hotfire config doctor",
    "InfraError": "hotfire config doctor",
    "FrameworkError": "hotfire --help",
}
# An error that names a command knows better than its class does.
_COMMAND = re.compile(r"`((?:hotfire|make|git|mv|chmod) [^`]+)`")
_ROOMS = ("InfraError", "PipelineError", "FrameworkError")


def explain(error: BaseException) -> Problem:
    """Map an error to what the user reads; anything unknown is our own fault and says so."""
    if isinstance(error, KeyboardInterrupt):
        return Problem(
            message="interrupted; what was started goes on",
            next_command="hotfire run --resume",
            code=CliExit.INTERRUPTED,
        )
    if isinstance(error, CliError):
        return Problem(message=str(error), next_command=error.next_command, code=error.code)
    names = [base.__name__ for base in type(error).__mro__]
    if any(room in names for room in _ROOMS):
        return _explain_room(error, names)
    if "TyperException" in names:
        return _explain_usage(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        where = f"{error.filename}: " if error.filename else ""
        return Problem(
            message=f"{where}no room left on the disk ({error.strerror}); free space first",
            next_command="the same command again",
            code=CliExit.INFRASTRUCTURE,
        )
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return Problem(
            message=f"{error.filename or 'a file'} cannot be written: its file system is mounted "
            "read-only; mount it for writing, or name another folder in HOTFIRE_HOME",
            next_command="hotfire config doctor",
            code=CliExit.USAGE,
        )
    if isinstance(error, OSError) and error.filename:
        text = f"{error.filename}: {error.strerror or error}"
        return Problem(message=text, next_command="hotfire config doctor", code=CliExit.USAGE)
    return Problem(
        message=f"a defect of Hotfire itself: {type(error).__name__}: {error}",
        next_command="the same command with --debug, and report what it prints",
        code=CliExit.INFRASTRUCTURE,
    )


def _explain_room(error: BaseException, names: list[str]) -> Problem:
    # Whoever let the error pass may have known more, and left a note.
    named = _COMMAND.findall("\n".join([str(error), *getattr(error, "__notes__", ())]))
    next_command = named[-1] if named else next(_NEXT[name] for name in names if name in _NEXT)
    # A value that a person wrote and a room could not parse is wrong input.
    fallback = CliExit.USAGE if "FrameworkError" in names else CliExit.INFRASTRUCTURE
    code = getattr(error, "exit_code", fallback)
    if "RunnerError" in names:  # carries a code of the runner, which is another alphabet
        code = CliExit.INFRASTRUCTURE
    return Problem(message=str(error), next_command=next_command, code=int(code))


def _explain_usage(error: BaseException) -> Problem:
    said = getattr(error, "format_message", lambda: str(error))()
    # pydantic's own words before those of a check.
    message = said.replace(": Value error, ", ": ")
    path = getattr(getattr(error, "ctx", None), "command_path", "hotfire")
    return Problem(message=message, next_command=f"{path} --help", code=CliExit.USAGE)
