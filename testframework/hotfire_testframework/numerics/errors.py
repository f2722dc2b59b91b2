"""What can go wrong in the numerics: one base class for callers to catch."""

from __future__ import annotations

from hotfire_testframework.errors import FrameworkError


class NumericsError(FrameworkError):
    """Base of every error raised by numerics, operators and accuracy."""


class ModelFileError(NumericsError):
    """The model file is not what its header or its name promises."""


class GoldenError(NumericsError):
    """A committed golden does not match what the oracle computes."""


class CaseError(NumericsError):
    """A case line that no operator descriptor can read."""


class ReferenceFileError(NumericsError, ValueError):
    """A file of reference accuracies cannot be read, or does not hold what is asked for."""
