"""Cells that a change does not concern: told with the run, no verdict, never green or missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hotfire_infra.analysis.headline import headline
from hotfire_infra.analysis.report import run_document
from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.errors import PlanRefusedError
from hotfire_infra.states import RunVerdict
from hotfire_pipelines.selected import PlannedOmission, PlannedSelection

ONE = "m/s/one"
WAIVER = {
    "test": "m/s/slow",
    "variant": {"platform": "board"},
    "owner": "kernels@example.org",
    "bug": "HF-12",
    "reason": "rounding",
    "signature": "over its bound",
    "created": "2026-11-01",
    "expires": "2026-12-01",
    "line": 3,
}


def narrowed(plan, *names, **more):
    """The plan with some cells of the pipeline left out."""
    omitted = tuple(
        PlannedOmission(
            key=name, task=name.partition("@")[0], platform="board", variant={"platform": "board"}
        )
        for name in names
    )
    reasons = dict.fromkeys(names, ("the one changed file does not concern it",))
    selection = PlannedSelection(since="main", base="3f2a91c", reasons=reasons)
    return replace(plan, unselected=omitted, selection=selection, **more)


def test_a_run_tells_what_its_plan_left_out_and_judges_the_rest(make_stand, make_plan, store):
    stand = make_stand()
    found = stand.run(narrowed(make_plan({"unit": [ONE]}), "slow@board", "slower@board"))
    assert found.run.verdict is RunVerdict.PASSED
    assert [cell.key for cell in found.cells] == ["unit"]
    report = StoreReports(store).report("latest")
    [notice] = report.notices
    assert notice.kind == "not-selected"
    assert notice.text == (
        "2 of 3 cells are not part of this run: nothing that changed since main concerns them "
        "(slow, slower)"
    )
    assert notice.body["cells"][0]["reason"] == "the one changed file does not concern it"
    sentence = "passed on 1 of 1 platforms, 1 of 1 cells, none missing, 2 not selected."
    assert headline(report) == found.run.headline == sentence
    document = run_document(report)
    assert document["totals"] == {"passed": 1}, "they have no verdict"
    assert document["notices"][0]["kind"] == "not-selected"


def test_a_whole_run_tells_nothing(make_stand, make_plan, store):
    make_stand().run(make_plan({"unit": [ONE]}))
    report = StoreReports(store).report("latest")
    assert report.notices == ()
    assert "not selected" not in headline(report)


def test_a_retry_leaves_out_the_same(make_stand, make_plan, store):
    stand = make_stand()
    plan = narrowed(make_plan({"unit": [ONE]}), "slow@board")
    stand.run(plan)
    again = type(plan).from_json(plan.to_json())
    assert "1 not selected" in stand.run(again).run.headline


def test_nothing_selected_is_no_run(make_stand, make_plan):
    plan = narrowed(make_plan({}), "slow@board")
    with pytest.raises(PlanRefusedError, match="no cell of the plan is selected"):
        make_stand().start(plan)


@pytest.mark.parametrize("names", [(), ("slow@board",)])
def test_a_waiver_of_what_was_left_out_is_not_called_useless(make_stand, make_plan, store, names):
    plan = make_plan({"unit": [ONE]})
    make_stand().run(narrowed(plan, *names, waivers=(WAIVER,)))
    kinds = [notice.kind for notice in StoreReports(store).report("latest").notices]
    assert ("waiver-matches-nothing" in kinds) == (not names)
