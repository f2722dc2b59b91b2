"""What is different on PostgreSQL: COPY, races of writers, a server that goes away, its clock."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select, text, update

from hotfire_infra.cli.problems import explain
from hotfire_infra.errors import (
    DatabaseBusyError,
    DatabaseUnreachableError,
    DatabaseUnusableError,
    StorageFullError,
)
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.store import models, queries, queries_lists, queries_pages, results
from hotfire_infra.store.database import open_store
from hotfire_infra.store.dictionaries import intern_messages, intern_tests
from hotfire_infra.store.engine import transaction
from hotfire_infra.store.models import Blob, Message, Run
from hotfire_infra.store.postgres import PostgresClock, parse_address

PASSWORD = "not-to-be-seen"
SOURCE = StoredSource(
    repository="here",
    revision="3f2a91c" + "0" * 33,
    patch_digest="",
    subject="",
    archive_sha256=None,
)


@pytest.fixture
def shared(tmp_path: Path, postgres_database: str):
    opened = open_store(tmp_path / "home", database=postgres_database)
    yield opened
    opened.close()


def count(store, model) -> int:
    with store.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(model)).scalar_one())


@pytest.mark.parametrize("rows", [3, 3 * results.COPY_FROM])
def test_rows_that_are_there_already_are_passed_over(any_store, rows):
    values = [(f"{number:064x}", number) for number in range(rows)]
    for _ in range(2):
        with any_store.writing() as connection:
            results.insert_rows(connection, results.BLOB, values)
    assert count(any_store, Blob) == rows


@pytest.mark.parametrize("rows", [3, 3 * results.COPY_FROM])
def test_a_redelivered_batch_of_results_changes_nothing(make_stand, make_plan, store, rows):
    stand = make_stand()
    run = stand.run(make_plan({"kernels": ["m/s/one"]}))
    with store.writing() as connection:
        (attempt,) = queries.attempts_of(connection, run.run.id)
        tests = intern_tests(connection, ["m/s/one"])
        batch = [
            (attempt.id, 1000 + n, tests["m/s/one"], 1, 1, "passed", None, n, *[None] * 5)
            for n in range(rows)
        ]
        results.insert_rows(connection, results.RESULT, batch[: rows // 2])
        results.insert_rows(connection, results.RESULT, batch)
        results.insert_rows(connection, results.RESULT, [*batch, *batch])
        stored = connection.execute(text("SELECT count(*) FROM result WHERE seq >= 1000")).scalar()
    assert stored == rows


def test_a_nul_in_a_message_is_shown_as_its_picture(shared):
    with shared.writing() as connection:
        key = intern_messages(connection, ["a\x00b"])["a\x00b"]
    with shared.reading() as connection:
        said = connection.execute(select(Message.text).where(Message.id == key)).scalar_one()
    assert said == "a\u2400b"


def in_parallel(work, times: int) -> list[BaseException]:
    failures: list[BaseException] = []
    together = threading.Barrier(times)

    def one(number: int) -> None:
        try:
            together.wait()
            work(number)
        except BaseException as error:  # noqa: BLE001  # handed to the test
            failures.append(error)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_runs_created_at_once_have_numbers_without_gap_or_repetition(shared, make_plan):
    plan = make_plan({"kernels": ["m/s/one"]})
    request = RunRequest(plan=plan, source=SOURCE, requested_by="tester")
    assert in_parallel(lambda _: create_run(shared, request), 8) == []
    with shared.reading() as connection:
        assert sorted(connection.execute(select(Run.number)).scalars()) == list(range(1, 9))


def test_writers_that_add_the_same_tests_in_other_orders_agree(shared):
    names = [f"m/s/{number}" for number in range(200)]
    keys: list[dict[str, int]] = []

    def add(number: int) -> None:
        with shared.writing() as connection:
            keys.append(intern_tests(connection, names[::-1] if number % 2 else names))

    assert in_parallel(add, 6) == []
    assert all(found == keys[0] for found in keys)
    assert count(shared, models.Test) == len(names)


def test_of_two_transactions_in_a_deadlock_the_loser_is_repeated(shared):
    with shared.writing() as connection:
        results.insert_rows(connection, results.BLOB, [("a" * 64, 0), ("b" * 64, 0)])
    both_hold_one = threading.Barrier(2)
    met: set[int] = set()

    def add_one(order: list[str], number: int):
        def work(connection):
            for step, digest in enumerate(order):
                statement = update(Blob).where(Blob.sha256 == digest * 64)
                connection.execute(statement.values(size=Blob.size + 1))
                if step == 0 and number not in met:
                    met.add(number)
                    both_hold_one.wait()

        return work

    orders = [["a", "b"], ["b", "a"]]
    assert in_parallel(lambda number: shared.write(add_one(orders[number], number)), 2) == []
    with shared.reading() as connection:
        assert connection.execute(select(Blob.size)).scalars().all() == [2, 2]


def test_a_transaction_thrown_out_is_an_error_of_its_own(shared):
    def rejected() -> None:
        with shared.writing() as connection:
            connection.execute(
                text("DO $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '40001'; END $$")
            )

    with pytest.raises(DatabaseBusyError, match="threw a transaction out"):
        rejected()


def test_a_full_disk_has_its_own_error(shared):
    def full() -> None:
        with shared.writing() as connection:
            connection.execute(
                text("DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END $$")
            )

    with pytest.raises(StorageFullError, match="no room left"):
        full()


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        (f"postgresql://me:{PASSWORD}@127.0.0.1:1/d", DatabaseUnreachableError, "refused"),
        (f"postgresql://me:{PASSWORD}@127.0.0.1:x/d", DatabaseUnusableError, "write postgresql://"),
        (f"mysql://me:{PASSWORD}@127.0.0.1/d", DatabaseUnusableError, "write postgresql://"),
        (f"postgresql://127.0.0.1:1/d?password={PASSWORD}", DatabaseUnreachableError, ":1/d"),
    ],
)
def test_an_address_that_does_not_lead_anywhere_is_said_without_its_password(
    tmp_path, address, error, said
):
    with pytest.raises(error, match=said) as caught:
        open_store(tmp_path / "home", database=address)
    trail: BaseException | None = caught.value
    while trail is not None:
        assert PASSWORD not in str(trail)
        trail = trail.__cause__ or trail.__context__
    assert PASSWORD not in str(explain(caught.value))


def test_a_database_that_does_not_exist_is_a_wrong_setting(tmp_path, postgres):
    with pytest.raises(DatabaseUnusableError, match="correct HOTFIRE_DATABASE"):
        open_store(tmp_path / "home", database=postgres.address("nowhere"))


def test_after_a_crash_of_the_server_the_store_goes_on(shared, postgres):
    with shared.writing() as connection:
        results.insert_rows(connection, results.BLOB, [("a" * 64, 1)])

    def cut_off() -> None:
        with shared.writing() as connection:
            results.insert_rows(connection, results.BLOB, [("b" * 64, 1)])
            postgres.restart("immediate")
            results.insert_rows(connection, results.BLOB, [("c" * 64, 1)])

    with pytest.raises(DatabaseUnreachableError, match="does not answer"):
        cut_off()
    with shared.writing() as connection:
        results.insert_rows(connection, results.BLOB, [("d" * 64, 1)])
    with shared.reading() as connection:
        kept = connection.execute(select(Blob.sha256).order_by(Blob.sha256)).scalars().all()
    assert kept == ["a" * 64, "d" * 64]


class Local:
    """This machine's monotonic clock, turned by hand."""

    def __init__(self) -> None:
        self.now = 5_000_000_000

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock_of_server(postgres_database):
    local = Local()
    clock = PostgresClock(parse_address(postgres_database), local_ns=local)
    yield clock, local
    clock.close()


def server_ns(store) -> int:
    with transaction(store.read_engine) as connection:
        query = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint")
        return int(connection.execute(query).scalar_one())


def test_the_clock_is_the_servers_and_advances_with_ours_between(shared, clock_of_server):
    clock, local = clock_of_server
    before = server_ns(shared)
    first = clock.mono_ns()
    assert before - 1_000_000 <= first <= server_ns(shared)
    local.now += 2_000_000_000
    assert clock.mono_ns() == first + 2_000_000_000
    assert clock.boot_id == "postgresql"


def test_the_clock_never_goes_back_when_it_is_set_right(clock_of_server):
    clock, local = clock_of_server
    local.now += 60_000_000_000
    clock.mono_ns()
    # Our clock ran ahead of the server's: the next synchronisation takes that back.
    local.now += 9_000_000_000
    ahead = clock.mono_ns()
    local.now += 2_000_000_000
    assert clock.mono_ns() >= ahead
    assert clock.wall_ns() < ahead


def test_the_clock_goes_on_while_the_server_is_away(clock_of_server, postgres):
    clock, local = clock_of_server
    first = clock.mono_ns()
    postgres.stop("immediate")
    try:
        local.now += 11_000_000_000
        assert clock.mono_ns() == first + 11_000_000_000
    finally:
        postgres.start()


def test_pages_of_lists_join_up_on_both_databases(make_stand, make_plan, store):
    stand = make_stand()
    tests = [f"m/s/{number}" for number in range(5)]
    run_ids = [stand.run(make_plan({"one": tests, "two": tests})).run.id for _ in range(3)]
    with store.writing() as connection:
        keys = intern_tests(connection, tests)
    found, after = [], None
    with store.reading() as connection:
        while True:
            page = queries_pages.history_page(connection, keys["m/s/1"], limit=2, after=after)
            found += page.items
            after = page.after
            if after is None:
                break
        verdicts = queries_pages.verdicts_page(connection, run_ids[0], limit=7)
        rest = queries_pages.verdicts_page(connection, run_ids[0], limit=7, after=verdicts.after)
        listed = queries_lists.verdict_keys(
            connection, run_ids[0], limit=9, after=verdicts.items[0], cell="two"
        )
    assert [row.run_number for row in found] == [3, 3, 2, 2, 1, 1]
    assert (len(verdicts.items), len(rest.items), rest.after) == (7, 3, None)
    assert len(listed) == 5


def add_and_fail(store, name: str) -> int:
    keys: dict[str, int] = {}
    with contextlib.suppress(ZeroDivisionError), store.writing() as connection:
        # Twice: the second time it is found, by the transaction that added it.
        keys = intern_tests(connection, [name]) | intern_tests(connection, [name])
        raise ZeroDivisionError
    return keys[name]


def test_a_test_that_was_rolled_back_is_not_remembered(any_store):
    add_and_fail(any_store, "m/s/one")
    with any_store.writing() as connection:
        other = intern_tests(connection, ["m/s/other"])["m/s/other"]
    with any_store.writing() as connection:
        one = intern_tests(connection, ["m/s/one"])["m/s/one"]
        assert one != other
        found = connection.execute(text("SELECT name FROM test WHERE id = :id"), {"id": one})
        assert found.scalar_one() == "one"
