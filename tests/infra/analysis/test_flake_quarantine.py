"""A quarantine ends by proof or by time, never silently."""

import pytest

from hotfire_infra.analysis.flake_quarantine import (
    Quarantine,
    QuarantineState,
    deserves_quarantine,
    progress_of,
)
from hotfire_infra.analysis.flakes import FlakeRate


def quarantine(**changes):
    given = {"test": "m/pytest/t", "variant": "ab", "owner": "me", "bug": "B-1", "since_ns": 10,
             "expires_ns": 10_000, "limit": 0.5, "confidence": 0.95}  # fmt: skip
    return Quarantine(**{**given, **changes})


def test_enough_passes_in_a_row_end_it():
    one = quarantine()
    assert one.passes_needed == 5
    tries = [(20, True), *((30 + i, False) for i in range(5))]
    progress = progress_of(one, tries, now_ns=100)
    assert progress.state is QuarantineState.PASSED
    assert progress.words == "quarantine passed: 5 of 5 passes in a row"


def test_a_failure_begins_the_count_again():
    tries = [*((30 + i, False) for i in range(4)), (40, True), (50, False)]
    progress = progress_of(quarantine(), tries, now_ns=100)
    assert (progress.state, progress.passes) == (QuarantineState.ACTIVE, 1)


def test_what_ran_before_it_does_not_count():
    tries = [(i, False) for i in range(9)]
    assert progress_of(quarantine(), tries, now_ns=100).passes == 0


def test_time_ends_it_unproved():
    assert progress_of(quarantine(), [], now_ns=10_000).state is QuarantineState.EXPIRED


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"owner": " "}, "owner"), ({"expires_ns": 10}, "expire"), ({"limit": 0.0}, "limit")],
)
def test_a_quarantine_without_owner_end_or_exit_is_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        quarantine(**wrong)


def test_only_a_rate_surely_above_the_limit_deserves_it():
    assert deserves_quarantine(FlakeRate(failed=8, passed=192))
    assert not deserves_quarantine(FlakeRate(failed=1, passed=60))
    assert not deserves_quarantine(FlakeRate(passed=3))
