"""Devices for a command line: in the store beside it, or at a service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from sqlalchemy import select

from hotfire_infra.client.connection import Connection
from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.orchestrator.lock import acquire
from hotfire_infra.orchestrator.requests import RequestBook
from hotfire_infra.states import DeviceHealth, RequestKind, RequestState
from hotfire_infra.store import queries_devices
from hotfire_infra.store.audit import local_entry, record_audit
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Request
from hotfire_infra.store.rows import DeviceRow

WAITS = "recorded; whoever executes this store carries it out"
PAGE = 500


class DeviceCare(Protocol):
    """What an operator does with devices; raises InfraError and its children."""

    def devices(self, pool: str | None) -> Sequence[Mapping[str, Any]]:
        """Return all devices, perhaps of one pool."""

    def device(self, ref: str) -> Mapping[str, Any]:
        """Return one device with its `evidence`, and, at the store itself, its `history`."""

    def ask(self, ref: str, health: DeviceHealth, reason: str, *, force: bool) -> str:
        """Ask for another health; returns what came of it."""


@dataclass(frozen=True, slots=True)
class StoreDeviceCare:
    """In the store itself."""

    store: Store
    user: str

    def devices(self, pool: str | None) -> Sequence[Mapping[str, Any]]:
        """Return all devices."""
        with self.store.reading() as connection:
            return [_values(row) for row in queries_devices.devices(connection, pool=pool)]

    def device(self, ref: str) -> Mapping[str, Any]:
        """Return one device with its story."""
        with self.store.reading() as connection:
            row = queries_devices.find_device(connection, ref)
            evidence = queries_devices.evidence_of(connection, row.id, limit=50)
            steps = queries_devices.transitions_of(connection, "device", row.id)
            reruns = queries_devices.differentials(connection, device_id=row.id)
        return {
            **_values(row),
            "evidence": [
                {
                    "kind": one.kind,
                    "failure_class": one.failure_class,
                    "source": one.source,
                    "confidence": one.confidence,
                    "detail": one.detail,
                    "at_ns": one.at_ns,
                    "attempt": one.attempt_ulid,
                }
                for one in evidence
            ],
            "history": [
                {
                    "from": step.from_state,
                    "to": step.to_state,
                    "reason": step.reason,
                    "at_ns": step.at_ns,
                    "by": step.by,
                }
                for step in steps
            ],
            "differentials": [
                {"task": one.task_key, "conclusion": one.conclusion or one.state, **one.body}
                for one in reruns
            ],
        }

    def ask(self, ref: str, health: DeviceHealth, reason: str, *, force: bool) -> str:
        """Record the request, and carry it out at once if nobody else executes this store."""
        with self.store.reading() as connection:
            device = queries_devices.find_device(connection, ref)
        payload = {"device": device.ulid, "health": health.value, "reason": reason, "force": force}
        book = RequestBook(self.store)
        ulid = book.ask(RequestKind.DEVICE, None, payload=payload, requested_by=self.user)
        detail = {"health": health.value, "force": force}
        entry = local_entry(
            self.user, "devices health", device.identity, detail=detail, reason=reason
        )
        with self.store.writing() as connection:
            record_audit(connection, entry, self.store.clock.wall_ns())
        lock = acquire(self.store, label="devices")
        if lock is None:
            return WAITS
        try:
            with lock.writing() as connection:
                book.carry_out(connection, lock.holder)
        finally:
            lock.release()
        with self.store.reading() as connection:
            query = select(Request.state, Request.reason).where(Request.ulid == ulid)
            state, said = connection.execute(query).one()
        if state is RequestState.REFUSED:
            raise RequestRefusedError(said)
        return str(said)


@dataclass(frozen=True, slots=True)
class ServiceDeviceCare:
    """At a service."""

    connection: Connection

    def devices(self, pool: str | None) -> Sequence[Mapping[str, Any]]:
        """Return all devices."""
        found: list[Mapping[str, Any]] = []
        cursor: str | None = None
        while True:
            page = self.connection.get("/devices", limit=PAGE, pool=pool, cursor=cursor)
            found += page["items"]
            cursor = page["next"]
            if cursor is None:
                return found

    def device(self, ref: str) -> Mapping[str, Any]:
        """Return one device."""
        found: Mapping[str, Any] = self.connection.get(f"/devices/{quote(ref, safe='')}")
        return found

    def ask(self, ref: str, health: DeviceHealth, reason: str, *, force: bool) -> str:
        """Record the request at the service."""
        if force:
            raise RequestRefusedError(
                "--force skips the health check and is only possible where the store is"
            )
        body = {"health": health.value, "reason": reason}
        self.connection.post(f"/devices/{quote(ref, safe='')}/health", body)
        return WAITS


def _values(row: DeviceRow) -> dict[str, Any]:
    return {
        "id": row.ulid,
        "identity": row.identity,
        "pool": row.pool,
        "kind": row.kind,
        "executor": row.executor,
        "health": row.health.value,
        "reason": row.reason,
        "facts": dict(row.facts),
        "changed_ns": row.changed_ns,
        "last_seen_ns": row.last_seen_ns,
    }
