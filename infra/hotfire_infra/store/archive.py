"""The file or folder of a backup: written aside, renamed into place when it is whole."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Protocol

from hotfire_infra.errors import BackupRefusedError

SUFFIX = ".tar"
"""A target with this ending becomes one file, any other a folder."""


class Sink(Protocol):
    """Takes the files of a backup."""

    def add(self, source: Path, name: str) -> None:
        """Copy a file in under a relative name."""


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, source: Path, name: str) -> None:
        target = self._root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


class _Tar:
    def __init__(self, file: tarfile.TarFile) -> None:
        self._file = file

    def add(self, source: Path, name: str) -> None:
        self._file.add(source, arcname=name, recursive=False)


@contextmanager
def writing(target: Path) -> Iterator[tuple[Sink, Path]]:
    """Yield a sink and a folder for work beside the target; the target appears at the end, whole."""
    if target.exists():
        raise BackupRefusedError(f"{target} exists already; name another target")
    if not target.parent.is_dir():
        raise BackupRefusedError(f"{target.parent} is no folder; make it, or name another target")
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    made = work / "made"
    try:
        if target.name.endswith(SUFFIX):
            with tarfile.open(made, "w") as file:
                yield _Tar(file), work
            handle = os.open(made, os.O_RDONLY)
            os.fsync(handle)
            os.close(handle)
        else:
            made.mkdir()
            yield _Folder(made), work
        made.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def reading(source: Path) -> Iterator[Path]:
    """Yield the folder with the files of a backup; of a single file, unpacked beside itself."""
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        raise BackupRefusedError(f"{source} is no backup: there is no such file or folder")
    work = Path(tempfile.mkdtemp(prefix=f".{source.name}.", dir=source.parent))
    try:
        with tarfile.open(source) as file:
            _unpack(file, source, work)
        yield work
    except tarfile.TarError as error:
        raise BackupRefusedError(f"{source} is no whole backup: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _unpack(file: tarfile.TarFile, source: Path, work: Path) -> None:
    """Write the plain files below the folder; an archive may come from anywhere.

    By hand: the filters of `tarfile` came with Python 3.11.4, and Debian 12 has 3.11.2.
    """
    for member in file:
        path = PurePosixPath(member.name)
        if not member.isfile() or path.is_absolute() or ".." in path.parts:
            raise BackupRefusedError(
                f"{source} is no backup of ours: {member.name!r} is no plain file below its folder"
            )
        target = work / path
        target.parent.mkdir(parents=True, exist_ok=True)
        content = file.extractfile(member)
        assert content is not None  # It is a plain file.
        with content, target.open("xb") as sink:
            shutil.copyfileobj(content, sink, 1 << 20)
