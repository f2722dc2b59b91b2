"""The service's whole way on both databases: start, follow, ingest, every list."""

import httpx
import pytest

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.api.service import Service
from hotfire_infra.executors.fake import FakeExecutor, Script
from hotfire_infra.settings import Settings
from hotfire_testframework.contract.ulid import new_ulid

LISTS = (
    "runs", "runs/rows", "runs/summaries", "requests", "devices", "schedules", "holds",
    "holds/active", "runs/latest/cells", "runs/latest/tests", "runs/latest/tests?verdict=failed",
    "runs/latest/attempts", "runs/latest/pending", "runs/latest/exonerations",
    "runs/latest/measurements", "runs/latest/accuracy?against=latest", "runs/latest/report",
    "runs/latest/snapshot", "runs/latest/results", "tests/history?test=m/s/bad",
    "kernels/errors?kernel=gemm", "tests/similar?text=m", "pipelines/small/inventories",
    "pipelines/small/attempt-durations", "coverage/files?revision=a&file=b",
    "coverage/contexts?revision=a&file=b",
    "pipelines/small/cell-durations?cell=a&task=b&platform=c",
)  # fmt: skip


@pytest.fixture
def service(any_store, tmp_path):
    settings = Settings(home=any_store.home, cache=tmp_path / "cache", user="tester")
    executor = FakeExecutor(
        any_store.attempts, director=lambda _: Script(outcomes={"m/s/bad": "failed"}),
        clock=any_store.clock,
    )  # fmt: skip
    return Service(
        store=any_store, settings=settings, executor=executor, reports=StoreReports(any_store),
        executes=False,
    )  # fmt: skip


def test_a_run_goes_its_whole_way_and_every_list_answers(service, served, make_plan):
    plan = make_plan({"build": ["m/s/good", "m/s/bad"], "more": ["m/s/other"]})
    source = {"repository": "here", "revision": plan.source.revision}
    body = {"id": new_ulid(), "plan": plan.to_dict(), "source": source}
    with (
        served(service) as address,
        httpx.Client(base_url=f"{address}/api/v1", timeout=60) as api,
    ):
        assert [api.post("/runs", json=body).status_code for _ in range(2)] == [201, 200]
        with api.stream("GET", f"/runs/{body['id']}/events") as events:
            lines = events.iter_lines()
            next(lines)
            service.begin_executing()
            seen = [line for line in lines if line.startswith(("id: ", "event: run."))]
        assert seen[-1] == "event: run.finalized"
        ids = [int(line[4:]) for line in seen if line.startswith("id: ")]
        assert ids == sorted(set(ids))
        with api.stream("GET", f"/runs/{body['id']}/events") as again:
            replayed = [int(x[4:]) for x in again.iter_lines() if x.startswith("id: ")]
        assert replayed == ids
        answers = {path: api.get(f"/{path}").status_code for path in LISTS}
        assert answers == dict.fromkeys(LISTS, 200)
        page = api.get("/runs/latest/tests?limit=2").json()
        rest = api.get("/runs/latest/tests", params={"limit": 2, "cursor": page["next"]}).json()
        assert len(page["items"]) + len(rest["items"]) == 3
