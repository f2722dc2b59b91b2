"""A batch that plainly is as described takes a shorter way, and nobody can tell by the answers."""

import httpx
import pytest
from sqlalchemy import text

from hotfire_infra.api.routers import records
from hotfire_testframework.contract.stream import encode_record

LINE = encode_record(1, "test_start", 7, {"test": "m/s/t", "try": 1})
GAP = encode_record(9, "test_start", 7, {"test": "m/s/t", "try": 1})


@pytest.fixture
def ways(monkeypatch):
    """Which way each request took: True for the shorter one."""
    taken, plainly = [], records._plainly

    def noted(request):
        found = plainly(request)
        taken.append(found is not None)
        return found

    monkeypatch.setattr(records, "_plainly", noted)
    return taken


@pytest.fixture
def post(make_service, live_attempt, served):
    ulid, token, fence = live_attempt

    with (
        served(make_service()) as address,
        httpx.Client(base_url=f"{address}/api/v1", timeout=30) as client,
    ):

        def ask(content=LINE, *, path=ulid, **changed):
            headers = {
                "Content-Type": "application/x-ndjson",
                "Authorization": f"Bearer {token}",
                "Hotfire-Fence": str(fence),
                **{name.replace("_", "-"): value for name, value in changed.items()},
            }
            headers = {name: value for name, value in headers.items() if value is not None}
            return client.post(f"/attempts/{path}/records", content=content, headers=headers)

        yield ask


def test_a_plain_batch_takes_the_shorter_way(post, ways):
    assert post().json() == {"acked_seq": 1}
    assert ways == [True]


@pytest.mark.parametrize(
    "changed",
    [
        {"Hotfire_Fence": None},
        {"Hotfire_Fence": ""},
        {"Hotfire_Fence": "one"},
        {"Hotfire_Fence": "-1"},
        {"Hotfire_Fence": "1.5"},
        {"Hotfire_Fence": "9" * 40},
        {"Authorization": None},
        {"Authorization": "Bearer " + "x" * 43},
        {"Authorization": "Basic eDp5"},
        {"path": "01JD3Q7A0000000000000000AA"},
        {"path": "short"},
    ],
)
def test_what_does_not_fit_is_refused_by_the_longer_way(post, ways, changed):
    assert 400 <= post(**changed).status_code < 500
    assert True not in ways


@pytest.mark.parametrize(
    ("content", "changed"),
    [
        (LINE, {}),
        (LINE, {"Hotfire_Fence": "7"}),
        (LINE, {"Content_Type": "text/xml"}),
        (LINE, {"Content_Encoding": "br"}),
        (GAP, {}),
        (b"{}\n", {}),
        (b"", {}),
    ],
)
def test_both_ways_give_the_same_answer(post, monkeypatch, content, changed):
    shorter = post(content, **changed)
    monkeypatch.setattr(records, "_plainly", lambda _request: None)
    longer = post(content, **changed)
    assert (shorter.status_code, shorter.content) == (longer.status_code, longer.content)
    # The pages say on the longer way what a page may load; this answer is none.
    policy = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'"
    assert shorter.headers.items() - longer.headers.items() <= {
        ("date", shorter.headers["date"]), ("content-security-policy", policy)
    }  # fmt: skip


def test_a_batch_is_counted_under_its_route_whichever_way_it_took(
    make_service, live_attempt, served
):
    ulid, token, fence = live_attempt
    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {token}"}
    with served(make_service()) as address, httpx.Client(base_url=address, timeout=30) as client:
        for number in (str(fence), "none"):
            client.post(
                f"/api/v1/attempts/{ulid}/records",
                content=LINE,
                headers={**headers, "Hotfire-Fence": number},
            )
        figures = client.get("/metrics").text
    route = 'route="/api/v1/attempts/{ulid}/records"'
    assert f'hotfire_http_request_seconds_count{{method="POST",{route}}} 2.0' in figures


def test_what_rows_point_to_is_there_although_ingest_does_not_look_again(post, store):
    kinds = [
        ("environment", {"values": {"cpu": "Zen 5"}}),
        ("collected", {"harness": "cases", "tests": ["m/s/t", "m/s/new"]}),
        ("test_start", {"test": "m/s/t", "try": 1}),
        ("test_attempt", {"test": "m/s/t", "try": 1, "outcome": "failed", "duration_ns": 1,
                          "message": "wrong", "detail": "by one"}),
        ("test_attempt", {"test": "m/s/new", "try": 1, "outcome": "failed", "duration_ns": 1,
                          "message": "wrong"}),
    ]  # fmt: skip
    lines = [encode_record(seq, kind, 7, body) for seq, (kind, body) in enumerate(kinds, 1)]
    assert post(b"".join(lines)).json() == {"acked_seq": len(lines)}
    with store.reading() as connection:
        pointing = text("SELECT count(*) FROM result WHERE message_id IS NOT NULL")
        assert connection.execute(pointing).scalar_one() == 2
        assert connection.execute(text("PRAGMA foreign_key_check")).all() == []
