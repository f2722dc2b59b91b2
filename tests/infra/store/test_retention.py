"""Old rows go by policy, exactly as the dry run said, and nothing that is needed goes with them."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from sqlalchemy import event, func, insert, inspect, select, update

from hotfire_infra.sections.retention import KeepSection, RetentionSection
from hotfire_infra.states import Role, RunState, TaskState
from hotfire_infra.store import removal, results
from hotfire_infra.store.audit import local_entry, record_audit
from hotfire_infra.store.dictionaries import intern_messages
from hotfire_infra.store.invalidations import Predicate, invalidate, withdraw
from hotfire_infra.store.models import (
    Artifact,
    Attempt,
    Audit,
    Blob,
    Hold,
    Login,
    Measurement,
    MeasurementMonth,
    Message,
    Outbox,
    RecordedInventory,
    Result,
    ResultMonth,
    Run,
    Task,
    Verdict,
)
from hotfire_infra.store.partitions import ensure_partitions
from hotfire_infra.store.queries_pages import points_page
from hotfire_infra.store.removal import remove_rows
from hotfire_infra.store.retention import prune, runs_to_prune
from hotfire_infra.store.rollups import quantile, roll_up
from hotfire_infra.store.sweeping import sweep_blobs

DAY = 86_400_000_000_000
MARCH = int(datetime(2026, 3, 10, tzinfo=UTC).timestamp()) * 1_000_000_000
APRIL = MARCH + 31 * DAY
OLD = 1_000_000_000
"""Seconds since 1970 for the time of a file."""


@pytest.fixture
def runs(store, make_stand, make_plan) -> list[int]:
    """Four finished runs of March, a day apart; nothing else needs them."""
    stand = make_stand()
    made = [stand.run(make_plan({"kernels": ["m/s/one", "m/s/two"]})).run.id for _ in range(4)]
    with store.writing() as connection:
        connection.execute(RecordedInventory.__table__.delete())
        for place, run_id in enumerate(made):
            created = update(Run).where(Run.id == run_id)
            connection.execute(created.values(created_ns=MARCH + place * DAY))
    return made


def attempt_of(connection, run_id: int) -> int:
    query = select(Attempt.id).join(Task, Task.id == Attempt.task_id).where(Task.run_id == run_id)
    return int(connection.execute(query).scalars().first())


def add_points(connection, run_id: int, values: list[float], *, valid: bool = True) -> None:
    attempt = attempt_of(connection, run_id)
    test, variant = connection.execute(select(Result.test_id, Result.variant_id)).first()
    results.insert_rows(
        connection,
        results.MEASUREMENT,
        [
            (202603, attempt, 500 + n + 100 * valid, test, variant, "latency", 1, "s", value,
             "median", "[]", "[]", 1, None, None, None, valid, "", "d")
            for n, value in enumerate(values)
        ],
    )  # fmt: skip
    connection.execute(update(Measurement).values(series_key="s" * 64))


def count(store, model) -> int:
    with store.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(model)).scalar_one())


def chosen(store, policy: RetentionSection, kind: str = "results", now: int = APRIL) -> list[int]:
    with store.reading() as connection:
        return runs_to_prune(connection, policy, kind, now)


def keeping(**values) -> RetentionSection:
    return RetentionSection(
        results=KeepSection(**values), measurements=KeepSection(**values), baseline_runs=1
    )


def test_without_a_policy_everything_stays(store, runs):
    assert chosen(store, RetentionSection()) == []


def test_days_and_runs_each_keep(store, runs):
    assert chosen(store, keeping(runs=1)) == runs[:3]
    assert chosen(store, keeping(days=29)) == runs[:2]
    assert chosen(store, keeping(days=29, runs=3)) == runs[:1]


def test_the_baseline_of_series_stays_though_its_age_is_past(store, runs):
    policy = RetentionSection(measurements=KeepSection(days=1), baseline_runs=3)
    assert chosen(store, policy, "measurements") == runs[:1]


def reopened(connection, runs):
    connection.execute(update(Run).where(Run.id == runs[0]).values(state=RunState.RUNNING))


def retried(connection, runs):
    connection.execute(
        update(Run).where(Run.id == runs[3]).values(state=RunState.RUNNING, parent_run_id=runs[0])
    )


def held(connection, runs):
    connection.execute(
        insert(Hold).values(
            ulid="u", attempt_id=attempt_of(connection, runs[0]), reason="", held_by="me",
            boot_id="b", until_mono_ns=0, until_ns=0, cpus=1,
        )
    )  # fmt: skip


def reused(connection, runs):
    origin = attempt_of(connection, runs[0])
    connection.execute(
        update(Task)
        .where(Task.run_id == runs[3])
        .values(origin_attempt_id=origin, resolution=TaskState.REUSED)
    )


def expected(connection, runs):
    query = select(Task.run_id).where(Task.run_id == runs[0])
    assert connection.execute(query).first() is not None
    digest = connection.execute(select(func.min(results_inventory()))).scalar()
    connection.execute(
        insert(RecordedInventory).values(
            pipeline="small", cell_key="kernels", digest=digest, run_id=runs[0]
        )
    )


def results_inventory():
    from hotfire_infra.store.models import Inventory

    return Inventory.digest


@pytest.mark.parametrize("need", [reopened, retried, held, reused, expected])
def test_what_is_needed_stays(store, runs, need):
    assert runs[0] in chosen(store, keeping(runs=1))
    with store.writing() as connection:
        need(connection, runs)
    assert runs[0] not in chosen(store, keeping(runs=1))


def test_a_dry_run_says_exactly_what_goes_and_takes_nothing(store, runs):
    with store.writing() as connection:
        add_points(connection, runs[0], [1.0, 2.0])
    before = {model: count(store, model) for model in (Result, Verdict, Measurement)}
    said = prune(store, keeping(runs=1), APRIL, dry_run=True)
    assert {model: count(store, model) for model in before} == before
    assert prune(store, keeping(runs=1), APRIL, dry_run=False) == said
    assert all(portion.rows and portion.bytes for portion in said.portions)
    by_table = {portion.table: portion.rows for portion in said.portions}
    for model, rows in before.items():
        assert count(store, model) == rows - by_table[model.__tablename__]
    assert count(store, Result) == 2
    assert count(store, Run) == 4
    assert prune(store, keeping(runs=1), APRIL, dry_run=False).portions == ()


def test_months_remain_as_rollups_when_their_rows_went(store, runs):
    with store.writing() as connection:
        add_points(connection, runs[0], [3.0, 1.0, 2.0, 4.0])
        add_points(connection, runs[0], [9.0], valid=False)
    prune(store, keeping(runs=1), APRIL, dry_run=False)
    for _ in range(2):
        with store.reading() as connection:
            month = connection.execute(select(*MeasurementMonth.__table__.c)).one()
            sums = connection.execute(select(*ResultMonth.__table__.c)).all()
        assert (month.points, month.invalid, month.lowest, month.highest) == (4, 1, 1.0, 4.0)
        assert month.median == 2.5
        assert month.quantiles == pytest.approx([1.15, 1.75, 3.25, 3.85])
        assert [(row.month, row.passed, row.failed) for row in sums] == [(202603, 4, 0)] * 2
        # Once more, now that most rows are gone: the rollups stand.
        roll_up(store, APRIL)


def test_a_month_with_an_open_run_is_not_rolled_up(store, runs):
    with store.writing() as connection:
        reopened(connection, runs)
    assert roll_up(store, APRIL) == []
    assert roll_up(store, MARCH) == []


def test_invalidated_and_diagnostic_attempts_do_not_count(store, runs):
    with store.writing() as connection:
        attempt = attempt_of(connection, runs[0])
        connection.execute(
            update(Attempt).where(Attempt.id == attempt).values(purpose="differential")
        )
    assert roll_up(store, APRIL) == [202603]
    with store.reading() as connection:
        assert set(connection.execute(select(ResultMonth.passed)).scalars()) == {3}


def test_runs_for_a_question_of_the_gate_do_not_count(store, runs):
    with store.writing() as connection:
        add_points(connection, runs[0], [1.0])
        connection.execute(update(Run).where(Run.id == runs[0]).values(purpose="merge-base"))
    roll_up(store, APRIL)
    with store.reading() as connection:
        assert set(connection.execute(select(ResultMonth.passed)).scalars()) == {3}
        assert connection.execute(select(MeasurementMonth.points)).all() == []
        assert points_page(connection, "s" * 64, limit=10).items == ()


def month_of_points(store) -> tuple[int, float | None, int]:
    with store.reading() as connection:
        row = connection.execute(select(*MeasurementMonth.__table__.c)).one()
        passed = connection.execute(select(func.sum(ResultMonth.passed))).scalar_one()
    return row.points, row.highest, passed


def test_an_invalidation_and_its_withdrawal_make_the_month_again(store, runs, clock):
    clock.advance((APRIL - clock.wall_ns()) / 1e9)
    with store.writing() as connection:
        add_points(connection, runs[0], [1.0, 2.0])
        connection.execute(update(Attempt).values(pool="other"))
        bad = attempt_of(connection, runs[0])
        connection.execute(update(Attempt).where(Attempt.id == bad).values(pool="bad"))
    roll_up(store, APRIL)
    assert month_of_points(store) == (2, 2.0, 8)
    decided = invalidate(store, Predicate(pools=("bad",)), reason="driver", requested_by="me")
    assert month_of_points(store) == (0, None, 6)
    withdraw(store, decided.ulid, reason="wrong", requested_by="me")
    assert month_of_points(store) == (2, 2.0, 8)


def test_a_month_whose_rows_went_keeps_its_rollup_whatever_is_invalidated(store, runs, clock):
    clock.advance((APRIL - clock.wall_ns()) / 1e9)
    with store.writing() as connection:
        connection.execute(update(Attempt).values(pool="bad"))
    prune(store, keeping(runs=1), APRIL, dry_run=False)
    invalidate(store, Predicate(pools=("bad",)), reason="driver", requested_by="me")
    with store.reading() as connection:
        assert set(connection.execute(select(ResultMonth.passed)).scalars()) == {4}


def test_quantiles_lie_between_points():
    assert quantile([5.0], 0.95) == 5.0
    assert quantile([0.0, 10.0], 0.25) == 2.5


def give_message(connection, run_id: int, text: str, column: str) -> int:
    key = intern_messages(connection, [text])[text]
    attempt = attempt_of(connection, run_id)
    mine = update(Result).where(Result.attempt_id == attempt)
    connection.execute(mine.values({column: key}))
    return key


@pytest.mark.parametrize("column", ["message_id", "detail_id"])
def test_messages_go_with_the_last_result_that_has_them(store, runs, column):
    with store.writing() as connection:
        give_message(connection, runs[0], "only old", "message_id")
        kept = give_message(connection, runs[0], "old and new", column)
        give_message(connection, runs[3], "old and new", column)
        give_message(connection, runs[1], "only in a verdict", "message_id")
        noted = intern_messages(connection, ["only in a verdict"])["only in a verdict"]
        mine = update(Verdict).where(Verdict.run_id == runs[3])
        connection.execute(mine.values(message_id=noted))
    said = prune(store, keeping(runs=1), APRIL, dry_run=True)
    assert prune(store, keeping(runs=1), APRIL, dry_run=False) == said
    with store.reading() as connection:
        left = set(connection.execute(select(Message.id)).scalars())
    by_table = {portion.table: portion.rows for portion in said.portions}
    assert ({kept, noted}, by_table["message"]) == (left, 1)


def test_a_large_removal_takes_many_short_transactions(store, runs, monkeypatch):
    monkeypatch.setattr(removal, "ROWS_AT_ONCE", 5)
    monkeypatch.setattr(removal, "TRANSACTION_S", 0.0)
    with store.writing() as connection:
        add_points(connection, runs[0], [float(n) for n in range(18)])
    begun = []
    event.listen(store.write_engine, "begin", begun.append)
    assert remove_rows(store, Measurement, runs[:1]) == 18
    assert count(store, Measurement) == 0
    assert len(begun) == 4


def test_a_month_that_goes_whole_is_dropped_on_postgresql(store, runs, dialect):
    with store.writing() as connection:
        add_points(connection, runs[0], [1.0, 2.0])
        ensure_partitions(connection, MARCH)
    with store.reading() as connection:
        before = set(inspect(connection).get_table_names())
    assert ("measurement_202603" in before) == (dialect == "postgresql")
    prune(store, keeping(runs=1), APRIL, dry_run=False)
    assert count(store, Measurement) == 0
    with store.reading() as connection:
        assert "measurement_202603" not in set(inspect(connection).get_table_names())
        assert connection.execute(select(MeasurementMonth.points)).scalar_one() == 2


def test_a_month_with_points_of_a_kept_run_is_not_dropped(store, runs):
    with store.writing() as connection:
        add_points(connection, runs[0], [1.0, 2.0])
        add_points(connection, runs[3], [3.0])
        ensure_partitions(connection, MARCH)
    prune(store, keeping(runs=1), APRIL, dry_run=False)
    assert count(store, Measurement) == 1


def test_events_of_old_runs_go(store, runs):
    policy = RetentionSection(events=KeepSection(runs=3))
    (portion,) = prune(store, policy, APRIL, dry_run=False).portions
    assert portion.table == "outbox"
    with store.reading() as connection:
        assert runs[0] not in set(connection.execute(select(Outbox.run_id)).scalars())


def aged_blob(store, content: bytes) -> str:
    sha256 = store.blobs.put_bytes(content).sha256
    os.utime(store.blobs.path(sha256), (OLD, OLD))
    return sha256


def test_a_blob_that_no_row_names_goes_after_the_grace(store, runs):
    with store.writing() as connection:
        orphan, young = aged_blob(store, b"orphan"), store.blobs.put_bytes(b"young").sha256
        results.insert_rows(connection, results.BLOB, [(orphan, 6)])
    assert sweep_blobs(store, grace_s=3600, dry_run=True).bytes == 6
    assert store.blobs.path(orphan).exists()
    assert sweep_blobs(store, grace_s=3600, dry_run=False).blobs == 1
    assert not store.blobs.path(orphan).exists()
    assert store.blobs.path(young).exists()
    with store.reading() as connection:
        assert orphan not in set(connection.execute(select(Blob.sha256)).scalars())


def test_artifacts_go_with_their_blobs_and_plans_stay(store, runs):
    with store.writing() as connection:
        sha256 = aged_blob(store, b"artifact")
        results.insert_rows(connection, results.BLOB, [(sha256, 8)])
        row = (attempt_of(connection, runs[0]), "out.bin", sha256, 8, "")
        results.insert_rows(connection, results.ARTIFACT, [row])
        plans = set(connection.execute(select(Run.plan_sha256)).scalars())
    for plan in plans:
        os.utime(store.blobs.path(plan), (OLD, OLD))
    policy = RetentionSection(artifacts=KeepSection(runs=1))
    said = prune(store, policy, APRIL, dry_run=True)
    assert said.blobs.blobs == 1
    assert prune(store, policy, APRIL, dry_run=False) == said
    assert not store.blobs.path(sha256).exists()
    assert all(store.blobs.path(plan).exists() for plan in plans)
    assert count(store, Artifact) == 0


def test_content_stored_again_is_not_swept_before_its_row_arrives(store, runs):
    sha256 = aged_blob(store, b"content")
    store.blobs.put_bytes(b"content")
    assert sweep_blobs(store, grace_s=3600, dry_run=False).blobs == 0
    assert store.blobs.read(sha256) == b"content"


def test_a_touch_in_the_middle_of_a_sweep_puts_the_blob_back(store, runs, monkeypatch):
    sha256 = aged_blob(store, b"content")
    from hotfire_infra.store import sweeping

    real = sweeping._named_of

    def touched_meanwhile(connection, digests):
        named = real(connection, digests)
        store.blobs.put_bytes(b"content")
        return named

    monkeypatch.setattr(sweeping, "_named_of", touched_meanwhile)
    assert sweep_blobs(store, grace_s=3600, dry_run=False).blobs == 0
    assert store.blobs.read(sha256) == b"content"


def test_a_prune_that_takes_nothing_makes_the_rollups_of_new_months(store, runs):
    assert prune(store, RetentionSection(), APRIL, dry_run=True).portions == ()
    assert count(store, ResultMonth) == 0
    prune(store, RetentionSection(), APRIL, dry_run=False)
    assert count(store, ResultMonth) == 2


def test_old_lines_of_the_audit_log_and_ended_sessions_go_and_fresh_ones_stay(store):
    now = APRIL + 1000 * DAY
    with store.writing() as connection:
        for at_ns in (now - 401 * DAY, now - 399 * DAY):
            record_audit(connection, local_entry("ada", "cancel", "run 1"), at_ns)
        for number, expires_ns in enumerate((now - 401 * DAY, now + DAY)):
            values = {
                "cookie_sha256": f"{number:064d}", "subject": "user:1", "name": "Ada",
                "role": Role.VIEWER, "created_ns": 1, "expires_ns": expires_ns,
            }  # fmt: skip
            connection.execute(insert(Login).values(**values))
    keeps_all = RetentionSection(access_days=None)
    assert prune(store, keeps_all, now, dry_run=False).portions == ()
    asked = prune(store, RetentionSection(), now, dry_run=True)
    done = prune(store, RetentionSection(), now, dry_run=False)
    assert asked.portions == done.portions
    assert {(one.table, one.rows) for one in done.portions} == {("audit", 1), ("login", 1)}
    with store.reading() as connection:
        left = [connection.execute(select(func.count(m.id))).scalar() for m in (Audit, Login)]
    assert left == [1, 1]
