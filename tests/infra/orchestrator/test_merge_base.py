"""One rerun on the merge base, where no recorded run can say whether a failure is old."""

from __future__ import annotations

import dataclasses
import subprocess

import pytest
from sqlalchemy import select, update

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.executors.fake import Script
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.source.merge_base import find_merge_base, with_archive
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import RunVerdict
from hotfire_infra.store import queries
from hotfire_infra.store.models import Run, SourceStamp
from hotfire_pipelines.plan import Policy
from hotfire_testframework.contract.task import TaskSpec

BASE, CHANGE = "b" * 40, "c" * 40
OLD, NEW, FINE, BUILD = "m/s/old", "m/s/new", "m/s/fine", "tasks/command/build"

READS_SOURCE = TaskSpec.from_json(
    {
        "harness": "command",
        "command": ["true"],
        "inputs": [{"name": "source", "from": "source"}],
    }
)


@pytest.fixture
def dialect() -> str:
    """One database is enough for all but the first test: the other was asked once."""
    return "sqlite"


class Question:
    """A change with failures; `says` is what each test says on each revision."""

    def __init__(self, make_stand, make_plan, says):
        self.says = says
        self.executed = []
        self.stand = make_stand(self._director)
        self.plan = make_plan(
            {"build": [BUILD], "old": [OLD], "new": [NEW], "fine": [FINE]},
            edges=[("build", "old"), ("build", "new"), ("build", "fine")],
            specs={"build": READS_SOURCE},
        )

    def _director(self, spec):
        with self.stand.store.reading() as connection:
            query = select(SourceStamp.revision).join(Run, Run.source_stamp_id == SourceStamp.id)
            revision = connection.execute(query.where(Run.ulid == spec.run)).scalar_one()
        if (revision, spec.task) not in self.executed:
            self.executed.append((revision, spec.task))
        said = self.says.get(revision, {}).get(spec.task)
        if said is None:
            return Script()
        test = f"m/s/{spec.task}"
        record = {"test": test, "try": 2, "outcome": "failed", "duration_ns": 1, "message": said}
        return Script(
            outcomes={test: "failed"},
            records=(("test_attempt", {**record, "failure_class": "product"}),),
        )

    def record_base(self, *, is_trusted=True):
        """Record a run of the merge base that has not executed anything yet."""
        archive = self.stand.store.blobs.put_bytes(b"source of the merge base").sha256
        stamp = dataclasses.replace(self.plan.source, revision=BASE)
        source = StoredSource(
            repository="here", revision=BASE, patch_digest="", subject="", archive_sha256=archive
        )
        request = RunRequest(
            plan=dataclasses.replace(self.plan, source=stamp),
            source=source,
            requested_by="nightly",
            is_trusted=is_trusted,
        )
        run_id = create_run(self.stand.store, request)
        with self.stand.store.writing() as connection:
            connection.execute(update(Run).where(Run.id == run_id).values(state="cancelled"))
        return archive

    def ask(self, policy=None, archive=b"source of the merge base", *, is_trusted=True):
        policy = policy or Policy(fails_on_merge_base="rerun")
        stamp = dataclasses.replace(self.plan.source, revision=CHANGE)
        plan = dataclasses.replace(self.plan, source=stamp, policy=policy)
        source = StoredSource(
            repository="here",
            revision=CHANGE,
            patch_digest="",
            subject="",
            archive_sha256=self.stand.store.blobs.put_bytes(b"source of the change").sha256,
        )
        options = {"ancestors": [BASE]}
        if archive is not None:
            options["merge_base_archive"] = self.stand.store.blobs.put_bytes(archive).sha256
        request = RunRequest(
            plan=plan,
            source=source,
            requested_by="tester",
            merge_base=BASE,
            options=options,
            is_trusted=is_trusted,
        )
        return create_run(self.stand.store, request)


BROKEN_BEFORE = {BASE: {"old": "off by 3"}, CHANGE: {"old": "off by 4"}}


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_an_old_failure_that_nobody_recorded_is_found_by_one_rerun(make_stand, make_plan, store):
    question = Question(make_stand, make_plan, BROKEN_BEFORE)
    done = question.stand.finish(question.ask())
    assert (done.run.verdict, done.run.reasons) == (RunVerdict.PASSED, ())
    on_base = [task for revision, task in question.executed if revision == BASE]
    assert on_base == ["build", "old"], "what failed, and what it needs"
    (excuse,) = StoreReports(store).find("1").exonerations
    assert excuse.reason == "fails in the same way on the merge base bbbbbbb (run 2)"


def test_a_new_failure_blocks_after_the_rerun(make_stand, make_plan):
    question = Question(make_stand, make_plan, {CHANGE: {"new": "off by 4"}})
    assert question.stand.finish(question.ask()).run.verdict is RunVerdict.FAILED
    assert (BASE, "new") in question.executed


def test_the_answer_is_remembered_for_the_next_run(make_stand, make_plan):
    question = Question(make_stand, make_plan, BROKEN_BEFORE)
    question.stand.finish(question.ask())
    question.executed.clear()
    assert question.stand.finish(question.ask()).run.verdict is RunVerdict.PASSED
    assert {revision for revision, _ in question.executed} == {CHANGE}


def test_a_rerun_is_never_the_latest_run_nor_an_expectation(make_stand, make_plan, store):
    question = Question(make_stand, make_plan, BROKEN_BEFORE)
    question.stand.finish(question.ask())
    with store.reading() as connection:
        assert queries.find_run(connection, "latest").number == 1
        assert queries.find_run(connection, "2").source.revision == BASE
        assert [run.number for run in queries.newest_runs(connection)] == [1]


@pytest.mark.parametrize(
    ("policy", "archive"),
    [
        (Policy(), b"x"),
        (Policy(fails_on_merge_base="history"), b"x"),
    ],
    ids=["off", "history"],
)
def test_nothing_is_executed_where_it_is_not_wanted(make_stand, make_plan, policy, archive):
    question = Question(make_stand, make_plan, BROKEN_BEFORE)
    done = question.stand.finish(question.ask(policy, archive))
    assert done.run.verdict is RunVerdict.FAILED
    assert {revision for revision, _ in question.executed} == {CHANGE}


@pytest.mark.parametrize("is_trusted", [True, False])
def test_the_source_of_another_run_of_the_merge_base_serves_where_none_came_along(
    make_stand, make_plan, store, is_trusted
):
    question = Question(make_stand, make_plan, BROKEN_BEFORE)
    archive = question.record_base()
    done = question.stand.finish(question.ask(archive=None, is_trusted=is_trusted))
    assert done.run.verdict is RunVerdict.PASSED
    assert (BASE, "old") in question.executed
    with store.reading() as connection:
        rerun = connection.execute(select(Run.id).where(Run.purpose == "merge-base")).scalar_one()
        assert queries.run_by_id(connection, rerun).source.archive_sha256 == archive


@pytest.mark.parametrize("who", ["nobody", "an untrusted run", "the untrusted change", "retention"])
def test_where_the_source_of_the_merge_base_is_not_there_the_run_says_so(
    make_stand, make_plan, store, who
):
    question = Question(make_stand, make_plan, BROKEN_BEFORE)
    archive = None
    if who == "an untrusted run":
        question.record_base(is_trusted=False)
    elif who == "retention":
        store.blobs.path(question.record_base()).unlink()
    elif who == "the untrusted change":
        archive = b"what it would like to be compared with"
    asked = question.ask(archive=archive, is_trusted=who != "the untrusted change")
    done = question.stand.finish(asked)
    assert done.run.verdict is RunVerdict.FAILED
    assert {revision for revision, _ in question.executed} == {CHANGE}
    notices = {one.kind: one.text for one in StoreReports(store).find(done.run.ulid).notices}
    missing = "was removed by retention" if who == "retention" else "is not here"
    assert notices["merge-base-not-asked"].startswith(
        f"1 failed task could not be executed on the merge base: the source of the merge base "
        f"bbbbbbb {missing}; a trusted run of it brings it"
    )


def test_a_rerun_stays_within_its_budget(make_stand, make_plan):
    says = {CHANGE: {"old": "off", "new": "off", "fine": "off"}}
    question = Question(make_stand, make_plan, says)
    question.stand.finish(question.ask(Policy(fails_on_merge_base="rerun", rerun_tasks=2)))
    assert [task for revision, task in question.executed if revision == BASE] == [
        "build",
        "old",
        "new",
    ]


def test_a_cancelled_run_waits_for_no_rerun(make_stand, make_plan, store):
    question = Question(make_stand, make_plan, BROKEN_BEFORE)
    run_id = question.ask()
    for _ in range(100):
        question.stand.orchestrator.round()
        with store.reading() as connection:
            rerun = connection.execute(select(Run.id).where(Run.purpose == "merge-base")).scalar()
        if rerun is not None:
            break
    with store.writing() as connection:
        connection.execute(update(Run).where(Run.id == run_id).values(cancel_requested_ns=1))
    question.stand.orchestrator.book.forget()
    assert question.stand.finish(run_id).run.verdict is RunVerdict.CANCELLED
    assert question.stand.finish(rerun).run.verdict is RunVerdict.CANCELLED


# -- git -----------------------------------------------------------------------------------------


def git(folder, *words):
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for number in (1, 2):
        (folder / "a.txt").write_text(f"{number}\n")
        git(folder, "add", "a.txt")
        git(folder, "commit", "-q", "-m", f"commit {number}")
    return folder


def test_the_merge_base_is_where_the_branch_left_its_target(checkout, store):
    base = git(checkout, "rev-parse", "HEAD")
    git(checkout, "checkout", "-q", "-b", "change")
    (checkout / "a.txt").write_text("3\n")
    git(checkout, "commit", "-q", "-a", "-m", "the change")
    git(checkout, "checkout", "-q", "main")
    git(checkout, "commit", "-q", "--allow-empty", "-m", "main goes on")
    git(checkout, "checkout", "-q", "change")
    found = find_merge_base(checkout, ("origin/main", "main"))
    assert (found.revision, found.target) == (base, "main")
    assert found.ancestors == (base, git(checkout, "rev-parse", f"{base}^"))
    kept = with_archive(checkout, found, store.blobs)
    assert b"2\n" in store.blobs.read(kept.archive_sha256)


def test_without_a_target_branch_there_is_no_merge_base(checkout):
    assert find_merge_base(checkout, ("origin/main",)) is None
