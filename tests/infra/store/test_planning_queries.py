"""What earlier runs tell whoever plans: lines that ran, and what attempts took; on both dialects."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import update

from hotfire_infra.executors.fake import Script
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.store import results
from hotfire_infra.store.invalidations import Predicate, invalidate
from hotfire_infra.store.models import Artifact, Attempt, Cell, Run, Task
from hotfire_infra.store.queries_contexts import contexts_of_files
from hotfire_infra.store.queries_coverage import coverage_of_files
from hotfire_infra.store.queries_durations import cell_history
from hotfire_infra.store.queries_prices import LENT_RUNS, PRICED_RUNS, samples_of
from hotfire_pipelines.history import definition_of
from hotfire_pipelines.plan import Source
from hotfire_testframework.runner.artifacts import COVERAGE_MEDIA_TYPE

ONE = "m/s/one"
SHA = "ab" * 32
FIRST, SECOND = "1" * 40, "2" * 40


@pytest.fixture(params=["sqlite", "postgresql"])
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def run(stand, plan, revision=FIRST, patch=""):
    """Finish a run of a revision; return it with its attempts."""
    planned = replace(plan, source=Source(repository="here", revision=revision,
                                          patch_digest=patch or None))  # fmt: skip
    source = StoredSource(repository="here", revision=revision, patch_digest=patch, subject="S",
                          archive_sha256=None)  # fmt: skip
    request = RunRequest(plan=planned, source=source, requested_by="tester")
    return stand.finish(create_run(stand.store, request)).run


def cover(
    store, run, *, suite="native", path="src/a.cpp", sha=SHA, executable=b"\xff", hit=b"\x07"
):
    """Record coverage with the attempt of a run."""
    with store.writing() as connection:
        attempt = connection.execute(
            Attempt.__table__.select().order_by(Attempt.id.desc()).limit(1)
        ).one()
        row = (run.id, attempt.id, suite, "here", "c++", path, sha, executable, hit)
        results.insert_rows(connection, results.COVERAGE, [row])


def tell_apart(store, run, tests=(ONE,), **changes):
    """Leave the artifact of a suite that told its tests apart with the attempt of a run."""
    file = {"path": "src/a.py", "sha256": SHA, "executable": "ff", "hit": "07",
            "tests": "01", "shared": "04", **changes}  # fmt: skip
    body = {"suite": "python", "language": "python", "files": [file], "tests": list(tests)}
    blob = store.blobs.put_bytes(json.dumps(body).encode())
    with store.writing() as connection:
        attempt = connection.execute(
            Attempt.__table__.select().order_by(Attempt.id.desc()).limit(1)
        ).one()
        results.insert_rows(connection, results.BLOB, [(blob.sha256, blob.size)])
        row = (attempt.id, "python.json", blob.sha256, blob.size, COVERAGE_MEDIA_TYPE)
        results.insert_rows(connection, results.ARTIFACT, [row])
    return run


def told_apart(store, *revisions, paths=("src/a.py", "src/b.py")):
    with store.reading() as connection:
        return contexts_of_files(connection, store.blobs.read, revisions, paths)


def throw_away(store):
    """Take back all results of the fake machine."""
    predicate = Predicate(environment={"machine": "fake"})
    invalidate(store, predicate, reason="wrong", requested_by="operator")


def covered(store, *revisions, paths=("src/a.cpp",)):
    with store.reading() as connection:
        return coverage_of_files(connection, revisions, paths)


def took(store, pipeline="small"):
    with store.reading() as connection:
        return samples_of(connection, pipeline)


def test_the_nearest_revision_counts_and_of_it_the_newest_run(make_stand, make_plan, store):
    stand, plan = make_stand(), make_plan({"unit": [ONE]})
    cover(store, run(stand, plan, FIRST), hit=b"\x01")
    cover(store, run(stand, plan, SECOND), hit=b"\x02")
    newest = run(stand, plan, SECOND)
    cover(store, newest, hit=b"\x04")
    [fact] = covered(store, SECOND, FIRST)
    assert (fact.run, fact.revision, fact.hit, fact.executable) == (3, SECOND, 4, 255)
    assert [fact.hit for fact in covered(store, FIRST, SECOND)] == [1]
    assert covered(store, "3" * 40) == ()
    assert covered(store, SECOND, paths=("src/b.cpp",)) == ()
    assert covered(store, SECOND, paths=()) == ()


def test_contexts_are_those_of_the_nearest_revision_and_of_it_the_newest_run(
    make_stand, make_plan, store
):
    stand, plan = make_stand(), make_plan({"unit": [ONE]})
    assert told_apart(store, FIRST) == ()
    tell_apart(store, run(stand, plan, FIRST))
    tell_apart(store, run(stand, plan, SECOND), shared="08")
    newest = tell_apart(store, run(stand, plan, SECOND), shared="10")
    [found] = told_apart(store, SECOND, FIRST)
    assert (found.run, found.revision, found.cell, found.tests) == (
        newest.number, SECOND, "unit", (ONE,),
    )  # fmt: skip
    assert found.definition == definition_of(plan.tasks[0].spec.to_json())
    [file] = found.files
    assert (file.path, file.sha256, file.tests, file.shared) == ("src/a.py", SHA, 1, 16)
    assert [one.files[0].shared for one in told_apart(store, FIRST)] == [4]
    assert told_apart(store, SECOND, paths=("src/b.py",))[0].files == ()
    assert told_apart(store, "3" * 40) == ()


@pytest.mark.parametrize("doubt", ["dirty", "part", "invalid", "broken", "gone", "untold"])
def test_contexts_that_are_in_doubt_tell_nothing(make_stand, make_plan, store, doubt):
    stand, plan = make_stand(), make_plan({"unit": [ONE]})
    done = run(stand, plan, FIRST, patch="cd" * 32 if doubt == "dirty" else "")
    tell_apart(store, done, **({"shared": "no digits"} if doubt == "broken" else {}))
    with store.writing() as connection:
        if doubt == "part":
            connection.execute(update(Cell).values(left_out=1))
        if doubt == "untold":
            connection.execute(update(Artifact).values(media_type="application/json"))
    if doubt == "invalid":
        throw_away(store)
    if doubt == "gone":
        for path in store.blobs.root.rglob("*"):
            if path.is_file():
                path.unlink()
    assert told_apart(store, FIRST) == ()


def test_every_suite_has_its_own_newest_run(make_stand, make_plan, store):
    stand, plan = make_stand(), make_plan({"unit": [ONE]})
    cover(store, run(stand, plan, FIRST), suite="python")
    cover(store, run(stand, plan, SECOND), suite="native")
    found = {fact.suite: fact.revision for fact in covered(store, SECOND, FIRST)}
    assert found == {"native": SECOND, "python": FIRST}


def test_a_dirty_tree_and_an_unfinished_or_invalid_run_prove_nothing(make_stand, make_plan, store):
    stand, plan = make_stand(), make_plan({"unit": [ONE]})
    cover(store, run(stand, plan, FIRST, patch="cd" * 32))
    assert covered(store, FIRST) == ()
    clean = run(stand, plan, FIRST)
    cover(store, clean)
    assert len(covered(store, FIRST)) == 1
    with store.writing() as connection:
        connection.execute(update(Run).where(Run.id == clean.id).values(state="running"))
    assert covered(store, FIRST) == ()
    with store.writing() as connection:
        connection.execute(update(Run).where(Run.id == clean.id).values(state="finalized"))
    throw_away(store)
    assert covered(store, FIRST) == ()


def test_a_suite_that_failed_has_lines_missing_and_proves_nothing(make_stand, make_plan, store):
    stand = make_stand(lambda _attempt: Script(outcomes={ONE: "failed"}))
    cover(store, run(stand, make_plan({"unit": [ONE]}), FIRST))
    assert covered(store, FIRST) == ()


def test_passed_attempts_of_a_pipeline_are_samples_newest_first(make_stand, make_plan, store):
    stand, plan = make_stand(), make_plan({"unit": [ONE], "build": [ONE]})
    assert took(store) == ()
    for _ in range(2):
        run(stand, plan)
    found = took(store)
    assert [one.cell for one in found].count("unit") == 2
    assert {(one.task, one.platform, one.shards) for one in found} == {
        ("unit", "here", 1), ("build", "here", 1)
    }  # fmt: skip
    assert all(one.seconds >= 0 and not one.pipeline for one in found)


def test_a_pipeline_borrows_what_others_took_with_how_they_define_the_cell(
    make_stand, make_plan, store
):
    stand, plan = make_stand(), make_plan({"unit": [ONE]})
    for _ in range(LENT_RUNS + 1):
        run(stand, replace(plan, pipeline="pre-merge"))
    run(stand, replace(plan, pipeline="release"))
    own, *lent = took(store, "release")
    definition = definition_of(plan.tasks[0].spec.to_json())
    assert (own.pipeline, own.definition) == ("", "")
    assert [(one.pipeline, one.definition) for one in lent] == [
        ("pre-merge", definition)
    ] * LENT_RUNS
    throw_away(store)
    assert took(store, "another") == ()


def test_a_cell_that_left_tests_out_is_no_sample_and_proves_nothing(make_stand, make_plan, store):
    stand, plan = make_stand(), make_plan({"unit": [ONE]})
    covered_run = run(stand, plan)
    cover(store, covered_run)
    assert (len(took(store)), len(covered(store, FIRST))) == (1, 1)
    with store.writing() as connection:
        connection.execute(update(Cell).values(left_out=3))
    assert (len(took(store)), len(covered(store, FIRST))) == (1, 0), "by a budget: always so"
    with store.writing() as connection:
        spec = {**plan.tasks[0].spec.to_json(), "leave_out": ["m/s/two"]}
        connection.execute(update(Task).values(spec=spec))
    assert took(store) == ()


def test_failed_invalid_and_old_attempts_are_no_samples(make_stand, make_plan, store):
    plan = make_plan({"unit": [ONE]})
    stand = make_stand(lambda _attempt: Script(outcomes={ONE: "failed"}))
    run(stand, plan)
    assert took(store) == ()
    with store.writing() as connection:
        connection.execute(update(Attempt).values(state="passed"))
    assert len(took(store)) == 1
    throw_away(store)
    assert took(store) == ()
    assert PRICED_RUNS >= 10


def test_durations_come_from_the_pipeline_and_from_others_that_define_the_task_alike(
    make_stand, make_plan, store
):
    stand, plan = make_stand(), make_plan({"unit": [ONE]})
    definition = definition_of(plan.tasks[0].spec.to_json())
    run(stand, replace(plan, pipeline="pre-merge"))

    def told(pipeline, digest):
        with store.reading() as connection:
            return cell_history(connection, pipeline, "unit", "unit", "here", digest)

    own, borrowed = told("pre-merge", definition), told("release", definition)
    assert (own.pipelines, borrowed.pipelines) == ((), ("pre-merge",))
    assert set(own.tests) == set(borrowed.tests) == {ONE}
    assert (borrowed.is_own, told("release", "0" * 64).is_own) == (True, False)
    throw_away(store)
    assert told("release", definition) is None
