"""Pure parts of watching: effects, what stands out, groups by commits, and their words."""

from __future__ import annotations

import itertools
import random

import pytest

from hotfire_infra.analysis.change_groups import (
    Commits,
    Moved,
    alert_words,
    group,
    moved_words,
    sharpest,
)
from hotfire_infra.analysis.change_tracking import (
    ARL0,
    Followed,
    effect_of,
    means_around,
    p_value,
    stands_out,
    take,
)
from hotfire_infra.analysis.changepoints import Alert, ChangeKind, Changepoint
from hotfire_infra.analysis.judgements import judgement_of

RATE = judgement_of("aestus.decode_rate")
REGISTERS = judgement_of("cuda.registers")


def commits(after, until):
    return Commits(
        after=after, until=until, after_revision=f"{after:040x}", until_revision=f"{until:040x}"
    )


def moved(effect=-0.04, *, metric="aestus.decode_rate", kind="step", test="m/s/t", course="worse"):
    return Moved(
        test=test, metric=metric, kind=kind, effect=effect, course=course, commits=commits(1, 3)
    )


def point(before, after, *, kind="step", index=10, low=9, high=11):
    return Changepoint(
        index=index, low=low, high=high, kind=ChangeKind(kind), before=before, after=after,
        confidence=0.9,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(30))
def test_groups_are_as_few_as_any_choice_of_commits_allows(seed):
    draw = random.Random(seed)
    intervals = []
    for _ in range(draw.randint(1, 7)):
        begin = draw.randint(0, 8)
        intervals.append(commits(begin, begin + draw.randint(1, 4)))
    found = group(intervals)
    assert sorted(place for one in found for place in one.members) == list(range(len(intervals)))
    fewest = next(
        size
        for size in range(1, len(intervals) + 1)
        for causes in itertools.combinations(range(1, 13), size)
        if all(any(one.after < c <= one.until for c in causes) for one in intervals)
    )
    assert len(found) == fewest
    for one in found:
        members = [intervals[place] for place in one.members]
        assert max(m.after for m in members) < min(m.until for m in members)


def test_the_interval_of_an_alert_is_the_sharpest_of_its_series():
    assert sharpest([commits(3, 9), commits(4, 6), commits(2, 5)]) == commits(4, 6)


def test_an_alert_names_what_got_worse_first_and_how_much():
    three = [moved(effect, test=f"m/s/{i}") for i, effect in enumerate((-0.05, -0.04, -0.041))]
    load = moved(-0.2, metric="aestus.load_time", course="better")
    assert alert_words([load, *three], commits(0xA1B2C3D << 132, 0xD4E5F6A << 132)) == (
        "decode -4.1 % (3 series), aestus.load_time -20.0 % of t since a1b2c3d..d4e5f6a, "
        "95 % sure of the interval"
    )
    registers = moved(8.0, metric="cuda.registers")
    assert moved_words([registers]) == "cuda.registers +8 of t"
    assert moved_words([moved(kind="drift")]) == "decode drifting -4.0 % of t"
    assert moved_words([moved(0.5, kind="variance")]) == "decode noise +50.0 % of t"


def test_a_series_that_begins_with_its_change_has_no_first_commit():
    only = Commits(after=None, until=3, after_revision=None, until_revision="d4e5f6a" + "0" * 33)
    assert only.words == "up to d4e5f6a"
    assert only.overlaps(commits(1, 2))
    assert not commits(3, 5).overlaps(only)


@pytest.mark.parametrize(
    ("judgement", "before", "after", "size", "course", "important"),
    [
        (RATE, 100.0, 95.0, -0.05, "worse", True),
        (RATE, 100.0, 103.0, 0.03, "better", True),
        (RATE, 100.0, 98.5, -0.015, "worse", False),
        (REGISTERS, 48.0, 49.0, 1.0, "worse", True),
        (REGISTERS, 48.0, 47.5, -0.5, "better", False),
        (REGISTERS, 0.0, 8.0, 8.0, "worse", True),
        (RATE, 0.0, 8.0, None, "neither", False),
    ],
)
def test_an_effect_has_size_course_and_weight(judgement, before, after, size, course, important):
    effect = effect_of(point(before, after), judgement)
    assert effect.size == (None if size is None else pytest.approx(size))
    assert (effect.course, effect.is_important) == (course, important)
    assert bool(effect.reason) is not important


def test_a_change_of_mixture_is_judged_by_the_means_around_it():
    values = [100.0, 90.0] * 30 + [90.0, 90.0, 90.0, 100.0] * 15
    means = means_around(values, 60)
    assert means == (95.0, pytest.approx(92.6, abs=0.2))
    effect = effect_of(point(0.5, 0.25, kind="mix", index=60), RATE, means)
    assert effect.size == pytest.approx(-0.027, abs=0.001)
    assert (effect.course, effect.is_important) == ("worse", True)


@pytest.mark.parametrize(
    ("before", "after", "course", "important"),
    [(0.004, 0.03, "worse", True), (0.004, 0.01, "worse", False), (0.03, 0.004, "better", False)],
)
def test_more_noise_matters_once_it_hides_what_matters(before, after, course, important):
    effect = effect_of(point(before, after, kind="variance"), RATE)
    assert (effect.course, effect.is_important) == (course, important)


def test_an_alert_among_many_series_needs_more_than_one_among_few():
    alone = p_value(0.5)
    assert alone == 2 / ARL0
    assert stands_out([alone], 100) == (True,)
    assert stands_out([alone], 5000) == (False,)
    assert stands_out([alone] * 20, 5000) == (True,) * 20
    assert stands_out([p_value(0.9999999)], 5000) == (True,)
    assert stands_out([], 10) == ()


class Scripted:
    """Says what a test wants it to say."""

    def __init__(self, *says):
        self.says = list(says)
        self.changepoints = []

    def append(self, _value, _machine):
        alerts, self.changepoints = self.says.pop(0)
        return alerts


def test_what_is_followed_keeps_step_with_what_the_detector_says():
    early, moved_on = point(1.0, 2.0), point(1.0, 2.5, index=11)
    later = point(2.0, 3.0, index=30, low=29, high=31)
    gone = Alert(index=30, low=29, high=31, kind=ChangeKind.STEP, withdraws=30)
    detector = Scripted(
        ([], [early]), ([], [moved_on]), ([], [moved_on, later]), ([gone], [moved_on])
    )
    changes: list[Followed] = []
    for run in (1, 2, 3, 4):
        take(detector, changes, 1.0, "", run)
    first, second = changes
    assert (first.point, first.noticed, first.stands) == (moved_on, 1, True)
    assert (second.noticed, second.withdrawn, second.state) == (3, 4, "withdrawn")
