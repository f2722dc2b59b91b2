"""What can go wrong, one class per status of the C interface.

AestusError
├── LibraryError          the shared library cannot be found or loaded
├── ArgumentError         the caller broke a precondition (also a ValueError)
├── ModelFileError        something is wrong with a file
│   ├── ReadError         it cannot be read (also an OSError)
│   └── FormatError       it is not what it claims to be
├── UnsupportedError      valid, but this build or machine cannot do it
│   └── NoDeviceError     no accelerator: a normal answer
├── MemoryExhaustedError  (also a MemoryError)
└── InternalError         a defect of the library
"""

from __future__ import annotations


class AestusError(Exception):
    """Base of all errors of this package."""


class LibraryError(AestusError):
    """The shared library cannot be found or loaded."""


class ArgumentError(AestusError, ValueError):
    """An argument breaks a precondition."""


class ModelFileError(AestusError):
    """Something is wrong with a model file."""


class ReadError(ModelFileError, OSError):
    """The file cannot be read."""


class FormatError(ModelFileError):
    """The file is not what it claims to be."""


class UnsupportedError(AestusError):
    """The request is valid, but this build or machine cannot do it."""


class NoDeviceError(UnsupportedError):
    """There is no accelerator."""


class MemoryExhaustedError(AestusError, MemoryError):
    """Memory ran out."""


class InternalError(AestusError):
    """A defect of the library."""


_BY_STATUS: dict[int, type[AestusError]] = {
    1: ArgumentError,
    2: ReadError,
    3: FormatError,
    4: UnsupportedError,
    5: MemoryExhaustedError,
    6: NoDeviceError,
    7: InternalError,
}


def error_of(status: int, text: str) -> AestusError:
    """The exception for a status other than 0."""
    return _BY_STATUS.get(status, InternalError)(text or f"status {status} without a reason")
