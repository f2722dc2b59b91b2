"""Names of reports become test identifiers: stated rules, and never two names into one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfire_infra.ingest.formats.identity import module_name, parameters_of
from hotfire_infra.ingest.formats.identity import test_id_of as identify
from hotfire_infra.ingest.formats.values import Dialect, ReportedTest
from hotfire_testframework.contract.identifiers import TestId, pytest_test_id


def reported(dialect: Dialect, classname: str, name: str, **more: object) -> ReportedTest:
    return ReportedTest(dialect, str(more.pop("suite", "s")), classname, name, "passed", **more)


@pytest.mark.parametrize(
    ("test", "identifier"),
    [
        (reported(Dialect.JUNIT, "com.x.FooTest", "bar"), "com.x.FooTest/junit/bar"),
        (reported(Dialect.SUREFIRE, "com.x.FooTest", "bar[1]"), "com.x.FooTest/junit/bar[1]"),
        (reported(Dialect.JUNIT, "", "bar"), "s/junit/bar"),
        (reported(Dialect.JUNIT, "", "bar", suite=""), "report/junit/bar"),
        (reported(Dialect.JUNIT, "github.com/a/b", "T/sub"), "github.com.a.b/junit/T/sub"),
        (reported(Dialect.JUNIT, "src\\a\\b.js", "x"), "src.a.b.js/junit/x"),
        (reported(Dialect.JUNIT, "a", ""), "a/junit/(unnamed)"),
        (reported(Dialect.JUNIT, "a", "имя 名"), "a/junit/имя 名"),
        (reported(Dialect.JUNIT, "a", "line\nbreak\x85"), "a/junit/line\\nbreak\\x85"),
        (reported(Dialect.GTEST, "Inst/P", "Even/0"), "Inst.P/gtest/Even/0"),
        (reported(Dialect.CTEST, "dir/t", "dir/t", suite="(empty)"), "ctest/ctest/dir/t"),
        (reported(Dialect.NEXTEST, "crate::bin", "m::t"), "crate.bin/nextest/m::t"),
        (reported(Dialect.TAP, "", "first", suite="t"), "t/tap/first"),
    ],
)
def test_module_and_name_follow_the_rules(test, identifier):
    assert str(identify(test, "report")) == identifier


@pytest.mark.parametrize(
    ("classname", "name", "file", "node_id"),
    [
        ("tests.test_a", "test_b", "", "tests/test_a.py::test_b"),
        ("tests.test_a.TestC", "test_b[1-x]", "", "tests/test_a.py::TestC::test_b[1-x]"),
        ("tests.test_a.TestC.TestD", "test_b", "", "tests/test_a.py::TestC::TestD::test_b"),
        ("t.Up.test_a", "test_b", "", "t/Up/test_a.py::test_b"),
        ("tests.test_a.lower", "test_b", "tests/test_a.py", "tests/test_a.py::lower::test_b"),
    ],
)
def test_pytests_xml_and_its_node_ids_give_one_identifier(classname, name, file, node_id):
    from_xml = identify(reported(Dialect.PYTEST, classname, name, file=file), "report")
    from_log = identify(reported(Dialect.PYTEST, "", node_id), "report")
    assert from_xml == from_log == pytest_test_id(node_id)


def test_parameters_beside_the_name_stay_outside_of_it():
    test = reported(Dialect.GTEST, "P", "Even/0", params=(("value_param", "2"),))
    assert parameters_of(test) == {"value_param": "2"}
    assert "2" not in str(identify(test, "report"))
    assert parameters_of(reported(Dialect.PYTEST, "m", "test_x[a-b]")) == {"id": "a-b"}


def test_very_long_names_are_cut_with_a_digest_and_stay_apart():
    long = "n" * 5_000
    first, second = (identify(reported(Dialect.JUNIT, long, long + end), "r") for end in "ab")
    assert first.module == second.module
    assert first.name != second.name
    assert len(first.module) <= 200
    assert len(first.name) <= 1024


@pytest.mark.parametrize("pair", [("a b", "a_b"), ("ä", "ö"), ("a b", "a\tb"), ("", "_")])
def test_a_module_that_had_to_be_replaced_meets_no_other(pair):
    assert len({module_name(text) for text in pair}) == 2


names = st.text(max_size=40) | st.text("ab/\\:. \x00\x1b[]é", max_size=20)


@given(st.sampled_from(Dialect), names, names, names, names)
def test_every_name_has_an_identifier_that_can_be_parsed(dialect, suite, classname, name, file):
    test = ReportedTest(dialect, suite, classname, name, "passed", file=file)
    identifier = identify(test, "report")
    assert TestId.parse(str(identifier)) == identifier
