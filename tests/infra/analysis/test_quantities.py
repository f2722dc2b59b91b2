"""Numbers as people read them."""

import pytest

from hotfire_infra.analysis import quantities


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(172.34, "token/s", "172 tok/s"), (0.01234, "s", "12.3 ms"), (41.0, "s", "41.0 s"),
     (98_910_208, "B", "94.3 MiB"), (512, "B", "512 B"), (38.2e9, "B/s", "38.2 GB/s"),
     (0.41, "1", "0.410"), (3.1e-7, "s", "310 ns"), (float("nan"), "s", "not a number s")],
)  # fmt: skip
def test_quantity_carries_the_unit_a_reader_would_choose(value, unit, text):
    assert quantities.quantity(value, unit) == text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(None, ""), (41_200_000_000, "41 s"), (185_000_000_000, "3 min 05 s"),
     (7_440_000_000_000, "2 h 04 min"), (1_500_000_000, "1.5 s"), (2_000_000, "2 ms")],
)  # fmt: skip
def test_duration_has_no_more_digits_than_it_means(nanoseconds, text):
    assert quantities.duration(nanoseconds) == text


def test_a_share_just_short_of_all_never_reads_100_percent():
    assert quantities.percent(0.9999) == "99.9 %"
    assert quantities.percent(1.0) == "100 %"
    assert quantities.percent(0.9123) == "91.2 %"


def test_instants_are_utc():
    assert quantities.utc(0) == "1970-01-01 00:00:00 UTC"
    assert quantities.iso_utc(0) == "1970-01-01T00:00:00+00:00"
