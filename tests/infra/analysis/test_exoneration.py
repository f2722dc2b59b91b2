"""Failures that are older than the change: what counts as evidence, and what it never hides."""

from __future__ import annotations

import dataclasses

import pytest

from hotfire_infra.analysis.exoneration import exonerations_of, signature
from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.executors.fake import Script
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import RunVerdict
from hotfire_infra.store.invalidations import Predicate, invalidate
from hotfire_pipelines.plan import Policy

ONE, TWO = "m/s/one", "m/s/two"
SOURCE = StoredSource(
    repository="here",
    revision="3f2a91c" + "0" * 33,
    patch_digest="",
    subject="First",
    archive_sha256=None,
)
BASE, OLDER, CHANGE = "b" * 40, "a" * 40, "c" * 40
HISTORY = Policy(fails_on_merge_base="history")


class Bench:
    """Runs of one plan on several commits; each says which tests fail, and how."""

    def __init__(self, make_stand, make_plan, tests=(ONE, TWO)):
        self.says = {}
        self.script = {}
        self.stand = make_stand(self._director)
        self.plan = make_plan({"kernels": list(tests)})

    def _director(self, spec):
        records = [
            {
                "test": test,
                "try": 2,
                "outcome": "failed",
                "failure_class": "product",
                "duration_ns": 1,
                "message": message,
            }
            for test, message in self.says.items()
        ]
        return Script(
            outcomes=dict.fromkeys(self.says, "failed"),
            records=tuple(("test_attempt", record) for record in records),
            **self.script,
        )

    def run(self, revision, says, *, policy=HISTORY, ancestors=(BASE, OLDER), patch="", **script):
        self.says, self.script = says, script
        stamp = dataclasses.replace(self.plan.source, revision=revision, patch_digest=patch or None)
        plan = dataclasses.replace(self.plan, source=stamp, policy=policy)
        request = RunRequest(
            plan=plan,
            source=dataclasses.replace(SOURCE, revision=revision, patch_digest=patch),
            requested_by="tester",
            merge_base=ancestors[0] if ancestors else None,
            options={"ancestors": list(ancestors)},
        )
        return self.stand.finish(create_run(self.stand.store, request))

    def excuses(self, done):
        with self.stand.store.reading() as connection:
            return exonerations_of(connection, done.run.id)


@pytest.fixture
def bench(make_stand, make_plan):
    return Bench(make_stand, make_plan)


def test_a_failure_of_the_merge_base_does_not_block_and_names_its_evidence(bench):
    base = bench.run(BASE, {ONE: "off by 3.5 at 0x7f01"})
    done = bench.run(CHANGE, {ONE: "off by 4.25 at 0x7fff"})
    (excuse,) = bench.excuses(done)
    assert base.run.verdict is RunVerdict.FAILED
    assert (done.run.verdict, done.run.reasons) == (RunVerdict.PASSED, ())
    assert (excuse.test, excuse.kind) == (ONE, "fails-on-merge-base")
    assert excuse.reason == "fails in the same way on the merge base bbbbbbb (run 1)"
    assert excuse.evidence["run"] == 1
    assert excuse.evidence["signature"] == "off by # at #"
    assert done.cells[0].verdict == "failed", "a verdict is never rewritten"


def test_list_of_runs_says_that_a_failure_in_a_green_run_does_not_block(bench):
    bench.run(BASE, {ONE: "off by 3.5"})
    bench.run(CHANGE, {ONE: "off by 4.25"})
    newest, base = StoreReports(bench.stand.store).runs(10)
    assert (newest.verdict, newest.note) == ("passed", "1 exonerated")
    assert (base.verdict, base.note) == ("failed", "")


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({ONE: "off by 3"}, {ONE: "segmentation fault"}),
        ({TWO: "off by 3"}, {ONE: "off by 3"}),
        ({}, {ONE: "off by 3"}),
        ({ONE: "off by 3"}, {ONE: "off by 3", TWO: "off by 3"}),
    ],
    ids=["another failure", "another test", "it passed", "one more test"],
)
def test_anything_new_blocks(bench, before, now):
    bench.run(BASE, before)
    assert bench.run(CHANGE, now).run.verdict is RunVerdict.FAILED


def test_the_nearest_answer_counts_and_not_an_older_one(bench):
    bench.run(OLDER, {ONE: "off by 3"})
    bench.run(BASE, {})
    assert bench.run(CHANGE, {ONE: "off by 3"}).run.verdict is RunVerdict.FAILED


def test_without_a_run_of_the_merge_base_the_nearest_ancestor_answers(bench):
    bench.run(OLDER, {ONE: "off by 3"})
    (excuse,) = bench.excuses(bench.run(CHANGE, {ONE: "off by 3"}))
    assert (
        excuse.reason == "fails in the same way on aaaaaaa, 1 commit before the merge base, (run 1)"
    )


def test_the_newest_run_of_a_commit_counts(bench):
    bench.run(BASE, {ONE: "off by 3"})
    bench.run(BASE, {})
    assert bench.run(CHANGE, {ONE: "off by 3"}).run.verdict is RunVerdict.FAILED


def test_a_merge_base_excuses_what_is_not_committed_and_never_itself(bench):
    bench.run(BASE, {ONE: "off by 3"})
    again = bench.run(BASE, {ONE: "off by 3"})
    assert again.run.verdict is RunVerdict.FAILED
    dirty = bench.run(BASE, {ONE: "off by 3"}, patch="d" * 64)
    assert len(bench.excuses(dirty)) == 1


def test_runs_of_uncommitted_work_are_no_evidence(bench):
    bench.run(BASE, {ONE: "off by 3"}, patch="d" * 64)
    assert bench.run(CHANGE, {ONE: "off by 3"}).run.verdict is RunVerdict.FAILED


def test_the_pipeline_has_to_allow_it(bench):
    bench.run(BASE, {ONE: "off by 3"})
    done = bench.run(CHANGE, {ONE: "off by 3"}, policy=Policy())
    assert (done.run.verdict, bench.excuses(done)) == (RunVerdict.FAILED, ())


def test_an_invalidated_failure_is_no_evidence(bench, store):
    bench.run(BASE, {ONE: "off by 3"})
    invalidate(store, Predicate(pools=("fake",)), reason="bad driver", requested_by="operator")
    assert bench.run(CHANGE, {ONE: "off by 3"}).run.verdict is RunVerdict.FAILED


def test_an_old_failure_hides_no_test_that_was_lost(bench):
    bench.run(BASE, {ONE: "off by 3"})
    done = bench.run(CHANGE, {ONE: "off by 3"}, omitted_tests=frozenset({TWO}))
    assert done.run.verdict is RunVerdict.INCOMPLETE
    assert done.run.reasons == ("kernels missing: 1 test missing, besides exonerated failures",)


def test_silence_agrees_with_nothing(bench):
    bench.run(BASE, {ONE: ""})
    assert bench.run(CHANGE, {ONE: ""}).run.verdict is RunVerdict.FAILED


def test_a_run_whose_only_test_is_excused_has_shown_nothing_green(make_stand, make_plan):
    bench = Bench(make_stand, make_plan, tests=[ONE])
    bench.run(BASE, {ONE: "off by 3"})
    done = bench.run(CHANGE, {ONE: "off by 3"})
    assert done.run.reasons == ("no cell of this run was executed and passed",)


@pytest.mark.parametrize(
    ("one", "other", "are_alike"),
    [
        ("error 3.71 at 5", "error 4 at 17", True),
        ("/tmp/a/b/c.so: no symbol", "/var/x/y/c.so: no symbol", True),
        ("case at 0x7f00 failed\nat line 12", "case at 0x0001 failed\nat line 99", True),
        ("AssertionError: shapes differ", "AssertionError: types differ", False),
        ("killed by SIGSEGV", "killed by SIGABRT", False),
    ],
)
def test_a_signature_keeps_words_and_drops_particulars(one, other, are_alike):
    assert (signature(one) == signature(other)) is are_alike
