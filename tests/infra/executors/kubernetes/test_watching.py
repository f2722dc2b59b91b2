"""The list-watch over real sockets: it misses nothing, never spins, and never goes deaf."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from hotfire_infra.executors.kubernetes.cluster import Cluster
from hotfire_infra.executors.kubernetes.watching import Pace, Watcher

from .api_server import JOBS, FakeApiServer
from .conftest import QUICK, until

HOLD = 1.2
"""Seconds in which a loop without back-off makes hundreds of requests."""


@dataclass
class Names:
    """What is there, as the sink was told."""

    there: dict[str, str] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    def replace(self, items: Mapping[str, str], began_ns: int) -> None:
        self.there = dict(items)

    def put(self, key: str, item: str) -> None:
        self.there[key] = item

    def drop(self, key: str, item: str) -> None:
        self.dropped.append(key)
        self.there.pop(key, None)


def read(found: dict[str, Any]) -> tuple[str, str] | None:
    return found["metadata"]["name"], str(found.get("spec"))


def job(name: str, spec: int = 0) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": spec}


@pytest.fixture
def watch(cluster: Cluster) -> Iterator[Callable[..., tuple[Watcher[str], Names]]]:
    made: list[Watcher[str]] = []

    def begin(pace: Pace = QUICK) -> tuple[Watcher[str], Names]:
        sink = Names()
        watcher = Watcher(name="jobs", cluster=cluster, path=JOBS, parse=read, sink=sink, pace=pace)
        made.append(watcher)
        watcher.start()
        return watcher, sink

    yield begin
    for watcher in made:
        watcher.close()


def test_what_is_there_and_what_comes_changes_and_goes_is_heard(api: FakeApiServer, watch):
    api.put(JOBS, job("old"))
    watcher, sink = watch()
    until(lambda: watcher.health.watches)
    api.put(JOBS, job("new"))
    until(lambda: set(sink.there) == {"old", "new"})
    api.put(JOBS, job("new", 7))
    until(lambda: sink.there["new"] == "7")
    api.remove(JOBS, "old")
    until(lambda: sink.dropped == ["old"])
    assert watcher.health.lists == 1
    assert watcher.health.is_synced


def test_a_long_list_comes_in_pages(api: FakeApiServer, watch):
    for number in range(1203):
        api.put(JOBS, job(f"job-{number}"))
    _, sink = watch()
    until(lambda: len(sink.there) == 1203)
    assert api.count("GET", JOBS) == 3


def test_an_end_of_the_stream_resumes_and_lists_nothing(api: FakeApiServer, watch):
    api.watch_script += ["eof", "eof"]
    watcher, sink = watch()
    until(lambda: watcher.health.watches == 3)
    api.put(JOBS, job("late"))
    until(lambda: "late" in sink.there)
    assert watcher.health.lists == 1


def test_gone_lists_anew_and_hears_what_was_missed(api: FakeApiServer, watch):
    watcher, sink = watch()
    until(lambda: watcher._answer is not None)
    api.watch_script.append("gone")
    with api._change:
        api.put(JOBS, job("missed"))
        api.compact()
    watcher._answer.shutdown()
    until(lambda: watcher.health.lists >= 2)
    until(lambda: "missed" in sink.there)


@pytest.mark.parametrize("script", ["eof", "gone", "garbage"])
def test_a_server_that_ends_every_watch_at_once_is_not_hammered(api: FakeApiServer, watch, script):
    api.watch_script += [script] * 500
    watch()
    threading.Event().wait(HOLD)
    # Back-off with jitter from 0.05 s to 0.4 s: about eight rounds of a list and a watch.
    assert 2 <= len(api.requests) < 40


def test_forbidden_is_named_and_not_hammered_and_ends_when_it_is_allowed(api: FakeApiServer, watch):
    message = {"kind": "Status", "reason": "Forbidden", "message": "jobs is forbidden"}
    api.faults.append(lambda _method, _path: (403, message, {}))
    watcher, sink = watch()
    until(lambda: watcher.health.failures > 2)
    threading.Event().wait(HOLD)
    assert len(api.requests) < 40
    assert watcher.health.trouble == "jobs is forbidden"
    api.faults.clear()
    api.put(JOBS, job("at-last"))
    until(lambda: "at-last" in sink.there)
    assert watcher.health.trouble == ""


def test_a_connection_that_falls_silent_is_given_up_and_nothing_is_lost(api: FakeApiServer, watch):
    api.watch_script.append("silent")
    watcher, sink = watch(replace(QUICK, silence_seconds=0.3))
    until(lambda: watcher.health.watches == 1)
    api.put(JOBS, job("unheard"))
    until(lambda: "unheard" in sink.there)
    assert watcher.health.watches >= 2
    assert watcher.health.lists == 1


def test_bookmarks_move_the_version_so_that_a_quiet_watch_survives_a_compaction(
    api: FakeApiServer, watch
):
    api.bookmark_seconds = 0.1
    watcher, sink = watch()
    until(lambda: watcher.health.watches == 1)
    api.put("/api/v1/namespaces/hotfire/other", job("elsewhere"))
    events = watcher.health.events
    until(lambda: watcher.health.events > events + 1)
    api.compact()
    watcher._answer.shutdown()
    until(lambda: watcher.health.watches >= 2)
    api.put(JOBS, job("after"))
    until(lambda: "after" in sink.there)
    assert watcher.health.lists == 1


def test_everything_is_listed_anew_from_time_to_time(api: FakeApiServer, watch):
    api.bookmark_seconds = 0.05
    watcher, sink = watch(replace(QUICK, resync_seconds=0.3))
    until(lambda: watcher.health.lists >= 3)
    with api._change:
        # As if its event had been lost.
        api.objects.setdefault(JOBS, {})["lost"] = {"metadata": {"name": "lost"}, "spec": 1}
    until(lambda: "lost" in sink.there)


def test_the_age_of_the_last_word_grows_while_nobody_answers(api: FakeApiServer, watch):
    watcher, _ = watch()
    assert until(lambda: watcher.age_seconds() is not None)
    api.faults.append(lambda _method, _path: (500, {"message": "down"}, {}))
    watcher._answer.shutdown()
    until(lambda: watcher.health.failures > 1)
    before = watcher.age_seconds()
    until(lambda: (watcher.age_seconds() or 0) > (before or 0) + 0.2)


def test_an_object_that_cannot_be_read_keeps_no_other_from_being_heard(
    api: FakeApiServer, cluster: Cluster
):
    sink = Names()

    def picky(found: dict[str, Any]) -> tuple[str, str] | None:
        if found["metadata"]["name"] == "odd":
            raise KeyError("odd")
        return read(found)

    api.put(JOBS, job("odd"))
    watcher = Watcher(name="jobs", cluster=cluster, path=JOBS, parse=picky, sink=sink, pace=QUICK)
    watcher.start()
    api.put(JOBS, job("even"))
    until(lambda: "even" in sink.there)
    assert watcher.health.lists == 1
    watcher.close()
