"""Take rows of pruned runs away while work goes on: in transactions so short that nobody waits.

On PostgreSQL a month of measurements that goes as a whole is dropped with its partition.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, inspect, select, text

from hotfire_infra.errors import DatabaseBusyError
from hotfire_infra.store.database import Store
from hotfire_infra.store.keys import key_table
from hotfire_infra.store.models import (
    AccuracySample,
    Artifact,
    Attempt,
    Base,
    Collected,
    Coverage,
    LogChunk,
    Measurement,
    Message,
    Outbox,
    Record,
    Result,
    StreamProblem,
    Task,
    Verdict,
)
from hotfire_infra.store.partitions import drop_partition, month_of, name_of
from hotfire_infra.store.schema import is_partition

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 1_000
"""Rows of one statement: some ten milliseconds."""
TRANSACTION_S = 0.05
"""No further statement is begun in a transaction that has lasted so long."""
PAUSE_S = 0.005
"""Between two transactions, for whoever waits to write."""
MESSAGES_AT_ONCE = 500
LOCK_TIMEOUT_MS = 100

_CUT: dict[type[Base], Any] = {
    Verdict: Verdict.test_id,
    Outbox: Outbox.id,
    Result: Result.seq,
    Collected: Collected.test_id,
    Record: Record.seq,
    StreamProblem: StreamProblem.offset,
    AccuracySample: AccuracySample.seq,
    Coverage: Coverage.path,
    Measurement: Measurement.seq,
    LogChunk: LogChunk.offset,
    Artifact: Artifact.name,
}
"""The column by which the rows of one owner, a run or an attempt, are taken in batches."""


def remove_rows(
    store: Store,
    model: type[Base],
    runs: Sequence[int],
    *,
    monotonic: Callable[[], float] = time.monotonic,
) -> int:
    """Remove the rows of some runs from one table; return how many went."""
    owner: Any = model.run_id if model in (Verdict, Outbox) else model.attempt_id  # type: ignore[attr-defined]
    owners = list(runs) if model in (Verdict, Outbox) else _attempts_of(store, runs)
    removed, place = 0, 0
    while place < len(owners):
        begin = monotonic()
        with store.writing() as connection:
            is_due = False
            while place < len(owners) and not is_due:
                went = _remove_some(connection, model, owner == owners[place])
                removed += went
                # The cut may take a few rows more, never fewer while there are any.
                place += went < ROWS_AT_ONCE
                is_due = monotonic() - begin >= TRANSACTION_S
        time.sleep(PAUSE_S)
    return removed


def _remove_some(connection: Connection, model: type[Base], whose: ColumnElement[bool]) -> int:
    cut = _CUT[model]
    some = select(cut).where(whose).limit(ROWS_AT_ONCE)
    statement = delete(model).where(whose, cut.in_(some.scalar_subquery()))
    return connection.execute(statement.execution_options(synchronize_session=False)).rowcount


def _attempts_of(store: Store, runs: Sequence[int]) -> list[int]:
    found: list[int] = []
    with store.reading() as connection:
        for some in portions(runs, ROWS_AT_ONCE):
            query = select(Attempt.id).join(Task, Task.id == Attempt.task_id)
            found += connection.execute(query.where(Task.run_id.in_(some))).scalars()
    return found


def portions(values: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Yield a sequence in pieces."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def without_reader(connection: Connection, gone: Sequence[int] = ()) -> ColumnElement[bool]:
    """Return the condition that no row needs a message, apart from those of runs that go."""
    in_results, in_verdicts = select(Result.seq), select(Verdict.test_id)
    if gone:
        table = key_table(connection, [(run,) for run in gone], "run_id")
        going = select(table.c.run_id).scalar_subquery()
        # Joined, not IN: SQLite would go by the attempt and read all results for each message.
        in_results = (
            in_results.join(Attempt, Attempt.id == Result.attempt_id)
            .join(Task, Task.id == Attempt.task_id)
            .where(Task.run_id.not_in(going))
        )
        in_verdicts = in_verdicts.where(Verdict.run_id.not_in(going))
    return and_(
        ~in_results.where(Result.message_id == Message.id).exists(),
        ~in_results.where(Result.detail_id == Message.id).exists(),
        ~in_verdicts.where(Verdict.message_id == Message.id).exists(),
    )


def remove_messages(store: Store) -> int:
    """Remove the messages that no result and no verdict has any more; return how many went."""
    removed, last = 0, 0
    while True:
        with store.reading() as connection:
            query = select(Message.id).where(Message.id > last, without_reader(connection))
            ids = list(
                connection.execute(query.order_by(Message.id).limit(MESSAGES_AT_ONCE)).scalars()
            )
        if not ids:
            return removed
        last = ids[-1]
        with store.writing() as connection:
            # Who stores a result with one of them holds its row until then (PostgreSQL).
            free = (
                select(Message.id)
                .where(Message.id.in_(ids), without_reader(connection))
                .with_for_update(skip_locked=True)
            )
            found = list(connection.execute(free).scalars())
            removed += connection.execute(delete(Message).where(Message.id.in_(found))).rowcount
        time.sleep(PAUSE_S)


def drop_months(store: Store, runs: Sequence[int], now_ns: int) -> list[int]:
    """Drop the partitions of past months of which all rows go; return the months. PostgreSQL only.

    A month that others read all the time stays: its rows go one after another.
    """
    if not store.is_shared or not runs:
        return []
    with store.reading() as connection:
        names = [name for name in inspect(connection).get_table_names() if is_partition(name)]
        endings = [name.rpartition("_")[2] for name in names]
        # Not the default one: what lies in it has no month of its own yet.
        candidates = sorted(int(ending) for ending in endings if ending.isdigit())
        candidates = [month for month in candidates if month < month_of(now_ns)]
        months = [month for month in candidates if not _has_others(connection, month, runs)]
    return [month for month in months if _drop(store, month, runs)]


def _drop(store: Store, month: int, runs: Sequence[int]) -> bool:
    def work(connection: Connection) -> bool:
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_MS}ms'")
        # Nothing of this month is added between the look and the drop.
        connection.exec_driver_sql(f"LOCK TABLE {name_of(month)} IN ACCESS EXCLUSIVE MODE")
        if _has_others(connection, month, runs):
            return False
        drop_partition(connection, month)
        return True

    try:
        return store.write(work)
    except DatabaseBusyError as error:
        log.info("measurements of %06d go row by row: %s", month, error)
        return False


def _has_others(connection: Connection, month: int, runs: Sequence[int]) -> bool:
    query = text(
        f"SELECT 1 FROM (SELECT DISTINCT attempt_id FROM {name_of(month)}) AS here"
        " JOIN attempt ON attempt.id = here.attempt_id JOIN task ON task.id = attempt.task_id"
        " WHERE task.run_id <> ALL(:runs) LIMIT 1"
    )
    return connection.execute(query, {"runs": list(runs)}).first() is not None
