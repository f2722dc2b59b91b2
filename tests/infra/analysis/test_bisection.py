"""The search over named commits: what cannot be run, what is older, which rate it assumes."""

import random

import pytest

from hotfire_infra.analysis.bisection import (
    MOST_FALSE_FAIL,
    UNKNOWN_FALSE_FAIL,
    CommitSearch,
    false_fail_of,
)
from hotfire_infra.analysis.flake_verdicts import Try

COMMITS = tuple("abcdefghij")


def carried_out(culprit, *, unusable="", commits=COMMITS):
    """Search with a test that fails from `culprit` on; commits of `unusable` say nothing."""
    search = CommitSearch(commits=commits, false_fail=0.02)
    while (commit := search.next()) is not None:
        assert commit not in search.skipped
        if commit in unusable:
            assert search.skip(commit, "does not build")
        else:
            search.observe(commit, commits.index(commit) >= culprit)
    return search


@pytest.mark.parametrize("culprit", range(10))
def test_the_first_bad_commit_is_named(culprit):
    search = carried_out(culprit)
    assert search.found.commits == (COMMITS[culprit],)
    assert search.found.is_decided
    assert search.found.probability > 0.98
    assert search.posterior()[COMMITS[culprit]] == search.found.probability


def test_nothing_that_fails_is_a_flake():
    search = carried_out(99)
    assert search.found.commits == ()
    assert search.none == search.found.probability > 0.98


def test_commits_that_say_nothing_are_named_with_the_next_that_can():
    search = carried_out(5, unusable="def")
    assert set(search.skipped) <= set("def")
    assert "f" in search.found.commits
    assert set(search.found.commits) <= set("defg")


def test_what_was_observed_at_a_commit_that_is_skipped_later_is_left_out():
    search = CommitSearch(commits=COMMITS, false_fail=0.02)
    search.observe("c", True)
    assert search.skip("c", "the machine was ill")
    assert "c" not in search.posterior()
    assert search.posterior()["d"] == pytest.approx(search.posterior()["a"])


def test_without_the_bad_commit_there_is_nothing_to_search():
    search = CommitSearch(commits=COMMITS, false_fail=0.02)
    assert not search.skip("j", "does not build")
    assert search.skipped == {}


def test_rate_is_unknown_where_little_was_tried():
    assert false_fail_of([]) == UNKNOWN_FALSE_FAIL
    assert false_fail_of([Try("a", True)]) == UNKNOWN_FALSE_FAIL


def test_failures_to_be_explained_are_no_flakes():
    tries = [Try(number, False) for number in range(400)]
    broken = [Try(1000 + number, True) for number in range(4)]
    assert false_fail_of([*tries, *broken]) == false_fail_of(tries) < 0.01


def test_rate_of_a_flaky_test_errs_high_and_stays_searchable():
    lot = random.Random(2)
    tries = [Try(number, lot.random() < 0.05) for number in range(400)]
    assert 0.05 <= false_fail_of([*tries, Try("end", False)]) <= 0.08
    coin = [Try(number // 4, lot.random() < 0.6) for number in range(400)]
    assert false_fail_of([*coin, Try("end", False)]) <= MOST_FALSE_FAIL
