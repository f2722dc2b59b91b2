"""Every real report, all the way into the store and to its verdicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotfire_infra.errors import ReportRefusedError
from hotfire_infra.executors.fake import everything_passes
from hotfire_infra.orchestrator.importing import ImportWish, import_reports
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.store import queries

DATA = Path(__file__).parent / "formats" / "data"
SOURCE = StoredSource(
    repository="here", revision="a" * 40, patch_digest="", subject="", archive_sha256=None
)
REPORTS = sorted(path.name for path in DATA.iterdir() if path.suffix != ".md")


@pytest.fixture
def dialect() -> str:
    """What differs between databases is met in the orchestrator's tests of importing."""
    return "sqlite"


@pytest.mark.parametrize("name", REPORTS)
def test_every_real_report_is_judged_as_its_totals_say(store, make_stand, name):
    metrics = {"cells": "benchmark.cost", "track_value": "benchmark.score"}
    wish = ImportWish(files=[DATA / name], source=SOURCE, requested_by="tester", metrics=metrics)
    if name == "google-benchmark-aggregates.json":
        with pytest.raises(ReportRefusedError):
            import_reports(store, wish)
        return
    outcome = import_reports(store, wish)
    make_stand(everything_passes).finish(outcome.run_id)
    with store.reading() as connection:
        found = [row.verdict for row in queries.verdicts_of(connection, outcome.run_id)]
    (report,) = outcome.imported
    assert {word: found.count(word) for word in set(found)} == dict(report.totals)
    assert len(found) == report.tests
