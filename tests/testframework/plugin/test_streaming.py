"""What the events say about each way a test can end."""

from __future__ import annotations

import pytest


def test_each_outcome_of_pytest_has_its_word(suite):
    suite.write(
        """
        import pytest
        def test_passes(): pass
        def test_fails(): assert 1 == 2
        def test_skips(): pytest.skip("no device")
        @pytest.mark.xfail(reason="known")
        def test_xfails(): assert 0
        @pytest.mark.xfail(reason="known", strict=False)
        def test_xpasses(): pass
        @pytest.mark.xfail(reason="known", strict=True)
        def test_xpasses_strictly(): pass
        """
    )
    done = suite.run()

    assert done.results() == [
        ("test_passes", 1, "passed"),
        ("test_fails", 1, "failed"),
        ("test_skips", 1, "skipped"),
        ("test_xfails", 1, "skipped"),
        ("test_xpasses", 1, "passed"),
        ("test_xpasses_strictly", 1, "failed"),
    ]
    assert done.result("test_fails")["message"] == "assert 1 == 2"
    assert done.result("test_fails")["failure_class"] == "product"
    assert done.result("test_skips")["message"] == "no device"
    assert done.result("test_xfails")["metrics"] == {"xfail": True}
    assert done.result("test_xpasses")["metrics"] == {"xpass": True}


def test_a_fixture_that_breaks_is_errored_in_the_tests_code(suite):
    suite.write(
        """
        import pytest
        @pytest.fixture
        def before(): raise ValueError("before")
        @pytest.fixture
        def after():
            yield
            raise ValueError("after")
        def test_setup(before): pass
        def test_teardown(after): pass
        def test_both(after): assert 0
        """
    )
    done = suite.run()

    assert done.results() == [
        ("test_setup", 1, "errored"),
        ("test_teardown", 1, "errored"),
        ("test_both", 1, "failed"),
    ]
    assert done.result("test_setup")["failure_class"] == "test"
    assert "ValueError: after" in done.result("test_both")["detail"]
    assert done.result("test_both")["failure_class"] == "product"


def test_collected_comes_first_and_finish_last(suite):
    suite.write("def test_a(): pass\ndef test_b(): pass\n")
    done = suite.run()

    assert [event["kind"] for event in done.events] == [
        "collected",
        "test_start",
        "test_attempt",
        "test_start",
        "test_attempt",
        "finish",
    ]
    assert done.events[0]["tests"] == ["test_it/pytest/test_a", "test_it/pytest/test_b"]


@pytest.mark.parametrize("how", ["os._exit(3)", "os.abort()", "os.kill(os.getpid(), 9)"])
def test_a_crash_loses_nothing_but_the_test_it_was_in(suite, how):
    suite.write(
        f"import os\ndef test_a(): pass\ndef test_b(): assert 0\ndef test_c(): {how}\ndef test_d(): pass\n"
    )
    done = suite.run()

    assert done.results() == [("test_a", 1, "passed"), ("test_b", 1, "failed")]
    assert done.events[-1]["kind"] == "test_start"
    assert done.events[-1]["test"].endswith("test_c")


def test_a_start_is_on_disk_before_the_fixtures_of_its_test_run(suite):
    suite.write(
        """
        import os, pathlib, pytest
        @pytest.fixture
        def look():
            return pathlib.Path(os.environ["HOTFIRE_EVENTS"]).read_text()
        def test_a(): pass
        def test_b(look):
            assert look.splitlines()[-1].find("test_b") > 0
            assert look.count('"test_attempt"') == 1
        """
    )

    assert suite.run().code == 0


def test_a_module_that_cannot_be_imported_is_errored_and_the_others_run(suite):
    suite.write("import no_such_module\n", "test_broken.py")
    suite.write("def test_a(): pass\n", "test_whole.py")
    done = suite.run("--continue-on-collection-errors")

    broken = done.result("test_broken.py")
    assert (broken["outcome"], broken["failure_class"]) == ("errored", "test")
    assert "no_such_module" in broken["detail"]
    assert done.result("test_a")["outcome"] == "passed"


def test_subtests_that_fail_fail_their_test_once(suite):
    suite.write(
        """
        def test_parts(subtests):
            for number in range(3):
                with subtests.test("part", number=number):
                    assert number == 0
        """
    )
    done = suite.run()

    assert done.results() == [("test_parts", 1, "failed")]
    assert done.result("test_parts")["metrics"]["subtests_failed"] == 2
    assert "part number=2" in done.result("test_parts")["detail"]


def test_the_marker_overrides_the_identifier(suite):
    suite.write(
        """
        import pytest
        case = "gemm.f32:m=1,n=1,k=1,data=exact,seed=7"
        @pytest.mark.parametrize("line", [pytest.param(case, marks=pytest.mark.hotfire_id("aestus.kernels/python/" + case))])
        def test_case(line): pass
        """  # noqa: E501
    )

    assert suite.run().of("collected")[0]["tests"] == [
        "aestus.kernels/python/gemm.f32:m=1,n=1,k=1,data=exact,seed=7"
    ]


@pytest.mark.parametrize("marker", ['"no-slashes"', '"a/b"', "", "7", '"a/b/c\\n"'])
def test_a_wrong_marker_is_a_usage_error(suite, marker):
    suite.write(f"import pytest\n@pytest.mark.hotfire_id({marker})\ndef test_a(): pass\n")
    done = suite.run()

    assert done.code == 4
    assert "hotfire_id" in done.output


def test_two_tests_with_one_identifier_are_refused(suite):
    suite.write(
        """
        import pytest
        @pytest.mark.hotfire_id("a/b/c")
        def test_a(): pass
        @pytest.mark.hotfire_id("a/b/c")
        def test_b(): pass
        """
    )
    done = suite.run()

    assert done.code == 4
    assert "two tests have the identifier 'a/b/c'" in done.output


def test_strange_parameters_give_legal_identifiers_that_differ(suite):
    suite.write(
        """
        import pytest
        @pytest.mark.parametrize("p", ["é", "\\x01", "a/b", "[x]", "日本", "\\n", "x" * 3000, "x" * 3001])
        def test_p(p): pass
        """
    )
    done = suite.run()
    tests = done.of("collected")[0]["tests"]

    assert len(set(tests)) == 8
    assert all(len(test) < 1100 and test.isprintable() for test in tests)
    assert [event["outcome"] for event in done.of("test_attempt")] == ["passed"] * 8


def test_finished_tests_are_left_out_of_a_second_process(suite):
    suite.write("def test_a(): pass\ndef test_b(): pass\n")
    finished = suite.folder / "finished"
    finished.write_text("test_it/pytest/test_a\n")
    done = suite.run(HOTFIRE_FINISHED=str(finished))

    assert done.results() == [("test_b", 1, "passed")]


def test_without_the_variable_nothing_is_streamed(suite):
    suite.write("def test_a(hotfire_record): hotfire_record.metrics({'a': 1})\n")
    done = suite.run(HOTFIRE_EVENTS="")

    assert done.code == 0
    assert done.events == []


def test_workers_of_xdist_stream_their_own_tests(suite):
    suite.write(
        "import pytest\n@pytest.mark.parametrize('n', range(40))\ndef test_n(n): assert n != 7\n"
    )
    done = suite.run("-n", "2")

    assert len(done.results()) == len(set(done.results())) == 40
    assert done.result("test_n[7]")["outcome"] == "failed"
    assert done.events[-1]["kind"] == "finish"
    assert {event["worker"] for event in done.of("test_start")} == {"gw0", "gw1"}


def test_a_worker_that_crashes_names_its_test_by_its_marker(suite):
    suite.write(
        """
        import os, pytest
        @pytest.mark.hotfire_id("a/b/crasher")
        def test_crash(): os._exit(1)
        @pytest.mark.parametrize("n", range(6))
        def test_n(n): pass
        """
    )
    done = suite.run("-n", "2")

    assert done.result("a/b/crasher")["outcome"] == "failed"
    assert "crashed" in done.result("a/b/crasher")["message"]
    assert sum(outcome == "passed" for _, _, outcome in done.results()) == 6


# What pytest-rerunfailures does. Version 16.7 announces every try and reports the teardown of a try that
# is repeated; earlier versions did neither.
RERUNS = """
    import pytest
    from _pytest.runner import runtestprotocol

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(item, nextitem):
        for attempt in range(3):
            if attempt == 0 or ANNOUNCED:
                item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            repeats = False
            for report in runtestprotocol(item, nextitem=nextitem, log=False):
                report.rerun = attempt
                if report.failed and attempt < 2:
                    report.outcome, repeats = "rerun", True
                    item.ihook.pytest_runtest_logreport(report=report)
                    item._initrequest()
                    if not REPORTED:
                        break
                    continue
                item.ihook.pytest_runtest_logreport(report=report)
            if not repeats:
                break
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True
"""
FLAKY = """
    count = {"n": 0}
    def test_recovers():
        count["n"] += 1
        assert count["n"] == 3
    def test_never(): assert 0
    def test_at_once(): pass
"""
TRIES = [
    ("test_recovers", 1, "failed"),
    ("test_recovers", 2, "failed"),
    ("test_recovers", 3, "passed"),
    ("test_never", 1, "failed"),
    ("test_never", 2, "failed"),
    ("test_never", 3, "failed"),
    ("test_at_once", 1, "passed"),
]


@pytest.mark.parametrize("announced", ["True", "False"])
@pytest.mark.parametrize("reported", ["True", "False"])
def test_each_try_of_a_rerun_is_a_record(suite, announced, reported):
    plugin = RERUNS.replace("ANNOUNCED", announced).replace("REPORTED", reported)
    suite.write(plugin, "conftest.py")
    suite.write(FLAKY)
    done = suite.run()

    assert done.results() == TRIES
    assert [event["try"] for event in done.of("test_start")] == [1, 2, 3, 1, 2, 3, 1]


def test_each_try_of_the_real_rerunfailures_is_a_record(suite):
    suite.write(FLAKY)
    done = suite.run("-p", "pytest_rerunfailures", "--reruns", "2")

    assert done.results() == TRIES, done.output


def test_flaky_beside_rerunfailures_is_refused(suite):
    suite.write("def test_a(): pass\n")
    suite.write(
        """
        import pytest
        class Nothing: pass
        @pytest.hookimpl(tryfirst=True)
        def pytest_configure(config):
            config.pluginmanager.register(Nothing(), "flaky")
        """,
        "conftest.py",
    )
    done = suite.run("-p", "pytest_rerunfailures")

    assert done.code == 4
    assert "--reruns is silently ignored" in done.output
