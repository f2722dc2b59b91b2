"""The service by its routes: start, follow, read, ask; over a store with a scripted executor."""

import hashlib
import json
import shutil
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.api.service import Service
from hotfire_infra.clock import ManualClock
from hotfire_infra.executors.fake import FakeExecutor, Script
from hotfire_infra.settings import Settings
from hotfire_infra.store.database import open_store
from hotfire_testframework.contract.ulid import new_ulid
from hotfire_testframework.runner.bundle import bundle_sha256

JSON = {"Content-Type": "application/json"}


def script(_spec):
    return Script(outcomes={"m/s/bad": "failed"}, artifacts={"out/kept.txt": b"kept"})


def service_on(store, cache):
    settings = Settings(home=store.home, cache=cache, user="tester")
    executor = FakeExecutor(store.attempts, director=script, clock=store.clock)
    return Service(
        store=store, settings=settings, executor=executor, reports=StoreReports(store),
        executes=False,
    )  # fmt: skip


@contextmanager
def client_of(address):
    with httpx.Client(base_url=f"{address}/api/v1", timeout=30) as client:
        yield client


@pytest.fixture
def service(store, tmp_path):
    return service_on(store, tmp_path / "cache")


@pytest.fixture
def api(service, served):
    with served(service) as address, client_of(address) as client:
        yield client


@pytest.fixture(scope="module")
def shared(empty_database, tmp_path_factory, served):
    """A service whose one run is over; tests only look at it."""
    home = tmp_path_factory.mktemp("shared")
    shutil.copy(empty_database, home)
    store = open_store(home, clock=ManualClock())
    service = service_on(store, home / "cache")
    with served(service) as address, client_of(address) as client:
        service.begin_executing()
        yield client
    store.close()


@pytest.fixture(scope="module")
def finished(shared, make_shared_plan):
    """The run of the shared service, over."""
    body = body_of(make_shared_plan({"build": ["m/s/good", "m/s/bad"]}))
    run = shared.post("/runs", json=body).json()
    with shared.stream("GET", f"/runs/{run['ulid']}/events") as events:
        assert "run.finalized" in "".join(events.iter_text())
    return run


def body_of(plan, ulid=None, archive=None):
    source = {"repository": "here", "revision": plan.source.revision, "archive_sha256": archive}
    return {"id": ulid or new_ulid(), "plan": plan.to_dict(), "source": source}


@pytest.fixture
def plan(make_plan):
    return make_plan({"build": ["m/s/good", "m/s/bad"]})


def test_the_same_id_with_the_same_plan_starts_one_run(api, plan):
    body = body_of(plan)
    first, again = api.post("/runs", json=body), api.post("/runs", json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.headers["location"] == f"/api/v1/runs/{body['id']}"
    assert len(api.get("/runs").json()["items"]) == 1


def test_the_same_id_with_another_plan_is_409(api, plan, make_plan):
    ulid = new_ulid()
    api.post("/runs", json=body_of(plan, ulid))
    answer = api.post("/runs", json=body_of(make_plan({"other": ["m/s/x"]}), ulid))
    assert (answer.status_code, answer.json()["type"]) == (409, "about:blank#another-run")


def test_two_callers_with_one_id_at_once_start_one_run(api, plan):
    body, answers = body_of(plan), []
    threads = [
        threading.Thread(target=lambda: answers.append(api.post("/runs", json=body)))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.json()["number"] for answer in answers} == {1}
    assert {answer.status_code for answer in answers} <= {200, 201}


def test_a_plan_that_was_edited_is_refused(api, plan):
    body = body_of(plan)
    body["plan"]["pipeline"] = "another"
    answer = api.post("/runs", json=body)
    assert answer.status_code == 422
    assert "changed after it was frozen" in answer.json()["detail"]


def test_a_plan_for_another_runner_is_refused_with_both_digests(api, make_plan):
    other = replace(make_plan({"build": ["m/s/good"]}), runner_sha256="0" * 64)
    answer = api.post("/runs", json=body_of(other))
    assert answer.status_code == 422
    assert bundle_sha256() in answer.json()["detail"]


def test_a_run_without_its_archive_is_refused_and_with_it_started(api, plan, service):
    content = b"archive" * 200_000
    digest = hashlib.sha256(content).hexdigest()
    assert api.head(f"/blobs/sha256/{digest}").status_code == 404
    assert api.post("/runs", json=body_of(plan, archive=digest)).status_code == 422
    first = api.put(f"/blobs/sha256/{digest}", content=content)
    again = api.put(f"/blobs/sha256/{digest}", content=content)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == {"sha256": digest, "size": len(content)}
    assert api.head(f"/blobs/sha256/{digest}").headers["hotfire-size"] == str(len(content))
    assert api.post("/runs", json=body_of(plan, archive=digest)).status_code == 201
    # Only plans and inventories are read by their digest: a source belongs to its run.
    assert api.get(f"/blobs/sha256/{digest}").status_code == 404
    assert not list((service.store.home / "blobs" / "incoming").iterdir())


def test_another_archive_of_one_stamp_starts_a_run_of_its_own(api, plan):
    numbers = []
    for content in (b"one archive", b"the same files, packed otherwise"):
        digest = hashlib.sha256(content).hexdigest()
        api.put(f"/blobs/sha256/{digest}", content=content)
        answer = api.post("/runs", json=body_of(plan, archive=digest))
        assert answer.status_code == 201
        numbers.append(answer.json()["number"])
    assert numbers == [1, 2]


def test_content_with_another_digest_is_refused_and_leaves_nothing(api, service):
    answer = api.put(f"/blobs/sha256/{'0' * 64}", content=b"something else")
    assert (answer.status_code, answer.json()["type"]) == (422, "about:blank#blob-corrupt")
    assert not list((service.store.home / "blobs" / "incoming").iterdir())
    assert not service.store.blobs.path("0" * 64).exists()


def test_a_body_over_its_cap_is_413(api):
    pieces = (b"x" * (1 << 20) for _ in range(17))
    answer = api.post("/runs", content=pieces, headers=JSON)
    assert answer.status_code == 413


def test_cells_tests_and_attempts_are_there_and_paged(shared, finished):
    ulid = finished["ulid"]
    assert [cell["verdict"] for cell in shared.get(f"/runs/{ulid}/cells").json()["items"]] == [
        "failed"
    ]
    first = shared.get(f"/runs/{ulid}/tests", params={"limit": 1}).json()
    rest = shared.get(f"/runs/{ulid}/tests", params={"limit": 1, "cursor": first["next"]}).json()
    assert {one["test"] for one in first["items"] + rest["items"]} == {"m/s/good", "m/s/bad"}
    assert rest["next"] is None
    red = shared.get(f"/runs/{ulid}/tests", params={"verdict": "failed"}).json()["items"]
    assert [(one["test"], one["failure_class"]) for one in red] == [("m/s/bad", "product")]
    (attempt,) = shared.get(f"/runs/{ulid}/attempts").json()["items"]
    assert (attempt["state"], attempt["cell"], attempt["run"]) == ("failed", "build", ulid)
    assert shared.get(f"/attempts/{attempt['ulid']}").json() == attempt


def test_no_surrogate_of_the_store_is_shown(shared, finished):
    whole = shared.get(f"/runs/{finished['ulid']}/snapshot").json()
    names = {name for part in ("cells", "tasks") for one in whole[part] for name in one}
    assert not {"id", "run_id", "cell_id", "variant_id"} & (names | set(whole["run"]))


def test_a_log_is_read_in_pieces(shared, finished):
    (attempt,) = shared.get(f"/runs/{finished['ulid']}/attempts").json()["items"]
    path = f"/attempts/{attempt['ulid']}/logs/stdout"
    whole = shared.get(path)
    assert (whole.status_code, whole.text) == (200, "2 tests\n")
    assert whole.headers["hotfire-complete"] == "true"
    piece = shared.get(path, headers={"Range": "bytes=2-5"})
    assert (piece.status_code, piece.text) == (206, "test")
    assert piece.headers["content-range"] == "bytes 2-5/*"
    assert shared.get(path, headers={"Range": "bytes=99-"}).status_code == 416
    assert shared.get(path, headers={"Range": "lines=1-2"}).status_code == 400
    assert shared.get(path, params={"tail": 4}).text == "sts\n"


def test_an_artifact_is_a_download_whatever_it_is(shared, finished):
    (attempt,) = shared.get(f"/runs/{finished['ulid']}/attempts").json()["items"]
    (listed,) = shared.get(f"/attempts/{attempt['ulid']}/artifacts").json()["items"]
    answer = shared.get(f"/attempts/{attempt['ulid']}/artifacts/{listed['name']}")
    assert answer.content == b"kept"
    assert answer.headers["content-disposition"].startswith('attachment; filename="kept.txt"')
    assert answer.headers["content-type"] == "application/octet-stream"
    for name in ("../../../etc/passwd", "..%2f..%2fattempt.json", "nothing"):
        assert shared.get(f"/attempts/{attempt['ulid']}/artifacts/{name}").status_code == 404


def test_events_are_replayed_behind_the_last_id_and_end_with_the_run(shared, finished):
    ulid = finished["ulid"]
    with shared.stream("GET", f"/runs/{ulid}/events") as stream:
        text = "".join(stream.iter_text())
    ids = [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")]
    assert ids == sorted(ids)
    assert text.count("event: run.finalized") == 1
    with shared.stream(
        "GET", f"/runs/{ulid}/events", headers={"Last-Event-ID": str(ids[2])}
    ) as rest:
        later = "".join(rest.iter_text())
    assert [int(x[4:]) for x in later.splitlines() if x.startswith("id: ")] == ids[3:]
    # 204 tells a browser not to come back.
    over = shared.get(f"/runs/{ulid}/events", headers={"Last-Event-ID": str(ids[-1])})
    assert over.status_code == 204


def test_many_streams_share_one_poller_and_all_see_the_end(api, service, plan):
    run = api.post("/runs", json=body_of(plan)).json()
    seen, ready = [], threading.Barrier(6)

    def follow():
        with (
            httpx.Client(base_url=api.base_url, timeout=60) as client,
            client.stream("GET", f"/runs/{run['ulid']}/events") as events,
        ):
            lines = events.iter_lines()
            assert next(lines) == "retry: 1000"
            ready.wait()
            seen.append([line for line in lines if line.startswith("id: ")])

    threads = [threading.Thread(target=follow) for _ in range(5)]
    for thread in threads:
        thread.start()
    ready.wait()
    assert service.feed.listeners == 5
    service.begin_executing()
    for thread in threads:
        thread.join(60)
    assert len(seen) == 5
    assert all(one == seen[0] and len(one) > 5 for one in seen)


def test_a_silent_stream_is_kept_alive_by_pings(api, plan):
    run = api.post("/runs", json=body_of(plan)).json()
    with api.stream("GET", f"/runs/{run['ulid']}/events", params={"ping_seconds": 0.2}) as events:
        lines = events.iter_lines()
        assert next(line for line in lines if line == ": ping")


def test_cancel_is_recorded_as_a_request_and_carried_out(api, service, plan):
    run = api.post("/runs", json=body_of(plan)).json()
    answer = api.post(f"/runs/{run['ulid']}/cancel", json={"reason": "enough"})
    assert answer.status_code == 202
    (asked,) = api.get("/requests", params={"run": run["ulid"]}).json()["items"]
    assert (asked["kind"], asked["state"], asked["payload"]) == (
        "cancel", "open", {"reason": "enough"}
    )  # fmt: skip
    service.begin_executing()
    with api.stream("GET", f"/runs/{run['ulid']}/events") as events:
        assert "run.cancelled" in "".join(events.iter_text())
    assert api.post(f"/runs/{run['ulid']}/cancel", json={}).status_code == 409


def test_a_retry_is_a_child_run(shared, finished):
    child = shared.post(f"/runs/{finished['number']}/retry")
    assert (child.status_code, child.json()["parent_number"]) == (201, finished["number"])


def test_why_a_task_has_not_started_is_said(api, plan):
    run = api.post("/runs", json=body_of(plan)).json()
    (waiting,) = api.get(f"/runs/{run['ulid']}/pending").json()["items"]
    assert (waiting["cell"], waiting["state"]) == ("build", "waiting")
    assert waiting["why"]


def test_the_holder_is_named_while_somebody_executes(shared, finished):
    holder = shared.get("/holder").json()["holder"]
    assert holder["pid"] > 0
    assert shared.get("/service").json()["executes"] is True


def test_an_empty_list_is_a_page(api):
    for noun in ("devices", "schedules", "holds", "requests", "runs", "runs/rows"):
        assert api.get(f"/{noun}").json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    "path",
    [
        "/runs/99", "/runs/99/cells", "/runs/nobody/events", "/attempts/01JD3Q7A0000000000000000AA",
        "/devices/GPU-1", "/series/0123456789abcdef", "/tests/history?test=a/b/c",
    ],
)  # fmt: skip
def test_what_is_not_there_is_404_with_a_remedy(shared, path):
    answer = shared.get(path)
    assert answer.status_code == 404
    assert answer.json()["remedy"]


def test_a_plan_and_its_inventory_are_read_by_digest(shared, finished):
    content = shared.get(f"/blobs/sha256/{finished['plan_sha256']}").content
    assert json.loads(content)["digest"] == finished["plan_digest"]
    found = shared.get("/pipelines/small/inventories").json()["cells"]
    assert sorted(found["build"]["tests"]) == ["m/s/bad", "m/s/good"]


def test_openapi_of_the_whole_service_is_served(shared):
    whole = shared.get("/openapi.json").json()
    assert "/api/v1/tokens" in whole["paths"]
    assert Path("/api/v1/attempts/{ulid}/records").as_posix() in whole["paths"]
