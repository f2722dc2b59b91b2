"""Read the source stamp of a checkout and take its one archive, dirty files included."""

from __future__ import annotations

import hashlib
import stat
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from hotfire_infra.errors import SourceError
from hotfire_infra.source.git import GitCheckout
from hotfire_infra.store.blobs import BlobStore, StoredBlob


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What is under test, without its content."""

    repository: str
    revision: str
    patch_digest: str
    """sha256 over what differs from the commit; empty for a clean tree."""
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSource:
    """A source stamp whose archive is a blob."""

    repository: str
    revision: str
    patch_digest: str
    subject: str
    archive_sha256: str | None
    archive_size: int = 0


def read_stamp(root: Path) -> Stamp:
    """Return the stamp of the checkout at `root`."""
    git = _checkout(root)
    try:
        revision = git.text("rev-parse", "--verify", "--end-of-options", "HEAD^{commit}")
    except SourceError as error:
        raise SourceError(f"{root} has no commit yet: commit once, then run ({error})") from error
    return Stamp(
        repository=_repository(git),
        revision=revision,
        patch_digest=_patch_digest(git),
        subject=git.text("log", "-1", "--format=%s", "--end-of-options", revision),
    )


def _checkout(root: Path) -> GitCheckout:
    git = GitCheckout(root.resolve())
    try:
        top = git.text("rev-parse", "--show-toplevel")
    except SourceError as error:
        raise SourceError(
            f"{root} is not a git checkout ({error}); Hotfire tests commits: clone the source "
            "with git, or `git init` and commit once"
        ) from error
    return GitCheckout(Path(top))


def _repository(git: GitCheckout) -> str:
    """Return the address of origin without credentials, else the folder's name."""
    try:
        address = git.text("remote", "get-url", "--", "origin")
    except SourceError:
        return git.root.name
    parts = urlsplit(address)
    if parts.scheme and "@" in parts.netloc:
        address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return address


def _patch_digest(git: GitCheckout) -> str:
    changed = set(git.names("diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", "HEAD"))
    changed |= set(git.names("ls-files", "--others", "--exclude-standard", "-z"))
    if not changed:
        return ""
    digest = hashlib.sha256()
    for name in sorted(changed):
        digest.update(
            f"{name}\0{_content_line(git.root / name)}\n".encode("utf-8", "surrogateescape")
        )
    return digest.hexdigest()


def _content_line(path: Path) -> str:
    try:
        info = path.lstat()
    except OSError:
        return "deleted"
    if stat.S_ISLNK(info.st_mode):
        return f"link {path.readlink()}"
    if not stat.S_ISREG(info.st_mode):
        return "directory"
    mode = "755" if info.st_mode & stat.S_IXUSR else "644"
    return f"{mode} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def store_source(root: Path, blobs: BlobStore) -> StoredSource:
    """Take the archive of the checkout and store it as a blob."""
    git = _checkout(root)
    before = read_stamp(git.root)
    archive = _store_archive(git, blobs)
    stamp = read_stamp(git.root)
    if stamp != before:
        raise SourceError(f"{root} changed while its archive was taken; run again")
    return StoredSource(
        repository=stamp.repository,
        revision=stamp.revision,
        patch_digest=stamp.patch_digest,
        subject=stamp.subject,
        archive_sha256=archive.sha256,
        archive_size=archive.size,
    )


def _store_archive(git: GitCheckout, blobs: BlobStore) -> StoredBlob:
    names = git.names("ls-files", "--cached", "--others", "--exclude-standard", "-z")
    with tempfile.TemporaryDirectory(prefix="hotfire-source-") as folder:
        path = Path(folder) / "source.tar"
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            for name in sorted(set(names)):
                _add(archive, git.root / name, name)
        return blobs.put_file(path)


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Add one file so that equal trees give equal archives: no owner, no time, two modes."""
    try:
        info = archive.gettarinfo(path, name)
    except FileNotFoundError:
        return  # Deleted in the working tree and not yet committed.
    if info.islnk():
        info.type, info.size = tarfile.REGTYPE, path.stat().st_size
    if not (info.isreg() or info.issym()):
        return  # A submodule is a directory here; its files belong to another repository.
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    info.mode = 0o755 if info.mode & stat.S_IXUSR else 0o644
    if info.issym():
        archive.addfile(info)
        return
    with path.open("rb") as file:
        archive.addfile(info, file)
