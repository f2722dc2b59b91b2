"""The same code measured again on request: which runs are started, and that they stay apart."""

from __future__ import annotations

import dataclasses
import math
import random
from contextlib import closing

import pytest
from sqlalchemy import select, update

from hotfire_infra.analysis.noise import noise_reports
from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.client.connection import Connection
from hotfire_infra.client.noise_desk import ServiceNoiseDesk
from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.executors.fake import Script
from hotfire_infra.orchestrator.finalizing import ANALYSES
from hotfire_infra.orchestrator.repeating import PURPOSE, Repeater
from hotfire_infra.store.models import Run, SourceStamp, Task
from hotfire_infra.store.queries import newest_runs, run_by_id

MEASURED = {
    "metric": "aestus.decode_rate", "version": 1, "unit": "token/s", "estimator": "median",
    "test": "perf/pytest/t", "launches": [0], "inner": 1, "valid": True, "definition": "0" * 64,
}  # fmt: skip


@pytest.fixture
def stand(make_stand):
    draw = random.Random(2)

    def script(spec):
        if spec.task.startswith("plain"):
            return Script()
        value = 100.0 * math.exp(draw.gauss(0, 0.01))
        return Script(
            records=(("measurement", {**MEASURED, "value": value, "replicates": [value]}),)
        )

    known = {}
    made = make_stand(lambda spec: known.setdefault(spec.attempt, script(spec)))
    made.orchestrator.analyses = ANALYSES
    return made


@pytest.fixture
def first(stand, make_plan):
    return stand.run(make_plan({"speed": ["perf/pytest/t"], "plain": ["unit/pytest/u"]})).run


def with_archive(stand, run):
    """Return a run as it is with an archive of its source, which this stand does not keep."""
    archive = stand.store.blobs.put_bytes(b"source").sha256
    return dataclasses.replace(run, source=dataclasses.replace(run.source, archive_sha256=archive))


def test_runs_of_what_measured_something_make_a_noise_floor(stand, first):
    run = with_archive(stand, first)
    numbers = Repeater(stand.store).repeat(run, runs=6, rebuild=False, by="ada")
    assert len(numbers) == 6
    with stand.store.reading() as connection:
        rows = connection.execute(select(Run.id, Run.parent_run_id).where(Run.purpose == PURPOSE))
        ids = [row.id for row in rows if row.parent_run_id == first.id]
    assert len(ids) == 6
    for one in ids:
        stand.finish(one)
    with stand.store.reading() as connection:
        keys = set(connection.execute(select(Task.key).where(Task.run_id.in_(ids))).scalars())
        assert all(key.startswith("speed") for key in keys), "what measures nothing is left out"
        assert {one.id for one in newest_runs(connection, limit=9)} == {first.id}
        assert {run_by_id(connection, one).verdict for one in ids} == {"passed"}
        (found,) = noise_reports(connection)
    assert found.codes == 1
    assert found.attempts >= 6
    assert found.floor is not None


def test_what_cannot_be_measured_again_is_refused_with_the_reason(stand, first, make_plan):
    with pytest.raises(RequestRefusedError, match="source of run 1 is not here any more"):
        Repeater(stand.store).repeat(first, runs=2, rebuild=False, by="ada")
    plain = stand.run(make_plan({"plain": ["unit/pytest/u"]})).run
    with pytest.raises(RequestRefusedError, match="has measured nothing"):
        Repeater(stand.store).repeat(plain, runs=2, rebuild=False, by="ada")
    with pytest.raises(RequestRefusedError, match="1 to 50"):
        Repeater(stand.store).repeat(first, runs=0, rebuild=False, by="ada")


def test_a_service_starts_them_as_well_and_refuses_alike(stand, first, served, onlooker):
    service = onlooker(stand.store, reports=StoreReports(stand.store))
    with served(service) as address, closing(Connection(address, None)) as connection:
        desk = ServiceNoiseDesk(connection)
        with pytest.raises(RequestRefusedError, match="not here any more"):
            desk.repeat("1", runs=2, rebuild=False)
        with stand.store.writing() as writing:
            archive = stand.store.blobs.put_bytes(b"source").sha256
            writing.execute(update(SourceStamp).values(archive_sha256=archive))
        assert len(desk.repeat("1", runs=2, rebuild=True)) == 2
    with stand.store.reading() as reading:
        rows = reading.execute(select(Run.options).where(Run.purpose == PURPOSE)).scalars().all()
    assert [row["fresh"] for row in rows] == [["speed"], ["speed"]]
