"""Schedules and holds by the command line: the same words embedded and at a service."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from hotfire_infra.cli.main import main
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.clock import SystemClock
from hotfire_infra.configuration import read_configuration
from hotfire_infra.executors.fake import Script
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.settings import Settings, read_settings
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.store.models import Audit, Request
from hotfire_infra.store.queries_holds import active_holds

ONE = "m/s/one"
CONFIGURATION = """
schema: hotfire.dev/service/1
schedules:
  nightly: {pipeline: nightly, checkout: /nowhere, cron: "0 2 * * *", timezone: Europe/Berlin}
  stopped: {pipeline: small, checkout: /nowhere, on: {push: main}, paused: true}
"""


@pytest.fixture
def clock():
    """The one of the processes that open this store again."""
    return SystemClock()


@pytest.fixture
def hold(store, make_stand, make_plan):
    """A machine that is kept for half an hour."""
    stand = make_stand(lambda _spec: Script(outcomes={ONE: "failed"}))
    plan = make_plan({"kernels": [ONE]})
    source = StoredSource(
        repository="here", revision=plan.source.revision, patch_digest="", subject="First",
        archive_sha256=None,
    )  # fmt: skip
    order = RunOrder(hold_seconds=1800)
    stand.finish(
        create_run(store, RunRequest(plan=plan, source=source, requested_by="ann", order=order))
    )
    with store.reading() as connection:
        (row,) = active_holds(connection)
    return row


@pytest.fixture(params=["embedded", "service"])
def say(request, store, hold, served, onlooker, tmp_path, monkeypatch, capsys):
    """Type a command; returns (exit code, output, what is said on the way)."""
    for name in ("HOTFIRE_SERVER", "HOTFIRE_DATABASE", "HOTFIRE_TOKEN_FILE", "HOTFIRE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOTFIRE_HOME", str(store.home))
    monkeypatch.setenv("HOTFIRE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOTFIRE_USER", "ada")
    settings = read_settings()
    settings.configuration.write_text(CONFIGURATION)

    def typed(*words):
        capsys.readouterr()
        code = main(words)
        found = capsys.readouterr()
        return code, found.out, found.err

    if request.param == "embedded":
        yield typed
        return
    found = read_configuration(settings.configuration)
    with served(onlooker(store, settings=settings, configuration=found)) as address:
        monkeypatch.setenv("HOTFIRE_SERVER", address)
        monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "elsewhere"))
        yield typed


def rows(output):
    return [line.split() for line in output.splitlines() if line.strip()]


def test_schedules_are_listed_paused_and_resumed_alike(say):
    listed = rows(say("schedules", "list")[1])
    assert [line[:2] for line in listed[1:]] == [["nightly", "nightly"], ["stopped", "small"]]
    assert "paused" in listed[2]
    assert say("schedules", "pause", "nightly")[0] == 0
    assert "paused" in rows(say("schedules", "list")[1])[1]
    assert say("schedules", "resume", "nightly")[0] == 0
    assert "paused" not in rows(say("schedules", "list")[1])[1]


def test_what_is_not_declared_or_paused_in_the_file_is_refused_alike(say):
    code, _, error = say("schedules", "pause", "weekly")
    assert (code, "there is nightly, stopped" in error) == (2, True), error
    code, _, error = say("schedules", "resume", "stopped")
    assert (code, "remove `paused: true`" in error) == (2, True), error
    code, _, error = say("schedules", "fire", "nightly")
    assert (code != 0, "nightly: " in error) == (True, True), error


def test_holds_are_listed_extended_and_released_alike(say, hold, store):
    listed = rows(say("holds", "list")[1])
    assert listed[1][:4] == [hold.ulid, "1", "kernels", "ann"]
    code, _, said = say("holds", "extend", hold.ulid[:20], "2h")
    assert (code, f"hold {hold.ulid} lasts for" in said) == (0, True), said
    with store.reading() as connection:
        (longer,) = active_holds(connection)
    assert longer.until_ns > hold.until_ns
    code, _, said = say("holds", "release", hold.attempt_ulid)
    asked = f"asked for the end of hold {hold.ulid}: kernels of run 1"
    assert (code, asked in said) == (0, True), said
    with store.reading() as connection:
        kinds = connection.execute(select(Request.kind)).scalars().all()
    assert [str(kind) for kind in kinds] == ["release"]
    code, _, error = say("holds", "extend", "zzzz", "1h")
    assert (code, "no hold is called 'zzzz'" in error) == (2, True), error


def test_every_act_leaves_one_line_in_the_audit_log(say, hold, store):
    say("schedules", "pause", "nightly")
    say("holds", "extend", hold.ulid, "2h")
    say("holds", "release", hold.ulid)
    say("schedules", "list")
    with store.reading() as connection:
        lines = connection.execute(select(Audit.actor, Audit.action).order_by(Audit.id)).all()
    assert [actor for actor, _ in lines] == ["user:ada"] * 3, lines
    for (_, action), word in zip(lines, ("pause", "extend", "release"), strict=True):
        assert word in action


def test_a_retry_and_a_cancel_without_a_service_are_in_the_audit_log(store, hold, tmp_path):
    settings = Settings(home=store.home, cache=tmp_path / "cache", user="ada")
    client = EmbeddedClient.open(settings)
    child = client.retry("1")
    client.cancel(str(child.number), reason="no need")
    client.close()
    columns = (Audit.actor, Audit.action, Audit.target, Audit.reason)
    with store.reading() as connection:
        lines = connection.execute(select(*columns).order_by(Audit.id)).all()
    assert [tuple(line) for line in lines] == [
        ("user:ada", "retry", "run 1", "as run 2"),
        ("user:ada", "cancel", "run 2", "no need"),
    ]
