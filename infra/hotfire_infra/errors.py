"""Errors of Hotfire's infrastructure; each class is one thing a caller can act on.

InfraError
├── StoreError
│   ├── SchemaVersionError
│   ├── TransitionRefusedError
│   ├── BackupRefusedError
│   ├── BlobMissingError
│   ├── BlobCorruptError
│   ├── DatabaseBusyError
│   ├── DatabaseDamagedError
│   ├── DatabaseUnreachableError
│   ├── DatabaseUnusableError
│   └── StorageFullError
├── SourceError
├── ConfigurationMissingError
├── PlanRefusedError
├── SecretUnusableError
├── RunNotFoundError
├── AmbiguousRunError
├── RequestRefusedError
├── DeviceNotFoundError
├── ReportRefusedError
│   └── ReportEmptyError
├── ExecutorError
│   ├── AttemptConflictError
│   └── ClusterError
├── ServiceError
│   ├── ServiceUnreachableError
│   ├── AccessDeniedError
│   └── VersionMismatchError
└── LockLostError

`exit_code` is what the CLI returns for it (2 usage, 3 infrastructure, 4 access, 5 nothing
selected).
"""

from __future__ import annotations


class InfraError(Exception):
    """Something outside the code under test went wrong."""

    exit_code = 3


class StoreError(InfraError):
    """The store could not do what was asked."""


class SchemaVersionError(StoreError):
    """The database was written by another version of Hotfire."""

    exit_code = 2


class TransitionRefusedError(StoreError):
    """A state was already left by somebody else, so this step is not allowed any more."""


class BackupRefusedError(StoreError):
    """A backup cannot be written there, is not whole, or would overwrite what is there."""

    exit_code = 2


class BlobMissingError(StoreError):
    """A row names a blob that is not on disk."""


class BlobCorruptError(StoreError):
    """The bytes of a blob do not have the digest of its name."""


class DatabaseBusyError(StoreError):
    """The database threw a transaction out in favour of another; the same one may be tried again."""


class DatabaseUnreachableError(StoreError):
    """The database server does not answer: not started, restarting, or the way to it is cut."""


class DatabaseDamagedError(StoreError):
    """The file of the database is no database, or parts of it were overwritten."""


class DatabaseUnusableError(StoreError):
    """The file of the database cannot be opened, or not written."""

    exit_code = 2


class StorageFullError(StoreError):
    """The disk has no room left for the store; free some, then resume: nothing recorded is lost."""


class SourceError(InfraError):
    """What is to be tested cannot be read as a git checkout."""

    exit_code = 2


class ConfigurationMissingError(InfraError):
    """The configuration file that was named is not there."""

    exit_code = 2


class PlanRefusedError(InfraError):
    """The plan contradicts itself or this version of Hotfire."""

    exit_code = 2


class SecretUnusableError(InfraError):
    """The file of a secret is missing, open to others, or of a size that cannot be redacted."""

    exit_code = 2


class RunNotFoundError(InfraError):
    """No run has this number, id or prefix."""

    exit_code = 2


class AmbiguousRunError(InfraError):
    """Several runs begin with this prefix."""

    exit_code = 2


class RequestRefusedError(InfraError):
    """The recorded request cannot be carried out in the state the run is in."""

    exit_code = 2


class ReportRefusedError(InfraError):
    """A report of another tool cannot be imported as it is."""

    exit_code = 2


class ReportEmptyError(ReportRefusedError):
    """A report is whole and holds no test."""


class DeviceNotFoundError(InfraError):
    """No device, or more than one, has this name."""

    exit_code = 2


class ExecutorError(InfraError):
    """An executor could not carry out a verb."""


class AttemptConflictError(ExecutorError):
    """The attempt's place on this machine belongs to something else."""


class ClusterError(ExecutorError):
    """The API server of a cluster said no, or said nothing."""

    def __init__(
        self,
        message: str,
        *,
        trouble: str,
        status: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        """`trouble`: the kind of no; `retry_after`: seconds that the server asks for."""
        super().__init__(message)
        self.trouble = trouble
        self.status = status
        self.retry_after = retry_after


class ServiceError(InfraError):
    """A service far away could not do what was asked."""


class ServiceUnreachableError(ServiceError):
    """Nobody answers at the service's address."""


class AccessDeniedError(ServiceError):
    """The service does not know the token, or it may not do this."""

    exit_code = 4


class VersionMismatchError(ServiceError):
    """The service speaks another version, or what answers is no service of Hotfire."""

    exit_code = 2


class LockLostError(InfraError):
    """Another process executes this store now."""
