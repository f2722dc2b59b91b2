"""What of an event of a watch is read: a tenth of it, found without making objects of the rest.

A Job or pod is 5 to 10 kB of JSON, most of it about who manages which field, and comes a dozen times
in an attempt's life. Whatever is not as described here is read whole.
"""

from __future__ import annotations

import json
from typing import Any, TypedDict

import msgspec

from hotfire_infra.executors.kubernetes.cluster import Object

Texts = dict[str, str] | None


class _Owner(TypedDict, total=False):
    kind: str
    name: str


class _Metadata(TypedDict, total=False):
    name: str
    uid: str
    resourceVersion: str
    creationTimestamp: str | None
    deletionTimestamp: str | None
    deletionGracePeriodSeconds: int | None
    labels: Texts
    ownerReferences: list[_Owner] | None


class _Resources(TypedDict, total=False):
    limits: dict[str, Any] | None


class _Container(TypedDict, total=False):
    name: str
    resources: _Resources


class _Spec(TypedDict, total=False):
    suspend: bool | None
    nodeName: str | None
    terminationGracePeriodSeconds: int | None
    containers: list[_Container]


class _Condition(TypedDict, total=False):
    type: str
    status: str
    reason: str | None
    message: str | None


class _ContainerStatus(TypedDict, total=False):
    name: str
    state: dict[str, Any] | None


class _Status(TypedDict, total=False):
    phase: str | None
    reason: str | None
    message: str | None
    conditions: list[_Condition] | None
    containerStatuses: list[_ContainerStatus] | None


class _Object(TypedDict, total=False):
    metadata: _Metadata
    spec: _Spec
    status: _Status


class _Event(TypedDict):
    type: str
    object: _Object


_DECODE = msgspec.json.Decoder(_Event).decode


def read_event(line: bytes) -> Object:
    """Return an event of Jobs, pods or Workloads with the fields that are read of them.

    ValueError: it is no JSON.
    """
    try:
        return dict(_DECODE(line))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        # A Status instead of an object, or a field of another kind: others are to be heard all the same.
        found: Object = json.loads(line)
        return found
