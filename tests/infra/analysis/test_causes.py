"""Causes: what says the same stands once."""

from hotfire_infra.analysis.causes import causes_of, normalised
from hotfire_infra.analysis.report import FailedTest


def failed(test, message, *, outcome="failed", cell="kernels"):
    return FailedTest(
        test=test, outcome=outcome, failure_class="product", message=message, cell=cell
    )


def test_numbers_ids_and_addresses_do_not_tell_causes_apart():
    assert normalised("error 3.71 at 0x7f in 01M7Z1AW43ZQE1HFGDMMVF3T5F") == normalised(
        "error 4e-3 at 0x9a in 01M7Z1CTV4R952JTRTDCEKEN18"
    )


def test_the_same_first_line_is_one_cause_over_cells():
    causes = causes_of([failed("a", "error 1"), failed("b", "error 2\nmore", cell="other")])
    assert [(c.example.test, c.others, c.cells) for c in causes] == [("a", 1, ("kernels", "other"))]


def test_failed_stands_before_errored_and_different_words_apart():
    causes = causes_of([failed("a", "gone", outcome="errored"), failed("b", "x"), failed("c", "y")])
    assert [cause.example.test for cause in causes] == ["b", "c", "a"]


def test_tests_without_a_message_are_not_thrown_together():
    assert len(causes_of([failed("a", ""), failed("b", "")])) == 2
