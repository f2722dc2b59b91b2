"""A database that cannot be used is one clear error with its remedy, never a defect of ours."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from hotfire_infra.cli.problems import explain
from hotfire_infra.errors import DatabaseDamagedError, DatabaseUnusableError
from hotfire_infra.store.database import open_store


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
