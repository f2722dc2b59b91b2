"""Secrets of tasks: who may have which, and their values, read when an attempt is handed over.

A value is never kept: not in this object, the store, a plan, an argument or an environment.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hotfire_infra.errors import SecretUnusableError
from hotfire_infra.sections.secrets import SecretScope, SecretsSection
from hotfire_testframework.runner.redaction import SHORTEST

LARGEST = 64 << 10
"""Bytes: a key or a token, not a file of data."""


class Run(Protocol):
    """What decides about a run's secrets."""

    @property
    def pipeline(self) -> str:
        """Its name."""

    @property
    def team(self) -> str:
        """Whose run it is."""

    @property
    def is_trusted(self) -> bool:
        """False for the change of a stranger."""


@dataclass(frozen=True, slots=True)
class SecretBook:
    """The secrets of this installation."""

    section: SecretsSection = field(default_factory=SecretsSection)

    def values_for(self, names: Iterable[str], run: Run) -> dict[str, bytes]:
        """Return the values for a task of a run; SecretUnusableError if it may not have them."""
        wanted = tuple(names)
        refusal = self.refusal(wanted, run)
        if refusal is not None:
            raise SecretUnusableError(refusal)
        return {name: self.read(name) for name in wanted}

    def refusal(self, names: Iterable[str], run: Run) -> str | None:
        """Say why a task of a run cannot have its secrets; None if it can."""
        for name in names:
            if not run.is_trusted:
                return f"needs the secret {name!r}, and this run is of an untrusted change"
            scope = self.section.available.get(name)
            if scope is None:
                return f"needs the secret {name!r}, which section `secrets` does not list"
            if not _admits(scope, run):
                return (
                    f"needs the secret {name!r}, which is not for pipeline {run.pipeline!r} "
                    f"of team {run.team!r}"
                )
            try:
                self.read(name)
            except SecretUnusableError as error:
                return f"needs the secret {name!r}: {error}"
        return None

    def read(self, name: str) -> bytes:
        """Return the value; SecretUnusableError says what is wrong with its file."""
        path = self._path(name)
        try:
            info = path.lstat()
            value = path.read_bytes() if stat.S_ISREG(info.st_mode) else None
        except OSError as error:
            raise SecretUnusableError(f"{path} cannot be read: {error.strerror}") from error
        if value is None:
            raise SecretUnusableError(f"{path} is no regular file")
        if info.st_mode & 0o077:
            mode = stat.S_IMODE(info.st_mode)
            raise SecretUnusableError(f"{path} has mode {mode:04o}; make it 0600")
        size = len(value.strip(b"\r\n"))
        if not SHORTEST <= size <= LARGEST:
            raise SecretUnusableError(
                f"{path} holds {size} bytes; {SHORTEST} to {LARGEST} can be kept out of logs"
            )
        return value

    def _path(self, name: str) -> Path:
        if self.section.directory is None:
            raise SecretUnusableError("section `secrets` names no `directory`")
        return self.section.directory / name


def _admits(scope: SecretScope, run: Run) -> bool:
    for admitted, asked in ((scope.pipelines, run.pipeline), (scope.teams, run.team)):
        if admitted and asked not in admitted:
            return False
    return True
