"""A backup made under load is whole; a restore gives the same store into an empty home only."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select, text

from hotfire_infra.cli.problems import explain
from hotfire_infra.errors import (
    BackupRefusedError,
    DatabaseUnusableError,
    RequestRefusedError,
    SchemaVersionError,
)
from hotfire_infra.orchestrator.lock import acquire
from hotfire_infra.store import restoring, results, schema
from hotfire_infra.store.archive import reading
from hotfire_infra.store.backup import digest_of, maintenance, read_manifest, write_backup
from hotfire_infra.store.blobs import BlobStore
from hotfire_infra.store.checking import check_store
from hotfire_infra.store.database import Store, open_store
from hotfire_infra.store.models import Blob, History, Run
from hotfire_infra.store.restoring import restore_backup


@pytest.fixture
def address(dialect: str, request: pytest.FixtureRequest) -> str | None:
    return request.getfixturevalue("postgres_database") if dialect == "postgresql" else None


@pytest.fixture
def filled(store: Store, address, make_stand, make_plan) -> Store:
    make_stand().run(make_plan({"kernels": ["m/s/one", "m/s/two"]}))
    return store


@pytest.fixture
def elsewhere(tmp_path: Path, dialect: str, request: pytest.FixtureRequest):
    """An empty home and, on PostgreSQL, an empty database."""
    if dialect == "sqlite":
        return tmp_path / "elsewhere", None
    server = request.getfixturevalue("postgres")
    return tmp_path / "elsewhere", server.address(server.create_database())


def contents(store: Store) -> list[object]:
    with store.reading() as connection:
        return [
            sorted(map(repr, connection.execute(select(*model.__table__.c))))
            for model in (Run, History, Blob)
        ]


@pytest.mark.parametrize("name", ["backup", "backup.tar"])
def test_a_restored_store_is_the_same_and_whole(filled, address, elsewhere, tmp_path, name):
    manifest = write_backup(filled.home, tmp_path / name, database=address)
    home, database = elsewhere
    assert restore_backup(tmp_path / name, home, database=database) == manifest
    assert manifest.blobs > 0
    assert check_store(home, database=database, deep=True).problems == ()
    restored = open_store(home, database=database, clock=filled.clock)
    assert contents(restored) == contents(filled)
    with restored.writing() as connection:
        # The keys go on behind those of the backup.
        connection.execute(
            text(
                "INSERT INTO message (sha256, text) VALUES ('x', 'y'), ('z', 'y')"
                " ON CONFLICT DO NOTHING"
            )
        )
    restored.close()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_restored_store_can_be_executed_beside_the_one_it_is_of(
    filled, address, elsewhere, tmp_path
):
    assert acquire(filled, label="another") is None, "this process executes the original"
    write_backup(filled.home, tmp_path / "backup", database=address)
    home, database = elsewhere
    restore_backup(tmp_path / "backup", home, database=database)
    restored = open_store(home, database=database, clock=filled.clock)
    taken = acquire(restored, label="the copy")
    assert taken is not None
    assert taken.fence > 1
    assert acquire(filled, label="another") is None
    restored.close()
    assert [path.name for path in home.glob("*.restoring*")] == []


def test_a_backup_under_load_holds_every_blob_its_rows_name(filled, address, elsewhere, tmp_path):
    stop, written = threading.Event(), []

    def write() -> None:
        while not stop.is_set():
            blob = filled.blobs.put_bytes(f"blob {len(written)}".encode())
            with filled.writing() as connection:
                results.insert_rows(connection, results.BLOB, [(blob.sha256, blob.size)])
            written.append(blob.sha256)
            some.set()

    some = threading.Event()
    writer = threading.Thread(target=write)
    writer.start()
    some.wait()
    try:
        manifest = write_backup(filled.home, tmp_path / "backup", database=address)
    finally:
        stop.set()
        writer.join()
    assert manifest.missing == ()
    home, database = elsewhere
    restore_backup(tmp_path / "backup", home, database=database)
    report = check_store(home, database=database, deep=True)
    assert report.problems == ()
    assert written[0] in {path.name for path in (home / "blobs").rglob("*")}


def test_a_restore_over_a_database_is_refused(filled, address, tmp_path):
    write_backup(filled.home, tmp_path / "backup", database=address)
    home = filled.home if address is None else tmp_path / "empty"
    with pytest.raises(BackupRefusedError, match=r"has a database already|is not empty") as caught:
        restore_backup(tmp_path / "backup", home, database=address)
    assert explain(caught.value).code == 2


def test_a_lost_blob_is_named_and_the_rest_is_saved(filled, address, elsewhere, tmp_path):
    with filled.reading() as connection:
        lost = connection.execute(select(Blob.sha256)).scalars().first()
    filled.blobs.path(lost).unlink()
    report = check_store(filled.home, database=address)
    assert report.problems == (f"blob {lost} is named by a row and is not there",)
    manifest = write_backup(filled.home, tmp_path / "backup", database=address)
    assert manifest.missing == (lost,)
    assert manifest.blobs > 0


def test_only_a_deep_check_reads_the_content_of_blobs(filled, address):
    with filled.reading() as connection:
        sha256 = connection.execute(select(Blob.sha256)).scalars().first()
    path = filled.blobs.path(sha256)
    path.chmod(0o644)
    path.write_bytes(b"other")
    assert check_store(filled.home, database=address).problems == ()
    (problem,) = check_store(filled.home, database=address, deep=True).problems
    assert sha256 in problem


@pytest.mark.parametrize("harm", ["cut", "changed", "newer", "no manifest"])
def test_a_backup_that_is_not_whole_is_refused_and_leaves_the_home_empty(
    filled, address, elsewhere, tmp_path, harm
):
    write_backup(filled.home, tmp_path / "backup", database=address)
    note = tmp_path / "backup" / "backup.json"
    said = json.loads(note.read_text())
    error: type[Exception] = BackupRefusedError
    match harm:
        case "cut":
            (tmp_path / "backup" / max(said["files"], key=lambda file: "run" in file)).write_bytes(
                b""
            )
        case "changed":
            next(p for p in (tmp_path / "backup" / "blobs").rglob("*") if p.is_file()).write_bytes(
                b""
            )
        case "newer":
            note.write_text(json.dumps({**said, "revision": "9999"}))
            error = SchemaVersionError
        case _:
            note.unlink()
    home, database = elsewhere
    with pytest.raises(error) as caught:
        restore_backup(tmp_path / "backup", home, database=database)
    assert explain(caught.value).code == 2
    assert not (home / "hotfire.db").exists()


def leave_out_a_blob(backup: Path) -> None:
    """Take a blob away that the manifest promises, so that only the check can notice."""
    next(path for path in (backup / "blobs").rglob("*") if path.is_file()).unlink()


def let_a_row_point_nowhere(backup: Path) -> None:
    """Remove the runs, and make the manifest agree, as a defect of the writer would."""
    note = backup / "backup.json"
    said = json.loads(note.read_text())
    (name,) = (name for name in said["files"] if name.endswith(("hotfire.db", "/run.copy")))
    if name.endswith(".db"):
        with closing(sqlite3.connect(backup / name)) as connection:
            connection.execute("DELETE FROM run")
            connection.commit()
    else:
        (backup / name).write_bytes(b"")
    said["files"][name] = digest_of(backup / name)
    note.write_text(json.dumps(said))


@pytest.mark.parametrize("harm", [leave_out_a_blob, let_a_row_point_nowhere])
def test_what_fails_the_check_after_a_restore_leaves_nothing_behind(
    filled, address, elsewhere, tmp_path, harm
):
    write_backup(filled.home, tmp_path / "whole", database=address)
    write_backup(filled.home, tmp_path / "backup", database=address)
    harm(tmp_path / "backup")
    home, database = elsewhere
    before = BlobStore(home / "blobs").put_bytes(b"was there before")
    with pytest.raises(BackupRefusedError, match="is not there|do not fit") as caught:
        restore_backup(tmp_path / "backup", home, database=database)
    assert explain(caught.value).code == 2
    left = {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}
    assert left == {
        "maintenance.lock",
        f"blobs/sha256/{before.sha256[:2]}/{before.sha256}",
    }
    with pytest.raises(DatabaseUnusableError, match=r"has no hotfire\.db|is empty"):
        check_store(home, database=database)
    restore_backup(tmp_path / "whole", home, database=database)
    assert check_store(home, database=database, deep=True).problems == ()


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_database_that_appeared_during_a_restore_is_not_replaced(filled, tmp_path, monkeypatch):
    # On PostgreSQL the restore is one transaction.
    write_backup(filled.home, tmp_path / "backup")
    home = tmp_path / "elsewhere"

    def appear(connection, blobs, *, known):
        (home / "hotfire.db").write_bytes(b"somebody else's")
        return ()

    monkeypatch.setattr(restoring, "problems_of", appear)
    with pytest.raises(BackupRefusedError, match="has a database already"):
        restore_backup(tmp_path / "backup", home)
    assert (home / "hotfire.db").read_bytes() == b"somebody else's"


def test_what_a_killed_restore_left_is_no_hindrance(filled, address, elsewhere, tmp_path):
    write_backup(filled.home, tmp_path / "backup", database=address)
    home, database = elsewhere
    (home / restoring.BESIDE / "blobs").mkdir(parents=True)
    (home / restoring.BESIDE / "hotfire.db").write_bytes(b"half")
    restore_backup(tmp_path / "backup", home, database=database)
    assert check_store(home, database=database, deep=True).problems == ()
    assert not (home / restoring.BESIDE).exists()


def test_what_is_no_backup_is_refused(tmp_path):
    (tmp_path / "file.tar").write_bytes(b"not a tar")
    for name in ("file.tar", "none.tar"):
        with pytest.raises(BackupRefusedError, match="no .*backup"):
            restore_backup(tmp_path / name, tmp_path / "home")


def test_a_backup_never_overwrites_and_two_do_not_run_at_once(filled, address, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(BackupRefusedError, match="exists already"):
        write_backup(filled.home, tmp_path / "there", database=address)
    with maintenance(filled.home), pytest.raises(RequestRefusedError, match="under way"):
        write_backup(filled.home, tmp_path / "backup", database=address)


def test_a_check_tells_an_old_a_newer_and_an_empty_database_apart(filled, address):
    assert check_store(filled.home, database=address).problems == ()
    with filled.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaVersionError, match="9999") as caught:
        check_store(filled.home, database=address)
    assert explain(caught.value).code == 2
    with filled.writing() as connection:
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{schema.HEAD}'"))
    schema.downgrade(filled.write_engine, "0001")
    report = check_store(filled.home, database=address)
    assert "revision 0001" in report.problems[0]
    assert report.remedy == "hotfire serve db upgrade"
    schema.downgrade(filled.write_engine, "base")
    with pytest.raises(DatabaseUnusableError, match="is empty"):
        check_store(filled.home, database=address)


def test_read_manifest_names_what_is_missing(tmp_path):
    with pytest.raises(BackupRefusedError, match="no whole backup"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/../../out"])
def test_an_archive_that_reaches_out_of_its_folder_is_refused(tmp_path, name):
    source = tmp_path / "inner" / "backup.tar"
    source.parent.mkdir()
    with tarfile.open(source, "w") as file:
        member = tarfile.TarInfo(name)
        member.size = 1
        file.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(BackupRefusedError, match="no plain file below its folder"), reading(source):
        pass
    assert not (tmp_path / "out").exists()


def test_a_link_in_an_archive_is_refused(tmp_path):
    source = tmp_path / "backup.tar"
    with tarfile.open(source, "w") as file:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(member)
    with pytest.raises(BackupRefusedError, match="no plain file below its folder"), reading(source):
        pass
