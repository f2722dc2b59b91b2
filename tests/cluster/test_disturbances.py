"""Restarts, ended watches and lost rights in the middle of a run, against a real control plane."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmarks.cluster_pods import end_pod

from hotfire_infra.states import AttemptState, Priority, RunVerdict
from hotfire_k8s import controlplane
from hotfire_k8s.handle import ClusterHandle

from .test_compaction import compact
from .world import KUEUE, World, add_queue, make_namespace, passes

Build = Callable[..., World]


# 9. Watches that end and are forbidden; one that has expired is in the test of the restart.


def test_watches_that_the_server_ends_go_on_where_they_were(world: World):
    run = world.start("a")
    pod = world.running(run)
    pod.claimed()
    watchers = world.executor.desk.watchers
    lists = {name: one.health.lists for name, one in watchers.items()}
    for watcher in watchers.values():
        cut(world, watcher)
    end_pod(world.client, pod.name, world.namespace, exit_code="31")
    assert pod.ended().state is AttemptState.ERRORED
    assert {name: one.health.lists for name, one in watchers.items()} == lists


def cut(world: World, watcher: Any) -> None:
    """End a watch in the middle, and wait until there is a new one."""
    before = watcher.health.watches
    watcher._answer.shutdown()
    world.until(lambda: watcher.health.watches > before and watcher._answer is not None)


ROLE = [
    {"apiGroups": ["batch"], "resources": ["jobs"],
     "verbs": ["create", "get", "list", "watch", "delete"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch", "delete"]},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "get"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
    {"apiGroups": ["kueue.x-k8s.io"], "resources": ["workloads", "localqueues"],
     "verbs": ["list", "watch"]},
]  # fmt: skip
"""What docs/kubernetes.md says that the executor needs."""


def grant(world: World, user: str, rules: list[dict[str, Any]]) -> None:
    group = "rbac.authorization.k8s.io"
    place = {"name": user, "namespace": world.namespace}
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": place, "rules": rules}
    world.client.apply(role)
    subject = {"kind": "User", "name": user, "apiGroup": group}
    reference = {"kind": "Role", "name": user, "apiGroup": group}
    binding = {"apiVersion": f"{group}/v1", "kind": "RoleBinding", "metadata": place}
    world.client.apply({**binding, "subjects": [subject], "roleRef": reference})


def test_a_right_that_is_taken_away_is_named_and_when_it_is_back_all_goes_on(
    cluster: ClusterHandle, build: Build, tmp_path: Path
):
    access = controlplane.make_access(cluster.home, cluster.home.ports(controlplane.PORT_NAMES))
    pair = access.authority.issue("trapped", "trapped")
    kubeconfig = access.kubeconfig(tmp_path / "kubeconfig", pair)
    world = build(kubeconfig=kubeconfig)
    grant(world, "trapped", ROLE)
    run = world.start("a")
    pod = world.running(run)
    pod.claimed()
    without_pods = [rule for rule in ROLE if rule["resources"] != ["pods"]]
    grant(world, "trapped", without_pods)
    watcher = world.executor.desk.watchers["pods"]

    def is_refused() -> bool:
        if watcher._answer is not None:
            watcher._answer.shutdown()
        return "forbidden" in watcher.health.trouble

    world.until(is_refused)
    end_pod(world.client, pod.name, world.namespace, exit_code="31")
    world.stand.rounds(3)
    assert world.attempt(run).ended_ns is None
    grant(world, "trapped", ROLE)
    assert pod.ended().state is AttemptState.ERRORED
    assert watcher.health.failures == 0


# 10. to 12. Somebody restarts in the middle.


def test_an_api_server_that_is_killed_loses_nothing_and_makes_no_second_job(
    cluster: ClusterHandle, world: World
):
    run = world.start("claimed", "running")
    claimed = world.running(run, task="claimed")
    runner = claimed.claimed()
    world.running(run, task="running")
    watchers = dict(world.executor.desk.watchers)
    lists = {name: one.health.lists for name, one in watchers.items()}
    # No watch of ours hears of it, so all of them ask for a version of before.
    make_namespace(world.client)
    cluster.kill("kube-apiserver")
    compact(cluster)
    # Results need no API server, and what is new waits for it.
    assert runner.ship().is_good
    assert runner.end().is_good
    assert claimed.ended().state is AttemptState.PASSED
    later = world.start("later")
    world.waiting(later, "its Job is not made yet")
    cluster.repair()
    passes(world, later)
    # What they ask for is forgotten, so they were told 410 and have listed anew, once.
    world.until(lambda: all(one.health.failures == 0 for one in watchers.values()))
    assert {name: one.health.lists - lists[name] for name, one in watchers.items()} == {
        "jobs": 1, "pods": 1,
    }  # fmt: skip
    passes(world, run, task="running")
    assert world.over(run).run.verdict is RunVerdict.PASSED
    assert [row.number for row in world.attempts(run) + world.attempts(later)] == [1, 1, 1]
    assert world.jobs_made() == 3
    world.until(lambda: world.job(claimed.attempt) is None)


def test_while_kueue_is_down_no_job_is_taken_and_its_webhook_is_named(
    cluster: ClusterHandle, build: Build
):
    world = build(kueue="yes")
    add_queue(world, 4)
    cluster.kill("kueue")
    run = world.start("a")
    assert "failed calling webhook" in world.waiting(run, "its Job is not made yet")
    assert world.show(run).run.verdict is None
    cluster.repair()
    passes(world, run)
    assert [row.number for row in world.attempts(run)] == [1]


@pytest.mark.scale
def test_a_job_whose_priority_class_is_missing_is_explained_and_runs_once_it_is_there(build: Build):
    world = build(kueue="yes")
    add_queue(world, 4)
    path = f"/apis/{KUEUE}/workloadpriorityclasses/backfill"
    world.client.delete(path)
    run = world.start("a", priority=Priority.BACKFILL)
    # Kueue says nothing of it, to nobody; it is looked for after ten seconds.
    words = world.waiting(run, "there is no WorkloadPriorityClass backfill")
    assert "hotfire plan platforms -o kueue | kubectl apply -f -" in words
    assert any("WorkloadPriorityClass backfill" in one for one in world.executor.check())
    add_queue(world, 4)
    passes(world, run)


@pytest.mark.scale
def test_a_team_without_a_queue_is_explained_and_runs_once_it_has_one(build: Build):
    world = build(kueue="yes")
    add_queue(world, 4)
    run = world.start("a", team="vision")
    words = world.waiting(run, "Inadmissible: LocalQueue vision doesn't exist")
    assert "hotfire plan platforms -o kueue | kubectl apply -f -" in words
    world.client.apply(
        {
            "apiVersion": KUEUE, "kind": "LocalQueue",
            "metadata": {"name": "vision", "namespace": world.namespace},
            "spec": {"clusterQueue": world.namespace},
        }
    )  # fmt: skip
    passes(world, run)


def test_an_executor_that_starts_again_finds_its_jobs_and_makes_no_second_one(world: World):
    run = world.start("claimed", "running")
    claimed = world.running(run, task="claimed")
    runner = claimed.claimed()
    world.running(run, task="running")
    assert world.jobs_made() == 2
    world.restart()
    assert runner.beat().is_good
    passes(world, run, task="running")
    assert runner.ship().is_good
    assert runner.end().is_good
    assert world.over(run).run.verdict is RunVerdict.PASSED
    assert [row.number for row in world.attempts(run)] == [1, 1]
    assert world.jobs_made() == 0


def test_a_scheduler_that_hangs_is_waited_for(cluster: ClusterHandle, world: World):
    cluster.signal("kube-scheduler", signal.SIGSTOP)
    try:
        run = world.start("a")
        world.waiting(run, "waits for the scheduler")
        # Far longer than a runner may take to claim: nobody runs yet, so nobody is late.
        for _ in range(5):
            world.clock.advance(100)
            world.stand.rounds(1)
    finally:
        cluster.signal("kube-scheduler", signal.SIGCONT)
    passes(world, run)
    assert [row.number for row in world.attempts(run)] == [1]
