"""Names, labels and annotations of what lies in the cluster: one place, for all who write or read them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from hotfire_infra.states import Priority
from hotfire_testframework.contract.ulid import Ulid, parse_ulid
from hotfire_testframework.errors import IdentifierError

NAMESPACE = "hotfire"
CONTAINER = "runner"
PREFIX = "hf-"

_APP = "app.kubernetes.io"
OURS: Mapping[str, str] = {
    f"{_APP}/name": "hotfire-attempt",
    f"{_APP}/component": "runner",
    f"{_APP}/part-of": "hotfire",
    f"{_APP}/managed-by": "hotfire",
}
"""On every Job, pod and Secret of an attempt."""
INSTANCE = f"{_APP}/instance"
SELECTOR = f"{_APP}/managed-by=hotfire,{_APP}/component=runner"
"""Selects them, and nothing else of Hotfire."""

ATTEMPT = "hotfire.dev/attempt"
RUN = "hotfire.dev/run"
TASK_HASH = "hotfire.dev/task-hash"
PLATFORM = "hotfire.dev/platform"
TEAM = "hotfire.dev/team"
TASK = "hotfire.dev/task"
CELL = "hotfire.dev/cell"
PLATFORM_PREFIX = "platform.hotfire.dev/"
"""Before the name of a platform: the label of the nodes that serve it, with the value `true`."""

KUEUE_GROUP = "kueue.x-k8s.io"
KUEUE_VERSION = "v1beta2"
QUEUE = f"{KUEUE_GROUP}/queue-name"
PRIORITY_CLASS = f"{KUEUE_GROUP}/priority-class"
MAX_EXECUTION = f"{KUEUE_GROUP}/max-exec-time-seconds"
REQUIRED_TOPOLOGY = f"{KUEUE_GROUP}/podset-required-topology"
HOSTNAME = "kubernetes.io/hostname"

EXCLUSIVE = "-exclusive"
"""Ends the name of the queue whose ClusterQueue nothing preempts."""
PRIORITIES: Mapping[Priority, int] = {
    Priority.GATE: 1000,
    Priority.PRE_MERGE: 500,
    Priority.DEVELOPER: 300,
    Priority.NIGHTLY: 100,
    Priority.BACKFILL: 50,
}
"""Values of the WorkloadPriorityClasses that are named as our priorities are."""

_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST_VALUE = 63


def job_name(attempt: Ulid) -> str:
    """Return the name of the Job, and of the Secret, of an attempt."""
    return PREFIX + attempt.lower()


def attempt_of(name: str) -> Ulid | None:
    """Return the attempt that a Job of this name is of; None for a Job of somebody else."""
    if not name.startswith(PREFIX):
        return None
    try:
        return parse_ulid(name.removeprefix(PREFIX).upper())
    except IdentifierError:
        return None


def label_value(text: str) -> str:
    """Return a text as the value of a label: signs that are not allowed become `-`."""
    return _UNFIT.sub("-", text)[:_LONGEST_VALUE].strip("._-")


def task_hash(task: str) -> str:
    """Return what stands for the key of a task, which is too long for a label."""
    return hashlib.sha256(task.encode()).hexdigest()[:16]


def queue_name(template: str, team: str, *, is_exclusive: bool) -> str:
    """Return the LocalQueue of a team; `template` holds `{team}`, or names one queue for all.

    It is the name of an object and the value of a label: no `_`, and room for the ending.
    """
    text = template.replace("{team}", team or "default").lower().replace("_", "-")
    name = label_value(text)[: _LONGEST_VALUE - len(EXCLUSIVE)].strip("-.") or "default"
    return name + EXCLUSIVE if is_exclusive else name


def is_ours(labels: Mapping[str, Any]) -> bool:
    """Whether an object carries our labels."""
    return all(labels.get(name) == value for name, value in OURS.items())
