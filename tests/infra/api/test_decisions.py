"""Decisions on results by the API: the same words far away as beside the store."""

from __future__ import annotations

from contextlib import closing

import httpx
import pytest

from hotfire_infra.client.connection import Connection
from hotfire_infra.client.results_care import ResultsCare, ServiceCare
from hotfire_infra.errors import RequestRefusedError, RunNotFoundError
from hotfire_infra.store.invalidations import Predicate

POOL = Predicate(pools=("fake",))


@pytest.fixture
def address(make_stand, make_plan, store, onlooker, served):
    """A service over a store with one finished run."""
    make_stand().run(make_plan({"kernels": ["m/s/one"]}))
    with served(onlooker(store)) as found:
        yield found


@pytest.fixture
def care(address):
    with closing(Connection(address, None)) as connection:
        yield ServiceCare(connection)


def test_a_decision_far_away_is_the_one_beside_the_store(care, store):
    wish = {"reason": "wrong sums", "dry_run": True}
    assert care.invalidate(POOL, **wish) == ResultsCare(store, "x").invalidate(POOL, **wish)
    made = care.invalidate(POOL, reason="wrong sums", dry_run=False)
    assert (made.attempts, made.runs) == (1, (1,))
    (row,) = care.invalidations(10)
    assert (row.ulid, row.predicate, row.reason) == (made.ulid, {"pools": ["fake"]}, "wrong sums")
    assert care.withdraw(made.ulid, reason="cable").withdrawn_ns is not None
    assert care.accept("1", cell=None, reason="nothing is lost") == ()


def test_a_refusal_far_away_is_the_same_error(care):
    with pytest.raises(RequestRefusedError, match="say which results"):
        care.invalidate(Predicate(since_ns=0), reason="x", dry_run=False)
    with pytest.raises(RequestRefusedError, match="no invalidation begins"):
        care.withdraw("01ABCDEF", reason="x")
    with pytest.raises(RunNotFoundError):
        care.accept("77", cell=None, reason="x")


@pytest.mark.parametrize(
    "body",
    [
        {"pools": ["fake"]},
        {"pools": ["fake"], "reason": " "},
        {"pools": [7], "reason": "x"},
        {"pools": ["a\u0000b"], "reason": "x"},
        {"since_ns": -1, "pools": ["fake"], "reason": "x"},
        {"everything": True, "reason": "x"},
    ],
)
def test_what_is_no_wish_is_refused_before_anything_is_touched(address, body):
    answer = httpx.post(f"{address}/api/v1/invalidations", json=body)
    assert answer.status_code == 422
