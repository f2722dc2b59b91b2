"""The service keeps its store once a day, beside its work, and removes only what a rule lets go."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import func, inspect, select, update

from hotfire_infra.operations import upkeep as upkeep_module
from hotfire_infra.operations.upkeep import DELAY_SECONDS, EVERY_SECONDS, RETRY_SECONDS, Upkeep
from hotfire_infra.sections.retention import KeepSection, RetentionSection
from hotfire_infra.store.audit import local_entry, record_audit
from hotfire_infra.store.backup import maintenance
from hotfire_infra.store.models import Audit, RecordedInventory, Result, ResultMonth, Run
from hotfire_infra.store.partitions import month_of, name_of, next_month

MARCH = int(datetime(2023, 3, 10, tzinfo=UTC).timestamp()) * 1_000_000_000
DOCUMENT = Path(__file__).parents[3] / "docs" / "operations.md"
KEEP_ALL = RetentionSection(access_days=None)
KEEP_ONE = RetentionSection(results=KeepSection(runs=1))


@pytest.fixture
def two_runs(store, make_stand, make_plan):
    """A store with two finished runs of a month that is over."""
    stand = make_stand()
    for _ in range(2):
        stand.run(make_plan({"kernels": ["m/s/one"]}))
    with store.writing() as connection:
        connection.execute(RecordedInventory.__table__.delete())
        connection.execute(update(Run).values(created_ns=MARCH))
    return store


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request) -> str:
    return str(request.param)


def count(store, model) -> int:
    with store.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(model)).scalar_one())


def test_it_waits_after_the_start_and_then_for_a_day(two_runs, clock):
    upkeep = Upkeep(two_runs, RetentionSection(), leads=lambda: True)
    assert not upkeep.look()
    clock.advance(DELAY_SECONDS)
    assert upkeep.look()
    assert not upkeep.look()
    clock.advance(EVERY_SECONDS)
    assert upkeep.look()


def test_what_comes_after_it_is_done_once_a_day_and_its_trouble_waits(two_runs, clock, caplog):
    done = []

    def broken(_store):
        done.append("broken")
        raise RuntimeError("no numbers")

    upkeep = Upkeep(
        two_runs, RetentionSection(), leads=lambda: True, then=(broken, done.append)
    )  # fmt: skip
    clock.advance(DELAY_SECONDS)
    assert upkeep.look()
    assert done == ["broken", two_runs]
    assert "a daily chore failed: no numbers" in caplog.text
    clock.advance(RETRY_SECONDS)
    assert not upkeep.look()


def test_without_a_rule_months_are_summed_and_nothing_goes(two_runs, clock, dialect):
    upkeep = Upkeep(two_runs, RetentionSection(), leads=lambda: True)
    clock.advance(DELAY_SECONDS)
    assert upkeep.look()
    assert (count(two_runs, Result), count(two_runs, ResultMonth)) == (2, 1)
    with two_runs.reading() as connection:
        tables = set(inspect(connection).get_table_names())
    ahead = name_of(next_month(month_of(clock.wall_ns()), 2))
    assert (ahead in tables) == (dialect == "postgresql")


@pytest.mark.parametrize(("policy", "left"), [(RetentionSection(), 1), (KEEP_ALL, 2)])
def test_old_lines_that_name_people_go_without_a_rule_for_runs(two_runs, clock, policy, left):
    now = clock.wall_ns()
    with two_runs.writing() as connection:
        for at_ns in (now - 500 * 86_400 * 1_000_000_000, now):
            record_audit(connection, local_entry("ann", "cancel", "run 1"), at_ns)
    upkeep = Upkeep(two_runs, policy, leads=lambda: True)
    clock.advance(DELAY_SECONDS)
    assert upkeep.look()
    assert count(two_runs, Audit) == left
    assert count(two_runs, Result) == 2


def test_a_rule_lets_rows_go_and_the_log_and_the_figures_say_so(two_runs, clock, caplog):
    upkeep = Upkeep(two_runs, KEEP_ONE, leads=lambda: True)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(upkeep)
    clock.advance(DELAY_SECONDS)
    with caplog.at_level(logging.INFO, logger=upkeep_module.__name__):
        assert upkeep.look()
    assert count(two_runs, Result) == 1
    assert "the store was kept" in caplog.text
    value = registry.get_sample_value
    assert (value("hotfire_upkeep_removed_rows_total") or 0) >= 2
    assert value("hotfire_upkeep_succeeded_seconds") == clock.wall_ns() / 1e9
    listed = DOCUMENT.read_text(encoding="utf-8")
    assert all(f"`{sample.name}`" in listed for one in upkeep.collect() for sample in one.samples)


def test_its_thread_ends_with_the_service(two_runs):
    upkeep = Upkeep(two_runs, KEEP_ONE, leads=lambda: True)
    upkeep.start()
    upkeep.stop()
    assert "hotfire-upkeep" not in {thread.name for thread in threading.enumerate()}


def test_who_does_not_lead_leaves_it_alone(two_runs, clock):
    upkeep = Upkeep(two_runs, KEEP_ONE, leads=lambda: False)
    clock.advance(DELAY_SECONDS)
    assert not upkeep.look()
    assert count(two_runs, Result) == 2


def test_while_a_backup_holds_the_home_it_is_put_off(two_runs, clock, caplog):
    upkeep = Upkeep(two_runs, KEEP_ONE, leads=lambda: True)
    clock.advance(DELAY_SECONDS)
    with maintenance(two_runs.home):
        assert not upkeep.look()
    assert "under way" in caplog.text
    assert not upkeep.look()
    clock.advance(RETRY_SECONDS)
    assert upkeep.look()


def test_a_defect_is_logged_and_does_not_end_the_thread(two_runs, clock, caplog, monkeypatch):
    def broken(*_args, **_more):
        raise ValueError("a defect")

    monkeypatch.setattr(upkeep_module, "prune", broken)
    upkeep = Upkeep(two_runs, KEEP_ONE, leads=lambda: True)
    clock.advance(DELAY_SECONDS)
    assert not upkeep.look()
    assert "a defect" in caplog.text
    monkeypatch.undo()
    clock.advance(RETRY_SECONDS)
    assert upkeep.look()
