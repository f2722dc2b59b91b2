"""Unpack an input archive: confined to its directory, with caps on number and size; nothing is trusted."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.errors import RunnerError
from hotfire_testframework.runner.spool import FULL, DiskFullError


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """Limits of one archive."""

    members: int = 200_000
    total_bytes: int = 16 << 30
    ratio: float = 400.0
    """Unpacked over packed size; gzip of zeros reaches 1032, source code 3 to 10."""
    ratio_free_bytes: int = 64 << 20
    """Below this much unpacked data the ratio is not looked at."""
    name_bytes: int = 4096
    depth: int = 64


class HostileArchiveError(RunnerError):
    """The archive tries to leave its directory or to fill the disk."""

    def __init__(self, archive: Path, complaint: str) -> None:
        super().__init__(f"input {archive.name}: {complaint}", RunnerExit.BAD_CONFIGURATION)


def unpack_archive(archive: Path, target: Path, caps: Caps = Caps()) -> None:
    """Unpack a tar (plain or compressed) into a fresh directory.

    Only files, directories and links that stay inside are made; owners, devices and set-id bits are
    dropped. Links are made last, so that no member is written through one.
    """
    target.mkdir(parents=True)
    try:
        packed_bytes = archive.stat().st_size
        with tarfile.open(archive, "r:*") as tar:
            _unpack_members(tar, archive, packed_bytes, target, caps)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        message = f"input {archive.name}: cannot be unpacked: {error}"
        raise RunnerError(message, RunnerExit.DOWNLOAD) from error
    except OSError as error:
        if error.errno in FULL:
            raise DiskFullError(f"the input {archive.name}") from error
        message = f"input {archive.name}: cannot be unpacked: {error}"
        raise RunnerError(message, RunnerExit.DOWNLOAD) from error


def _unpack_members(
    tar: tarfile.TarFile, archive: Path, packed_bytes: int, target: Path, caps: Caps
) -> None:
    links: list[tarfile.TarInfo] = []
    total = 0
    for count, member in enumerate(tar, start=1):
        if count > caps.members:
            raise HostileArchiveError(archive, f"more than {caps.members} members")
        path = _confined(member.name, archive, caps)
        total += max(0, member.size)
        _check_size(archive, total, packed_bytes, caps)
        if member.issym() or member.islnk():
            links.append(member)
        elif member.isdir():
            (target / path).mkdir(parents=True, exist_ok=True)
        elif member.isreg():
            _write_file(tar, member, target / path)
        else:
            raise HostileArchiveError(
                archive, f"{member.name!r} is a device, pipe or unknown member"
            )
    for member in links:
        _make_link(member, archive, target, caps)


def _confined(name: str, archive: Path, caps: Caps) -> PurePosixPath:
    path = PurePosixPath(name)
    is_bad = path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name
    if is_bad or (path.parts and ":" in path.parts[0]):
        raise HostileArchiveError(archive, f"member {name!r} would leave the directory")
    if len(os.fsencode(name)) > caps.name_bytes or len(path.parts) > caps.depth:
        raise HostileArchiveError(archive, f"member {name[:80]!r}… has an over-long name")
    return path


def _check_size(archive: Path, total: int, packed_bytes: int, caps: Caps) -> None:
    if total > caps.total_bytes:
        raise HostileArchiveError(archive, f"unpacks to more than {caps.total_bytes} bytes")
    if total > caps.ratio_free_bytes and total > caps.ratio * max(1, packed_bytes):
        raise HostileArchiveError(archive, f"unpacks to more than {caps.ratio:g} times its size")


def _write_file(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.exists():
        path.unlink()
    source = tar.extractfile(member)
    if source is None:
        return
    with source, path.open("xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    path.chmod(0o755 if member.mode & stat.S_IXUSR else 0o644)
    # Build tools compare times; a broken clock in the archive is no reason to fail.
    os.utime(path, (max(0, member.mtime),) * 2)


def _make_link(member: tarfile.TarInfo, archive: Path, target: Path, caps: Caps) -> None:
    path = target / _confined(member.name, archive, caps)
    root = target.resolve()
    base = target if member.islnk() else path.parent
    aim = base / member.linkname
    if PurePosixPath(member.linkname).is_absolute() or not aim.resolve().is_relative_to(root):
        raise HostileArchiveError(
            archive, f"link {member.name!r} → {member.linkname!r} leaves the directory"
        )
    if not path.parent.resolve().is_relative_to(root):
        raise HostileArchiveError(
            archive, f"link {member.name!r} lies behind a link that leaves the directory"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.exists():
        path.unlink()
    if member.issym():
        path.symlink_to(member.linkname)
    else:
        shutil.copyfile(aim, path)
