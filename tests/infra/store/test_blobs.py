"""Blobs: whole or absent, named by content, checked when read."""

from __future__ import annotations

import errno
import hashlib
import os

import pytest

from hotfire_infra.errors import BlobCorruptError, BlobMissingError, StorageFullError
from hotfire_infra.store.blobs import BlobStore


@pytest.fixture
def blobs(tmp_path):
    return BlobStore(tmp_path / "blobs")


def test_a_blob_is_found_under_its_digest_and_cannot_be_written_to(blobs):
    stored = blobs.put_bytes(b"content")
    assert stored.sha256 == hashlib.sha256(b"content").hexdigest()
    assert blobs.read(stored.sha256) == b"content"
    assert blobs.path(stored.sha256).stat().st_mode & 0o222 == 0


def test_the_same_content_is_one_file(blobs, tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    assert blobs.put_bytes(b"content") == blobs.put_file(tmp_path / "file")
    assert len([path for path in blobs.root.rglob("*") if path.is_file()]) == 1


def test_many_are_stored_in_their_order_and_equal_ones_once(blobs):
    contents = [str(number % 40).encode() for number in range(100)]
    stored = blobs.put_many(contents)
    assert [blobs.read(one.sha256) for one in stored] == contents
    assert len([path for path in blobs.root.rglob("*") if path.is_file()]) == 40


def test_other_content_than_announced_is_refused_and_leaves_nothing(blobs, tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    with pytest.raises(BlobCorruptError):
        blobs.put_file(tmp_path / "file", expected="0" * 64)
    assert [path for path in blobs.root.rglob("*") if path.is_file()] == []


def test_a_missing_and_a_damaged_blob_are_told_apart(blobs):
    with pytest.raises(BlobMissingError):
        blobs.read("0" * 64)
    path = blobs.path(blobs.put_bytes(b"content").sha256)
    path.chmod(0o644)
    path.write_bytes(b"damaged")
    with pytest.raises(BlobCorruptError):
        blobs.read(path.name)


def test_a_full_disk_has_its_own_error_and_leaves_no_piece(blobs, monkeypatch):
    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageFullError, match="No space left"):
        blobs.put_bytes(b"content")
    assert [path for path in blobs.root.rglob("*") if path.is_file()] == []
