"""What the local machine says of itself now is what an attempt on it records."""

from __future__ import annotations

import threading

from sqlalchemy import select

from hotfire_infra.action_digest import observed_digest
from hotfire_infra.clock import SystemClock
from hotfire_infra.executors.local import LocalExecutor
from hotfire_infra.executors.protocol import Probe
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.lock import acquire
from hotfire_infra.orchestrator.loop import Orchestrator
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.store.database import open_store
from hotfire_infra.store.models import Attempt, Environment
from hotfire_testframework.runner.bundle import build_bundle

TOOLS = ["sh", "python", "toolchain:cuda", "no-such-program"]


def test_an_attempt_and_the_machine_agree_until_a_toolchain_changes(tmp_path, make_plan, make_spec):
    cache = tmp_path / "cache"
    (cache / "cuda" / "13.0").mkdir(parents=True)
    (cache / "cuda" / "current").symlink_to("13.0")
    clock = SystemClock()
    store = open_store(tmp_path / "home", clock=clock)
    bundle = tmp_path / "runner.pyz"
    bundle.write_bytes(build_bundle())
    executor = LocalExecutor(store.attempts, bundle, cache, clock)
    plan = make_plan({"k": ["tasks/command/k"]}, specs={"k": make_spec(tools=TOOLS)})
    source = StoredSource(
        repository="here",
        revision=plan.source.revision,
        patch_digest="",
        subject="",
        archive_sha256=None,
    )
    create_run(store, RunRequest(plan=plan, source=source, requested_by="tester"))
    lock = acquire(store)
    orchestrator = Orchestrator(store=store, executor=executor, cache=cache, lock=lock)
    orchestrator.run_until_idle(threading.Event())
    with store.reading() as connection:
        query = select(Environment.fields, Attempt.observed_digest).join(
            Attempt, Attempt.environment_id == Environment.id
        )
        fields, digest = connection.execute(query).one()
    store.close()
    probe = Probe(tools=tuple(TOOLS))
    (now,) = executor.observe(probe)
    assert now == fields
    assert observed_digest(now) == digest
    assert now["tool toolchain:cuda"] == "13.0"
    assert now["tool no-such-program"] == {"absent": True}
    assert "sha256:" in now["tool sh"]
    (cache / "cuda" / "current").unlink()
    (cache / "cuda" / "current").symlink_to("13.1")
    another = LocalExecutor(store.attempts, bundle, cache, clock)
    assert observed_digest(another.observe(probe)[0]) != digest


def test_a_machine_that_cannot_be_asked_is_mute(tmp_path):
    broken = LocalExecutor(tmp_path, tmp_path / "missing.pyz", tmp_path, SystemClock())
    assert broken.observe(Probe()) == ()
