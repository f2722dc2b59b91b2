"""What an operator is told of a cluster: may we do there what we have to, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence

from hotfire_infra.errors import ClusterError
from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.admittance import Admittance
from hotfire_infra.executors.kubernetes.cluster import Cluster, Trouble
from hotfire_infra.sections.kubernetes import KubernetesSection

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


def check_cluster(cluster: Cluster, section: KubernetesSection) -> list[str]:
    """Return what is missing, in sentences; ClusterError if nobody answers."""
    cluster.get("/version")
    found = []
    if section.service_url.startswith("http://"):
        found.append(
            f"tokens of attempts go to {section.service_url} without encryption: only for a "
            "network that is yours alone"
        )
    has_kueue = section.kueue == "yes" or (section.kueue == "auto" and _has_kueue(cluster))
    for group, resource, verbs in (*NEEDED, *(WITH_KUEUE if has_kueue else ())):
        denied = [verb for verb in verbs if not _may(cluster, section, group, resource, verb)]
        if denied:
            where = f"{resource} in namespace {section.namespace}"
            found.append(f"may not {', '.join(denied)} {where}; docs/kubernetes.md has the Role")
    admittance = Admittance(section, cluster)
    supply = admittance.read()
    if admittance.trouble:
        found.append(f"what can never be admitted is not known at plan time: {admittance.trouble}")
    if has_kueue and supply.queues is not None and not supply.queues:
        found.append(
            f"Kueue has no LocalQueue in namespace {section.namespace}: Jobs would wait for ever; "
            "hotfire plan platforms -o kueue | kubectl apply -f -"
        )
    return found


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
