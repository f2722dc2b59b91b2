"""Bisections of every kind, beside the store and at a service: posterior, builds, resumption."""

from __future__ import annotations

import random
from types import SimpleNamespace

import pytest

from hotfire_infra.analysis.questions import QuestionRun, Subject
from hotfire_infra.client import bisecting
from hotfire_infra.client.bisecting import Bisection, Kind, Sought
from hotfire_infra.errors import RequestRefusedError
from hotfire_testframework.contract.outcomes import Harness
from hotfire_testframework.contract.task import TaskSpec

COMMITS = tuple(f"{number:040x}" for number in range(17))
SERIES = "5" * 64
TEST = "perf/pytest/t"


class Played:
    """Client and reports whose runs are played: `says` tells what a commit says."""

    def __init__(self, says, *, rise=None, false_fail=0.02):
        self.says, self.rise, self.false_fail = says, rise, false_fail
        self.runs: list[QuestionRun] = []
        self.pinned: list[dict[str, str]] = []

    def subject(self, test, variant, series):
        return Subject(
            test=TEST,
            cell="speed",
            pipeline="small",
            false_fail=self.false_fail,
            rise=self.rise,
            series=series,
            metric="aestus.decode_rate" if series else "",
        )

    def question_runs(self, key, test):
        return tuple(self.runs)

    def accuracy(self, before, after):
        pairs = [int(self.runs[run - 1].body["commit"], 16) for run in (before, after)]
        return (self.says(*pairs),)

    def answer(self, bisection, commit):
        """Play one run of a commit to its end."""
        self.pinned.append(bisection._asks.devices())
        body = {"key": bisection.key, "commit": commit, **bisection._asks.body()}
        said = self.says(int(commit, 16)) if bisection.sought.kind is not Kind.ACCURACY else {}
        failed = said.get("failed", (False,))
        self.runs.append(
            QuestionRun(
                run=len(self.runs) + 1,
                state="finalized",
                body=body,
                failed=failed,
                levels=said.get("levels", {}),
                why=said.get("why", ""),
                devices={"speed": f"GPU-{len(self.runs)}"},
            )
        )


@pytest.fixture
def begin(monkeypatch, tmp_path):
    """Begin a bisection of COMMITS without a checkout."""
    listed = SimpleNamespace(text=lambda *_: "\n".join(COMMITS[1:]))
    monkeypatch.setattr(bisecting, "GitCheckout", lambda _: listed)
    monkeypatch.setattr(bisecting, "revision_at", lambda _, name: COMMITS[int(name)])

    def begin(played, **sought):
        terms = {"good": "0", "bad": "16", "test": TEST, **sought}
        return Bisection(played, played, tmp_path, Sought(**terms))

    return begin


def carry_out(begin, played, **sought):
    """Ask until there is an answer; everything is read anew each time, as after a kill."""
    for _ in range(400):
        bisection = begin(played, **sought)
        assert bisection.unfinished() is None
        commit = bisection.next()
        if commit is None:
            return bisection
        played.answer(bisection, commit)
    raise AssertionError("no answer")


def speeds(culprit, *, loss=0.06, noise=0.01, seed=1):
    lot = random.Random(seed)

    def says(commit):
        level = 100.0 * (1 - loss * (commit >= culprit))
        return {"levels": {SERIES: (level * (1 + lot.gauss(0, noise)),)}}

    return says


@pytest.mark.parametrize("culprit", [1, 7, 16])
def test_a_slower_commit_is_found_by_blocks_beside_the_good_end(begin, culprit):
    played = Played(speeds(culprit))
    found = carry_out(begin, played, kind=Kind.PERFORMANCE, series=SERIES)
    assert found.search.found.commits == (COMMITS[culprit],)
    assert found.search.found.probability > 0.98
    letters = [int(run.body["commit"], 16) == 0 for run in played.runs]
    assert letters[:8] == [True, False, False, True] * 2
    assert len(played.runs) % 4 == 0
    assert played.pinned[:2] == [{}, {"speed": "GPU-0"}], "all on the device of the first"
    assert all(one == {"speed": "GPU-0"} for one in played.pinned[1:])
    assert len(played.runs) <= 4 * 16


@pytest.mark.parametrize(
    ("kind", "env", "left_out"),
    [
        (Kind.PERFORMANCE, {"HOTFIRE_SEPARABLE": "yes"}, ("perf/pytest/other",)),
        (Kind.PERFORMANCE, {}, ()),
        (Kind.FAILURE, {"HOTFIRE_SEPARABLE": "yes"}, ()),
    ],
)
def test_a_benchmark_is_asked_about_alone_where_its_suite_allows_that(
    begin, make_plan, kind, env, left_out
):
    spec = TaskSpec(harness=Harness.PYTEST, paths=("suite",), env=env)
    plan = make_plan({"speed": [TEST, "perf/pytest/other"]}, specs={"speed": spec})
    bisection = begin(Played(speeds(5)), kind=kind, series=SERIES)
    assert bisection._only_the_test(plan).tasks[0].spec.leave_out == left_out


def test_performance_is_right_in_nineteen_of_twenty_and_says_how_sure(begin):
    lot = random.Random(3)
    right = 0
    for seed in range(40):
        culprit = lot.randrange(1, 17)
        played = Played(speeds(culprit, noise=0.015, seed=seed))
        found = carry_out(begin, played, kind=Kind.PERFORMANCE, series=SERIES)
        right += found.search.found.commits == (COMMITS[culprit],)
    assert right >= 38


def test_ends_that_do_not_differ_are_nobodys_fault(begin):
    found = carry_out(begin, Played(speeds(99)), kind=Kind.PERFORMANCE, series=SERIES)
    assert "is not worse than 0000000" in found.ends
    assert found.search.shift is None


def test_a_commit_that_measures_nothing_is_laid_together_with_the_next(begin):
    healthy = speeds(9)

    def says(commit):
        return {"why": "foreign load"} if commit in (8, 9) else healthy(commit)

    found = carry_out(begin, Played(says), kind=Kind.PERFORMANCE, series=SERIES)
    assert COMMITS[9] in found.search.found.commits
    assert set(found.search.found.commits) <= {COMMITS[8], COMMITS[9], COMMITS[10]}


def test_an_end_that_measures_nothing_is_refused(begin):
    with pytest.raises(RequestRefusedError, match="an end of it, cannot be judged"):
        carry_out(
            begin, Played(lambda _: {"why": "no device"}), kind=Kind.PERFORMANCE, series=SERIES
        )


def test_a_raised_flake_rate_is_traced_by_many_tries(begin):
    lot = random.Random(2)
    played = Played(
        lambda commit: {"failed": (lot.random() < (0.3 if commit >= 6 else 0.01),)},
        rise=(0.01, 0.3),
    )
    found = carry_out(begin, played, kind=Kind.FLAKE)
    assert found.search.found.commits == (COMMITS[6],)
    assert len(played.runs) > 16


def test_a_flake_without_a_rise_needs_its_rates_said(begin):
    with pytest.raises(RequestRefusedError, match="no rise of its flake rate"):
        begin(Played(lambda _: {}), kind=Kind.FLAKE)


@pytest.mark.parametrize("culprit", [3, 99])
def test_a_less_accurate_commit_is_found_item_by_item(begin, culprit):
    def compared(before, after):
        worse = 40 if after >= culprit > before else 5
        return SimpleNamespace(task="mmlu", pairs=1000, worse=worse, better=5)

    found = carry_out(begin, Played(compared), kind=Kind.ACCURACY)
    if culprit == 99:
        assert "answers as well as" in found.ends
    else:
        assert found.search.found.commits == (COMMITS[culprit],)


def test_the_same_question_has_one_key_and_another_kind_another(begin):
    played = Played(speeds(4))
    keys = [
        begin(played).key,
        begin(played, kind=Kind.FAILURE).key,
        begin(played, kind=Kind.ACCURACY).key,
        begin(played, kind=Kind.PERFORMANCE, series=SERIES).key,
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
