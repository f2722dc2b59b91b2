"""Reuse by action digest: what may stand for a task, and all that must not."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotfire_infra.action_digest import observed_digest, requested_digest
from hotfire_infra.executors.fake import ENVIRONMENT, Script
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.run_options import inherited_terms
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import RunVerdict, TaskState
from hotfire_infra.store import queries
from hotfire_infra.store.invalidations import Predicate, invalidate, withdraw
from hotfire_testframework.contract.task import InputSpec, OutputSpec, TaskOutput, TaskSpec

ONE, TWO = "m/s/one", "m/s/two"
SOURCE = StoredSource(
    repository="here",
    revision="3f2a91c" + "0" * 33,
    patch_digest="",
    subject="First",
    archive_sha256=None,
)
MEASURED = {
    "metric": "aestus.decode_rate",
    "version": 1,
    "unit": "token/s",
    "value": 1.0,
    "test": ONE,
    "estimator": "median",
    "replicates": [1.0],
    "launches": [0],
    "inner": 1,
    "valid": True,
    "definition": "0" * 64,
}


def start(stand, plan, *, reuse="any", source=SOURCE, parent=None, is_trusted=True, fresh=()):
    request = RunRequest(
        plan=plan,
        source=source,
        requested_by="tester",
        options={"reuse": reuse, "fresh": list(fresh)},
        parent_run_id=parent,
        is_trusted=is_trusted,
    )
    return create_run(stand.store, request)


def again(stand, plan, **how):
    """Run a plan that may reuse, and return (cell states, cell reasons, number of new attempts)."""
    done = stand.finish(start(stand, plan, **how))
    states = {cell.key: str(cell.state) for cell in done.cells}
    return done, states, len(stand.attempts(done.run.id))


def with_source(plan, store, content, revision="a" * 40):
    """Return plan and source of another revision whose archive holds `content`."""
    blob = store.blobs.put_bytes(content)
    source = dataclasses.replace(SOURCE, revision=revision, archive_sha256=blob.sha256)
    stamp = dataclasses.replace(plan.source, revision=revision)
    return dataclasses.replace(plan, source=stamp), source


def test_a_task_that_must_speak_anew_is_executed_beside_others_that_are_reused(
    make_stand, make_plan
):
    stand, plan = make_stand(), make_plan({"kernels": [ONE], "unit": [TWO]})
    stand.run(plan)
    done, _, attempts = again(stand, plan, fresh=["unit"])
    reasons = {cell.key: cell.reason for cell in done.cells}
    assert attempts == 1
    assert reasons["kernels"].startswith("reused from run 1")
    assert "reused" not in reasons["unit"]


def test_an_equal_task_on_an_equal_machine_is_reused_with_its_origin(make_stand, make_plan, store):
    stand, plan = make_stand(), make_plan({"kernels": [ONE, TWO]})
    first = stand.run(plan)
    done, states, attempts = again(stand, plan)
    (cell,) = done.cells
    assert (states, attempts, done.run.verdict) == ({"kernels": "reused"}, 0, RunVerdict.PASSED)
    with store.reading() as connection:
        (origin,) = queries.attempts_of(connection, first.run.id)
        rows = queries.verdicts_of(connection, done.run.id)
    assert cell.reason == f"reused from run 1, attempt {origin.ulid}"
    assert [(row.test, row.verdict, row.attempt_ulid) for row in rows] == [
        (ONE, "passed", origin.ulid),
        (TWO, "passed", origin.ulid),
    ]
    assert done.tasks[0].resolution is TaskState.REUSED


def test_nothing_is_reused_unless_the_run_asks_for_it(make_stand, make_plan):
    stand, plan = make_stand(), make_plan({"kernels": [ONE]})
    stand.run(plan)
    assert stand.run(plan).cells[0].state is TaskState.DONE


def test_a_reused_result_is_reused_from_where_it_really_ran(make_stand, make_plan):
    stand, plan = make_stand(), make_plan({"kernels": [ONE]})
    stand.run(plan)
    second, _, _ = again(stand, plan)
    third, _, _ = again(stand, plan)
    assert third.cells[0].reason == second.cells[0].reason


def test_another_driver_is_another_machine(make_stand, make_plan):
    stand, plan = make_stand(), make_plan({"kernels": [ONE]})
    stand.run(plan)
    stand.executor.environments = ({**ENVIRONMENT, "nvidia_driver": "570.124"},)
    assert again(stand, plan)[1] == {"kernels": "done"}
    assert again(stand, plan)[1] == {"kernels": "reused"}


def test_every_machine_of_the_pool_must_be_equal(make_stand, make_plan):
    stand, plan = make_stand(), make_plan({"kernels": [ONE]})
    stand.run(plan)
    stand.executor.environments = (ENVIRONMENT, {**ENVIRONMENT, "kernel": "6.2"})
    assert again(stand, plan)[1] == {"kernels": "done"}
    stand.executor.environments = ()
    assert again(stand, plan)[1] == {"kernels": "done"}


def test_one_byte_of_the_source_is_enough(make_stand, make_plan, make_spec, store):
    spec = make_spec(inputs=[{"name": "source", "from": "source"}])
    stand = make_stand()
    plan, source = with_source(make_plan({"k": [ONE]}, specs={"k": spec}), store, b"int a;")
    stand.finish(start(stand, plan, source=source))
    same, renamed = with_source(plan, store, b"int a;", revision="b" * 40)
    assert again(stand, same, source=renamed)[1] == {"k": "reused"}, "equal content, other commit"
    other, changed = with_source(plan, store, b"int b;", revision="c" * 40)
    assert again(stand, other, source=changed)[1] == {"k": "done"}


def chain(make_plan, make_spec):
    """Return a plan in which `test` reads the artifact of `build`."""
    build = dataclasses.replace(
        make_spec(),
        outputs=(OutputSpec(name="lib", path="lib"),),
        inputs=(InputSpec(name="source", origin="source"),),
    )
    test = dataclasses.replace(
        make_spec(),
        inputs=(InputSpec(name="lib", origin=TaskOutput(task="build", artifact="lib")),),
    )
    return make_plan(
        {"build": [ONE], "test": [TWO]},
        edges=[("build", "test")],
        specs={"build": build, "test": test},
    )


def test_artifacts_count_by_content_and_not_by_who_made_them(
    make_stand, make_plan, make_spec, store
):
    library = {"content": b"v1"}

    def director(spec):
        return Script(artifacts={"lib": library["content"]} if spec.task == "build" else {})

    stand = make_stand(director)
    plan, source = with_source(chain(make_plan, make_spec), store, b"int a;")
    stand.finish(start(stand, plan, source=source))
    # A comment changes: the build is done anew, and its library is the same.
    plan, source = with_source(plan, store, b"int a; // why", revision="b" * 40)
    assert again(stand, plan, source=source)[1] == {"build": "done", "test": "reused"}
    library["content"] = b"v2"
    plan, source = with_source(plan, store, b"int b;", revision="c" * 40)
    assert again(stand, plan, source=source)[1] == {"build": "done", "test": "done"}


def test_what_follows_a_reused_build_reads_the_artifact_of_the_origin(
    make_stand, make_plan, make_spec, store
):
    seen = {}

    def director(spec):
        seen[spec.task] = {item.name: item.sha256 for item in spec.inputs}
        is_build = spec.task == "build"
        is_red = not is_build and len(stand.attempts(1)) > 1 and not seen.get("fixed")
        return Script(
            artifacts={"lib": b"v1"} if is_build else {}, outcomes={TWO: "failed"} if is_red else {}
        )

    stand = make_stand(director)
    plan, source = with_source(chain(make_plan, make_spec), store, b"int a;")
    assert stand.finish(start(stand, plan, source=source)).run.verdict is RunVerdict.FAILED
    first, seen["fixed"] = seen["test"], True
    done, states, _ = again(stand, plan, source=source)
    assert states == {"build": "reused", "test": "done"}
    assert (seen["test"], done.run.verdict) == (first, RunVerdict.PASSED)


@pytest.mark.parametrize(
    "script",
    [
        Script(outcomes={ONE: "failed"}),
        Script(records=(("measurement", MEASURED),)),
        Script(
            records=(
                ("test_start", {"test": ONE, "try": 2}),
                (
                    "test_attempt",
                    {"test": ONE, "try": 2, "outcome": "failed", "duration_ns": 1, "message": "x"},
                ),
            ),
            exit_code=0,
        ),
        Script(exit_code=36),
        Script(omitted_tests=frozenset({TWO})),
    ],
    ids=["failed", "measured", "flaky", "errored", "incomplete"],
)
def test_what_is_no_clean_pass_is_never_an_origin(make_stand, make_plan, script):
    scripts = {"now": script}
    stand = make_stand(lambda spec: scripts["now"])
    plan = make_plan({"kernels": [ONE, TWO]})
    stand.run(plan)
    assert again(stand, plan)[1] == {"kernels": "done"}


def test_a_task_that_has_the_machine_to_itself_is_never_reused(make_stand, make_plan, make_spec):
    plan = make_plan({"speed": [ONE]}, specs={"speed": make_spec(exclusive=True)})
    stand = make_stand()
    stand.run(plan)
    assert again(stand, plan)[1] == {"speed": "done"}


def test_an_action_that_has_also_failed_decides_nothing(make_stand, make_plan):
    outcomes = {ONE: "passed"}
    stand = make_stand(lambda spec: Script(outcomes=dict(outcomes)))
    plan = make_plan({"kernels": [ONE]})
    stand.run(plan)
    outcomes[ONE] = "failed"
    stand.run(plan)
    outcomes[ONE] = "passed"
    stand.run(plan)
    assert again(stand, plan)[1] == {"kernels": "done"}


def test_an_invalidated_origin_is_not_reused_until_it_counts_again(make_stand, make_plan, store):
    stand, plan = make_stand(), make_plan({"kernels": [ONE]})
    stand.run(plan)
    found = invalidate(
        store,
        Predicate(environment={"cpu_model": "fake"}),
        reason="bad driver",
        requested_by="operator",
    )
    assert found.attempts == 1
    _, states, _ = again(stand, plan)
    assert states == {"kernels": "done"}
    invalidate(store, Predicate(pools=("fake",)), reason="still", requested_by="operator")
    withdraw(store, found.ulid, reason="it was the cable", requested_by="operator")
    third, states, _ = again(stand, plan)
    assert states == {"kernels": "reused"}
    assert third.cells[0].reason.startswith("reused from run 1,")


def test_an_untrusted_run_vouches_for_no_trusted_one(make_stand, make_plan):
    stand, plan = make_stand(), make_plan({"kernels": [ONE]})
    stand.finish(start(stand, plan, is_trusted=False))
    assert again(stand, plan)[1] == {"kernels": "done"}
    assert again(stand, plan, is_trusted=False)[1] == {"kernels": "reused"}


def test_a_blob_that_retention_took_ends_reuse(make_stand, make_plan, make_spec, store):
    stand = make_stand(lambda spec: Script(artifacts={"lib": b"v1"}))
    spec = dataclasses.replace(make_spec(), outputs=(OutputSpec(name="lib", path="lib"),))
    plan = make_plan({"build": [ONE]}, specs={"build": spec})
    stand.run(plan)
    digest = store.blobs.put_bytes(b"v1").sha256
    store.blobs.path(digest).unlink()
    assert again(stand, plan)[1] == {"build": "done"}


# -- retry ---------------------------------------------------------------------------------------


def retry(stand, run_id, plan, *, everything=False):
    with stand.store.reading() as connection:
        terms = inherited_terms(connection, run_id, everything=everything)
    request = RunRequest(
        plan=plan, source=SOURCE, requested_by="tester", parent_run_id=run_id, **terms
    )
    return stand.finish(create_run(stand.store, request))


def test_a_retry_executes_only_what_did_not_pass(make_stand, make_plan):
    broken = {TWO}
    stand = make_stand(lambda spec: Script(outcomes=dict.fromkeys(broken, "failed")))
    plan = make_plan({"good": [ONE], "bad": [TWO]})
    first = stand.run(plan)
    assert first.run.verdict is RunVerdict.FAILED
    broken.clear()
    child = retry(stand, first.run.id, plan)
    assert {cell.key: str(cell.state) for cell in child.cells} == {"good": "reused", "bad": "done"}
    assert (child.run.verdict, child.run.parent_number) == (RunVerdict.PASSED, first.run.number)
    assert [cell.tests for cell in child.cells] == [{"passed": 1}, {"passed": 1}]
    grandchild = retry(stand, child.run.id, plan)
    assert {str(cell.state) for cell in grandchild.cells} == {"reused"}
    assert "from run 1," in grandchild.cells[0].reason
    whole = retry(stand, first.run.id, plan, everything=True)
    assert {str(cell.state) for cell in whole.cells} == {"done"}


def test_a_retry_takes_nothing_from_other_runs(make_stand, make_plan):
    broken = set()
    stand = make_stand(lambda spec: Script(outcomes=dict.fromkeys(broken, "failed")))
    plan = make_plan({"good": [ONE], "bad": [TWO]})
    stand.run(plan)
    stand.executor.environments = ({**ENVIRONMENT, "kernel": "6.2"},)
    broken.add(TWO)
    red = stand.run(plan)
    broken.clear()
    stand.executor.environments = (ENVIRONMENT,)
    child = retry(stand, red.run.id, plan)
    # On the machine as it was for the first run, which is not the parent.
    assert {str(cell.state) for cell in child.cells} == {"done"}


# -- digests -------------------------------------------------------------------------------------

texts = st.text(min_size=1, max_size=8)
ASKED = {
    "task": "k",
    "spec": TaskSpec.from_json({"harness": "command", "command": ["true"]}),
    "inputs": {"source": "0" * 64},
    "variant": {"platform": "pc"},
    "requires": {"executables": ["g++"]},
    "dimensions": {"toolchain": "gcc-12"},
    "runner_sha256": "1" * 64,
}


@given(st.sampled_from(sorted(set(ASKED) - {"spec"})), texts)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_part_of_what_is_asked_changes_the_digest(part, text):
    value = ASKED[part]
    changed = f"{value}{text}" if isinstance(value, str) else {**value, "another": text}
    assert requested_digest(**{**ASKED, part: changed}) != requested_digest(**ASKED)


@pytest.mark.parametrize(
    "change",
    [
        {"command": ["false"]},
        {"env": {"A": "1"}},
        {"launcher": ["qemu"]},
        {"args": ["-k", "x"]},
        {"tools": ["g++"]},
        {"setup": [["true"]]},
        {"memory_mib": 512},
    ],
)
def test_every_part_of_a_specification_changes_the_digest(change):
    spec = TaskSpec.from_json({"harness": "command", "command": ["true"], **change})
    assert requested_digest(**{**ASKED, "spec": spec}) != requested_digest(**ASKED)


@given(st.dictionaries(texts, texts, min_size=1, max_size=5), st.sampled_from(["uuid", "hostname"]))
@settings(max_examples=60)
def test_a_machine_is_its_kind_and_not_its_name(fields, name):
    assert observed_digest({**fields, name: "x"}) == observed_digest({**fields, name: "y"})
    changed = {key: f"{value}!" for key, value in fields.items()}
    kept = {key for key in fields if key not in ("uuid", "hostname")}
    assert (observed_digest(changed) != observed_digest(fields)) or not kept
