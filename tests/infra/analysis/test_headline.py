"""The sentence of a run claims no platform that did not execute."""

from dataclasses import dataclass

import pytest

from hotfire_infra.analysis.headline import final_headline


@dataclass(frozen=True)
class Judged:
    platform: str
    verdict: str | None
    key: str = ""


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        (["passed", "flaky", "skipped"], "passed on 1 of 1 platforms, 2 of 3 cells"),
        (["passed", "not_executable"], "passed on 0 of 1 platforms, 1 of 2 cells"),
        (["not_executable"], "passed on 0 of 1 platforms, 0 of 1 cells"),
        (["passed", "precluded"], "passed on 0 of 1 platforms, 1 of 2 cells"),
        (["passed", None], "passed on 0 of 1 platforms, 1 of 2 cells, 1 missing"),
    ],
)
def test_a_platform_counts_only_with_all_that_was_asked_of_it(verdicts, words):
    cells = [Judged("board", verdict) for verdict in verdicts]
    assert final_headline(cells, "passed").startswith(words)


def test_an_exonerated_cell_keeps_no_platform_from_passing_and_is_no_pass():
    cells = [Judged("board", "passed", "a"), Judged("board", "failed", "b")]
    assert final_headline(cells, "passed", {"b"}) == (
        "passed on 1 of 1 platforms, 1 of 2 cells, 1 exonerated, none missing."
    )
