"""A regression of the target branch as every door shows it: command line, API, JSON."""

from __future__ import annotations

import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from hotfire_infra.analysis.change_tracking import ChangeState
from hotfire_infra.analysis.history import SeriesHistory
from hotfire_infra.analysis.report import RunReport, run_document
from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.analysis.transport import decode, encode
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.routers.history import changes as list_changes
from hotfire_infra.cli.verbs import show as verb


@pytest.fixture
def regressed(branch):
    branch.history({26: 0.95}, runs=32, tests=("short", "long"), noise=0.005)
    return branch


@pytest.fixture
def shown(regressed, monkeypatch, capsys):
    """Return what `hotfire show …` prints."""

    @contextmanager
    def reports():
        yield StoreReports(regressed.store)

    def show(what, *, as_json=False):
        monkeypatch.setattr(verb, "open_reports", reports)
        assert verb.show(what, "latest", as_json=as_json) == 0
        return capsys.readouterr().out

    return show


def test_a_regression_is_shown_by_run_test_and_series(regressed, shown):
    (found,) = regressed.findings()
    (cause,) = {one.cause for one in regressed.changes()}
    assert f"change: {found.text}" in shown(str(found.run_id))
    test = shown("perf/pytest/short")
    (line,) = [line for line in test.splitlines() if "worse:" in line]
    assert "✗ worse: decode -" in line.replace("x worse", "✗ worse")
    assert "alert of run" in line
    key = next(line for line in test.splitlines() if "series aestus.decode_rate" in line).split()[
        -1
    ]
    series = shown(key)
    assert line.strip() in series
    assert "larger is better" in series
    assert "and 12 earlier points" in series
    document = json.loads(shown(key, as_json=True))
    assert [one["cause"] for one in document["changes"]] == [cause]
    assert shown(f"http://127.0.0.1:8321/p/{key}") == series


def test_json_of_the_run_and_the_wire_hold_the_same(regressed):
    reports = StoreReports(regressed.store)
    (found,) = regressed.findings()
    report = reports.report(str(found.run_id))
    (change, *_) = report.changes
    assert run_document(report)["changes"][0]["words"] == change.words
    assert (change.state, change.direction, change.kind) == ("alert", "worse", "step")
    assert int(change.after_revision[:7], 16) < 26 <= int(change.until_revision[:7], 16)
    assert decode(RunReport, encode(report)) == report
    series = reports.series(change.series)
    assert decode(SeriesHistory, encode(series)) == series


def test_the_api_lists_changes_page_by_page(regressed):
    service = SimpleNamespace(store=regressed.store)
    first = list_changes(service, limit=1)
    second = list_changes(service, limit=1, cursor=first.next)
    assert {one.items[0].test for one in (first, second)} == {
        "perf/pytest/short", "perf/pytest/long",
    }  # fmt: skip
    assert list_changes(service, state=ChangeState.WITHDRAWN).items == []
    assert len(list_changes(service, state=ChangeState.ALERT).items) == 2
    with pytest.raises(ApiError):
        list_changes(service, cursor="nonsense")
