"""Who executes: one lock row with a fencing counter, kept alive by its process or by its lease.

SQLite belongs to one machine: the lock of a living process is never taken. PostgreSQL is shared by
machines that cannot see each other's processes, so there the lock is a lease by the store's clock.
Containers of one machine share its boot id and not its processes: they go by the lease as well.
In both, every taking raises the fence, and every write of a round checks holder and fence in its
own transaction: a process that lost the lock while it slept can change nothing.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert, select, update

from hotfire_infra.errors import LockLostError
from hotfire_infra.executors.processes import ProcessIdentity, identify
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Lock
from hotfire_infra.store.postgres import serialise
from hotfire_infra.store.prepared import prepare

LOCK_NAME = "executor"
LEADER_SECONDS = 15.0
"""A leader that gives no sign of life for this long is deposed (PostgreSQL)."""
NOBODY = ""
"""Holder of a released lock; the row stays, because its fence must go on counting."""


_HOLDER = prepare(
    select(Lock.holder, Lock.fence).where(Lock.name == LOCK_NAME).with_for_update(read=True)
)


@dataclass(frozen=True, slots=True)
class HeldLock:
    """Proof that this process executes the store."""

    store: Store
    holder: str
    fence: int
    is_fenced: bool = True
    """False only in the test that shows what the fence is for."""

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Begin a write transaction of the process that leads; LockLostError if it is another."""
        with self.store.writing() as connection:
            self.check(connection)
            yield connection

    def check(self, connection: Connection) -> None:
        """Raise unless this process still leads; on PostgreSQL nobody can take over before commit."""
        found = _HOLDER.row(connection)
        if self.is_fenced and (found is None or found != (self.holder, self.fence)):
            who = "nobody" if found is None or found[0] == NOBODY else found[0]
            raise LockLostError(f"this store is executed by {who} now; watching only")

    def touch(self, connection: Connection) -> None:
        """Give a sign of life within a transaction; raise if somebody took the lock over."""
        mine = [Lock.name == LOCK_NAME]
        if self.is_fenced:
            mine += [Lock.holder == self.holder, Lock.fence == self.fence]
        step = update(Lock).where(*mine).values(mono_ns=self.store.clock.mono_ns())
        if connection.execute(step).rowcount != 1:
            self.check(connection)

    def refresh(self) -> None:
        """Give a sign of life; raise if somebody took the lock over."""
        with self.store.writing() as connection:
            self.touch(connection)

    def release(self) -> None:
        """Let somebody else execute."""
        mine = (Lock.name == LOCK_NAME, Lock.holder == self.holder, Lock.fence == self.fence)
        with self.store.writing() as connection:
            connection.execute(update(Lock).where(*mine).values(holder=NOBODY))


def acquire(store: Store, *, label: str = "") -> HeldLock | None:
    """Take the lock if it is free or its holder is gone; None: somebody alive holds it."""
    me, namespace = identify(os.getpid()), _pid_namespace()
    # Two orchestrators within one process (tests, a server) are still two holders, and so are two
    # containers, where each is process 1.
    holder = ":".join(part for part in (str(me), namespace, label) if part)
    values = {
        "holder": holder,
        "boot_id": store.clock.boot_id,
        "mono_ns": store.clock.mono_ns(),
        "info": {
            "pid": me.pid,
            "start_time": me.start_time,
            "machine_boot_id": me.boot_id,
            "pid_namespace": namespace,
            "host": socket.gethostname(),
            "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200],
        },
    }
    with store.writing() as connection:
        serialise(connection, LOCK_NAME)
        query = select(Lock).where(Lock.name == LOCK_NAME).with_for_update()
        row = connection.execute(query).one_or_none()
        if row is None:
            connection.execute(insert(Lock).values(name=LOCK_NAME, fence=1, **values))
            return HeldLock(store, holder, 1)
        if row.holder not in (holder, NOBODY) and _is_alive(connection, row, store):
            return None
        fence = int(row.fence) + 1
        connection.execute(update(Lock).where(Lock.name == LOCK_NAME).values(**values, fence=fence))
    return HeldLock(store, holder, fence)


def _is_alive(connection: Connection, row: Any, store: Store) -> bool:
    here = identify(os.getpid()).boot_id
    identity = ProcessIdentity(
        boot_id=here,
        pid=int(row.info.get("pid", 0)),
        start_time=int(row.info.get("start_time", 0)),
    )
    # A number of another namespace names nobody here, or somebody else.
    shares_processes = row.info.get("pid_namespace", _pid_namespace()) == _pid_namespace()
    if connection.dialect.name == "sqlite":
        is_this_boot = bool(row.boot_id == store.clock.boot_id)
        if shares_processes or not is_this_boot:
            return is_this_boot and identity.is_alive()
        return _gave_a_sign(row, store)
    is_ours_to_see = row.info.get("machine_boot_id") == here and shares_processes
    if is_ours_to_see and not identity.is_alive():
        return False
    return _gave_a_sign(row, store)


def _gave_a_sign(row: Any, store: Store) -> bool:
    """Whether the lease still runs, by the store's clock."""
    age_ns = store.clock.mono_ns() - int(row.mono_ns)
    return bool(row.boot_id == store.clock.boot_id) and age_ns < LEADER_SECONDS * 1e9


@cache
def _pid_namespace() -> str:
    """Name the set of processes that this one can see; empty where the kernel does not tell."""
    try:
        return f"pid{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""
