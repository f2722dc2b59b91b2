"""New failure or known flake, against brute-force sums over all histories of states."""

import itertools
import random

import pytest

from hotfire_infra.analysis.flake_verdicts import (
    BREAKS,
    BROKEN_AT_FIRST,
    PASSES_BROKEN,
    REPAIRS,
    FlakeKind,
    Try,
    _grid,
    flake_words,
    judge,
)
from hotfire_infra.analysis.flakes import FlakeRate


def passes(n, start=0):
    return [Try(start + i, False) for i in range(n)]


def flaky(rate, n, seed=1):
    lot = random.Random(seed)
    return [Try(i, lot.random() < rate) for i in range(n)]


def test_probability_of_a_break_is_the_sum_over_all_histories_of_states():
    tries = [Try("a", False), Try("b", True), Try("b", False), Try("c", True), Try("d", True)]
    sources = [0, 1, 1, 2, 3]
    rates, prior = _grid()
    total = broken_now = 0.0
    for states in itertools.product((False, True), repeat=4):
        chance = BROKEN_AT_FIRST if states[0] else 1 - BROKEN_AT_FIRST
        for before, now in itertools.pairwise(states):
            moves = {
                False: {True: BREAKS, False: 1 - BREAKS},
                True: {True: 1 - REPAIRS, False: REPAIRS},
            }
            chance *= moves[before][now]
        for rate, mass in zip(rates, prior, strict=True):
            seen = chance * mass
            for one, place in zip(tries, sources, strict=True):
                fails = 1 - PASSES_BROKEN if states[place] else rate
                seen *= fails if one.failed else 1 - fails
            total += seen
            broken_now += seen * states[-1]
    verdict = judge(tries)
    assert verdict is not None
    assert verdict.broken == pytest.approx(broken_now / total, rel=1e-9)


def test_without_a_doubt_about_breaks_the_rate_is_the_beta_binomial_one():
    tries = flaky(0.05, 1200)
    failed = sum(one.failed for one in tries)
    expected = FlakeRate(failed=failed, passed=1203 - failed)
    verdict = judge([*tries, *passes(3, 1000)])
    low, high = expected.interval()
    assert verdict.rate == pytest.approx(expected.mean, rel=0.03)
    assert (verdict.low, verdict.high) == (
        pytest.approx(low, rel=0.03),
        pytest.approx(high, rel=0.03),
    )


@pytest.mark.parametrize(
    ("tries", "kind"),
    [
        (passes(200), FlakeKind.NONE),
        ([*passes(200), Try("new", True)], FlakeKind.UNDECIDED),
        ([*passes(200), Try("new", True), Try("new", True)], FlakeKind.NEW),
        ([*passes(200), Try("new", True), Try("new", False)], FlakeKind.FIRST),
        ([*flaky(0.05, 300), Try("new", True)], FlakeKind.KNOWN),
        ([*flaky(0.007, 1200), Try("new", True), Try("new", False)], FlakeKind.KNOWN),
        ([*flaky(0.007, 1200), Try("new", True), Try("new", True)], FlakeKind.NEW),
        ([*flaky(0.05, 300), *(Try(f"new{i}", True) for i in range(5))], FlakeKind.NEW),
    ],
)
def test_histories_and_their_verdicts(tries, kind):
    verdict = judge(tries)
    assert verdict is not None
    assert verdict.kind is kind


def test_a_broken_week_makes_no_flake():
    week = [Try(1000 + i, True) for i in range(7)]
    verdict = judge([*passes(100), *week, *passes(100, 2000)])
    assert verdict.flakes < 0.01
    assert verdict.rate < 0.005


def test_nothing_is_said_of_a_test_without_tries():
    assert judge([]) is None


def test_one_line_says_rate_interval_runs_and_verdict():
    verdict = judge([*flaky(0.05, 1203), Try("new", True), Try("new", False)])
    words = flake_words(verdict)
    assert words.startswith("fails in 5.5 % [4.3, 6.8] of 1,205 runs: known flake, p = 0.99")
    assert flake_words(judge(passes(9))) == ""
    new = judge([*passes(200), Try("new", True), Try("new", True)])
    assert flake_words(new) == "never failed by chance in 202 runs: new failure, p = 0.996"
    open_question = judge([*passes(200), Try("new", True)])
    assert "new failure or flake, p(new) = 0.63; run it again" in flake_words(open_question)


def test_of_a_test_that_is_hardly_known_no_rate_is_shown():
    words = flake_words(judge([Try("first", True)]))
    assert words == "new failure or flake: only 1 try known; run it again"
    assert "only 6 tries known" in flake_words(judge([*passes(5), Try("new", True)]))


def test_a_rise_is_part_of_the_line():
    words = flake_words(
        judge([*flaky(0.001, 600), *(Try(f"{one.source}b", one.failed) for one in flaky(0.12, 60))])
    )
    assert "% since " in words
    assert words.endswith(" runs ago")
