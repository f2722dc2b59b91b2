"""From an order to the Job and the Secret of its attempt: plain dictionaries, and nothing asked.

The Job never starts a second pod: `backoffLimit: 0`, every rule of its failure policy is FailJob, a
pod is replaced only once it has failed. Retries are the store's.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hotfire_infra.executors.kubernetes import names
from hotfire_infra.executors.kubernetes.placement import Placement, place, seconds_up
from hotfire_infra.executors.protocol import Order
from hotfire_infra.sections.kubernetes import KubernetesSection, TolerationSection
from hotfire_testframework.contract.task import TaskSpec

Manifest = dict[str, Any]

QUEUE_MARGIN_SECONDS = 60
"""Kueue's limit lies behind the pod's: limits nest."""
TOKEN_FILE = "token"  # noqa: S105  # the name of a file, no token
TOKEN_MODE = 0o400
RUNNER = {"linux": "/opt/hotfire/runner.pyz", "windows": "C:\\opt\\hotfire\\runner.pyz"}
WORK = {"linux": "/work", "windows": "C:\\work"}
HANDED = {"linux": "/run/hotfire", "windows": "C:\\run\\hotfire"}
SCRATCH = "/tmp"
PYTHON = {"linux": "python3", "windows": "python"}


def job_of(
    order: Order, section: KubernetesSection, *, with_kueue: bool, runner_sha256: str = ""
) -> Manifest:
    """Return the Job of an attempt; its image must have this very runner, if one is named."""
    placement = placement_of(order, section)
    labels = labels_of(order)
    deadline = pod_deadline(order.spec.spec, section)
    metadata: Manifest = {
        "name": names.job_name(order.attempt),
        "namespace": section.namespace,
        "labels": labels,
        "annotations": annotations_of(order),
    }
    if with_kueue:
        metadata["labels"] = {**labels, **kueue_labels(order, section, deadline)}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "completions": 1,
            "parallelism": 1,
            "backoffLimit": 0,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": failure_rules()},
            "ttlSecondsAfterFinished": section.limits.keep_seconds,
            "template": {
                "metadata": {
                    "labels": labels,
                    "annotations": {
                        **section.pod_annotations,
                        **pod_annotations(order, placement, with_kueue=with_kueue),
                    },
                },
                "spec": _pod(order, section, placement, deadline, runner_sha256),
            },
        },
    }


def secret_of(order: Order, section: KubernetesSection, job_uid: str) -> Manifest:
    """Return the Secret with the attempt's token; it goes when its Job goes."""
    name = names.job_name(order.attempt)
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job_uid}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "immutable": True,
        "metadata": {
            "name": name,
            "namespace": section.namespace,
            "labels": labels_of(order),
            "ownerReferences": [owner],
        },
        "data": {TOKEN_FILE: base64.b64encode(order.token.encode("ascii")).decode("ascii")},
    }


def failure_rules() -> list[Manifest]:
    """Return the rules of the pod failure policy: whatever ends the pod fails the Job."""
    return [
        {
            "action": "FailJob",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        },
        {
            "action": "FailJob",
            "onExitCodes": {
                "containerName": names.CONTAINER,
                "operator": "NotIn",
                "values": [0],
            },
        },
    ]


def labels_of(order: Order) -> dict[str, str]:
    """Return the labels of everything that belongs to an attempt."""
    own = {
        names.INSTANCE: order.attempt,
        names.ATTEMPT: order.attempt,
        names.RUN: names.label_value(order.spec.run),
        names.TASK_HASH: names.task_hash(order.spec.task),
        names.PLATFORM: names.label_value(order.platform),
        names.TEAM: names.label_value(order.team),
    }
    return {**names.OURS, **{name: value for name, value in own.items() if value}}


def annotations_of(order: Order) -> dict[str, str]:
    """Return what people read: texts that are too long for labels."""
    return {names.TASK: order.spec.task, names.CELL: order.cell or order.spec.task}


def kueue_labels(order: Order, section: KubernetesSection, deadline: int) -> dict[str, str]:
    """Return the labels by which Kueue queues a Job and orders it."""
    is_exclusive = order.spec.spec.exclusive
    return {
        names.QUEUE: queue_of(section, order.team, is_exclusive=is_exclusive),
        names.PRIORITY_CLASS: order.priority.value,
        names.MAX_EXECUTION: str(deadline + QUEUE_MARGIN_SECONDS),
    }


def queue_of(section: KubernetesSection, team: str, *, is_exclusive: bool) -> str:
    """Return the LocalQueue for a team's Jobs."""
    return names.queue_name(section.queue, team, is_exclusive=is_exclusive)


def pod_annotations(order: Order, placement: Placement, *, with_kueue: bool) -> dict[str, str]:
    """Return the annotations of the pod; several devices are to be on one node."""
    found = annotations_of(order)
    if with_kueue and placement.needs_one_node:
        # Quota alone admits what no node holds.
        found[names.REQUIRED_TOPOLOGY] = names.HOSTNAME
    return found


def runner_seconds(spec: TaskSpec) -> float:
    """Return the longest time that the runner gives an attempt by itself."""
    limits = spec.timeouts
    teardown = limits.setup_s if spec.teardown else 0.0
    return limits.setup_s + limits.run_s + teardown + limits.grace_s


def pod_deadline(spec: TaskSpec, section: KubernetesSection) -> int:
    """Return the deadline of the pod, which counts from its node's acceptance."""
    start = section.limits.start_minutes * 60
    return seconds_up(runner_seconds(spec) + start + section.limits.margin_seconds)


def grace_seconds(spec: TaskSpec, section: KubernetesSection) -> int:
    """Return how long the pod may take to end: the runner's grace, then its last upload."""
    return seconds_up(spec.timeouts.grace_s + section.limits.upload_seconds)


def placement_of(order: Order, section: KubernetesSection) -> Placement:
    """Return where the pod may run, with what this cluster says of the platform."""
    return placed(order.platform, order.requires, section)


def placed(platform: str, requires: Mapping[str, Any], section: KubernetesSection) -> Placement:
    """Return the placement of a platform with what this cluster says of it."""
    found = place(platform, requires)
    own = section.platforms.get(platform)
    tolerations = [*found.tolerations, *map(_toleration, section.tolerations)]
    if own is None:
        selector = {**found.node_selector, **section.node_selector}
        return replace(found, node_selector=selector, tolerations=tuple(tolerations))
    tolerations += map(_toleration, own.tolerations)
    has_own = own.resources is not None and bool(found.devices)
    return replace(
        found,
        node_selector={**found.node_selector, **section.node_selector, **own.node_selector},
        tolerations=tuple(tolerations),
        devices=dict(own.resources or {}) if has_own else found.devices,
        runtime_class=own.runtime_class or found.runtime_class,
    )


def resources_of(spec: TaskSpec, placement: Placement, section: KubernetesSection) -> Manifest:
    """Return requests and limits; memory is limited only where the task states its own limit."""
    devices = {name: str(count) for name, count in placement.devices.items()}
    memory = f"{spec.memory_mib or section.memory_mib}Mi"
    requests = {"cpu": str(spec.cpus), "memory": memory, **devices}
    limits = {**({"memory": memory} if spec.memory_mib else {}), **devices}
    return {"requests": requests, **({"limits": limits} if limits else {})}


def _toleration(section: TolerationSection) -> Manifest:
    found: Manifest = {"key": section.key, "operator": section.operator}
    if section.operator == "Equal":
        found["value"] = section.value
    if section.effect is not None:
        found["effect"] = section.effect
    return found


def _pod(
    order: Order,
    section: KubernetesSection,
    placement: Placement,
    deadline: int,
    runner_sha256: str,
) -> Manifest:
    spec = order.spec.spec
    found: Manifest = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": grace_seconds(spec, section),
        "activeDeadlineSeconds": deadline,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "os": {"name": placement.os},
        "nodeSelector": dict(placement.node_selector),
        "tolerations": [dict(item) for item in placement.tolerations],
        "securityContext": _pod_security(section, placement),
        "containers": [_container(order, section, placement, runner_sha256)],
        "volumes": _volumes(order, placement),
    }
    if placement.runtime_class:
        found["runtimeClassName"] = placement.runtime_class
    if section.image_pull_secrets:
        found["imagePullSecrets"] = [{"name": name} for name in section.image_pull_secrets]
    if affinity := _affinity(order, is_exclusive=spec.exclusive):
        found["affinity"] = affinity
    return found


def _pod_security(section: KubernetesSection, placement: Placement) -> Manifest:
    if placement.is_windows:
        return {"windowsOptions": {"runAsUserName": "ContainerUser"}}
    return {
        "runAsNonRoot": True,
        "runAsUser": section.run_as,
        "runAsGroup": section.run_as,
        "fsGroup": section.run_as,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _container(
    order: Order, section: KubernetesSection, placement: Placement, runner_sha256: str
) -> Manifest:
    work = WORK[_family(placement)]
    found: Manifest = {
        "name": names.CONTAINER,
        "image": image_of(order.platform, section),
        "imagePullPolicy": section.image_pull_policy,
        "command": command_of(order, section, placement, runner_sha256),
        "workingDir": work,
        "env": [{"name": "HOME", "value": work}],
        "resources": resources_of(order.spec.spec, placement, section),
        # Of a runner that never claimed this is all that anybody hears.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": _mounts(placement),
    }
    if not placement.is_windows:
        found["securityContext"] = {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    return found


def image_of(platform: str, section: KubernetesSection) -> str:
    """Return the image for a platform."""
    own = section.platforms.get(platform)
    return section.image if own is None or own.image is None else own.image


def command_of(
    order: Order, section: KubernetesSection, placement: Placement, runner_sha256: str = ""
) -> list[str]:
    """Return what the container runs; the token stands in a file, never here."""
    family = _family(placement)
    separator = "\\" if placement.is_windows else "/"
    token = f"{HANDED[family]}{separator}{TOKEN_FILE}"
    # Whoever configures http:// has decided that the cluster's network is private.
    plain = ["--plain-http"] if section.service_url.startswith("http://") else []
    runner = ["--runner-sha256", runner_sha256] if runner_sha256 else []
    return [
        PYTHON[family], RUNNER[family], "ship", WORK[family],
        "--attempt", order.attempt, "--server", section.service_url,
        "--token-file", token, "--fetch", *plain, *runner,
    ]  # fmt: skip


def _mounts(placement: Placement) -> list[Manifest]:
    family = _family(placement)
    found: list[Manifest] = [
        {"name": "work", "mountPath": WORK[family]},
        {"name": "token", "mountPath": HANDED[family], "readOnly": True},
    ]
    if not placement.is_windows:
        found.append({"name": "scratch", "mountPath": SCRATCH})
    return found


def _volumes(order: Order, placement: Placement) -> list[Manifest]:
    secret = {"secretName": names.job_name(order.attempt), "defaultMode": TOKEN_MODE}
    found: list[Manifest] = [{"name": "work", "emptyDir": {}}, {"name": "token", "secret": secret}]
    if not placement.is_windows:
        found.append({"name": "scratch", "emptyDir": {}})
    return found


def _affinity(order: Order, *, is_exclusive: bool) -> Manifest:
    """Return what keeps an exclusive attempt alone on its node, and a retry off the nodes before."""
    found: Manifest = {}
    if is_exclusive:
        others = {"matchLabels": dict(names.OURS)}
        term = {"labelSelector": others, "topologyKey": names.HOSTNAME}
        found["podAntiAffinity"] = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    if order.avoid:
        found["nodeAffinity"] = {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchFields": [*map(_not_on, order.avoid)]}]
            }
        }
    return found


def _not_on(node: str) -> Manifest:
    # By its name, which pods show; the label for the host may say something else.
    return {"key": "metadata.name", "operator": "NotIn", "values": [node]}


def _family(placement: Placement) -> str:
    return "windows" if placement.is_windows else "linux"
