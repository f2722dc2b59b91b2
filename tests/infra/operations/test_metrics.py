"""Figures for Prometheus: right, explained, bounded, and listed in the documentation."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert

from hotfire_infra.operations.metrics import Metrics
from hotfire_infra.orchestrator.lock import LOCK_NAME
from hotfire_infra.states import DeviceHealth
from hotfire_infra.store.models import Device

DOCUMENT = Path(__file__).parents[3] / "docs" / "operations.md"


def scrape(metrics):
    families = text_string_to_metric_families(metrics.render().decode())
    return {family.name: family for family in families}


def value(metrics, name, **labels):
    samples = [
        sample.value
        for family in scrape(metrics).values()
        for sample in family.samples
        if sample.name == name and sample.labels == labels
    ]
    assert len(samples) == 1, (name, labels, samples)
    return samples[0]


@pytest.fixture
def metrics(store):
    return Metrics(store, lock_name=LOCK_NAME)


def test_ended_attempts_and_their_seconds_are_counted_once(
    metrics, make_stand, make_plan, make_spec, clock
):
    stand = make_stand()
    stand.run(make_plan({"a": ["m/s/x"], "b": ["m/s/y"]}, specs={"a": make_spec(cpus=2)}))
    assert value(metrics, "hotfire_attempts_total", state="passed") == 2
    assert value(metrics, "hotfire_attempts_total", state="passed") == 2
    assert value(metrics, "hotfire_attempts_total", state="lost") == 0
    assert value(metrics, "hotfire_runs", state="running") == 0


def test_what_ended_before_the_service_began_is_not_counted(store, make_stand, make_plan):
    make_stand().run(make_plan({"a": ["m/s/x"]}))
    later = Metrics(store, lock_name=LOCK_NAME)
    assert value(later, "hotfire_attempts_total", state="passed") == 0


def test_the_oldest_queued_task_tells_its_age(metrics, make_stand, make_plan, clock):
    stand = make_stand(cpus=1)
    stand.start(make_plan({"a": ["m/s/x"], "b": ["m/s/y"], "c": ["m/s/z"]}))
    stand.rounds(2)
    queued = value(metrics, "hotfire_queue_tasks", priority="developer")
    before = value(metrics, "hotfire_queue_oldest_age_seconds", priority="developer")
    clock.advance(100)
    after = value(metrics, "hotfire_queue_oldest_age_seconds", priority="developer")
    if queued:
        assert after == pytest.approx(before + 100)
    else:
        assert after == 0


def test_devices_in_quarantine_are_counted_by_pool_and_many_pools_share_a_label(store, metrics):
    with store.writing() as connection:
        for number in range(60):
            connection.execute(
                insert(Device).values(
                    ulid=f"{number:026d}", identity=f"GPU-{number}", pool=f"pool-{number:02d}",
                    kind="k", executor="local", facts={}, health=DeviceHealth.BAD, changed_ns=0,
                    last_seen_ns=0,
                )
            )  # fmt: skip
    assert value(metrics, "hotfire_devices", pool="pool-00", health="bad") == 1
    assert value(metrics, "hotfire_devices", pool="other", health="bad") == 10
    assert len(scrape(metrics)["hotfire_devices"].samples) <= 51 * len(DeviceHealth)


def test_routes_as_declared_are_labels_and_paths_as_asked_are_not(metrics):
    for number in range(100):
        metrics.answered("GET", "/api/v1/runs/{run}", 200, 0.01)
        metrics.answered(f"FORGED{number}", None, 404, 0.01)
    samples = scrape(metrics)["hotfire_http_request_seconds"].samples
    assert {(one.labels["method"], one.labels["route"]) for one in samples} == {
        ("GET", "/api/v1/runs/{run}"), ("other", "(none)"),
    }  # fmt: skip


def test_statements_are_timed_by_reading_and_writing(metrics, store):
    with store.writing() as connection:
        connection.exec_driver_sql("SELECT 1")
    assert value(metrics, "hotfire_database_seconds_count", operation="write") >= 1
    assert value(metrics, "hotfire_database_seconds_count", operation="read") >= 1


def test_a_scrape_of_a_database_that_is_away_says_so(metrics, store):
    assert value(metrics, "hotfire_database_up") == 1
    store.close()
    (store.home / "hotfire.db").unlink()
    (store.home / "hotfire.db").mkdir()
    assert value(metrics, "hotfire_database_up") == 0
    assert value(metrics, "hotfire_scrape_failures_total") == 2


def test_every_figure_is_explained_and_listed_in_the_documentation(metrics):
    metrics.answered("GET", "/", 200, 0.1)
    ours = {name: family for name, family in scrape(metrics).items() if name.startswith("hotfire_")}
    assert all(family.documentation for family in ours.values())
    listed = set(re.findall(r"`(hotfire_[a-z_]+)`", DOCUMENT.read_text(encoding="utf-8")))
    named = {
        f"{name}_total" if family.type == "counter" else name for name, family in ours.items()
    } - {"hotfire_leader_heartbeat_age_seconds"}
    assert named <= listed
