"""A blob that arrives in pieces: written aside, digested on the way, placed when it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from hotfire_infra.errors import BlobCorruptError
from hotfire_infra.store.blobs import BlobStore, StoredBlob, _full_disk_named


@dataclass(slots=True)
class Upload:
    """Use as a context; what was not finished leaves nothing behind."""

    blobs: BlobStore
    expected: str
    """sha256 that was announced."""
    check: Callable[[Path], None] | None = None
    """Raises where the content must not be stored; asked before it is placed."""
    size: int = 0
    _file: BinaryIO | None = None
    _path: Path | None = None
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def __enter__(self) -> Upload:
        aside = self.blobs.root / "incoming"
        with _full_disk_named(self.blobs.root):
            aside.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=aside)
        self._file, self._path = os.fdopen(handle, "wb"), Path(name)
        return self

    def write(self, piece: bytes) -> None:
        """Append a piece; StorageFullError when there is no room."""
        assert self._file is not None  # used as a context
        with _full_disk_named(self.blobs.root):
            self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)

    def finish(self) -> StoredBlob:
        """Place the blob; BlobCorruptError when its content is not what was announced."""
        assert self._file is not None  # used as a context
        assert self._path is not None
        found = self._digest.hexdigest()
        if found != self.expected:
            raise BlobCorruptError(
                f"the content has sha256 {found}, announced was {self.expected}; send it again"
            )
        with _full_disk_named(self.blobs.root):
            self._file.flush()
            os.fsync(self._file.fileno())
            if self.check is not None:
                self.check(self._path)
            if self.blobs.touch(found) is None:
                self.blobs._place(self._path, found)
        return StoredBlob(sha256=found, size=self.size)

    def __exit__(self, *_: object) -> None:
        assert self._file is not None  # entered before
        assert self._path is not None
        # On a full disk closing tries once more to write what the refusal was about already.
        with contextlib.suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)
