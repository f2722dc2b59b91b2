"""Hands: bounded, patient, and together when everybody is refused."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from hotfire_infra.errors import ClusterError
from hotfire_infra.executors.kubernetes.cluster import Trouble, resource_of, trouble_of
from hotfire_infra.executors.kubernetes.hands import Hands, Work

from .conftest import until


@pytest.fixture
def hands() -> Iterator[Hands]:
    found = Hands(count=3, per_second=10_000, random=random.Random(7),
                  first_seconds=0.02, longest_seconds=0.1)  # fmt: skip
    yield found
    found.close()


def nothing(_error: ClusterError) -> None:
    return None


def test_no_more_is_under_way_at_once_than_there_are_hands(hands: Hands):
    lock, now, most = threading.Lock(), [0], [0]
    done: list[int] = []

    def do() -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.005)
        with lock:
            now[0] -= 1
            done.append(1)

    for number in range(40):
        hands.take(Work(key=str(number), do=do, give_up=nothing))
    until(lambda: len(done) == 40)
    assert most[0] <= 3
    assert len(hands) == 0


def test_work_of_one_key_is_not_taken_twice(hands: Hands):
    gate = threading.Event()
    work = Work(key="k", do=lambda: gate.wait(5) and None, give_up=nothing)
    assert hands.take(work)
    assert not hands.take(Work(key="k", do=lambda: None, give_up=nothing))
    gate.set()
    until(lambda: not hands.has("k"))
    assert hands.take(Work(key="k", do=lambda: None, give_up=nothing))


def test_what_may_pass_is_done_again_and_what_may_not_is_given_up(hands: Hands):
    tries: list[float] = []
    given_up: list[str] = []

    def flaky() -> None:
        tries.append(time.monotonic())
        if len(tries) < 4:
            raise ClusterError("busy", trouble=Trouble.BUSY)

    def wrong() -> None:
        raise ClusterError("wrong", trouble=Trouble.REFUSED)

    hands.take(Work(key="flaky", do=flaky, give_up=lambda e: given_up.append(str(e))))
    hands.take(Work(key="wrong", do=wrong, give_up=lambda e: given_up.append(str(e))))
    until(lambda: len(tries) == 4 and not len(hands))
    assert given_up == ["wrong"]


def test_a_defect_of_ours_costs_one_work_and_no_hand(hands: Hands):
    given_up: list[str] = []

    def broken() -> None:
        raise KeyError("oops")

    for number in range(9):
        hands.take(Work(key=f"b{number}", do=broken, give_up=lambda e: given_up.append(str(e))))
    until(lambda: len(given_up) == 9)
    done = threading.Event()
    hands.take(Work(key="after", do=done.set, give_up=nothing))
    assert done.wait(5)


def test_a_group_that_is_refused_pauses_together_and_others_do_not(hands: Hands):
    asked: list[str] = []
    closed = [True]

    def create() -> None:
        asked.append("create")
        if closed[0]:
            raise ClusterError("webhook", trouble=Trouble.WEBHOOK, retry_after=0.3)

    for number in range(50):
        hands.take(Work(key=f"c{number}", do=create, give_up=nothing, group="create"))
    other = threading.Event()
    hands.take(Work(key="other", do=other.set, give_up=nothing))
    assert other.wait(5)
    assert len(asked) <= 6
    closed[0] = False
    until(lambda: not len(hands))
    assert len(asked) <= 60


def test_patience_ends(hands: Hands):
    given_up: list[ClusterError] = []

    def down() -> None:
        raise ClusterError("down", trouble=Trouble.UNREACHABLE)

    hands.take(Work(key="x", do=down, give_up=given_up.append, patience_seconds=0.1))
    assert until(lambda: given_up)[0].trouble == Trouble.UNREACHABLE


def test_what_is_done_now_and_then_goes_on_after_a_failure(hands: Hands):
    times: list[int] = []

    def sometimes() -> None:
        times.append(1)
        if len(times) == 1:
            raise ClusterError("no", trouble=Trouble.REFUSED)

    hands.take(Work(key="r", do=sometimes, give_up=nothing, every_seconds=0.01))
    until(lambda: len(times) > 3)


@pytest.mark.parametrize(
    ("status", "reason", "message", "trouble"),
    [
        (401, "", "", Trouble.FORBIDDEN),
        (403, "Forbidden", "exceeded quota", Trouble.FORBIDDEN),
        (404, "NotFound", "", Trouble.ABSENT),
        (409, "AlreadyExists", "", Trouble.CONFLICT),
        (410, "Expired", "", Trouble.EXPIRED),
        (422, "Invalid", "", Trouble.REFUSED),
        (429, "", "", Trouble.BUSY),
        (500, "InternalError", 'failed calling webhook "mjob.kb.io"', Trouble.WEBHOOK),
        (500, "InternalError", "etcd", Trouble.BROKEN),
        (503, "", "", Trouble.BUSY),
    ],
)
def test_each_answer_is_one_kind_of_no(status, reason, message, trouble):
    assert trouble_of(status, reason, message) is trouble


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/apis/batch/v1/namespaces/hotfire/jobs/hf-1", "jobs"),
        ("/apis/batch/v1/namespaces/hotfire/jobs", "jobs"),
        ("/api/v1/namespaces/hotfire/pods/p/log", "pods/log"),
        ("/api/v1/namespaces/hotfire", "namespaces"),
        ("/api/v1/nodes", "nodes"),
        ("/apis/kueue.x-k8s.io", "discovery"),
    ],
)
def test_requests_are_counted_by_resource(path: str, resource: str, **_: Any):
    assert resource_of(path) == resource
