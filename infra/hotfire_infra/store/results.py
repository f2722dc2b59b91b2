"""Write what attempts report: rows by the raw driver's executemany, never by the ORM.

The order of values is the order of the columns named beside each statement. Every statement ignores
a row whose key is there already: the same record twice is one row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

Rows = Sequence[tuple[Any, ...]]


def _insert(table: str, columns: str) -> str:
    names = columns.split()
    marks = ", ".join("?" for _ in names)
    return " ".join(
        [
            "INSERT INTO",
            table,
            f"({', '.join(names)})",
            f"VALUES ({marks})",
            "ON CONFLICT DO NOTHING",
        ]
    )


RECORD = _insert("record", "attempt_id seq kind body")
PROBLEM = _insert("stream_problem", 'attempt_id "offset" reason')
COLLECTED = _insert("collected", "attempt_id test_id")
RESULT = _insert(
    "result",
    "attempt_id seq test_id variant_id try_number outcome failure_class duration_ns"
    " message_id detail_id environment_class params metrics",
)
MEASUREMENT = _insert(
    "measurement",
    "month attempt_id seq test_id variant_id metric version unit value estimator replicates"
    " launches inner probe_metric probe_value canary valid reason definition",
)
ACCURACY_SAMPLE = _insert(
    "accuracy_sample",
    "attempt_id seq test_id variant_id task dataset item prompt decode_seed outcome score blob",
)
COVERAGE = _insert(
    "coverage",
    "run_id attempt_id suite platform language path file_sha256 executable hit",
)
BLOB = _insert("blob", "sha256 size")
ARTIFACT = _insert("artifact", "attempt_id name sha256 size media_type")
LOG_CHUNK = _insert("log_chunk", 'attempt_id stream "offset" size sha256')
VERDICT = _insert(
    "verdict",
    "run_id cell_id test_id variant_id verdict failure_class attempt_id seq tries duration_ns"
    " message_id is_new",
)


def insert_rows(connection: Connection, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Write rows with one of the statements above."""
    values = list(rows)
    if values:
        connection.exec_driver_sql(statement, values)
