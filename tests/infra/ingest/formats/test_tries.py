"""Entries that share a name: which of them count, and as what."""

from __future__ import annotations

import pytest

from hotfire_infra.ingest.formats.tries import NOT_RECOVERED, RERUN, Tries

OUTCOMES = {"p": "passed", "b": "passed", "f": "failed", "e": "errored", "s": "skipped"}


def settle(letters: str, *, is_lossy: bool = False) -> tuple[Tries, list[tuple[int, str, str]]]:
    tries = Tries(is_lossy=is_lossy)
    for letter in letters:
        tries.add("t", OUTCOMES[letter], is_bare=letter == "b")
    return tries, [tries.next("t") for _ in letters]


@pytest.mark.parametrize(
    ("letters", "total"),
    [
        ("p", "passed"),
        ("pp", "passed"),
        ("fp", "flaky"),
        ("ep", "flaky"),
        ("ff", "failed"),
        ("fe", "failed"),
        ("ee", "errored"),
        ("s", "skipped"),
        ("sp", "passed"),
        ("ps", "passed"),
        ("pf", "failed"),
        ("pe", "errored"),
        ("fpf", "failed"),
    ],
)
def test_a_pass_counts_only_where_nothing_fails_behind_it(letters, total):
    tries, _ = settle(letters)
    assert tries.totals() == {total: 1}
    assert tries.is_bad("t") == (total in ("failed", "errored"))


def test_a_pass_before_a_failure_is_kept_as_a_try_that_says_why_it_does_not_count():
    _, given = settle("pf")
    assert given == [(1, "errored", NOT_RECOVERED), (2, "failed", "")]


@pytest.mark.parametrize(
    ("letters", "total"), [("b", "passed"), ("bb", "flaky"), ("bbf", "failed"), ("bs", "failed")]
)
def test_in_pytests_xml_a_bare_entry_before_another_was_a_failure(letters, total):
    tries, given = settle(letters, is_lossy=True)
    assert tries.totals() == {total: 1}
    assert all(try_[1:] == ("failed", RERUN) for try_ in given[:-1])


def test_formats_that_write_every_try_are_believed():
    tries, _ = settle("bb")
    assert tries.totals() == {"passed": 1}
