"""Reports become a run through the door of every run; twice the same is once."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from sqlalchemy import func, select

from hotfire_infra.errors import ReportRefusedError
from hotfire_infra.executors.fake import everything_passes
from hotfire_infra.ingest.formats.values import Limits
from hotfire_infra.orchestrator import importing
from hotfire_infra.orchestrator.importing import ImportWish, import_reports
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import AttemptState
from hotfire_infra.store import queries
from hotfire_infra.store.models import Artifact, Attempt, Measurement, Record, Result, Run
from hotfire_testframework.contract.exit_codes import RunnerExit

DATA = Path(__file__).parents[1] / "ingest" / "formats" / "data"
SOURCE = StoredSource(
    repository="here", revision="a" * 40, patch_digest="", subject="", archive_sha256=None
)


def wish_of(*files: Path, **more: object) -> ImportWish:
    return ImportWish(files=files, source=SOURCE, requested_by="tester", **more)


def junit(tmp_path: Path, inside: str, name: str = "r.xml", *, tail: str = "</testsuite>") -> Path:
    path = tmp_path / name
    path.write_text(f'<testsuite name="s">{inside}{tail}', encoding="utf-8")
    return path


PASSING = '<testcase classname="c" name="a" time="1.5"/>'
FAILING = '<testcase classname="c" name="b" time="2"><failure message="no"/></testcase>'


@pytest.fixture
def dialect(request) -> str:
    """SQLite; the tests that write most run on PostgreSQL too."""
    return str(getattr(request, "param", "sqlite"))


both = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def finish(make_stand):
    """Let an orchestrator judge what was imported."""
    stand = make_stand(everything_passes)
    return stand.finish


def verdicts(store, run_id: int) -> dict[str, str]:
    with store.reading() as connection:
        return {row.test: row.verdict for row in queries.verdicts_of(connection, run_id)}


@both
def test_a_green_report_is_a_passed_run_of_executor_import(store, tmp_path, finish):
    outcome = import_reports(store, wish_of(junit(tmp_path, PASSING)))
    assert finish(outcome.run_id).run.verdict == "passed"
    assert verdicts(store, outcome.run_id) == {"c/junit/a": "passed"}
    with store.reading() as connection:
        (attempt,) = queries.attempts_of(connection, outcome.run_id)
        run = connection.execute(select(Run)).one()
        result = connection.execute(select(Result)).one()
        artifact = connection.execute(select(Artifact)).one()
    assert (attempt.executor, attempt.exit_code) == ("import", RunnerExit.PASSED)
    assert run.options["import"] == [
        {"file": str(tmp_path / "r.xml"), "sha256": outcome.imported[0].sha256}
    ]
    assert result.duration_ns == 1_500_000_000
    assert artifact.sha256 == outcome.imported[0].sha256, "the report itself is kept"
    assert not (store.attempts / attempt.ulid).exists()
    assert list((store.home / "imports").iterdir()) == []


def test_a_red_report_is_a_failed_run_and_each_file_a_cell_of_its_own(store, tmp_path, finish):
    green, red = junit(tmp_path, PASSING, "g.xml"), junit(tmp_path, FAILING + PASSING, "f.xml")
    outcome = import_reports(store, wish_of(green, red))
    whole = finish(outcome.run_id)
    assert {cell.task: cell.verdict for cell in whole.cells} == {
        "g.xml": "passed",
        "f.xml": "failed",
    }
    assert whole.run.verdict == "failed"


def test_a_pass_in_one_file_does_not_excuse_a_failure_in_another(store, tmp_path, finish):
    red = '<testcase classname="c" name="a" time="1"><failure message="no"/></testcase>'
    files = junit(tmp_path, red, "one.xml"), junit(tmp_path, PASSING, "two.xml")
    assert finish(import_reports(store, wish_of(*files)).run_id).run.verdict == "failed"


@both
def test_importing_twice_does_nothing_and_says_so(store, tmp_path, finish):
    path = junit(tmp_path, PASSING)
    first = import_reports(store, wish_of(path))
    finish(first.run_id)
    copy = tmp_path / "copy.xml"
    copy.write_bytes(path.read_bytes())
    again = import_reports(store, wish_of(copy))
    assert again.run_id is None
    assert again.imported == ()
    assert [(known.file, known.run_number) for known in again.known] == [(str(copy), 1)]
    with store.reading() as connection:
        assert connection.execute(select(func.count(Run.id))).scalar() == 1


def test_the_same_file_named_twice_is_one_attempt(store, tmp_path):
    path = junit(tmp_path, PASSING)
    assert len(import_reports(store, wish_of(path, path)).imported) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"pipeline": "other"},
        {"platform": "jetson"},
        {"variant": {"build": "debug"}},
        {"source": dataclasses.replace(SOURCE, revision="b" * 40)},
    ],
)
def test_the_same_content_under_other_names_is_another_import(store, tmp_path, more):
    path = junit(tmp_path, PASSING)
    first = import_reports(store, wish_of(path))
    second = import_reports(store, dataclasses.replace(wish_of(path), **more))
    assert second.run_id not in (None, first.run_id)


def test_one_refused_file_leaves_nothing_of_all(store, tmp_path):
    with pytest.raises(ReportRefusedError, match="holds no test"):
        import_reports(store, wish_of(junit(tmp_path, PASSING), junit(tmp_path, "", "e.xml")))
    with store.reading() as connection:
        assert connection.execute(select(func.count(Run.id))).scalar() == 0
    assert list((store.home / "imports").iterdir()) == []
    assert not store.attempts.exists() or list(store.attempts.iterdir()) == []


def test_a_report_that_breaks_off_is_kept_and_never_green(store, tmp_path, finish):
    path = junit(tmp_path, PASSING + "<testcase name='x'", tail="")
    outcome = import_reports(store, wish_of(path))
    assert finish(outcome.run_id).run.verdict == "errored"
    assert verdicts(store, outcome.run_id) == {
        "c/junit/a": "passed",
        "import/report/rest of r.xml": "errored",
    }


def test_a_repaired_report_counts_and_is_marked(store, tmp_path, finish):
    path = tmp_path / "esc.xml"
    path.write_bytes(
        b'<testsuite name="s"><testcase classname="c" name="a"><system-out>\x1b[0m\x00'
        b"</system-out></testcase></testsuite>"
    )
    outcome = import_reports(store, wish_of(path))
    assert finish(outcome.run_id).run.verdict == "passed"
    with store.reading() as connection:
        bodies = dict(connection.execute(select(Record.kind, Record.body)).all())
    assert bodies["imported_report"]["degraded"]
    assert bodies["problem"]["what"].startswith("degraded: line 1")


@both
def test_reruns_of_pytest_and_surefire_become_tries(store, finish):
    files = DATA / "pytest-reruns.xml", DATA / "surefire.xml"
    outcome = import_reports(store, wish_of(*files))
    finish(outcome.run_id)
    found = {name.partition("/")[2]: v for name, v in verdicts(store, outcome.run_id).items()}
    assert found["pytest/test_fail"] == "failed"
    assert found["pytest/test_recover"] == "flaky"
    assert found["junit/flaky"] == "flaky"
    assert found["junit/fails"] == "failed"
    assert found["junit/errors"] == "errored"
    with store.reading() as connection:
        tries = connection.execute(select(func.max(Result.try_number))).scalar()
    assert tries == 4, "passed, passed, failed, and the error of its teardown"


@both
def test_measurements_come_with_unit_direction_replicates_and_series(store, finish):
    wish = wish_of(DATA / "google-benchmark.json", metrics={"cells": "ignore"})
    outcome = import_reports(store, wish)
    finish(outcome.run_id)
    with store.reading() as connection:
        rows = connection.execute(
            select(Measurement).where(Measurement.metric == "benchmark.wall_time")
        ).all()
    assert {row.unit for row in rows} == {"s"}
    assert all(len(row.replicates) == len(row.launches) == 3 for row in rows)
    assert all(row.valid and len(row.definition) == 64 for row in rows)


def test_an_import_that_dies_ends_its_attempt_and_can_be_repeated(
    store, tmp_path, monkeypatch, finish
):
    path = junit(tmp_path, PASSING)

    def die(*_: object) -> None:
        raise OSError("the disk went away")

    with monkeypatch.context() as patch:
        patch.setattr(importing, "ingest_stream", die)
        with pytest.raises(OSError, match="went away"):
            import_reports(store, wish_of(path))
    with store.reading() as connection:
        states = connection.execute(select(Attempt.state)).scalars().all()
    assert states == [AttemptState.ERRORED]
    again = import_reports(store, wish_of(path))
    assert again.run_id is not None
    assert finish(again.run_id).run.verdict == "passed"


def test_no_executor_ever_starts_an_imported_task(store, tmp_path, make_stand):
    stand = make_stand(everything_passes)
    run_id = import_reports(store, wish_of(junit(tmp_path, FAILING))).run_id
    assert stand.finish(run_id).run.verdict == "failed"
    assert stand.attempts(run_id) == [("r.xml|platform=imported", 1, "failed")]


def test_caps_hold_in_an_import(store, tmp_path):
    wish = wish_of(junit(tmp_path, PASSING * 3), limits=Limits(tests=2))
    with pytest.raises(ReportRefusedError, match="more than 2 tests"):
        import_reports(store, wish)
