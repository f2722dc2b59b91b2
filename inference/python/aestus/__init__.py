"""Aestus, a small LLM inference library: models, sessions and kernels on NumPy arrays."""

from aestus import kernels
from aestus.errors import (
    AestusError,
    ArgumentError,
    FormatError,
    InternalError,
    LibraryError,
    MemoryExhaustedError,
    ModelFileError,
    NoDeviceError,
    ReadError,
    UnsupportedError,
)
from aestus.library import Library, QType, default_library
from aestus.model import Model, Session

__all__ = [
    "AestusError",
    "ArgumentError",
    "FormatError",
    "InternalError",
    "Library",
    "LibraryError",
    "MemoryExhaustedError",
    "Model",
    "ModelFileError",
    "NoDeviceError",
    "QType",
    "ReadError",
    "Session",
    "UnsupportedError",
    "default_library",
    "kernels",
]
