"""Schedules: every due time once, whatever the clock, the service or daylight saving do."""

from __future__ import annotations

import subprocess
import threading
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import select

from hotfire_infra.configuration import Configuration, read_configuration
from hotfire_infra.errors import RequestRefusedError, SourceError
from hotfire_infra.orchestrator.beside import Beside
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.lock import acquire
from hotfire_infra.orchestrator.schedules import (
    STARTING,
    Scheduler,
    due_text,
    fire_by_hand,
    last_due_ns,
    launch,
    next_due_ns,
    record_firing,
    set_paused,
)
from hotfire_infra.sections.schedules import PushSection, ScheduleSection
from hotfire_infra.source.stamp import StoredSource, read_stamp
from hotfire_infra.source.worktree import revision_at, worktree_of
from hotfire_infra.states import RunVerdict
from hotfire_infra.store.models import Firing, Run
from hotfire_pipelines.errors import DefinitionError

on_both = pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
SOURCE = StoredSource(
    repository="here",
    revision="3f2a91c" + "0" * 33,
    patch_digest="",
    subject="First",
    archive_sha256=None,
)


@pytest.fixture
def dialect():
    """SQLite; what is marked `on_both` goes through PostgreSQL too."""
    return "sqlite"


SECOND = 10**9
BERLIN = "Europe/Berlin"


def ns(text):
    return int(datetime.fromisoformat(text).timestamp()) * SECOND


def at(cron, **values):
    return ScheduleSection(pipeline="nightly", checkout=Path("clone"), cron=cron, **values)


def on_push(**values):
    push = PushSection(push="main", poll_seconds=60)
    return ScheduleSection(pipeline="small", checkout=Path("clone"), on=push, **values)


class Launcher:
    """Makes real runs of a small plan; what the clone's tip is, the test says."""

    def __init__(self, store, plan):
        self.store, self.plan, self.now_at, self.started = store, plan, "aaa", []
        self.problem = None

    def tip(self, section):
        if self.problem:
            raise SourceError(self.problem)
        return self.now_at

    def start(self, name, section, revision, ulid):
        self.started.append((name, revision))
        request = RunRequest(plan=self.plan, source=SOURCE, requested_by=name, ulid=ulid)
        return create_run(self.store, request)


@pytest.fixture
def launcher(store, make_plan):
    return Launcher(store, make_plan({"kernels": ["m/s/one"]}))


class AtOnce:
    """Does the work in the step itself, so that a test can count on it."""

    def begin(self, key, job):
        job()
        return True


@pytest.fixture
def make_scheduler(store, launcher):
    def make(label="s", beside=None, **sections):
        lock = acquire(store, label=label)
        return Scheduler(store, sections, launcher, lock, beside=beside or AtOnce())

    return make


class Blocked:
    """Lets a call begin, and holds it until it is released."""

    def __init__(self, call):
        self.call, self.began, self.released = call, threading.Event(), threading.Event()

    def __call__(self, *arguments):
        self.began.set()
        assert self.released.wait(30)
        return self.call(*arguments)


@pytest.fixture
def pass_time(clock):
    """Let time pass in steps, as a service that executes does."""

    def go(scheduler, seconds):
        step = min(seconds, 120)
        for _ in range(int(seconds / step)):
            clock.advance(step)
            scheduler.step()

    return go


def firings(store, name=None):
    with store.reading() as connection:
        rows = connection.execute(select(Firing).order_by(Firing.id)).all()
    return [(row.due, row.outcome) for row in rows if name in (None, row.schedule)]


def runs(store):
    with store.reading() as connection:
        return len(connection.execute(select(Run.id)).all())


@on_both
def test_a_due_time_starts_one_run(make_scheduler, store, clock, pass_time):
    clock.wall = ns("2026-11-21T10:00:10+00:00")
    scheduler = make_scheduler(nightly=at("0 * * * *"))
    scheduler.step()
    assert runs(store) == 0
    pass_time(scheduler, 2 * 3600)
    assert firings(store) == [
        ("2026-11-21T11:00:00Z", "started run 1"),
        ("2026-11-21T12:00:00Z", "started run 2"),
    ]


def test_after_downtime_only_the_latest_is_made_up_for(make_scheduler, store, clock):
    clock.wall = ns("2026-11-21T10:00:10+00:00")
    scheduler = make_scheduler(latest=at("0 * * * *"), none=at("0 * * * *", catch_up="none"))
    scheduler.step()
    clock.advance(5 * 3600 + 1800)
    scheduler.step()
    assert firings(store, "latest") == [
        (
            "missed 2026-11-21T11:00:00Z",
            "skipped: nothing executed when it was due; also those up to the latest",
        ),
        ("2026-11-21T15:00:00Z", "started run 1"),
    ]
    assert [outcome.partition(":")[0] for _, outcome in firings(store, "none")] == ["skipped"] * 2
    assert runs(store) == 1


def test_a_due_time_noticed_a_little_late_is_not_missed(make_scheduler, store, clock):
    clock.wall = ns("2026-11-21T10:59:00+00:00")
    scheduler = make_scheduler(nightly=at("0 * * * *", catch_up="none"))
    scheduler.step()
    clock.advance(120)
    scheduler.step()
    assert runs(store) == 1


def test_a_clock_that_jumps_ahead_and_back_neither_floods_nor_repeats(
    make_scheduler, store, clock, pass_time
):
    clock.wall = ns("2026-11-21T10:00:10+00:00")
    scheduler = make_scheduler(hourly=at("0 * * * *"))
    scheduler.step()
    pass_time(scheduler, 3600)
    assert runs(store) == 1
    clock.wall += 365 * 86_400 * SECOND
    pass_time(scheduler, 60)
    assert runs(store) == 2
    clock.wall -= 365 * 86_400 * SECOND
    # An hour further back: 11:00 comes again.
    clock.wall -= 3600 * SECOND
    pass_time(scheduler, 3600 + 60)
    assert runs(store) == 2
    pass_time(scheduler, 3600)
    assert runs(store) == 3, firings(store)


def test_two_services_that_look_at_once_make_one_run(store, clock, launcher):
    clock.wall = ns("2026-11-21T10:59:50+00:00")
    sections = {"hourly": at("0 * * * *")}
    first = Scheduler(store, sections, launcher, acquire(store, label="a"), beside=AtOnce())
    first.step()
    clock.advance(20)
    first.step()
    first.lock.release()
    second = Scheduler(store, sections, launcher, acquire(store, label="b"), beside=AtOnce())
    second.step()
    assert (runs(store), len(launcher.started)) == (1, 1)


def test_a_service_that_died_before_its_run_was_noted_makes_no_second(
    make_scheduler, store, clock, launcher, monkeypatch
):
    clock.wall = ns("2026-11-21T10:59:50+00:00")
    scheduler = make_scheduler(hourly=at("0 * * * *"))
    scheduler.step()
    clock.advance(20)
    real = launcher.start

    def dies_after(*arguments):
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(launcher, "start", dies_after)
    with pytest.raises(KeyboardInterrupt):
        scheduler.step()
    assert firings(store)[0][1] == "starting"
    monkeypatch.undo()
    clock.advance(2)
    scheduler.step()
    assert (runs(store), firings(store)[0][1]) == (1, "started run 1")


@pytest.mark.parametrize(
    ("cron", "start", "dues"),
    [
        # 2:30 does not exist on 29 March: right after the gap. It is there twice on 25 October.
        (
            "30 2 * * *",
            "2026-03-28T12:00:00+00:00",
            ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"],
        ),
        (
            "30 2 * * *",
            "2026-10-24T12:00:00+00:00",
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"],
        ),
        (
            "0 * * * *",
            "2026-10-24T23:30:00+00:00",
            ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"],
        ),
    ],
)
def test_daylight_saving_neither_drops_nor_doubles_a_night(cron, start, dues):
    section = at(cron, timezone=BERLIN)
    found, now = [], ns(start)
    for _ in dues:
        now = next_due_ns(section, now)
        found.append(due_text(now))
    assert found == dues


@given(
    st.sampled_from(["30 2 * * *", "0 * * * *", "*/20 1-3 * * *", "15 3 * * 0"]),
    st.sampled_from(["UTC", BERLIN, "America/New_York"]),
    st.integers(0, 365 * 86_400),
)
def test_the_last_due_time_is_the_one_before_the_next(cron, zone, offset):
    section = at(cron, timezone=zone)
    now = ns("2026-01-05T00:00:00+00:00") + offset * SECOND
    upcoming = next_due_ns(section, now)
    assert upcoming > now
    assert last_due_ns(section, now) <= now
    assert last_due_ns(section, upcoming) == upcoming


def test_a_new_revision_starts_one_run_and_the_first_sight_none(
    make_scheduler, store, launcher, pass_time
):
    scheduler = make_scheduler(merged=on_push())
    scheduler.step()
    launcher.now_at = "bbb"
    pass_time(scheduler, 30)
    assert launcher.started == []
    pass_time(scheduler, 600)
    launcher.now_at = "aaa"
    pass_time(scheduler, 600)
    assert launcher.started == [("merged", "bbb")]
    assert firings(store) == [("aaa", "seen first: nothing started"), ("bbb", "started run 1")]


def test_a_run_that_cannot_be_planned_is_recorded_with_the_reason(
    make_scheduler, store, launcher, clock, pass_time
):
    clock.wall = ns("2026-11-21T10:59:50+00:00")
    scheduler = make_scheduler(hourly=at("0 * * * *"))
    scheduler.step()
    launcher.problem = "the clone is gone"
    pass_time(scheduler, 60)
    assert firings(store) == [("2026-11-21T11:00:00Z", "not started: the clone is gone")]


def test_what_is_due_while_paused_is_not_made_up_for(make_scheduler, store, clock, pass_time):
    clock.wall = ns("2026-11-21T10:00:10+00:00")
    scheduler = make_scheduler(hourly=at("0 * * * *"))
    scheduler.step()
    set_paused(store, scheduler.sections, "hourly", paused=True)
    pass_time(scheduler, 2 * 3600)
    assert runs(store) == 0
    set_paused(store, scheduler.sections, "hourly", paused=False)
    pass_time(scheduler, 1800)
    assert runs(store) == 0
    pass_time(scheduler, 3600)
    assert runs(store) == 1


def test_a_schedule_that_the_file_pauses_is_not_resumed_by_command(store):
    sections = {"hourly": at("0 * * * *", paused=True)}
    with pytest.raises(RequestRefusedError, match="remove `paused: true`"):
        set_paused(store, sections, "hourly", paused=False)
    with pytest.raises(RequestRefusedError, match="no schedule is called 'x'; there is hourly"):
        set_paused(store, sections, "x", paused=True)


def test_a_schedule_fired_by_hand_keeps_its_next_time(make_scheduler, store, launcher, clock):
    clock.wall = ns("2026-11-21T10:00:10+00:00")
    scheduler = make_scheduler(hourly=at("0 * * * *"))
    scheduler.step()
    outcome = fire_by_hand(store, launcher, "hourly", scheduler.sections["hourly"])
    assert outcome == "started run 1"
    clock.advance(3600)
    scheduler.step()
    assert runs(store) == 2


def test_the_loop_fires_what_is_due(make_stand, store, launcher, clock):
    clock.wall = ns("2026-11-21T10:59:50+00:00")
    stand = make_stand(configuration=Configuration(schedules={"hourly": at("0 * * * *")}))
    stand.orchestrator.launcher = launcher
    stand.orchestrator.__post_init__()
    stand.rounds(1)
    clock.advance(20)
    stand.rounds(1)
    assert stand.orchestrator._scheduler.beside.finish(30)
    assert runs(store) == 1


@on_both
def test_a_launch_that_blocks_holds_up_neither_the_round_nor_other_schedules(
    make_stand, make_plan, store, launcher, clock, monkeypatch
):
    clock.wall = ns("2026-11-21T10:59:50+00:00")
    slow = at("0 * * * *", team="slow")
    stand = make_stand(configuration=Configuration(schedules={"slow": slow, "q": at("0 * * * *")}))
    stand.orchestrator.launcher = launcher
    stand.orchestrator.__post_init__()
    blocked = Blocked(lambda section: "aaa")
    usual = launcher.tip
    monkeypatch.setattr(
        launcher, "tip", lambda section: (blocked if section is slow else usual)(section)
    )
    stand.rounds(1)
    clock.advance(20)
    stand.rounds(1)
    assert blocked.began.wait(30)
    # All of a run's life passes while git does not answer; nothing is launched twice.
    done = stand.run(make_plan({"kernels": ["m/s/one"]}))
    assert done.run.verdict is RunVerdict.PASSED
    assert firings(store, "slow") == [("2026-11-21T11:00:00Z", "starting")]
    blocked.released.set()
    assert stand.orchestrator._scheduler.beside.finish(30)
    assert [name for name, _ in launcher.started] == ["q", "slow"]
    assert [outcome[:11] for _, outcome in firings(store)] == ["started run"] * 2


def test_a_branch_that_cannot_be_read_for_long_is_asked_once(
    make_scheduler, launcher, clock, monkeypatch
):
    blocked = Blocked(launcher.tip)
    monkeypatch.setattr(launcher, "tip", blocked)
    scheduler = make_scheduler(beside=Beside("test"), merged=on_push())
    for _ in range(5):
        scheduler.step()
        clock.advance(120)
    assert len([one for one in threading.enumerate() if one.name.startswith("test-")]) == 1
    blocked.released.set()
    assert scheduler.beside.finish(30)


@on_both
def test_two_leaders_that_launch_one_firing_at_once_make_one_run(store, clock, launcher):
    clock.wall = ns("2026-11-21T10:59:50+00:00")
    sections = {"hourly": at("0 * * * *")}
    started = Blocked(launcher.start)
    launcher.start = started
    leaders = []
    for label in ("a", "b"):
        lock = acquire(store, label=label)
        leaders.append(Scheduler(store, sections, launcher, lock))
        leaders[-1].step()
        clock.advance(20)
        leaders[-1].step()
        assert started.began.wait(30)
        lock.release()
    started.released.set()
    assert all(leader.beside.finish(30) for leader in leaders)
    assert (runs(store), len(launcher.started)) == (1, 2)
    assert firings(store) == [("2026-11-21T11:00:00Z", "started run 1")]


def test_who_fails_after_another_made_the_run_does_not_deny_it(store, launcher, clock):
    with store.writing() as connection:
        record_firing(connection, "hourly", "11:00", STARTING, at_ns=clock.wall_ns())
        firing = connection.execute(select(Firing)).one()
    section = at("0 * * * *")
    assert launch(store, launcher, firing, section) == "started run 1"
    launcher.problem = "the clone is gone"
    launch(store, launcher, firing, section)
    assert firings(store) == [("11:00", "started run 1")]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('cron: "61 * * * *"', "is no cron expression"),
        ('cron: "0 0 * * * *"', "five fields"),
        ('cron: "0 * * * *"\n    timezone: Berlin', "is no time zone"),
        ("team: a", "exactly one of `cron:` and `on:`"),
        ('cron: "0 * * * *"\n    on: {push: main}', "exactly one of `cron:` and `on:`"),
    ],
)
def test_a_wrong_schedule_is_refused_with_file_and_line(tmp_path, lines, words):
    path = tmp_path / "service.yaml"
    path.write_text(
        f"schedules:\n  nightly:\n    pipeline: nightly\n    checkout: /srv/a\n    {lines}\n"
    )
    with pytest.raises(DefinitionError, match=words) as caught:
        read_configuration(path)
    assert str(path) in str(caught.value)


def test_a_schedule_is_read_from_the_file(tmp_path):
    path = tmp_path / "service.yaml"
    path.write_text(
        "schedules:\n"
        '  nightly: {pipeline: nightly, checkout: /srv/a, cron: "30 2 * * *", timezone: Europe/Berlin}\n'
        "  merged:\n    pipeline: pre-merge\n    checkout: /srv/a\n    on: {push: origin/main}\n"
    )
    found = read_configuration(path).schedules
    assert found["merged"].on.push == "origin/main"
    assert found["nightly"].catch_up == "latest"
    with pytest.raises(ValidationError):
        found["nightly"].cron = "* * * * *"


def test_a_revision_is_checked_out_beside_a_dirty_tree(tmp_path):
    clone = tmp_path / "aestus"
    clone.mkdir()

    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=clone, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    (clone / "file").write_text("one")
    git("add", ".")
    git("commit", "-qm", "First")
    first = revision_at(clone, "main")
    (clone / "file").write_text("two")
    git("commit", "-qam", "Second")
    (clone / "file").write_text("dirty")
    with worktree_of(clone, first) as checkout:
        assert (checkout / "file").read_text() == "one"
        stamp = read_stamp(checkout)
    assert (stamp.revision, stamp.patch_digest, stamp.repository) == (first, "", "aestus")
    assert not checkout.exists()
    assert (clone / "file").read_text() == "dirty"
    with pytest.raises(SourceError):
        revision_at(clone, "no-such-branch")
