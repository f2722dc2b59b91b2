"""The lock row: whoever holds it executes; the lock of a process that is gone is taken over."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select, update

from hotfire_infra.errors import LockLostError
from hotfire_infra.executors.processes import ProcessIdentity, identify
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Lock

LOCK_NAME = "executor"


@dataclass(frozen=True, slots=True)
class HeldLock:
    """Proof that this process executes the store; every round begins with `refresh`."""

    store: Store
    holder: str

    def refresh(self) -> None:
        """Give a sign of life; raise if somebody took the lock over."""
        with self.store.writing() as connection:
            self.check(connection)
            connection.execute(
                update(Lock)
                .where(Lock.name == LOCK_NAME)
                .values(mono_ns=self.store.clock.mono_ns())
            )

    def check(self, connection: Connection) -> None:
        """Raise unless this process still holds the lock."""
        query = select(Lock.holder).where(Lock.name == LOCK_NAME)
        found = connection.execute(query).scalar()
        if found != self.holder:
            raise LockLostError(f"this store is executed by {found} now; watching only")

    def release(self) -> None:
        """Let somebody else execute."""
        with self.store.writing() as connection:
            connection.execute(
                delete(Lock).where(Lock.name == LOCK_NAME, Lock.holder == self.holder)
            )


def acquire(store: Store, *, label: str = "") -> HeldLock | None:
    """Take the lock if it is free or its holder is gone; None: somebody alive holds it."""
    me = identify(os.getpid())
    # Two orchestrators within one process (tests, a server) are still two holders.
    holder = f"{me}:{label}" if label else str(me)
    with store.writing() as connection:
        row = connection.execute(select(Lock).where(Lock.name == LOCK_NAME)).one_or_none()
        if row is not None and row.holder != holder and _is_alive(row, store):
            return None
        connection.execute(delete(Lock).where(Lock.name == LOCK_NAME))
        connection.execute(
            insert(Lock).values(
                name=LOCK_NAME,
                holder=holder,
                boot_id=store.clock.boot_id,
                mono_ns=store.clock.mono_ns(),
                info={
                    "pid": me.pid,
                    "start_time": me.start_time,
                    "host": socket.gethostname(),
                    "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200],
                },
            )
        )
    return HeldLock(store, holder)


def _is_alive(row: object, store: Store) -> bool:
    boot_id = getattr(row, "boot_id", "")
    info = getattr(row, "info", {})
    if boot_id != store.clock.boot_id:
        return False
    identity = ProcessIdentity(
        boot_id=identify(os.getpid()).boot_id,
        pid=int(info.get("pid", 0)),
        start_time=int(info.get("start_time", 0)),
    )
    return identity.is_alive()
