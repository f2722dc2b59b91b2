"""Keep files: digest and record them; pack a directory into a tar.gz with the same bytes every time."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
from pathlib import Path

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.stream import Kind
from hotfire_testframework.contract.task import OutputSpec
from hotfire_testframework.errors import RunnerError
from hotfire_testframework.runner.attempt_dir import AttemptDir
from hotfire_testframework.runner.redaction import NOTHING_SECRET, Redactor
from hotfire_testframework.runner.spool import FULL, DiskFullError, Spool

CHUNK_BYTES = 1 << 20
GZIP_LEVEL = 1
"""Artifacts move once and are unpacked soon: speed before size."""

_MEDIA_TYPES = {
    ".gz": "application/gzip",
    ".json": "application/json",
    ".txt": "text/plain",
    ".log": "text/plain",
    ".xml": "application/xml",
}
COVERAGE_SUFFIX = ".hotfire-coverage.json"
COVERAGE_MEDIA_TYPE = "application/x-hotfire-coverage+json"


def record_artifact(
    directory: AttemptDir, spool: Spool, name: str, media_type: str | None = None
) -> None:
    """Emit the record of a file that lies under `artifacts/`, without the secrets in it."""
    path = directory.artifacts / name
    spool.redactor.file(path)
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    body = {
        "name": name,
        "path": f"artifacts/{name}",
        "sha256": digest.hexdigest(),
        "size": path.stat().st_size,
        "media_type": media_type or media_type_of(name),
    }
    spool.emit(Kind.ARTIFACT, body)


def media_type_of(name: str) -> str:
    """Return the media type that a name's ending stands for."""
    if name.endswith(COVERAGE_SUFFIX):
        return COVERAGE_MEDIA_TYPE
    return _MEDIA_TYPES.get(Path(name).suffix, "application/octet-stream")


def keep_output(directory: AttemptDir, spool: Spool, output: OutputSpec) -> None:
    """Pack a directory or copy a file of the work directory into `artifacts/` and record it."""
    source = directory.work / output.path
    if not is_inside(source, directory.work) or not source.exists():
        message = (
            f"output {output.name!r}: {output.path!r} is not in the work directory after the run"
        )
        raise RunnerError(message, RunnerExit.BAD_CONFIGURATION)
    target = directory.artifacts / output.name
    try:
        if source.is_dir():
            pack_directory(source, target, spool.redactor)
        else:
            shutil.copyfile(source, target)
    except OSError as error:
        if error.errno in FULL:
            raise DiskFullError(f"the output {output.name}") from error
        raise
    record_artifact(directory, spool, output.name)


def pack_directory(source: Path, target: Path, redactor: Redactor = NOTHING_SECRET) -> None:
    """Write a tar.gz whose bytes depend only on names, contents, links and executable bits."""
    names = sorted(path.relative_to(source).as_posix() for path in source.rglob("*"))
    with (
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", GZIP_LEVEL, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in names:
            redactor.file(source / name)
            _add(archive, source / name, name)


def is_inside(path: Path, root: Path) -> bool:
    """Whether a path, links resolved, is the root or below it."""
    return path.resolve().is_relative_to(root.resolve())


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    info = archive.gettarinfo(path, name)
    if not (info.isreg() or info.isdir() or info.issym() or info.islnk()):
        return
    if info.islnk():  # A second name of one file is stored as the file: order must not matter.
        info.type, info.linkname, info.size = tarfile.REGTYPE, "", path.stat().st_size
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    info.mode = 0o755 if info.isdir() or os.access(path, os.X_OK) else 0o644
    if info.isreg():
        with path.open("rb") as file:
            archive.addfile(info, file)
    else:
        archive.addfile(info)
