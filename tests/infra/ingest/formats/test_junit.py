"""JUnit XML of every dialect: what a case means, what is kept, what is refused."""

from __future__ import annotations

import dataclasses

import pytest

from hotfire_infra.errors import ReportRefusedError
from hotfire_infra.ingest.formats.values import Dialect, Limits


def suite(inside: str, head: str = '<testsuite name="s">') -> str:
    return f'<?xml version="1.0"?>{head}{inside}</testsuite>'


def case(inside: str = "", **attributes: str) -> str:
    given = {"classname": "a.B", "name": "c", "time": "0.5"} | attributes
    words = " ".join(f'{key}="{value}"' for key, value in given.items())
    return f"<testcase {words}>{inside}</testcase>"


def test_a_case_without_children_passed(read):
    (test,) = read(suite(case())).tests
    assert (test.suite, test.classname, test.name) == ("s", "a.B", "c")
    assert (test.outcome, test.duration_s, test.dialect) == ("passed", 0.5, Dialect.JUNIT)


@pytest.mark.parametrize(
    ("child", "outcome"),
    [
        ('<failure message="no"/>', "failed"),
        ('<error message="no"/>', "errored"),
        ('<skipped message="no"/>', "skipped"),
        ("<failure>no</failure>", "failed"),
        ("<skipped/><failure message='no'/>", "failed"),
        ("<error message='x'/><failure message='no'/>", "failed"),
    ],
)
def test_the_worst_child_decides(read, child, outcome):
    (test,) = read(suite(case(child))).tests
    assert (test.outcome, test.message) == (outcome, "no")


def test_several_failures_are_counted_in_the_message_and_joined_in_the_detail(read):
    (test,) = read(
        suite(case('<failure message="one">A</failure><failure message="two">B</failure>'))
    ).tests
    assert test.message == "one (and 1 more)"
    assert test.detail == "A\n\nB"


def test_a_failure_without_words_takes_its_message_from_the_output(read):
    (test,) = read(suite(case("<failure/><system-out>first\nlast words\n</system-out>"))).tests
    assert test.message == "last words"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0.25", 0.25),
        ("1,234.5", 1234.5),
        ("0,25", 0.25),
        ("1.234,5", 1234.5),
        ("2s", 2.0),
        ("1e-3", 0.001),
        ("", None),
        ("-1", None),
        ("NaN", None),
        ("inf", None),
        ("1e300", None),
        ("soon", None),
    ],
)
def test_durations_of_all_locales_are_read_and_wrong_ones_are_counted(read, text, seconds):
    report = read(suite(case(time=text) + case("<skipped/>", time=text)))
    assert [test.duration_s for test in report.tests] == [seconds, seconds]
    assert report.reading.ignored["duration that is none"] == (2 if seconds is None and text else 0)


def test_nested_suites_name_their_cases_and_counters_are_not_trusted(read):
    inner = f'<testsuite name="inner" tests="99" failures="7">{case()}</testsuite>'
    report = read(suite(inner + case(name="d")))
    assert [test.suite for test in report.tests] == ["inner", "s"]
    assert report.reading.tests == 2


def test_properties_output_and_timestamps_are_kept(read):
    inside = (
        '<properties><property name="k" value="v"/></properties>'
        "<system-out>out</system-out><system-err>err</system-err>"
    )
    (test,) = read(suite(case(inside, timestamp="1970-01-01T00:00:00", file="a/b.py"))).tests
    assert test.properties == (("k", "v"),)
    assert (test.stdout, test.stderr, test.timestamp) == ("out", "err", "1970-01-01T00:00:00")
    assert test.file == "a/b.py"


def test_unknown_elements_are_left_out_and_counted(read):
    report = read(suite("<meta><x/></meta>" + case("<attachment><b/></attachment>")))
    assert report.outcomes == {"c": "passed"}
    assert report.reading.ignored == {
        "<meta> outside of a test": 1,
        "<x> outside of a test": 1,
        "<attachment> within a test": 1,
        "<b> within a test": 1,
    }


def test_long_text_keeps_head_and_tail(read):
    limits = Limits(text_chars=1000, message_chars=100)
    text = "A" * 5000 + "B" * 50_000 + "C" * 5000
    long = "m" * 500
    inside = f'<failure message="{long}">{text}</failure><system-out>{text}</system-out>'
    (test,) = read(suite(case(inside)), limits=limits).tests
    for kept in (test.detail, test.stdout):
        assert kept.startswith("A" * 500)
        assert kept.endswith("C" * 500)
        assert "59000 characters left out" in kept
        assert len(kept) < 1100
    assert len(test.message) < 150
    assert "400 characters left out" in test.message


@pytest.mark.parametrize(
    ("attributes", "outcome", "kind"),
    [
        ({"status": "run", "result": "completed"}, "passed", ""),
        ({"status": "notrun", "result": "suppressed"}, "skipped", "disabled"),
        ({"status": "run", "result": "skipped"}, "skipped", ""),
        ({"status": "failed"}, "failed", ""),
        ({"status": "PASSED"}, "passed", ""),
        ({"status": "disabled"}, "skipped", "disabled"),
    ],
)
def test_a_status_counts_where_there_is_no_child(read, attributes, outcome, kind):
    (test,) = read(suite(case(**attributes))).tests
    assert (test.outcome, test.kind) == (outcome, kind)


def test_a_status_nobody_knows_is_counted(read):
    assert read(suite(case(status="wobbly"))).reading.ignored == {"status 'wobbly'": 1}


def test_surefire_says_flaky_and_rerun_by_elements_of_its_own(read):
    report = read("surefire.xml")
    assert report.outcomes == {
        "errors": "errored",
        "passes": "passed",
        "fails": "failed",
        "flaky": "passed",
        "ignored": "skipped",
    }
    assert [t.outcome for t in report.named("flaky").earlier] == ["failed"]
    assert report.named("flaky").earlier[0].message == "first time"
    assert "AssertionError: first time" in report.named("flaky").earlier[0].detail
    assert [t.outcome for t in report.named("fails").earlier] == ["failed", "failed"]
    assert [t.outcome for t in report.named("errors").earlier] == ["errored", "errored"]
    assert report.identifiers[0] == "x.SampleTest/junit/errors"


def test_a_case_with_nothing_but_rerun_failures_failed(read):
    (test,) = read(suite(case('<rerunFailure message="again"/>'))).tests
    assert test.outcome == "failed"


def test_googletest_keeps_parameters_beside_the_name(read):
    report = read("gtest.xml")
    assert report.named("Even/1").params == (("value_param", "3"),)
    assert report.named("Even/1").outcome == "failed"
    assert report.named("Fails").message.endswith("(and 1 more)")
    assert report.named("DISABLED_Off").kind == "disabled"
    assert report.named("Skips").message == "t.cc:4\nno device"
    assert report.named("Passes").properties == (("answer", "42"), ("name2", "x"))
    assert "Inst.P/gtest/Even/1" in report.identifiers


def test_nextest_is_known_by_its_root(read):
    text = (
        '<testsuites name="nextest-run" uuid="1"><testsuite name="crate::bin/x">'
        '<testcase name="m::t" classname="crate::bin/x" time="0.1">'
        '<flakyFailure type="test failure" message="panicked" time="0.2">at src'
        "<system-out>o</system-out></flakyFailure></testcase></testsuite></testsuites>"
    )
    report = read(text)
    assert report.identifiers == ["crate.bin.x/nextest/m::t"]
    (earlier,) = report.tests[0].earlier
    assert (earlier.outcome, earlier.message, earlier.duration_s) == ("failed", "panicked", 0.2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252", "koi8-r"])
def test_encodings_are_read_as_declared(read, encoding):
    word = "имя" if encoding == "koi8-r" else "naïve"
    text = f'<?xml version="1.0" encoding="{encoding}"?>{suite(case(name=word))[21:]}'
    report = read(text.encode(encoding))
    assert report.outcomes == {word: "passed"}
    assert not report.reading.degraded


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<html><body/></html>", "its root is <html>"),
        ("<testsuite/>", "holds no test"),
        ("<testsuite name='s'><testcase", "nothing in it is whole"),
        ("<", "no JUnit report"),
        (suite("<testsuite>" * 100 + "</testsuite>" * 100), "deeper than 64 suites"),
        (suite(case("<a>" * 100 + "</a>" * 100)), "deeper than 64"),
        (suite("<a>" * 100 + "</a>" * 100), "deeper than 64"),
        (suite(case(name="n" * 70_000)), "a test's name of 70003 characters"),
        (suite(case("<skipped/>", name="n" * 70_000)), "a test's name of 70003 characters"),
        (suite(f"<testcase name='a'>{case()}</testcase>"), "<testcase> within a <testcase>"),
    ],
)
def test_what_is_no_report_is_refused_with_its_file_and_a_remedy(read, text, message):
    with pytest.raises(ReportRefusedError, match="report.txt") as caught:
        read(text)
    assert message in str(caught.value)
    assert str(caught.value).count(". ") >= 1


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("file_bytes", 100, suite(case("x" * 200))),
        ("token_bytes", 100_000, suite(case(message="m" * 300_000))),
        ("tests", 2, suite(case() * 3)),
    ],
)
def test_every_cap_is_one_error_with_its_value(read, name, value, text):
    with pytest.raises(ReportRefusedError, match=str(value)):
        read(text, limits=dataclasses.replace(Limits(), **{name: value}))


def test_properties_beyond_the_cap_are_counted(read):
    many = "".join(f'<property name="{n}" value="v"/>' for n in range(5))
    report = read(suite(case(f"<properties>{many}</properties>")), limits=Limits(properties=3))
    assert len(report.tests[0].properties) == 3
    assert report.reading.ignored == {"property beyond the limit": 2}


@pytest.mark.parametrize("child", ["failure", "error", "skipped"])
@pytest.mark.parametrize("message", ["no", "m" * 9_000, ""])
@pytest.mark.parametrize("text", ["", "words\nmore", "t" * 99_000])
@pytest.mark.parametrize("time", ["1", "-1", "x"])
def test_the_quick_way_and_the_long_way_say_the_same(read, child, message, text, time):
    inside = f'<{child} message="{message}">{text}</{child}>'
    quick = read(suite(case(inside, time=time))).tests[0]
    long = read(suite(case(inside, time=time, timestamp="t"))).tests[0]
    assert quick == long._replace(timestamp="")
