"""What an operator is told of a cluster: may we do there what we have to, and what is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from hotfire_infra.errors import ClusterError
from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.admittance import Admittance
from hotfire_infra.executors.kubernetes.cluster import Cluster, Trouble
from hotfire_infra.executors.kubernetes.jobs import queue_of
from hotfire_infra.executors.kubernetes.overlooked import read_priority_classes
from hotfire_infra.executors.kubernetes.workloads import QUEUES_REMEDY
from hotfire_infra.sections.kubernetes import KubernetesSection
from hotfire_infra.sections.queue import DEFAULT_TEAM

NEEDED: Sequence[tuple[str, str, Sequence[str]]] = (
    ("batch", "jobs", ("create", "get", "list", "watch", "delete")),
    ("", "pods", ("list", "watch", "delete")),
    ("", "pods/log", ("get",)),
    ("", "secrets", ("create", "get")),
)
"""Group, resource and verbs, in our namespace; docs/kubernetes.md has the same as a Role."""
WITH_KUEUE: Sequence[tuple[str, str, Sequence[str]]] = (
    (names.KUEUE_GROUP, "workloads", ("list", "watch")),
)


EXPLAINING: Sequence[tuple[str, str, Sequence[str]]] = (("", "events", ("list",)),)
"""Without it nothing is lost but the reason why a Job gets no pod."""


def check_cluster(
    cluster: Cluster, section: KubernetesSection, teams: Iterable[str] = ()
) -> list[str]:
    """Return what is missing, in sentences; ClusterError if nobody answers.

    `teams`: those that the configuration names; who is not among them is in the team `default`.
    """
    cluster.get("/version")
    found = []
    if section.service_url.startswith("http://"):
        found.append(
            f"tokens of attempts go to {section.service_url} without encryption: only for a "
            "network that is yours alone"
        )
    has_kueue = section.kueue == "yes" or (section.kueue == "auto" and _has_kueue(cluster))
    for group, resource, verbs in (*NEEDED, *(WITH_KUEUE if has_kueue else ()), *EXPLAINING):
        denied = [verb for verb in verbs if not _may(cluster, section, group, resource, verb)]
        if denied:
            where = f"{resource} in namespace {section.namespace}"
            found.append(f"may not {', '.join(denied)} {where}; docs/kubernetes.md has the Role")
    admittance = Admittance(section, cluster)
    supply = admittance.read()
    if admittance.trouble:
        found.append(f"what can never be admitted is not known at plan time: {admittance.trouble}")
    if has_kueue:
        found += _lacking_queues(section, supply.queues, teams)
        found += _lacking_classes(cluster)
    return found


def _lacking_queues(
    section: KubernetesSection, queues: Collection[str] | None, teams: Iterable[str]
) -> Iterator[str]:
    """Name the queues that Jobs would wait in for ever; none where nobody may look."""
    if queues is None:
        return
    where = f"namespace {section.namespace}"
    if not queues:
        yield f"Kueue has no LocalQueue in {where}: Jobs would wait for ever; {QUEUES_REMEDY}"
        return
    wanted = {
        queue_of(section, team, is_exclusive=is_exclusive): team
        for team in sorted({DEFAULT_TEAM, *teams})
        for is_exclusive in (False, True)
    }
    for name, team in wanted.items():
        if name not in queues:
            yield (
                f"Jobs of team {team} would wait for ever in {where}: it has no LocalQueue {name} "
                f"with a ClusterQueue; {QUEUES_REMEDY}"
            )


def _lacking_classes(cluster: Cluster) -> Iterator[str]:
    try:
        there = read_priority_classes(cluster)
    except ClusterError as error:
        yield f"whether Kueue has our priority classes is not known: {error}"
        return
    if missing := [one.value for one in names.PRIORITIES if one.value not in there]:
        yield (
            f"Kueue has no WorkloadPriorityClass {', '.join(missing)}: it would make nothing of such "
            f"Jobs, and say nothing; {QUEUES_REMEDY}"
        )


def _has_kueue(cluster: Cluster) -> bool:
    try:
        cluster.get(f"/apis/{names.KUEUE_GROUP}")
    except ClusterError as error:
        if error.trouble == Trouble.ABSENT:
            return False
        raise
    return True


def _may(
    cluster: Cluster, section: KubernetesSection, group: str, resource: str, verb: str
) -> bool:
    """Ask the API server itself (a SelfSubjectAccessReview, which everybody may make)."""
    name, _, sub = resource.partition("/")
    attributes = {
        "namespace": section.namespace, "group": group, "resource": name, "subresource": sub,
        "verb": verb,
    }  # fmt: skip
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = cluster.request("POST", path, body=review)
    return bool((answer.get("status") or {}).get("allowed"))
