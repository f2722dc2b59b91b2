"""TAP 12 to 14: directives, subtests, YAML, plans, and everything that must not look green."""

from __future__ import annotations

import pytest

BODY = """TAP version 13
1..6
ok 1 - first
not ok 2 - second
  ---
  message: "boom"
  duration_ms: 12.5
  ...
ok 3 - third # SKIP no device
not ok 4 # Todo later
ok 5 - fifth # todo done already
ok 6 - sixth \\# not a directive
"""


def test_points_and_directives(read):
    report = read(BODY)
    found = [(t.name, t.outcome, t.kind, t.message) for t in report.tests]
    assert found == [
        ("first", "passed", "", ""),
        ("second", "failed", "", "boom"),
        ("third", "skipped", "", "no device"),
        ("test 4", "skipped", "xfail", "later"),
        ("fifth", "passed", "xpass", "done already"),
        ("sixth # not a directive", "passed", "", ""),
    ]
    assert report.named("second").duration_s == 0.0125
    assert "boom" in report.named("second").detail
    assert not report.reading.incomplete


def test_a_real_report_with_a_subtest(read):
    report = read("subtests.tap")
    assert report.outcomes == {
        "one": "passed",
        "two": "failed",
        "sub > in a": "passed",
        "sub > in b": "failed",
        "sub": "failed",
        "test 4": "skipped",
    }


def test_subtests_of_version_14_lie_at_any_depth(read):
    text = """TAP version 14
1..1
# Subtest: outer
    1..2
    ok 1 - a
    # Subtest: inner
        1..1
        ok 1 - b
    ok 2 - inner
ok 1 - outer
"""
    report = read(text)
    assert set(report.outcomes) == {"outer > a", "outer > inner > b", "outer > inner", "outer"}
    assert not report.reading.incomplete


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1..3\nok 1\nok 2\n", "the plan says 3 tests, 2 came"),
        ("1..1\nok 1\nok 2\n", "the plan says 1 tests, 2 came"),
        ("ok 1\nok 2\n", "no plan"),
        ("1..2\nok 1\nok 3\n", "test 3 came where 2 was expected"),
        ("1..2\nok 1\nok 1\n", "test 1 came where 2 was expected"),
        ("1..2\nok 1\nBail out! no disk\n", "Bail out! no disk"),
        ("1..1\n1..1\nok 1\n", "a second plan"),
        ("1..1\nnot ok 1\n  ---\n  message: x\n", "within a YAML block"),
        ("1..1\n    1..2\n    ok 1 - a\nok 1 - sub\n", "the plan says 2 tests, 1 came"),
    ],
)
def test_what_contradicts_itself_is_incomplete(read, text, why):
    report = read(text)
    assert why in report.reading.incomplete
    assert report.tests


def test_a_plan_of_nothing_is_one_skip_with_its_reason(read):
    (test,) = read("TAP version 13\n1..0 # SKIP no gpu here\n").tests
    assert (test.outcome, test.message) == ("skipped", "no gpu here")


def test_a_skip_does_not_excuse_a_failure(read):
    assert read("1..1\nnot ok 1 - a # SKIP x\n").outcomes == {"a": "failed"}


def test_other_lines_are_counted_and_escapes_removed(read):
    report = read("1..1\nhello\nok 1 - \x1b[32mgreen\x1b[0m\n")
    assert report.outcomes == {"[32mgreen[0m": "passed"}
    assert report.reading.ignored == {"line that is no TAP": 1}
    assert report.reading.degraded == ["control characters were removed"]
