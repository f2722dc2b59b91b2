"""Bytes at their place in the copy of an attempt's directory."""

from __future__ import annotations

import os
from pathlib import Path


def write_at(path: Path, offset: int, content: bytes, *, is_last: bool = False) -> None:
    """Write bytes at their place in a file, making it where it is missing.

    Behind the last ones nothing is left of what was there.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        view = memoryview(content)
        while view:
            written = os.pwrite(handle, view, offset)
            view, offset = view[written:], offset + written
        # Asked first: to truncate is work for the file system even where there is nothing to do.
        if is_last and os.fstat(handle).st_size > offset:
            os.ftruncate(handle, offset)
    finally:
        os.close(handle)
