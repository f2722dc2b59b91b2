"""A command that writes a report: the plan expects the tests that were recorded, not the command."""

from typing import Any

import pytest

from hotfire_pipelines.errors import PipelineError
from hotfire_testframework.contract.outcomes import ReportFormat
from hotfire_testframework.contract.task import ReportSpec

House = Any
RECORDED = ("unit/junit/a.Math.adds", "unit/junit/a.Math.divides")
JUNIT = {"path": "out/results.xml", "format": "junit"}


@pytest.fixture
def reporting(house: House) -> House:
    house.pipeline["tasks"]["unit"] |= {"harness": "command", "reports": [JUNIT]}
    return house


def test_the_reports_are_in_the_specification_of_the_task(reporting: House) -> None:
    (task,) = [one for one in reporting.freeze().tasks if one.key.startswith("unit")]
    assert task.spec.reports == (ReportSpec(path="out/results.xml", format=ReportFormat.JUNIT),)


def test_what_is_expected_is_what_was_recorded(reporting: House) -> None:
    (cell,) = [one for one in reporting.freeze().cells if one.task == "unit"]
    assert cell.inventory is None
    plan = reporting.freeze(inventory=lambda key: RECORDED if key.startswith("unit") else None)
    (cell,) = [one for one in plan.cells if one.task == "unit"]
    assert plan.inventories[cell.inventory] == RECORDED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"harness": "gtest"}, "`reports:` goes with `harness: command`"),
        ({"reports": [JUNIT, JUNIT]}, "two `reports:` have the same path"),
        ({"reports": [{**JUNIT, "path": "../results.xml"}]}, "path"),
        ({"reports": [{**JUNIT, "format": "html"}]}, "junit"),
    ],
)
def test_a_report_that_cannot_be_is_refused(
    reporting: House, change: dict[str, Any], message: str
) -> None:
    reporting.pipeline["tasks"]["unit"] |= change
    with pytest.raises(PipelineError, match=message):
        reporting.freeze()
