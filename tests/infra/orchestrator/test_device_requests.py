"""The way out of work and back: requests, health checks, and what they leave behind."""

from __future__ import annotations

import pytest

from hotfire_infra.executors.fake import Script, fake_devices
from hotfire_infra.orchestrator.crashpoints import CrashPoint
from hotfire_infra.orchestrator.requests import RequestBook
from hotfire_infra.states import DeviceHealth, RequestKind, RunVerdict
from hotfire_infra.store import queries, queries_devices

GOOD, BAD = DeviceHealth.GOOD, DeviceHealth.BAD


def ask(stand, device: str, health: str, **more) -> None:
    payload = {"device": device, "health": health, "reason": "asked for", **more}
    book = RequestBook(stand.store)
    book.ask(RequestKind.DEVICE, None, payload=payload, requested_by="ada")


def health(stand, name: str) -> DeviceHealth:
    with stand.store.reading() as connection:
        return queries_devices.find_device(connection, name).health


def tasks(count: int) -> dict[str, list[str]]:
    return {f"t{number}": [f"m/s/t{number}"] for number in range(count)}


def dies(spec, script):
    return Script(exit_code=31)


def test_a_device_in_maintenance_gets_no_work_and_its_attempt_goes_on(make_stand, make_plan):
    stand = make_stand(cpus=8, devices=fake_devices(3))
    assert stand.run(make_plan(tasks(3))).run.verdict is RunVerdict.PASSED
    ask(stand, "GPU-1", "maintenance")
    done = stand.run(make_plan(tasks(9)))
    with stand.store.reading() as connection:
        out = queries_devices.find_device(connection, "GPU-1")
        used = {row.device_id for row in queries.attempts_of(connection, done.run.id)}
    assert done.run.verdict is RunVerdict.PASSED
    assert out.health is DeviceHealth.MAINTENANCE
    assert out.id not in used


def test_a_repaired_device_comes_back_once_a_known_good_task_passes_on_it(make_stand, make_plan):
    stand = make_stand(cpus=8, devices=fake_devices(3))
    stand.run(make_plan(tasks(6)))
    ask(stand, "GPU-1", "bad")
    stand.rounds(3)
    stand.executor.faults["GPU-1"] = dies
    ask(stand, "GPU-1", "good")
    stand.rounds(20)
    assert health(stand, "GPU-1") is BAD
    del stand.executor.faults["GPU-1"]
    ask(stand, "GPU-1", "good")
    stand.rounds(20)
    assert health(stand, "GPU-1") is GOOD
    with stand.store.reading() as connection:
        device = queries_devices.find_device(connection, "GPU-1")
        steps = queries_devices.transitions_of(connection, "device", device.id)
        kinds = {row.kind for row in queries_devices.evidence_of(connection, device.id)}
    assert steps[0].reason.startswith("health check passed")
    assert "health-check" in kinds


def test_a_check_that_nothing_is_known_for_waits_and_says_so(make_stand, make_plan):
    stand = make_stand(cpus=8, devices=fake_devices(2))
    stand.rounds(2)
    ask(stand, "GPU-0", "maintenance")
    stand.rounds(2)
    ask(stand, "GPU-0", "good")
    stand.rounds(5)
    with stand.store.reading() as connection:
        device = queries_devices.find_device(connection, "GPU-0")
    assert device.health is DeviceHealth.MAINTENANCE
    assert device.reason == "no known-good task yet to check it with"
    stand.run(make_plan(tasks(2)))
    stand.rounds(20)
    assert health(stand, "GPU-0") is GOOD


class ServiceDeath(BaseException):
    """Nothing in the service may catch and survive this."""


def test_a_check_whose_service_died_before_submitting_it_is_submitted_again(make_stand, make_plan):
    first = make_stand(devices=fake_devices(2))
    first.run(make_plan({name: [f"m/s/{name}"] for name in "abcd"}))
    for word in ("maintenance", "good"):
        ask(first, "GPU-1", word)
        first.rounds(1 if word == "maintenance" else 0)

    def die(point):
        if point is CrashPoint.SUBMITTING:
            raise ServiceDeath

    first.orchestrator.at = die
    with pytest.raises(ServiceDeath):
        first.rounds(5)
    with first.store.reading() as connection:
        (lost,) = queries.live_attempts(connection)
    assert (lost.purpose, lost.state) == ("health-check", "leased")
    second = make_stand(devices=fake_devices(2))
    second.orchestrator.sweep()
    second.rounds(8)
    with second.store.reading() as connection:
        found = queries.attempt_by_ulid(connection, lost.ulid)
    assert found.state == "passed"
    assert health(second, "GPU-1") is GOOD
