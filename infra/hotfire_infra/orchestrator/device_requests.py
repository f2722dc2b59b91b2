"""What a person asks of a device: maintenance, retirement, quarantine, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from hotfire_infra.errors import DeviceNotFoundError
from hotfire_infra.orchestrator.devices import Note, move_device, note
from hotfire_infra.orchestrator.inquiry import CHECK_REQUESTED
from hotfire_infra.states import DEVICE_TRANSITIONS, DeviceHealth, RequestState
from hotfire_infra.store import queries_devices
from hotfire_infra.store.rows import DeviceRow

_CHECKED_FIRST = frozenset({DeviceHealth.BAD, DeviceHealth.MAINTENANCE})


def carry_out(
    connection: Connection, payload: Mapping[str, Any], *, requested_by: str, at_ns: int
) -> tuple[RequestState, str]:
    """Act on a request {device, health, reason, force?}; returns what came of it, and in words."""
    reason = str(payload.get("reason", "")).strip()
    if not reason:
        return RequestState.REFUSED, "a reason is required"
    try:
        device = queries_devices.find_device(connection, str(payload.get("device", "")))
        health = DeviceHealth(str(payload.get("health", "")))
    except (DeviceNotFoundError, ValueError) as error:
        return RequestState.REFUSED, str(error)
    if health is device.health:
        return RequestState.REFUSED, f"{device.identity} is {health} already"
    if health not in DEVICE_TRANSITIONS[device.health]:
        return RequestState.REFUSED, f"{device.identity} is {device.health}: no way to {health}"
    if health is DeviceHealth.GOOD and device.health in _CHECKED_FIRST and not payload.get("force"):
        what = Note(kind=CHECK_REQUESTED, source=requested_by, confidence=0.0, detail=reason)
        note(connection, device.id, what, at_ns)
        return RequestState.DONE, f"{device.identity} goes back to work once a health check passes"
    return _move(connection, device, health, reason, requested_by, at_ns)


def _move(
    connection: Connection,
    device: DeviceRow,
    health: DeviceHealth,
    reason: str,
    by: str,
    at_ns: int,
) -> tuple[RequestState, str]:
    if health is DeviceHealth.GOOD:
        # What spoke against it is settled by a person's word.
        what = Note(kind="cleared", source=by, confidence=0.0, detail=reason)
        note(connection, device.id, what, at_ns)
    move_device(connection, device, health, reason, by=by, at_ns=at_ns)
    return RequestState.DONE, f"{device.identity}: {device.health} → {health}: {reason}"
