"""What the store answers about measurements, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from hotfire_infra.store.partitions import ensure_partitions
from hotfire_infra.store.queries_measurements import series_of_test

YEAR_2026_NS = 1_767_225_600 * 1_000_000_000 + 30 * 86_400 * 1_000_000_000 * 8
MONTHS = (202401, 202602, 202609)
"""The first has no partition of its own."""


def key(digit: str) -> str:
    return digit * 64


def measure(connection, seq: int, month: int, series: str | None, environment: str | None) -> None:
    connection.execute(
        text(
            "INSERT INTO measurement (month, attempt_id, seq, test_id, variant_id, metric, version,"
            ' unit, value, estimator, replicates, launches, "inner", valid, reason, definition,'
            " series_key, environment_class)"
            " SELECT :month, attempt.id, :seq, test.id, variant.id, :metric, 1, 's', 1.0, 'median',"
            " '[]', '[]', 1, true, '', '', :series, :environment FROM attempt, test, variant"
        ),
        {
            "month": month, "seq": seq, "metric": f"m{series and series[0]}", "series": series,
            "environment": environment,
        },
    )  # fmt: skip


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize(
    "by_month",
    [
        ("", "", "59b"),  # Only now.
        ("59b", "", ""),  # Only long ago.
        ("1379bdf", "", "59b"),  # Ended before, between and behind what is measured now.
        ("1", "37", "59b"),
        ("59b", "59b", "59b"),
        ("0a", "f0", "5"),
        ("", "", ""),
    ],
)
def test_a_test_has_the_series_of_every_month_once(store, make_stand, make_plan, dialect, by_month):
    make_stand().run(make_plan({"kernels": ["m/s/one"]}))
    with store.writing() as connection:
        ensure_partitions(connection, YEAR_2026_NS)
        seq = 0
        for month, digits in zip(MONTHS, by_month, strict=True):
            for digit in digits:
                for _ in range(2):
                    seq += 1
                    measure(connection, seq, month, key(digit), "cpu")
        # What no analysis has looked at yet belongs to no series.
        measure(connection, seq + 1, MONTHS[-1], None, None)
        (test_id,) = connection.execute(text("SELECT id FROM test")).scalars()
        found = series_of_test(connection, test_id)
        assert series_of_test(connection, test_id + 1) == ()
    assert found == tuple((key(d), f"m{d}", "cpu") for d in sorted(set("".join(by_month))))
