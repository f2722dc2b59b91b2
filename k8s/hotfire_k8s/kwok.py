"""KWOK: what simulated nodes and their pods do, as stages that annotations of a pod can steer.

A simulated pod runs nothing. Annotations of the pod (a Job's pod template) say what it plays:

    kwok.hotfire.dev/starts-after   "2s"         from bound to running (default: at once)
    kwok.hotfire.dev/runs-for       "5m"         from running to its end (default 1 s, Jobs only)
    kwok.hotfire.dev/exit-code      "10"         how it ends (default 0)
    kwok.hotfire.dev/reason         "OOMKilled"  the terminated reason (default Completed, Error)
    kwok.hotfire.dev/hold           "true"       it runs until somebody deletes it, ends it by a
                                                 patch of its status, or takes this away;
                                                 its activeDeadlineSeconds ends it too
    kwok.hotfire.dev/stops-after    "30s"        from deletion to gone (default: at once)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hotfire_k8s.controlplane import LEASE_S, LOOPBACK, SMALL_CLUSTER, Access, answers
from hotfire_k8s.home import write_text
from hotfire_k8s.processes import Component

Stage = dict[str, Any]

NAME = "kwok"
NODE_ANNOTATION = "kwok.x-k8s.io/node"
"""A node with `fake` here is played by KWOK."""
NODE_ADDRESS = "198.51.100.1"
"""All simulated nodes have this one, which nothing answers at (RFC 5737)."""
PREFIX = "kwok.hotfire.dev"
HEARTBEAT_MS = 600_000
"""Conditions of a node are written anew this often; its lease says meanwhile that it lives."""

ALIVE = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
IS_JOB = {"key": ".metadata.ownerReferences.[].kind", "operator": "In", "values": ["Job"]}

NODE_CONDITIONS = """\
{{ $now := Now }}
{{ $since := or .metadata.creationTimestamp $now }}
conditions:
{{ range NodeConditions }}
- lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $since | Quote }}
  message: {{ .message | Quote }}
  reason: {{ .reason | Quote }}
  status: {{ .status | Quote }}
  type: {{ .type | Quote }}
{{ end }}
"""
NODE_READY = """\
addresses:
- address: {{ NodeIP | Quote }}
  type: InternalIP
- address: {{ .metadata.name | Quote }}
  type: Hostname
phase: Running
"""
POD_RUNNING = """\
{{ $now := Now }}
conditions:
{{ range $type := list "Initialized" "PodReadyToStartContainers" "ContainersReady" "Ready" }}
- lastTransitionTime: {{ $now | Quote }}
  status: "True"
  type: {{ $type }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- image: {{ .image | Quote }}
  imageID: ""
  name: {{ .name | Quote }}
  ready: true
  restartCount: 0
  started: true
  state:
    running:
      startedAt: {{ $now | Quote }}
{{ end }}
{{ if .spec.initContainers }}
initContainerStatuses:
{{ range .spec.initContainers }}
- image: {{ .image | Quote }}
  imageID: ""
  name: {{ .name | Quote }}
  ready: true
  restartCount: 0
  state:
    terminated:
      exitCode: 0
      reason: Completed
      startedAt: {{ $now | Quote }}
      finishedAt: {{ $now | Quote }}
{{ end }}
{{ end }}
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
podIP: {{ PodIPWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" )\
 ( or .metadata.name "" ) ( or .metadata.namespace "" ) | Quote }}
phase: Running
startTime: {{ $now | Quote }}
"""
POD_ENDED = """\
{{ $now := Now }}
{{ $root := . }}
{{ $asked := or .metadata.annotations dict }}
{{ $code := index $asked "kwok.hotfire.dev/exit-code" | default "0" }}
{{ $reason := index $asked "kwok.hotfire.dev/reason" | default (eq $code "0" | ternary "Completed" "Error") }}
conditions:
{{ range $type := list "ContainersReady" "Ready" }}
- lastTransitionTime: {{ $now | Quote }}
  reason: {{ eq $code "0" | ternary "PodCompleted" "PodFailed" }}
  status: "False"
  type: {{ $type }}
{{ end }}
containerStatuses:
{{ range $index, $item := .spec.containers }}
{{ $before := index $root.status.containerStatuses $index }}
- image: {{ $item.image | Quote }}
  imageID: ""
  name: {{ $item.name | Quote }}
  ready: false
  restartCount: 0
  started: false
  state:
    terminated:
      exitCode: {{ $code }}
      reason: {{ $reason | Quote }}
      startedAt: {{ $before.state.running.startedAt | Quote }}
      finishedAt: {{ $now | Quote }}
{{ end }}
phase: {{ eq $code "0" | ternary "Succeeded" "Failed" }}
"""
POD_STOPPED = POD_ENDED.replace('default "0"', 'default "143"')
"""After SIGTERM; a pod that is told to exit 0 does so even then."""
POD_OVERDUE = (
    POD_ENDED.replace('default "0"', 'default "137"')
    + """\
reason: DeadlineExceeded
message: Pod was active on the node longer than the specified deadline
"""
)


def kwok(
    access: Access, programs: Mapping[str, Path], ports: Mapping[str, int], nodes: int
) -> Component:
    """Describe the process that plays the simulated nodes of a cluster of about that size."""
    folder = access.home.component(NAME)
    pair = access.authority.issue(NAME, "hotfire-kwok", groups=["system:masters"])
    kubeconfig = access.kubeconfig(folder / "kubeconfig", pair)
    configuration = folder / "stages.json"
    documents = "\n---\n".join(json.dumps(stage) for stage in stages())
    write_text(configuration, documents + "\n")
    argv = (
        str(programs[NAME]),
        f"--kubeconfig={kubeconfig}",
        f"--config={configuration}",
        f"--manage-nodes-with-annotation-selector={NODE_ANNOTATION}=fake",
        f"--node-lease-duration-seconds={LEASE_S[nodes <= SMALL_CLUSTER]}",
        f"--server-address={LOOPBACK}:{ports[NAME]}",
        f"--node-ip={NODE_ADDRESS}",
        # At the next louder level it tells of every lease.
        "-v=WARN",
    )
    health = answers(f"http://{LOOPBACK}:{ports[NAME]}/healthz")
    return Component(name=NAME, argv=argv, is_healthy=health)


def stages() -> list[Stage]:
    """Return what nodes and pods do, one document per step."""
    in_phase = ".status.phase"
    running = {"key": in_phase, "operator": "In", "values": ["Running"]}
    pending = {"key": in_phase, "operator": "In", "values": ["Pending"]}
    ready = '.status.conditions.[] | select( .type == "Ready" ) | .status'
    is_ready = {"key": ready, "operator": "In", "values": ["True"]}
    was_lost = {"key": ready, "operator": "In", "values": ["Unknown", "False"]}
    is_new = {"key": in_phase, "operator": "NotIn", "values": ["Running"]}
    beat = {"durationMilliseconds": HEARTBEAT_MS, "jitterDurationMilliseconds": HEARTBEAT_MS + 1000}
    is_free = {"key": _annotation("hold"), "operator": "NotIn", "values": ["true"]}
    is_held = {"key": _annotation("hold"), "operator": "In", "values": ["true"]}
    has_deadline = {"key": ".spec.activeDeadlineSeconds", "operator": "Exists"}
    gone = {"key": ".metadata.deletionTimestamp", "operator": "Exists"}
    free = {"key": ".metadata.finalizers", "operator": "DoesNotExist"}
    initial = {"statusTemplate": NODE_CONDITIONS + NODE_READY}
    return [
        _stage("node-initialize", "Node", [is_new], initial),
        _stage(
            "node-heartbeat", "Node", [running, is_ready], {"statusTemplate": NODE_CONDITIONS}, beat
        ),
        # A machine that slept, or a KWOK that hung: as a kubelet says it, when it is back.
        _stage("node-return", "Node", [running, was_lost], {"statusTemplate": NODE_CONDITIONS}),
        _stage(
            "pod-ready",
            "Pod",
            [ALIVE, pending],
            {"statusTemplate": POD_RUNNING},
            _delay("starts-after", 0),
        ),
        _stage(
            "pod-complete",
            "Pod",
            [ALIVE, running, IS_JOB, is_free],
            {"statusTemplate": POD_ENDED},
            _delay("runs-for", 1000),
        ),
        _stage(
            # KWOK chooses at random among stages that match, so only a held pod can overrun.
            "pod-deadline",
            "Pod",
            [ALIVE, running, is_held, has_deadline],
            {"statusTemplate": POD_OVERDUE},
            {"durationFrom": {"expressionFrom": '.spec.activeDeadlineSeconds | tostring + "s"'}},
        ),
        _stage("pod-delete", "Pod", [gone, free], {"delete": True}, _delay("stops-after", 0)),
        # The Job controller holds a tracking finalizer until it has counted the pod's end.
        _stage(
            "pod-stop",
            "Pod",
            [gone, running, {"key": ".metadata.finalizers", "operator": "Exists"}],
            {"statusTemplate": POD_STOPPED},
            _delay("stops-after", 0),
        ),
    ]


def _annotation(name: str) -> str:
    return f'.metadata.annotations["{PREFIX}/{name}"]'


def _delay(name: str, default_ms: int) -> Stage:
    return {
        "durationMilliseconds": default_ms,
        "durationFrom": {"expressionFrom": _annotation(name)},
    }


def _stage(
    name: str, kind: str, expressions: list[Stage], following: Stage, delay: Stage | None = None
) -> Stage:
    spec: Stage = {
        "resourceRef": {"apiGroup": "v1", "kind": kind},
        "selector": {"matchExpressions": expressions},
        "next": following,
    }
    if delay is not None:
        spec["delay"] = delay
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": spec,
    }
