"""A SQLite store as it looks after years: seeded rows by the million, written by SQL alone.

`grow(path, results=…)` fills an empty store: as many results, verdicts and measurements, a tenth as
many events and audit lines. Every run has 20 cells of 100 tests; one test in 50 fails.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from hotfire_infra.store.database import Store, open_store

CELLS = 20
TESTS = 100
PER_RUN = CELLS * TESTS
PIPELINES = 5
BEGIN_NS = 1_640_995_200_000_000_000
"""2022-01-01; a run every four hours."""
HOURS_NS = 4 * 3600 * 1_000_000_000

_COUNT = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})"
# A mixing function instead of random(): the same rows every time.
_MIX = "((({0}) * 2654435761 + 40503) % 4294967296)"


def grown(home: Path, *, results: int) -> Store:
    """Open the store in `home`, grown before it is first opened; ValueError: it has another size."""
    with closing(open_store(home)) as store, store.reading() as connection:
        runs = connection.exec_driver_sql("SELECT count(*) FROM run").scalar_one()
    if not runs:
        runs = grow(home / "hotfire.db", results=results)
    if runs != max(1, results // PER_RUN):
        raise ValueError(f"{home} holds {runs * PER_RUN} results and not {results}")
    return open_store(home)


def grow(path: Path, *, results: int) -> int:
    """Fill the store at `path` (schema at head, empty); return the number of runs."""
    runs = max(1, results // PER_RUN)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -262144")
        connection.execute("BEGIN")
        for statement in _statements(runs):
            connection.execute(statement)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return runs


def _statements(runs: int) -> list[str]:
    counted = _COUNT.format
    rows = runs * PER_RUN
    created = f"{BEGIN_NS} + run * {HOURS_NS}"
    month = f"CAST(strftime('%Y%m', ({created}) / 1000000000, 'unixepoch') AS INTEGER)"
    run, cell, test = f"i / {PER_RUN}", f"i / {TESTS}", f"i % {TESTS}"
    mixed = _MIX.format("i")
    failed = f"{mixed} % 50 = 0"
    point = f"i / {PER_RUN} AS run, i / {TESTS} AS cell, i % {TESTS} AS test"
    return [
        ("INSERT INTO source_stamp (id, repository, revision, patch_digest, subject)"
        " VALUES (1, 'here', 'r', '', 'Subject')"),
        (f"{counted(count=TESTS)} INSERT INTO test (id, module, scheme, name)"
        " SELECT i + 1, 'aestus.kernels', 'case', 'matmul.f32:m=' || i FROM n"),
        (f"{counted(count=CELLS)} INSERT INTO variant (id, hash, axes)"
        " SELECT i + 1, printf('%064x', i), '{\"execution\":\"native\"}' FROM n"),
        (f"{counted(count=1000)} INSERT INTO message (id, sha256, text)"
        " SELECT i + 1, printf('%064x', i), 'expected ' || i || ' and got something else' FROM n"),
        (f"{counted(count=runs)} INSERT INTO run (id, ulid, number, pipeline, source_stamp_id,"
        " plan_digest, plan_sha256, state, verdict, reason, headline, requested_by, created_ns)"
        f" SELECT i + 1, printf('%026d', i), i + 1, 'pipeline-' || (i % {PIPELINES}), 1, '0', '0',"
        f" 'finalized', 'failed', '', '', 'generator', {BEGIN_NS} + i * {HOURS_NS} FROM n"),
        (f"{counted(count=runs * CELLS)} INSERT INTO cell (id, run_id, key, task, platform,"
        " variant_id, required, requires, left_out, state, verdict, reason)"
        f" SELECT i + 1, i / {CELLS} + 1, 'cell-' || (i % {CELLS}), 'task', 'here',"
        f" i % {CELLS} + 1, 'always', '{{}}', 0, 'done', 'failed', '' FROM n"),
        (f"{counted(count=runs * CELLS)} INSERT INTO task (id, run_id, cell_id, key, shard, shards,"
        " spec, requested_digest, state, reason, pending)"
        f" SELECT i + 1, i / {CELLS} + 1, i + 1, 'cell-' || (i % {CELLS}), 1, 1, '{{}}',"
        " printf('%064x', i), 'done', '', '' FROM n"),
        (f"{counted(count=runs * CELLS)} INSERT INTO attempt (id, ulid, task_id, number, state,"
        " reason, executor, pool, fence, token_sha256, boot_id, lease_expires_mono_ns, created_ns,"
        " acked_seq, acked_bytes, in_flight, purpose)"
        " SELECT i + 1, printf('%026d', i), i + 1, 1, 'failed', '', 'local', 'local', 1, '0', 'b',"
        f" 0, {BEGIN_NS}, 0, 0, '[]', 'result' FROM n"),
        (f"{counted(count=rows)} INSERT INTO result (attempt_id, seq, test_id, variant_id,"
        " try_number, outcome, duration_ns, message_id)"
        f" SELECT {cell} + 1, {test} + 1, {test} + 1, ({cell}) % {CELLS} + 1, 1,"
        f" iif({failed}, 'failed', 'passed'), {mixed}, iif({failed}, {mixed} % 1000 + 1, NULL)"
        " FROM n"),
        (f"{counted(count=rows)} INSERT INTO verdict (run_id, cell_id, test_id, variant_id, verdict,"
        " attempt_id, seq, tries, duration_ns, message_id, is_new)"
        f" SELECT {run} + 1, {cell} + 1, {test} + 1, ({cell}) % {CELLS} + 1,"
        f" iif({failed}, 'failed', 'passed'), {cell} + 1, {test} + 1, 1, {mixed}, NULL, 0 FROM n"),
        (f"{counted(count=rows)} INSERT INTO measurement (month, attempt_id, seq, test_id,"
        " variant_id, metric, version, unit, value, estimator, replicates, launches, \"inner\","
        " valid, reason, definition, environment_class, series_key)"
        f" SELECT {month}, cell + 1, 1000 + test, test + 1, cell % {CELLS} + 1, 'latency', 1, 's',"
        " 0.001 + mixed / 1e12, 'median', '[0.001]', '[0]', 10, 1, '', 'd', 'zen5/native',"
        f" printf('%064x', test * {CELLS} + cell % {CELLS}) FROM (SELECT {point}, {mixed} AS mixed"
        " FROM n)"),
        (f"{counted(count=max(1, rows // 10))} INSERT INTO outbox (topic, run_id, payload,"
        f" created_ns) SELECT 'task.done', i * 10 / {PER_RUN} + 1, '{{}}', {BEGIN_NS} FROM n"),
        (f"{counted(count=max(1, rows // 10))} INSERT INTO audit (at_ns, actor, action, target,"
        " outcome, address, detail, reason)"
        f" SELECT {BEGIN_NS} + i, 'user:' || (i % 50), 'POST /api/v1/runs', '-',"
        " iif(i % 1000 = 0, 'denied', 'allowed'), 'local', '{}', '' FROM n"),
    ]  # fmt: skip
