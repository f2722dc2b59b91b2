"""A store as it looks after years: seeded rows by the million, written by SQL alone.

`grown(home, results=…)` fills an empty store on SQLite, or on the PostgreSQL database that is named:
as many results, verdicts and measurements, a tenth as many events and audit lines. Every run has
20 cells of 100 tests; one test in 50 fails.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from hotfire_infra.store.database import Store, open_store
from hotfire_infra.store.partitions import add_partition, month_of, next_month

CELLS = 20
TESTS = 100
PER_RUN = CELLS * TESTS
PIPELINES = 5
BEGIN_NS = 1_640_995_200_000_000_000
"""2022-01-01; a run every four hours."""
HOURS_NS = 4 * 3600 * 1_000_000_000

# A mixing function instead of random(): the same rows every time.
_MIX = "((({0}) * 2654435761 + 40503) % 4294967296)"


@dataclass(frozen=True, slots=True)
class Words:
    """How a database says what the other says otherwise."""

    counted: str
    """Rows `i` from 0 to below `{count}`, as a table n."""
    hexed: str
    padded: str
    month: str
    json: str
    no: str
    yes: str


SQLITE = Words(
    counted="(WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n"
    " WHERE i + 1 < {count}) SELECT i FROM n) AS n",
    hexed="printf('%064x', {0})",
    padded="printf('%026d', {0})",
    month="CAST(strftime('%Y%m', ({0}) / 1000000000, 'unixepoch') AS INTEGER)",
    json="'{0}'",
    no="0",
    yes="1",
)
POSTGRESQL = Words(
    counted="generate_series(0, {count} - 1) AS n(i)",
    hexed="lpad(to_hex({0}), 64, '0')",
    padded="lpad(CAST({0} AS text), 26, '0')",
    month="CAST(to_char(to_timestamp(({0}) / 1000000000) AT TIME ZONE 'UTC', 'YYYYMM') AS integer)",
    json="CAST('{0}' AS json)",
    no="false",
    yes="true",
)
# Keys come in order and cost little; of the others each row would touch a page of its own. Those of
# partitions go and come with that of the table above them.
_INDEXES = """
SELECT i.oid::regclass::text, pg_get_indexdef(i.oid)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
WHERE NOT x.indisprimary AND NOT x.indisunique AND NOT i.relispartition
AND t.relname IN ('result', 'verdict', 'measurement', 'outbox', 'audit') ORDER BY 1
"""


def grown(home: Path, *, results: int, database: str | None = None) -> Store:
    """Open the store in `home`, grown before it is first used; ValueError: it has another size."""
    with closing(open_store(home, database=database)) as store:
        with store.reading() as connection:
            runs = connection.exec_driver_sql("SELECT count(*) FROM run").scalar_one()
        if not runs and store.is_shared:
            runs = _grow_postgres(store, results=results)
    if not runs:
        runs = grow(home / "hotfire.db", results=results)
    if runs != max(1, results // PER_RUN):
        raise ValueError(f"{home} holds {runs * PER_RUN} results and not {results}")
    return open_store(home, database=database)


def grow(path: Path, *, results: int) -> int:
    """Fill the store at `path` (schema at head, empty); return the number of runs."""
    runs = max(1, results // PER_RUN)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -262144")
        connection.execute("BEGIN")
        for statement in _statements(runs, SQLITE):
            connection.execute(statement)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return runs


def _grow_postgres(store: Store, *, results: int) -> int:
    runs = max(1, results // PER_RUN)
    month, last = month_of(BEGIN_NS), month_of(BEGIN_NS + (runs - 1) * HOURS_NS)
    with store.writing() as connection:
        # The rows refer to what is there by construction: ten million look-ups prove nothing.
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        while month <= last:
            add_partition(connection, month)
            month = next_month(month)
        connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '512MB'")
        run = connection.exec_driver_sql
        indexes = run(_INDEXES).all()
        for name, _definition in indexes:
            run(f"DROP INDEX {name}")
        for statement in _statements(runs, POSTGRESQL):
            run(statement.replace("%", "%%"))
        for _name, definition in indexes:
            run(definition.replace(" ON ONLY ", " ON "))
    with store.write_engine.connect() as connection:
        # What the server's own housekeeping does in those years.
        connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE")
    return runs


def _statements(runs: int, words: Words) -> list[str]:
    return [*_of_plans(runs, words), *_of_results(runs * PER_RUN, words)]


def _of_plans(runs: int, words: Words) -> list[str]:
    counted, hexed, padded = words.counted.format, words.hexed.format, words.padded.format
    empty = words.json.format("{}")
    native = words.json.format('{"execution":"native"}')
    return [
        ("INSERT INTO source_stamp (id, repository, revision, patch_digest, subject)"
        " VALUES (1, 'here', 'r', '', 'Subject')"),
        ("INSERT INTO test (id, module, scheme, name)"
        " SELECT i + 1, 'aestus.kernels', 'case', 'matmul.f32:m=' || i"
        f" FROM {counted(count=TESTS)}"),
        (f"INSERT INTO variant (id, hash, axes) SELECT i + 1, {hexed('i')},"
        f" {native} FROM {counted(count=CELLS)}"),
        (f"INSERT INTO message (id, sha256, text) SELECT i + 1, {hexed('i')},"
        f" 'expected ' || i || ' and got something else' FROM {counted(count=1000)}"),
        ("INSERT INTO run (id, ulid, number, pipeline, source_stamp_id,"
        " plan_digest, plan_sha256, state, verdict, reason, headline, requested_by, created_ns)"
        f" SELECT i + 1, {padded('i')}, i + 1, 'pipeline-' || (i % {PIPELINES}), 1, '0', '0',"
        f" 'finalized', 'failed', '', '', 'generator', {BEGIN_NS} + i * {HOURS_NS}"
        f" FROM {counted(count=runs)}"),
        ("INSERT INTO cell (id, run_id, key, task, platform,"
        " variant_id, required, requires, left_out, state, verdict, reason)"
        f" SELECT i + 1, i / {CELLS} + 1, 'cell-' || (i % {CELLS}), 'task', 'here',"
        f" i % {CELLS} + 1, 'always', {empty}, 0, 'done', 'failed', ''"
        f" FROM {counted(count=runs * CELLS)}"),
        ("INSERT INTO task (id, run_id, cell_id, key, shard, shards,"
        " spec, requested_digest, state, reason, pending)"
        f" SELECT i + 1, i / {CELLS} + 1, i + 1, 'cell-' || (i % {CELLS}), 1, 1, {empty},"
        f" {hexed('i')}, 'done', '', '' FROM {counted(count=runs * CELLS)}"),
        ("INSERT INTO attempt (id, ulid, task_id, number, state,"
        " reason, executor, pool, fence, token_sha256, boot_id, lease_expires_mono_ns, created_ns,"
        " acked_seq, acked_bytes, in_flight, purpose)"
        f" SELECT i + 1, {padded('i')}, i + 1, 1, 'failed', '', 'local', 'local', 1, '0', 'b',"
        f" 0, {BEGIN_NS}, 0, 0, {words.json.format('[]')}, 'result'"
        f" FROM {counted(count=runs * CELLS)}"),
    ]  # fmt: skip


def _of_results(rows: int, words: Words) -> list[str]:
    counted, hexed = words.counted.format, words.hexed.format
    empty = words.json.format("{}")
    month = words.month.format(f"{BEGIN_NS} + run * {HOURS_NS}")
    run, cell, test = f"i / {PER_RUN}", f"i / {TESTS}", f"i % {TESTS}"
    mixed = _MIX.format("i")
    outcome = f"CASE WHEN {mixed} % 50 = 0 THEN 'failed' ELSE 'passed' END"
    point = f"i / {PER_RUN} AS run, i / {TESTS} AS cell, i % {TESTS} AS test"
    return [
        ("INSERT INTO result (attempt_id, seq, test_id, variant_id,"
        " try_number, outcome, duration_ns, message_id)"
        f" SELECT {cell} + 1, {test} + 1, {test} + 1, ({cell}) % {CELLS} + 1, 1,"
        f" {outcome}, {mixed}, CASE WHEN {mixed} % 50 = 0 THEN {mixed} % 1000 + 1 END"
        f" FROM {counted(count=rows)}"),
        ("INSERT INTO verdict (run_id, cell_id, test_id, variant_id, verdict,"
        " attempt_id, seq, tries, duration_ns, message_id, is_new)"
        f" SELECT {run} + 1, {cell} + 1, {test} + 1, ({cell}) % {CELLS} + 1,"
        f" {outcome}, {cell} + 1, {test} + 1, 1, {mixed}, NULL, {words.no}"
        f" FROM {counted(count=rows)}"),
        ("INSERT INTO measurement (month, attempt_id, seq, test_id,"
        " variant_id, metric, version, unit, value, estimator, replicates, launches, \"inner\","
        " valid, reason, definition, environment_class, series_key)"
        f" SELECT {month}, cell + 1, 1000 + test, test + 1, cell % {CELLS} + 1, 'latency', 1, 's',"
        f" 0.001 + mixed / 1e12, 'median', {words.json.format('[0.001]')},"
        f" {words.json.format('[0]')}, 10, {words.yes}, '', 'd', 'zen5/native',"
        f" {hexed(f'test * {CELLS} + cell % {CELLS}')}"
        f" FROM (SELECT {point}, {mixed} AS mixed FROM {counted(count=rows)}) AS p"),
        ("INSERT INTO outbox (topic, run_id, payload, created_ns)"
        f" SELECT 'task.done', i * 10 / {PER_RUN} + 1, {empty}, {BEGIN_NS}"
        f" FROM {counted(count=max(1, rows // 10))}"),
        ("INSERT INTO audit (at_ns, actor, action, target,"
        " outcome, address, detail, reason)"
        f" SELECT {BEGIN_NS} + i, 'user:' || (i % 50), 'POST /api/v1/runs', '-',"
        " CASE WHEN i % 1000 = 0 THEN 'denied' ELSE 'allowed' END, 'local',"
        f" {empty}, '' FROM {counted(count=max(1, rows // 10))}"),
    ]  # fmt: skip
