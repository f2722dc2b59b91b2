"""Lines of a run, and where text goes."""

import importlib.util
import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hotfire_infra.analysis import appearance as looks
from hotfire_infra.analysis.headline import headline
from hotfire_infra.analysis.report import Notice
from hotfire_infra.cli import console
from hotfire_infra.cli.lines import cell_line, closing_line, performance_lines, widths_of
from hotfire_infra.states import AttemptState, RunState, RunVerdict, TaskState
from hotfire_infra.store.queries_unselected import NOT_SELECTED
from hotfire_testframework.contract.outcomes import Outcome, Verdict

_PATH = Path(__file__).parents[2] / "dashboards" / "literal_reports.py"


@pytest.fixture(scope="module")
def literals():
    if "literal_reports" not in sys.modules:
        spec = importlib.util.spec_from_file_location("literal_reports", _PATH)
        module = importlib.util.module_from_spec(spec)
        sys.modules["literal_reports"] = module
        spec.loader.exec_module(module)
    return sys.modules["literal_reports"]


def test_a_finished_cell_is_one_aligned_line(literals):
    report = literals.run_report()
    lines = [cell_line(cell, widths_of(report), io.StringIO()) for cell in report.cells]
    assert lines[1] == (
        " ✓ kernels      linux-x86_64        release         12 s   1,940 passed   "
        "worst error 0.62 of its bound"
    )
    assert lines[-1].endswith("not executable here: no NVIDIA device · required: when-available")
    assert "emulated" in lines[4]


def test_closing_line_is_headline_coverage_and_address(literals):
    assert closing_line(literals.run_report(), io.StringIO()) == (
        " passed on 3 of 4 platforms, 10 of 11 cells, none missing.   "
        "coverage 91.2 % C++, 94.0 % Python   http://127.0.0.1:8321/r/7"
    )


def test_coverage_of_a_part_of_the_tests_is_called_partial(literals):
    whole = literals.run_report()
    native, python = whole.coverage
    cells = [{"cell": "unit@pc"}, {"cell": "unit@board"}]
    notice = Notice(kind=NOT_SELECTED, text="2 of 13 cells", body={"cells": cells})
    narrowed = replace(whole, coverage=(native, replace(python, left_out=12)))
    shares = "partial coverage 91.2 % C++, 94.0 % Python"
    assert f"{shares} (12 tests left out)   " in closing_line(narrowed, io.StringIO())
    fewer = replace(narrowed, notices=(notice,))
    words = f"{shares} (12 tests left out, 2 cells not selected)"
    assert words in closing_line(fewer, io.StringIO())
    assert "(2 cells not selected)" in closing_line(
        replace(whole, notices=(notice,)), io.StringIO()
    )


def test_performance_line_holds_the_interval_and_what_it_rests_on(literals):
    lines = performance_lines(literals.run_report(), io.StringIO())
    assert "172 tok/s  +0.4 % (-1.2 % … +2.0 %) against 5 earlier runs: unchanged" in lines[0]
    assert lines[1].startswith(" ✗ aestus.prefill_rate")


def test_headline_counts_what_is_red_lost_and_missing(literals):
    assert headline(literals.red_report()) == (
        "failed: passed on 1 of 4 platforms, 8 of 11 cells, 1 failed, 1 errored, none missing."
    )
    cells = [literals.cell("build", "a"), literals.cell("kernels", "a", "missing")]
    report = literals.run_report(cells, verdict="incomplete")
    assert headline(report) == "incomplete: passed on 0 of 1 platforms, 1 of 2 cells, 1 missing."


def test_headline_of_a_run_that_goes_says_how_far_it_is(literals):
    assert headline(literals.live_report()) == "running: 1 of 11 cells decided"


@pytest.mark.parametrize("enum", [AttemptState, RunState, RunVerdict, TaskState, Outcome, Verdict])
def test_every_word_of_every_state_has_an_appearance(enum):
    assert {word.value for word in enum} <= looks.known_words()


def test_bad_looks_differ_by_symbol_not_only_by_colour():
    symbols = {looks.appearance(word).symbol for word in ("passed", "failed", "errored", "flaky")}
    assert len(symbols) == 4


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("environ", "stream", "wanted"),
    [
        ({}, Terminal(), True),
        ({"NO_COLOR": "1"}, Terminal(), False),
        ({"TERM": "dumb"}, Terminal(), False),
        ({}, io.StringIO(), False),
        ({"CLICOLOR_FORCE": "1"}, io.StringIO(), True),
        ({"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, Terminal(), False),
    ],
)
def test_colour_is_used_where_it_is_wanted(environ, stream, wanted):
    assert console.use_colour(stream, environ) is wanted


def test_away_from_a_terminal_progress_carries_its_time(capsys):
    console.progress("words")
    out, err = capsys.readouterr()
    assert out == ""
    assert err[10:11] == "T"
    assert err.endswith("Z words\n")


def test_away_from_a_terminal_a_table_is_whole_and_tab_separated():
    text = console.table(("A", "B"), [("x" * 300, "1")], frozenset({1}))
    assert text == "A\tB\n" + "x" * 300 + "\t1"
