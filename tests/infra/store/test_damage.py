"""A database that cannot be used is one clear error with its remedy, never a defect of ours."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import literal_column, select, text

from hotfire_infra.cli.problems import explain
from hotfire_infra.errors import DatabaseDamagedError, DatabaseUnusableError
from hotfire_infra.operations.health import Level, check_home
from hotfire_infra.store import queries
from hotfire_infra.store.database import open_store
from hotfire_infra.store.models import Run

RUN_STATE = Run.__table__.c.state.type


@pytest.fixture
def home(tmp_path: Path, empty_database: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir()
    shutil.copy(empty_database, made)
    return made


def overwritten(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("harm", [overwritten, cut_in_half])
def test_a_damaged_database_is_said_with_the_way_out(home: Path, harm) -> None:
    harm(home / "hotfire.db")
    with pytest.raises(DatabaseDamagedError, match="is damaged") as caught:
        open_store(home)
    problem = explain(caught.value)
    assert problem.next_command == f"mv {home} {home}.damaged"
    assert problem.code == 3


def test_a_database_that_cannot_be_opened_names_its_file(home: Path) -> None:
    (home / "hotfire.db").unlink()
    (home / "hotfire.db").mkdir()
    with pytest.raises(DatabaseUnusableError, match="hotfire.db cannot be opened") as caught:
        open_store(home)
    assert explain(caught.value).code == 2


def test_a_read_only_file_system_is_named_as_such(home: Path, monkeypatch) -> None:
    told = os.statvfs(home)
    read_only = SimpleNamespace(f_flag=told.f_flag | os.ST_RDONLY)
    monkeypatch.setattr(os, "statvfs", lambda _: read_only)
    (home / "hotfire.db").unlink()
    (home / "hotfire.db").mkdir()
    with pytest.raises(DatabaseUnusableError, match="mounted read-only; mount it for writing"):
        open_store(home)
    finding = check_home(home)
    assert finding.level is Level.FAIL
    assert "mounted read-only" in finding.said
    assert "chown" not in finding.remedy


@pytest.mark.parametrize("seed", range(15))
def test_whatever_page_is_overwritten_the_database_works_or_is_said_to_be_damaged(
    home: Path, seed: int
) -> None:
    dump = (Path(__file__).parent / "dumps" / "0001.sqlite.sql").read_text(encoding="utf-8")
    (home / "hotfire.db").unlink()
    with closing(sqlite3.connect(home / "hotfire.db")) as connection:
        connection.executescript(dump)
    content = bytearray((home / "hotfire.db").read_bytes())
    chance = random.Random(seed)
    for _ in range(chance.choice([1, 3, 10])):
        size = chance.choice([16, 512, 4096])
        begin = chance.randrange(4096, len(content) - size)
        content[begin : begin + size] = chance.randbytes(size)
    (home / "hotfire.db").write_bytes(content)
    # Any other error than this one fails the test.
    with suppress(DatabaseDamagedError):
        read_everything(home)


def read_everything(home: Path) -> None:
    store = open_store(home)
    try:
        with store.reading() as connection:
            for run in queries.newest_runs(connection):
                queries.snapshot(connection, run.id)
        with store.writing() as connection:
            connection.execute(text("UPDATE run SET headline = headline || '.'"))
    finally:
        store.close()


def test_a_value_that_nobody_wrote_is_damage_and_a_defect_of_ours_is_not(any_store) -> None:
    def read() -> None:
        with any_store.reading() as connection:
            connection.execute(select(literal_column("'dancing'", RUN_STATE))).all()

    with pytest.raises(DatabaseDamagedError, match="dancing"):
        read()
    with pytest.raises(ValueError, match="ours"), any_store.reading():
        raise ValueError("ours")
