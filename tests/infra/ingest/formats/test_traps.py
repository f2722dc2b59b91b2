"""The traps of pytest, its plugins and the other writers, each met in a real report or its form."""

from __future__ import annotations

import json

import pytest

from hotfire_infra.errors import ReportRefusedError
from hotfire_infra.ingest.formats.identity import test_id_of as identify
from hotfire_infra.ingest.formats.tries import Tries
from hotfire_infra.ingest.formats.values import Format


def totals(report) -> dict[str, str]:
    """Return what each test came to, as the importer counts it."""
    found: dict[str, Tries] = {}
    for test in report.tests:
        tries = found.setdefault(str(identify(test, "r")), Tries(is_lossy=is_xml(report)))
        for earlier in test.earlier:
            tries.add("t", earlier.outcome, is_bare=False)
        is_bare = test.outcome == "passed" and not test.kind and test.dialect == "pytest"
        tries.add("t", test.outcome, is_bare=is_bare)
    return {name.rpartition("/")[2]: next(iter(tries.totals())) for name, tries in found.items()}


def is_xml(report) -> bool:
    return report.reading.format is Format.JUNIT


def test_a_failure_that_was_rerun_in_vain_is_no_pass_in_pytests_xml(read):
    report = read("pytest-reruns.xml")
    assert [t.outcome for t in report.tests if t.name == "test_fail"] == ["passed"] * 2 + ["failed"]
    found = totals(report)
    assert found["test_fail"] == "failed"
    assert found["test_error_setup"] == "errored" or found["test_error_setup"] == "failed"
    assert found["test_recover"] == "flaky"
    assert found["test_pass"] == "passed"


def test_the_report_log_has_every_try_and_says_the_same(read):
    found = totals(read("reportlog-reruns.jsonl"))
    assert found["test_fail"] == "failed"
    assert found["test_recover"] == "flaky"
    assert found["test_pass"] == "passed"


def test_a_failure_with_a_broken_teardown_is_two_cases_and_one_failed_test(read):
    report = read("pytest-xunit2.xml")
    outcomes = [t.outcome for t in report.tests if t.name == "test_fail_teardown"]
    assert outcomes == ["failed", "errored"]
    assert totals(report)["test_fail_teardown"] == "failed"


def test_subtests_are_several_failures_of_one_case_and_counters_differ(read):
    report = read("pytest-xunit2.xml")
    assert report.named("test_subtests").message.endswith("more)")
    assert int(report.reading.context["tests"]) != report.reading.tests


def test_expected_failures_are_skips_of_their_kind(read):
    for name in ("pytest-xunit2.xml", "reportlog.jsonl"):
        report = read(name)
        (expected,) = [t for t in report.tests if t.name.endswith("test_xfail")]
        assert (expected.outcome, expected.kind, expected.message) == ("skipped", "xfail", "known")
        (strict,) = [t for t in report.tests if t.name.endswith("test_xpass_strict")]
        assert (strict.outcome, strict.kind) == ("failed", "xpass")


def test_an_unexpected_pass_shows_only_in_the_report_log(read):
    (seen,) = [t for t in read("reportlog.jsonl").tests if t.name.endswith("::test_xpass")]
    assert (seen.outcome, seen.kind, seen.message) == ("passed", "xpass", "known")
    assert read("pytest-xunit2.xml").named("test_xpass").kind == ""


def test_a_worker_of_xdist_that_crashed_is_a_failed_test_not_a_broken_setup(read):
    message = (
        "failed on setup with &quot;worker 'gw0' crashed while running 'test_a.py::test_b'&quot;"
    )
    case = f'<testcase classname="test_a" name="test_b" time="0"><error message="{message}"/></testcase>'
    (test,) = read(f'<testsuite name="pytest">{case}</testsuite>').tests
    assert (test.outcome, test.kind) == ("failed", "crash")


def test_a_file_that_cannot_be_collected_is_errored(read):
    case = (
        '<testcase classname="" name="tests.test_a"><error message="collection failure">E</error>'
    )
    (test,) = read(f'<testsuite name="pytest">{case}</testcase></testsuite>').tests
    assert (test.outcome, test.kind) == ("errored", "collection")


def test_xunit1_and_xunit2_give_the_same_identifiers(read):
    assert read("pytest-xunit1.xml").identifiers == read("pytest-xunit2.xml").identifiers


def test_the_xml_and_the_log_of_one_session_give_the_same_identifiers(read):
    from_xml = set(read("pytest-xunit2.xml").identifiers)
    assert set(read("reportlog.jsonl").identifiers) <= from_xml


def test_a_session_that_crashed_leaves_a_log_and_the_test_it_was_in(read):
    lines = [
        {"pytest_version": "9", "$report_type": "SessionStart"},
        *(
            {
                "$report_type": "TestReport",
                "nodeid": "a.py::one",
                "when": when,
                "outcome": "passed",
                "duration": 0.1,
            }
            for when in ("setup", "call", "teardown")
        ),
        {
            "$report_type": "TestReport",
            "nodeid": "a.py::two",
            "when": "setup",
            "outcome": "passed",
            "duration": 0.1,
        },
    ]
    report = read("\n".join(json.dumps(line) for line in lines) + '\n{"$report_type": "Test')
    assert report.outcomes == {"a.py::one": "passed", "a.py::two": "errored"}
    assert report.named("a.py::two").kind == "crash"
    assert "no JSON" in report.reading.incomplete


def test_no_report_at_all_names_the_likely_crash(read):
    with pytest.raises(ReportRefusedError, match="may have crashed"):
        read(b"")


def test_ctest_could_not_start_is_an_error_and_asked_to_skip_is_a_skip(read):
    report = read("ctest.xml")
    assert report.outcomes == {
        "ok": "passed",
        "bad": "failed",
        "skip": "skipped",
        "off": "skipped",
        "slow": "failed",
        "absent": "errored",
        "dir/with.slash": "failed",
        "crash": "failed",
    }
    assert report.named("absent").message == "Unable to find executable"
    assert report.named("bad").message == "out"
    assert report.named("off").kind == "disabled"
    assert report.identifiers[6] == "ctest/ctest/dir/with.slash"


def test_googletests_json_tells_run_skipped_and_suppressed_apart(read):
    report = read("gtest.json")
    assert report.outcomes == read("gtest.xml").outcomes
    assert report.identifiers == read("gtest.xml").identifiers
    assert report.named("Passes").properties == (("answer", "42"), ("name2", "x"))
    assert report.named("Passes").duration_s == 0.0
    assert report.named("DISABLED_Off").timestamp.startswith("1970")


def test_google_benchmarks_aggregates_are_left_out_and_repetitions_kept(read):
    report = read("google-benchmark.json", cells="benchmark.cost")
    copy = report.items[0]
    assert copy.test.name == "BM_Copy/64"
    by_metric = {point.metric: point for point in copy.points}
    wall = by_metric["benchmark.wall_time"]
    assert len(wall.replicates) == 3
    assert wall.value == sorted(wall.replicates)[1]
    assert 1e-10 < wall.value < 1e-6, "microseconds became seconds"
    assert by_metric["benchmark.cost"].replicates == (3.0, 3.0, 3.0)
    assert by_metric["benchmark.byte_rate"].value > 1e8
    assert copy.notes["items_per_second"] > 1e6
    assert copy.test.properties == (("label", "lab"),)
    assert report.outcomes["BM_Err"] == "failed"
    assert not any("mean" in name or "BigO" in name for name in report.outcomes)
    assert report.reading.context["library_build_type"] == "debug"


def test_a_benchmark_report_of_aggregates_alone_is_refused(read):
    with pytest.raises(ReportRefusedError, match="report_aggregates_only"):
        read("google-benchmark-aggregates.json")


def test_a_figure_that_is_no_registered_metric_is_refused_until_it_is_mapped(read):
    with pytest.raises(ReportRefusedError, match=r"--metric cells=METRIC.*cells=ignore"):
        read("google-benchmark.json")
    report = read("google-benchmark.json", cells="ignore")
    assert report.reading.ignored["figure 'cells'"] == 6


def test_pytest_benchmark_keeps_its_samples_in_seconds(read):
    report = read("pytest-benchmark.json")
    assert report.identifiers[2] == "bench_sample/pytest/test_sort[20]"
    assert report.tests[2].params == (("n", "20"),)
    (point,) = report.items[0].points
    assert (point.metric, point.estimator, len(point.replicates)) == (
        "benchmark.wall_time",
        "median",
        12,
    )
    assert point.inner == 10


def test_a_saved_pytest_benchmark_without_samples_has_one_replicate(read):
    value = {"machine_info": {}, "benchmarks": [{"fullname": "a.py::b", "stats": {"median": 2.5}}]}
    (point,) = read(json.dumps(value)).items[0].points
    assert point.replicates == (2.5,)


def test_samples_beyond_the_cap_are_thinned_evenly_and_counted(read):
    stats = {"median": 1.0, "data": [float(n) for n in range(25_000)]}
    value = {"machine_info": {}, "benchmarks": [{"fullname": "a.py::b", "stats": stats}]}
    report = read(json.dumps(value))
    (point,) = report.items[0].points
    assert len(point.replicates) == 10_000
    assert point.replicates[-1] > 24_990
    assert report.reading.ignored["replicate beyond the limit"] == 15_000


def test_asv_is_read_with_its_infinities_missing_columns_and_reprs(read):
    report = read("asv.json", track_value="benchmark.score")
    assert report.outcomes == {
        "time_sum(10, 'a')": "passed",
        "time_sum(10, 'b')": "passed",
        "time_sum(20, 'a')": "passed",
        "time_sum(20, 'b')": "skipped",
        "mem_list": "passed",
        "peakmem_list": "passed",
        "time_fails": "errored",
        "time_plain": "passed",
        "track_value": "passed",
    }
    metrics = {item.test.name: [p.metric for p in item.points] for item in report.items}
    assert metrics["peakmem_list"] == ["benchmark.memory"]
    assert metrics["track_value"] == ["benchmark.score"]
    assert report.identifiers[0] == "b.Suite/benchmark/time_sum(10, 'a')"
    assert len(report.items[0].definition["version"]) == 64


def test_results_of_another_version_of_asv_are_refused(read):
    with pytest.raises(ReportRefusedError, match="results of version 1"):
        read('{"version": 1, "result_columns": ["result"], "results": {"a": [1]}}')
