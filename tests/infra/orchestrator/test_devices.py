"""Devices: what a sick one does to runs, and what a sick product must not do to devices."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from hotfire_infra.configuration import Configuration
from hotfire_infra.executors.fake import Script, fake_devices
from hotfire_infra.executors.protocol import DeviceReport
from hotfire_infra.orchestrator.device_health import allowed_in_quarantine
from hotfire_infra.sections.devices import DevicesSection
from hotfire_infra.states import ATTEMPT_TERMINAL, DeviceHealth, RunVerdict
from hotfire_infra.store import queries, queries_devices
from hotfire_testframework.contract.evidence import Evidence, Witness


@pytest.fixture
def dialect() -> str:
    """SQLite: what is asked here are decisions; `test_device_requests` runs on both."""
    return "sqlite"


GOOD, SUSPECT, BAD = DeviceHealth.GOOD, DeviceHealth.SUSPECT, DeviceHealth.BAD
XID = Evidence.of(Witness.DEVICE_LOST, "kernel", "Xid 79 (fallen off the bus)").to_json()


def tasks(count: int) -> dict[str, list[str]]:
    return {f"t{number}": [f"m/s/t{number}"] for number in range(count)}


def falls_off_the_bus(spec, script):
    """Infrastructure found by the runner, with the kernel's word for it."""
    return Script(exit_code=31, records=(("evidence", XID),))


def vanishes(spec, script):
    """The runner dies in its test and leaves nothing."""
    test = (spec.expected or ("m/s/none",))[0]
    return replace(script, dies_in=test)


def crash_everywhere(spec):
    return Script(dies_in=spec.expected[0])


def healths(stand) -> dict[str, DeviceHealth]:
    with stand.store.reading() as connection:
        found = queries_devices.devices(connection)
    return {device.identity: device.health for device in found}


def quarantined(stand) -> set[str]:
    return {name for name, health in healths(stand).items() if health is BAD}


def rows(stand, run_id):
    with stand.store.reading() as connection:
        return queries.attempts_of(connection, run_id)


def settle(stand, count: int = 40) -> None:
    stand.rounds(count)


def test_attempts_are_given_free_devices_one_each(make_stand, make_plan):
    stand = make_stand(lambda spec: Script(is_endless=True), cpus=16, devices=fake_devices(3))
    run_id = stand.start(make_plan(tasks(5)))
    stand.rounds(6)
    given = [row.device_id for row in rows(stand, run_id)]
    assert len(given) == len(set(given)) == 3
    pending = {task.pending for task in stand.show(run_id).tasks if task.state == "queued"}
    assert pending == {"all 3 devices that fit are busy"}


def test_one_bad_device_of_eight_is_taken_out_and_the_run_is_green(make_stand, make_plan):
    stand = make_stand(cpus=16, devices=fake_devices(8), faults={"GPU-3": falls_off_the_bus})
    run_id = stand.start(make_plan(tasks(24)))
    done = stand.finish(run_id)
    settle(stand)
    assert done.run.verdict is RunVerdict.PASSED
    assert quarantined(stand) == {"GPU-3"}
    with stand.store.reading() as connection:
        bad = queries_devices.find_device(connection, "GPU-3")
        story = queries_devices.transitions_of(connection, "device", bad.id)
    assert [step.to_state for step in story] == ["bad", "suspect", "good"]
    again = [row for row in rows(stand, run_id) if row.number > 1 and row.purpose == "result"]
    assert again
    assert all(row.device_id != bad.id for row in again)


def test_a_silent_bad_device_is_found_by_the_differential_rerun(make_stand, make_plan):
    stand = make_stand(cpus=16, devices=fake_devices(8), faults={"GPU-5": vanishes})
    for _ in range(3):
        run_id = stand.start(make_plan(tasks(24)))
        assert stand.finish(run_id).run.verdict is RunVerdict.PASSED
    settle(stand)
    assert quarantined(stand) == {"GPU-5"}
    with stand.store.reading() as connection:
        (inquiry,) = queries_devices.differentials(connection)
    assert inquiry.conclusion == "device"
    assert inquiry.body["failed_elsewhere"] == "passed"
    assert inquiry.body["good_here"] == "failed"


def crashes_if_new(spec):
    return crash_everywhere(spec) if spec.task.startswith("crash") else Script()


def test_a_commit_that_crashes_everywhere_takes_no_device_out(make_stand, make_plan):
    stand = make_stand(crashes_if_new, cpus=16, devices=fake_devices(8))
    assert stand.run(make_plan(tasks(16))).run.verdict is RunVerdict.PASSED
    done = stand.run(make_plan({f"crash{n}": [f"m/s/crash{n}"] for n in range(16)}))
    settle(stand, 80)
    assert done.run.verdict is RunVerdict.FAILED
    assert quarantined(stand) == set()
    with stand.store.reading() as connection:
        conclusions = {row.conclusion for row in queries_devices.differentials(connection)}
    assert conclusions == {"product"}
    assert set(healths(stand).values()) == {GOOD}


def test_what_fails_everywhere_for_another_reason_takes_no_device_out(make_stand, make_plan):
    stand = make_stand(cpus=16, devices=fake_devices(8))
    assert stand.run(make_plan(tasks(16))).run.verdict is RunVerdict.PASSED
    stand.executor._director = crash_everywhere  # Known-good tests too: the store is down.
    stand.run(make_plan({f"x{n}": [f"m/s/x{n}"] for n in range(16)}))
    settle(stand, 80)
    assert quarantined(stand) == set()
    stand.executor._director = lambda spec: Script()
    for _ in range(4):
        assert stand.run(make_plan(tasks(16))).run.verdict is RunVerdict.PASSED
        settle(stand, 10)
    assert set(healths(stand).values()) == {GOOD}


def test_a_crash_everywhere_before_anything_ever_passed_takes_no_device_out(make_stand, make_plan):
    stand = make_stand(crash_everywhere, cpus=16, devices=fake_devices(8))
    done = stand.run(make_plan(tasks(16)))
    settle(stand, 80)
    assert done.run.verdict is RunVerdict.FAILED
    assert quarantined(stand) == set()


def test_quarantine_stops_at_its_cap_and_says_so(make_stand, make_plan, caplog):
    names = [f"GPU-{number}" for number in range(4)]
    stand = make_stand(
        cpus=16, devices=fake_devices(8), faults=dict.fromkeys(names, falls_off_the_bus)
    )
    for _ in range(3):
        stand.run(make_plan(tasks(16)))
        settle(stand, 20)
    assert len(quarantined(stand)) == 2
    assert quarantined(stand) < set(names)
    capped = [name for name, health in healths(stand).items() if health is SUSPECT]
    assert set(capped) | quarantined(stand) == set(names)
    assert "at its cap" in caplog.text
    with stand.store.reading() as connection:
        reasons = [queries_devices.find_device(connection, name).reason for name in capped]
    assert all("at its cap" in reason for reason in reasons)


def test_a_failure_on_a_doubted_device_waits_for_the_verdict_on_the_device(make_stand, make_plan):
    def computes_wrongly(spec, script):
        soft = Evidence.of(
            Witness.XID_OF_PROGRAM, "kernel", "Xid 999", confidence=0.6,
            failure_class=next(iter([Evidence.of(Witness.XID, "kernel").failure_class])),
        )  # fmt: skip
        return Script(
            outcomes=dict.fromkeys(spec.expected, "failed"),
            records=(("evidence", soft.to_json()),),
        )

    stand = make_stand(cpus=16, devices=fake_devices(4), faults={"GPU-1": computes_wrongly})
    done = stand.run(make_plan(tasks(8)))
    settle(stand)
    assert done.run.verdict is RunVerdict.PASSED
    assert quarantined(stand) == {"GPU-1"}
    excused = [row for row in rows(stand, done.run.id) if row.state == "failed"]
    assert {row.failure_class for row in excused if row.purpose == "result"} == {"infra-device"}


def test_reruns_for_an_inquiry_never_count_for_the_run(make_stand, make_plan):
    stand = make_stand(cpus=16, devices=fake_devices(4), faults={"GPU-1": vanishes})
    seen = []
    for _ in range(4):
        done = stand.run(make_plan(tasks(8)))
        seen.append(done)
        settle(stand)
    with stand.store.reading() as connection:
        purposes = [
            row.purpose for run in seen for row in queries.attempts_of(connection, run.run.id)
        ]
    assert "differential" in purposes
    assert all(done.run.verdict is RunVerdict.PASSED for done in seen)
    assert all(cell.tests == {"passed": 1} for done in seen for cell in done.cells)


def test_the_only_device_of_a_pool_is_never_taken_out(make_stand, make_plan):
    stand = make_stand(cpus=16, devices=fake_devices(1), faults={"GPU-0": falls_off_the_bus})
    done = stand.run(make_plan(tasks(3)))
    settle(stand)
    assert done.run.verdict is RunVerdict.ERRORED
    assert "budget spent" in done.cells[0].reason
    assert quarantined(stand) == set()


def test_a_device_with_nothing_left_to_run_on_says_why_tasks_wait(make_stand, make_plan):
    stand = make_stand(cpus=16, devices=fake_devices(2))
    stand.rounds(2)
    from hotfire_infra.orchestrator.devices import move_device

    with stand.store.writing() as connection:
        for device in queries_devices.devices(connection):
            move_device(
                connection, device, DeviceHealth.MAINTENANCE, "fans", by="operator", at_ns=1
            )
    stand.orchestrator.fleet.forget()
    run_id = stand.start(make_plan(tasks(1)))
    stand.rounds(5)
    assert rows(stand, run_id) == ()
    (task,) = stand.show(run_id).tasks
    assert task.pending == "no device that fits is in use: all 2 are maintenance"


def test_counters_against_a_device_make_it_bad_without_a_rerun(make_stand, make_plan):
    sick = DeviceReport(
        identity="GPU-9",
        kind="fake",
        evidence=(Evidence.of(Witness.ECC, "driver", "remapping failed", device="GPU-9"),),
    )
    stand = make_stand(cpus=16, devices=(*fake_devices(4), sick))
    stand.rounds(3)
    assert quarantined(stand) == {"GPU-9"}


def test_tasks_get_the_device_that_they_require(make_stand, make_plan):
    gpu = DeviceReport(
        identity="GPU-0", kind="H100", facts={"vendor": "nvidia", "capability": "sm_90"}
    )
    host = DeviceReport(identity="machine:1", kind="Xeon", is_shared=True)
    stand = make_stand(cpus=16, devices=(gpu, host))
    plan = make_plan(
        {"cpu": ["m/s/a"], "more": ["m/s/c"], "gpu": ["m/s/b"]},
        requires={"gpu": {"devices": ["nvidia:sm_90"]}},
    )
    done = stand.run(plan)
    with stand.store.reading() as connection:
        names = {d.id: d.identity for d in queries_devices.devices(connection)}
    given = {row.task_key: names[row.device_id] for row in rows(stand, done.run.id)}
    assert given == {"cpu": "machine:1", "more": "machine:1", "gpu": "GPU-0"}


@pytest.mark.parametrize("kind", [1, 2])
def test_the_count_of_the_cap_is_the_smaller_one(make_stand, make_plan, kind):
    section = Configuration(devices=DevicesSection(cap_share=0.5, cap_count=kind))
    names = [f"GPU-{number}" for number in range(4)]
    stand = make_stand(
        cpus=16,
        devices=fake_devices(8),
        faults=dict.fromkeys(names, falls_off_the_bus),
        configuration=section,
    )
    for _ in range(2):
        stand.run(make_plan(tasks(12)))
        settle(stand, 20)
    assert len(quarantined(stand)) == kind


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_fleet_only_sick_devices_go_and_only_the_product_is_red(
    make_stand, make_plan, make_spec, seed
):
    dice = random.Random(seed)
    count = dice.randint(2, 8)
    names = [f"GPU-{number}" for number in range(count)]
    sick = set(dice.sample(names, dice.randint(0, count - 1)))
    # Two silent ones may lose the same test twice, and that convicts the test by design.
    fault = vanishes if len(sick) == 1 and dice.random() < 0.5 else falls_off_the_bus
    crashing = {f"t{number}" for number in range(12) if dice.random() < 0.2}
    stand = make_stand(
        lambda spec: crash_everywhere(spec) if spec.task in crashing else Script(),
        cpus=16,
        devices=fake_devices(count),
        faults=dict.fromkeys(sick, fault),
    )
    specs = {name: make_spec(retries=dice.randint(1, 4)) for name in tasks(12)}
    for _ in range(2):
        done = stand.run(make_plan(tasks(12), specs=specs))
        stand.rounds(25)
        verdicts = {cell.key: cell.verdict for cell in done.cells}
        red = {key for key, verdict in verdicts.items() if verdict == "failed"}
        assert red <= crashing
        assert all(verdicts[key] != "passed" for key in crashing)
        assert done.run.verdict is not RunVerdict.FAILED or red
        assert all(row.state in ATTEMPT_TERMINAL for row in rows(stand, done.run.id))
    assert quarantined(stand) <= sick
    assert len(quarantined(stand)) <= allowed_in_quarantine(count, DevicesSection())
