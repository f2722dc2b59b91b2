"""The source stamp: commit, what differs from it, and one archive of both."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from hotfire_infra.errors import SourceError
from hotfire_infra.source.stamp import read_stamp, store_source
from hotfire_infra.store.blobs import BlobStore

IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.org")


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *IDENTITY, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "library"
    root.mkdir()
    git(root, "init", "-q")
    (root / "kernel.c").write_text("int one;\n")
    (root / "run.sh").write_text("true\n")
    (root / "run.sh").chmod(0o755)
    (root / ".gitignore").write_text("build/\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Add a kernel")
    return root


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def members(blobs: BlobStore, sha256: str) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(blobs.read(sha256))) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive if info.isreg()}


def test_a_clean_tree_has_no_patch(checkout):
    stamp = read_stamp(checkout)
    assert (stamp.patch_digest, stamp.subject) == ("", "Add a kernel")
    assert len(stamp.revision) == 40


def test_a_changed_an_untracked_and_a_deleted_file_each_change_the_stamp(checkout):
    digests = {read_stamp(checkout).patch_digest}
    (checkout / "kernel.c").write_text("int two;\n")
    digests.add(read_stamp(checkout).patch_digest)
    (checkout / "new file.c").write_text("int three;\n")
    digests.add(read_stamp(checkout).patch_digest)
    (checkout / "run.sh").unlink()
    digests.add(read_stamp(checkout).patch_digest)
    assert len(digests) == 4


def test_an_ignored_file_is_no_part_of_the_source(checkout, blobs):
    (checkout / "build").mkdir()
    (checkout / "build" / "kernel.o").write_text("binary")
    assert read_stamp(checkout).patch_digest == ""
    assert "build/kernel.o" not in members(blobs, store_source(checkout, blobs).archive_sha256)


def test_the_archive_holds_what_is_on_disk_dirty_and_untracked(checkout, blobs):
    (checkout / "kernel.c").write_text("int two;\n")
    (checkout / "new.c").write_text("int three;\n")
    (checkout / ".gitignore").unlink()
    found = members(blobs, store_source(checkout, blobs).archive_sha256)
    assert found == {"kernel.c": b"int two;\n", "new.c": b"int three;\n", "run.sh": b"true\n"}


def test_equal_trees_give_equal_archives_whenever_they_were_written(checkout, blobs):
    first = store_source(checkout, blobs)
    (checkout / "kernel.c").write_text("int one;\n")
    assert store_source(checkout, blobs) == first


def test_executable_files_stay_executable(checkout, blobs):
    content = blobs.read(store_source(checkout, blobs).archive_sha256)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        modes = {info.name: info.mode for info in archive}
    assert (modes["run.sh"], modes["kernel.c"]) == (0o755, 0o644)


def test_credentials_in_the_address_of_origin_stay_out(checkout):
    git(checkout, "remote", "add", "origin", "https://me:pw@example.org/lib.git")
    assert read_stamp(checkout).repository == "https://example.org/lib.git"


def test_a_hook_of_the_checkout_is_not_run(checkout, tmp_path):
    git(checkout, "config", "core.fsmonitor", f"touch {tmp_path}/touched; false")
    read_stamp(checkout)
    assert not (tmp_path / "touched").exists()


def test_what_is_no_checkout_is_said_with_a_remedy(tmp_path):
    with pytest.raises(SourceError, match=r"not a git checkout.*git init"):
        read_stamp(tmp_path)


def test_what_git_says_in_several_lines_is_one_line(tmp_path, monkeypatch):
    fake = tmp_path / "git"
    fake.write_text(
        "#!/bin/sh\nprintf 'fatal: no repository\\nStopping at boundary\\n' >&2; exit 128\n"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(SourceError, match=r"fatal: no repository Stopping at boundary"):
        read_stamp(tmp_path)


def test_a_checkout_without_a_commit_is_said_with_a_remedy(tmp_path):
    git(tmp_path, "init", "-q")
    with pytest.raises(SourceError, match="no commit yet"):
        read_stamp(tmp_path)
