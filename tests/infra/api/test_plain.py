"""What goes past FastAPI is answered, refused and audited as what does not."""

import time

import httpx
import pytest
from sqlalchemy import update

from hotfire_infra.api.routers import plain
from hotfire_infra.store.audit import AuditFilter, audit_log
from hotfire_infra.store.models import Attempt

CLAIM = '{"holder": "pod-1"}'


@pytest.fixture
def ask(make_service, live_attempt, served):
    """Return a function that sends one request of an attempt, with its token and fence."""
    ulid, token, fence = live_attempt
    with (
        served(make_service()) as address,
        httpx.Client(base_url=f"{address}/api/v1/attempts/{ulid}", timeout=30) as client,
    ):

        def send(method, path, **options):
            headers = {
                "Authorization": f"Bearer {token}",
                "Hotfire-Fence": str(fence),
                "Content-Type": "application/json",
                **options.pop("headers", {}),
            }
            return client.request(method, path, headers=headers, **options)

        yield send


@pytest.fixture
def plainly(monkeypatch):
    """Count the requests that are answered past FastAPI."""
    found = []
    real = plain._plainly

    def counted(scope):
        asked = real(scope)
        found.extend([] if asked is None else [scope["path"].rpartition("/")[2]])
        return asked

    monkeypatch.setattr(plain, "_plainly", counted)
    return found


def lines(store):
    with store.reading() as connection:
        return audit_log(connection, AuditFilter(), limit=50)


def unclaim(store):
    with store.writing() as connection:
        connection.execute(update(Attempt).values(state="leased", holder=""))


REQUESTS = [
    ("PUT", "/heartbeat", '{"phase": "run"}'),
    ("PUT", "/heartbeat", '{"phase": 5}'),
    ("PUT", "/heartbeat", "{"),
    ("PUT", "/heartbeat", '{"phase": "\\ud800"}'),
    ("POST", "/claim", '{"holder": ""}'),
    ("POST", "/claim", '{"holder": "another"}'),
    ("GET", "/spec", None),
    ("POST", "/end", '{"exit_code": 300}'),
    ("POST", "/end", "[]"),
    ("POST", "/end", '{"exit_code": 0}'),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_a_plain_request_is_answered_as_the_same_one_by_fastapi(ask, plainly, method, path, body):
    quickly = ask(method, path, content=body)
    assert plainly == [path[1:]]
    slowly = ask(method, f"{path}?any=thing", content=body)
    assert plainly == [path[1:]]
    assert quickly.status_code == slowly.status_code
    assert quickly.headers["content-type"] == slowly.headers["content-type"]
    assert quickly.json() == slowly.json()


@pytest.mark.parametrize("fence", ["", "x", "-1", "9" * 30, "99"])
def test_a_wrong_fence_is_refused_as_by_fastapi(ask, fence):
    headers = {"Hotfire-Fence": fence}
    quickly = ask("PUT", "/heartbeat", content="{}", headers=headers)
    slowly = ask("PUT", "/heartbeat?any=thing", content="{}", headers=headers)
    assert quickly.status_code == slowly.status_code >= 400
    assert quickly.json() == slowly.json()


def test_a_claim_and_its_audit_line_are_one_commit(ask, plainly, store):
    unclaim(store)
    before = len(lines(store))
    assert ask("POST", "/claim", content=CLAIM).is_success
    assert plainly == ["claim"]
    (quick, *_rest) = lines(store)
    assert len(lines(store)) == before + 1
    unclaim(store)
    assert ask("POST", "/claim?any=thing", content=CLAIM).is_success
    # The usual way the line follows the answer.
    deadline = time.monotonic() + 30
    while len(lines(store)) < before + 2:
        assert time.monotonic() < deadline
    (slow, *_rest) = lines(store)
    told = ("actor", "action", "target", "outcome", "address", "detail", "run", "reason")
    for name in told:
        assert getattr(quick, name) == getattr(slow, name)


def test_a_claim_that_is_refused_has_its_line_too(ask, store):
    assert ask("POST", "/claim", content=CLAIM).status_code == 409
    deadline = time.monotonic() + 30
    while not lines(store):
        assert time.monotonic() < deadline
    assert [one.outcome for one in lines(store)] == ["failed"]
