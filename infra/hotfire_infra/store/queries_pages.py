"""Pages of lists that grow for years: each reads about as many rows as it returns, by its keys.

Every function takes `after`, the key of the last item of the page before (None: the first page), and
returns a `Page` whose `after` is the key for the next one (None: this was the last).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Connection, func, select, tuple_

from hotfire_infra.store import queries_measurements, queries_tests
from hotfire_infra.store.models import Attempt, Measurement, Result, Task, Verdict
from hotfire_infra.store.queries_measurements import MeasurementRow
from hotfire_infra.store.queries_tests import ResultRow

T = TypeVar("T")
Key = tuple[int, ...]
SMALLEST_CHUNK = 4


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list, in its order."""

    items: tuple[T, ...]
    after: Key | None
    """Of the last item that was looked at; None behind the end."""


def _cut(keys: Sequence[Key], limit: int) -> tuple[Sequence[Key], Key | None]:
    """Split `limit + 1` keys into those of the page and the key to go on behind."""
    page = keys[:limit]
    return page, (tuple(page[-1]) if len(keys) > limit else None)


def _in_chunks(
    read: Callable[[Key | None], Sequence[Key]], after: Key | None, size: int
) -> Iterator[Key]:
    """Yield the keys of one list, reading on only when they are asked for."""
    while True:
        keys = read(after)
        yield from keys
        if len(keys) < size:
            return
        after = keys[-1]


def _take(lists: Sequence[Iterator[Key]], limit: int, *, newest_first: bool) -> list[Key]:
    merged = heapq.merge(*lists, reverse=newest_first)
    return [key for key, _ in zip(merged, range(limit + 1), strict=False)]


def verdicts_page(
    connection: Connection,
    run_id: int,
    *,
    limit: int,
    after: Key | None = None,
    verdicts: Sequence[str] | None = None,
    cell_id: int | None = None,
) -> Page[Key]:
    """Return (cell, test) of verdicts of a run in the order of that key, perhaps of some kinds."""

    def list_of(verdict: str | None) -> Iterator[Key]:
        size = limit + 1 if verdict is None else _share(limit, len(verdicts or ()))
        query = (
            select(Verdict.cell_id, Verdict.test_id)
            .where(Verdict.run_id == run_id)
            .order_by(Verdict.cell_id, Verdict.test_id)
            .limit(size)
        )
        if verdict is not None:
            query = query.where(Verdict.verdict == verdict)
        if cell_id is not None:
            query = query.where(Verdict.cell_id == cell_id)

        def read(behind: Key | None) -> Sequence[Key]:
            more = query
            if behind is not None and cell_id is not None:
                first = behind[1] if behind[0] >= cell_id else 0
                more = query.where(Verdict.test_id > first)
            elif behind is not None:
                more = query.where(tuple_(Verdict.cell_id, Verdict.test_id) > behind)
            return [tuple(row) for row in connection.execute(more)]

        return _in_chunks(read, after, size)

    kinds: Sequence[str | None] = [None] if verdicts is None else list(dict.fromkeys(verdicts))
    keys = _take([list_of(kind) for kind in kinds], limit, newest_first=False)
    page, onward = _cut(keys, limit)
    return Page(tuple(page), onward)


def _share(limit: int, lists: int) -> int:
    """Return how many keys of each of several lists to read at once."""
    return max(SMALLEST_CHUNK, 2 * limit // max(1, lists))


def attempts_keys(
    connection: Connection,
    run_id: int,
    *,
    limit: int,
    after: Key | None = None,
    cell_id: int | None = None,
) -> Page[Key]:
    """Return (task, number, attempt) of attempts of a run, in the order of its plan."""
    query = (
        select(Attempt.task_id, Attempt.number, Attempt.id)
        .join(Task, Task.id == Attempt.task_id)
        .where(Task.run_id == run_id)
        .order_by(Task.id, Attempt.number)
        .limit(limit + 1)
    )
    if cell_id is not None:
        query = query.where(Task.cell_id == cell_id)
    if after is not None:
        query = query.where(
            Task.id >= after[0],
            (Task.id > after[0]) | (Attempt.number > after[1]),
        )
    keys = [tuple(row) for row in connection.execute(query)]
    page, onward = _cut(keys, limit)
    return Page(tuple(page), onward)


def variants_of_test(connection: Connection, test_id: int) -> tuple[int, ...]:
    """Return the variants that a test has results of, one seek in the index each."""
    found: list[int] = []
    while True:
        query = select(func.min(Result.variant_id)).where(Result.test_id == test_id)
        if found:
            query = query.where(Result.variant_id > found[-1])
        following = connection.execute(query).scalar()
        if following is None:
            return tuple(found)
        found.append(int(following))


def result_keys(
    connection: Connection,
    test_id: int,
    *,
    limit: int,
    after: Key | None = None,
    variant_id: int | None = None,
) -> Page[Key]:
    """Return (attempt, seq) of results of a test, newest attempt first."""
    variants = variants_of_test(connection, test_id) if variant_id is None else (variant_id,)
    size = _share(limit, len(variants))

    def list_of(variant: int) -> Iterator[Key]:
        query = (
            select(Result.attempt_id, Result.seq)
            .where(Result.test_id == test_id, Result.variant_id == variant)
            .order_by(Result.attempt_id.desc(), Result.seq.desc())
            .limit(size)
        )

        def read(behind: Key | None) -> Sequence[Key]:
            more = query
            if behind is not None:
                # The bound on the attempt alone is what the index understands.
                more = query.where(
                    Result.attempt_id <= behind[0],
                    tuple_(Result.attempt_id, Result.seq) < behind,
                )
            return [tuple(row) for row in connection.execute(more)]

        return _in_chunks(read, after, size)

    keys = _take([list_of(variant) for variant in variants], limit, newest_first=True)
    page, onward = _cut(keys, limit)
    return Page(tuple(page), onward)


def history_page(
    connection: Connection,
    test_id: int,
    *,
    limit: int,
    after: Key | None = None,
    variant_id: int | None = None,
) -> Page[ResultRow]:
    """Return results of a test with their evidence, newest first; invalidated ones are left out."""
    keys = result_keys(connection, test_id, limit=limit, after=after, variant_id=variant_id)
    return Page(queries_tests.results_with_keys(connection, keys.items), keys.after)


def points_page(
    connection: Connection, series: str, *, limit: int, after: Key | None = None
) -> Page[MeasurementRow]:
    """Return points of a series, newest month and attempt first."""
    key = (Measurement.month, Measurement.attempt_id, Measurement.seq)
    query = (
        select(*key)
        .where(Measurement.series_key == series)
        .order_by(*(column.desc() for column in key))
        .limit(limit + 1)
    )
    if after is not None:
        query = query.where(
            tuple_(Measurement.month, Measurement.attempt_id) <= after[:2], tuple_(*key) < after
        )
    page, onward = _cut([tuple(row) for row in connection.execute(query)], limit)
    return Page(queries_measurements.points_with_keys(connection, page), onward)
