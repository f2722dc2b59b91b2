"""Content-addressed files: written aside, synced, renamed into place, never changed."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from hotfire_infra.errors import BlobCorruptError, BlobMissingError, StorageFullError

COPY_BYTES = 1 << 20
WRITERS = 16
"""Files that wait for the disk at once."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlob:
    """A blob that is on disk."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class BlobStore:
    """Blobs under one directory; putting the same content twice is one file."""

    root: Path

    def path(self, sha256: str) -> Path:
        """Return where a blob is, or would be."""
        return self.root / "sha256" / sha256[:2] / sha256

    def touch(self, sha256: str) -> int | None:
        """Return the size of a blob that is there, and keep the sweep from it; None: it is not."""
        path = self.path(sha256)
        try:
            os.utime(path)
            return path.stat().st_size
        except FileNotFoundError:
            return None

    def put_bytes(self, content: bytes) -> StoredBlob:
        """Store bytes."""
        digest = hashlib.sha256(content).hexdigest()
        if self.touch(digest) is None:
            self._write(lambda file: _write_all(file, content), expected=digest)
        return StoredBlob(sha256=digest, size=len(content))

    def put_many(self, contents: Iterable[bytes]) -> list[StoredBlob]:
        """Store many small blobs, in their order; the disk syncs what comes at once together."""
        with ThreadPoolExecutor(WRITERS, "blobs") as pool:
            return list(pool.map(self.put_bytes, contents))

    def put_file(self, source: Path, *, expected: str | None = None) -> StoredBlob:
        """Copy a file in; with `expected`, refuse other content than was announced."""
        if expected is not None and (size := self.touch(expected)) is not None:
            return StoredBlob(sha256=expected, size=size)
        return self._write(lambda file: _copy(source, file), expected=expected)

    def read(self, sha256: str) -> bytes:
        """Return the content of a small blob, checked against its name."""
        try:
            content = self.path(sha256).read_bytes()
        except FileNotFoundError as error:
            raise BlobMissingError(
                f"blob {sha256} is not under {self.root}; restore it from a backup of the store"
            ) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise BlobCorruptError(f"blob {self.path(sha256)} has other content than its name says")
        return content

    def _write(self, fill: Callable[[BinaryIO], str], *, expected: str | None) -> StoredBlob:
        aside = self.root / "incoming"
        with _full_disk_named(self.root):
            aside.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=aside)
            temporary = Path(name)
            try:
                with os.fdopen(handle, "wb") as file:
                    digest = fill(file)
                    size = file.tell()
                    file.flush()
                    os.fsync(file.fileno())
                if expected is not None and digest != expected:
                    raise BlobCorruptError(f"content has sha256 {digest}, announced was {expected}")
                self._place(temporary, digest)
            finally:
                temporary.unlink(missing_ok=True)
        return StoredBlob(sha256=digest, size=size)

    def _place(self, temporary: Path, digest: str) -> None:
        target = self.path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.chmod(0o444)
        temporary.replace(target)
        # The rename itself must survive a power failure: a row may soon refer to it.
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


@contextmanager
def _full_disk_named(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StorageFullError(
            f"no room left for blobs under {root} ({error.strerror}); free space, "
            "then `hotfire run --resume`"
        ) from error


def _write_all(file: BinaryIO, content: bytes) -> str:
    file.write(content)
    return hashlib.sha256(content).hexdigest()


def _copy(source: Path, file: BinaryIO) -> str:
    digest = hashlib.sha256()
    with source.open("rb") as content:
        while chunk := content.read(COPY_BYTES):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()
