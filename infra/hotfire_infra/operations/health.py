"""Whether a service can do its work now: what /readyz and `hotfire config doctor` say."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, select, text

from hotfire_infra.clock import Clock
from hotfire_infra.errors import InfraError
from hotfire_infra.executors.protocol import Connected
from hotfire_infra.store.database import Store
from hotfire_infra.store.models import Lock
from hotfire_infra.store.schema import HEAD, stored_revision
from hotfire_infra.store.trouble import READ_ONLY, is_read_only

HEARTBEAT_LIMIT_SECONDS = 60.0
"""An orchestrator gives a sign of life every round; a round that stores much takes seconds."""
SLOW_SECONDS = 1.0
CLOCK_LIMIT_SECONDS = 5.0
EPOCH_NS = 1_700_000_000 * 1_000_000_000
"""A wall clock before this (November 2023) was never set."""


class Level(StrEnum):
    """What a finding means."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    name: str
    level: Level
    said: str
    remedy: str = ""
    """What to do about it; empty when there is nothing to do."""


def readiness(
    store: Store,
    *,
    lock_name: str,
    free_bytes: int,
    is_draining: bool,
    executes: bool,
    others: Sequence[Finding] = (),
) -> tuple[Finding, ...]:
    """Return what decides whether a service should be sent requests; it is ready without a FAIL.

    `executes`: this process should lead or stand by, so somebody has to lead. `others`: what was
    looked at before.
    """
    findings = [check_database(store), check_disk(store.home, free_bytes)]
    if executes and findings[0].level is not Level.FAIL:
        findings.append(check_leader(store, lock_name))
    if is_draining:
        findings.append(
            Finding(name="drain", level=Level.FAIL, said="this service is ending", remedy="")
        )
    return (*findings, *others)


def check_database(store: Store) -> Finding:
    """Return whether the database answers, in time, with the schema of this Hotfire."""
    name = "database"
    began = time.perf_counter()
    try:
        with store.reading() as connection:
            connection.execute(text("SELECT 1"))
            revision = stored_revision(connection)
    except (InfraError, OSError) as error:
        remedy = "start it, or correct HOTFIRE_DATABASE; what runs goes on meanwhile"
        return Finding(name=name, level=Level.FAIL, said=f"does not answer: {error}", remedy=remedy)
    seconds = time.perf_counter() - began
    kind = store.write_engine.dialect.name
    if revision != HEAD:
        said = f"{kind}, schema {revision}, this Hotfire needs {HEAD}"
        remedy = "hotfire serve db upgrade"
        return Finding(name=name, level=Level.FAIL, said=said, remedy=remedy)
    said = f"{kind}, schema {revision}, answers in {seconds * 1e3:.1f} ms"
    if seconds > SLOW_SECONDS:
        remedy = "look for a long write (a backup, a migration) or a full disk"
        return Finding(name=name, level=Level.WARN, said=said, remedy=remedy)
    return Finding(name=name, level=Level.OK, said=said)


def check_disk(home: Path, free_bytes: int) -> Finding:
    """Return whether there is room for blobs and spools."""
    try:
        free = shutil.disk_usage(home).free
    except OSError as error:
        said = f"{home} cannot be looked at: {error.strerror}"
        return Finding(name="disk", level=Level.FAIL, said=said, remedy="mount it, or correct HOME")
    said = f"{free / 1e9:.1f} GB free under {home}"
    remedy = "free some, or `hotfire serve db prune`: uploads are refused below the limit"
    if free < free_bytes:
        return Finding(name="disk", level=Level.FAIL, said=said, remedy=remedy)
    if free < 4 * free_bytes:
        return Finding(name="disk", level=Level.WARN, said=said, remedy=remedy)
    return Finding(name="disk", level=Level.OK, said=said)


def check_leader(store: Store, lock_name: str) -> Finding:
    """Return whether somebody executes the store and gave a sign of life lately."""
    name = "orchestrator"
    try:
        with store.reading() as connection:
            age = _heartbeat_age(connection, store.clock, lock_name)
    except (InfraError, OSError) as error:
        return Finding(name=name, level=Level.FAIL, said=f"cannot be asked for: {error}")
    if age is None:
        said = "nobody executes now; `hotfire serve` or `hotfire run --resume` would"
        return Finding(name=name, level=Level.OK, said=said)
    said = f"last sign of life {age:.1f} s ago"
    if age > HEARTBEAT_LIMIT_SECONDS:
        remedy = "its log tells more; a restart loses nothing"
        return Finding(name=name, level=Level.FAIL, said=said, remedy=remedy)
    return Finding(name=name, level=Level.OK, said=said)


def _heartbeat_age(connection: Connection, clock: Clock, lock_name: str) -> float | None:
    row = connection.execute(
        select(Lock.holder, Lock.boot_id, Lock.mono_ns).where(Lock.name == lock_name)
    ).one_or_none()
    if row is None or not row.holder or row.boot_id != clock.boot_id:
        return None
    return float(max(0.0, (clock.mono_ns() - row.mono_ns) / 1e9))


def check_executor(executor: Connected) -> Finding:
    """Ask what an executor is connected to whether all may be done there that has to be."""
    name = "cluster"
    try:
        missing = executor.check()
    except InfraError as error:
        said = " ".join(str(error).split())
        remedy = "start the cluster, or correct section kubernetes of the configuration"
        return Finding(name=name, level=Level.FAIL, said=said, remedy=remedy)
    if missing:
        level = Level.FAIL if any(one.startswith("may not") for one in missing) else Level.WARN
        remedy = "see docs/kubernetes.md"
        return Finding(name=name, level=level, said="; ".join(missing), remedy=remedy)
    return Finding(name=name, level=Level.OK, said="answers, and may be used as needed")


def check_clock(store: Store, wall_ns: int) -> Finding:
    """Return whether the wall clock is set, and like the database's where that has one."""
    name = "clock"
    if wall_ns < EPOCH_NS:
        said = f"the wall clock says {wall_ns / 1e9:.0f} s since 1970"
        remedy = "set it (NTP): leases are safe, but tokens, sign-ins and waivers go by it"
        return Finding(name=name, level=Level.FAIL, said=said, remedy=remedy)
    if not store.is_shared:
        return Finding(name=name, level=Level.OK, said="set; the database has no clock of its own")
    with store.reading() as connection:
        there = connection.execute(
            text("SELECT extract(epoch FROM clock_timestamp())")
        ).scalar_one()
    apart = abs(float(there) - wall_ns / 1e9)
    said = f"{apart:.1f} s from the database's"
    if apart > CLOCK_LIMIT_SECONDS:
        remedy = "synchronise both (NTP); leases go by the database's, tokens by this one"
        return Finding(name=name, level=Level.WARN, said=said, remedy=remedy)
    return Finding(name=name, level=Level.OK, said=said)


def check_secret_file(name: str, path: Path) -> Finding:
    """Return whether a file with a secret is there and read by nobody else."""
    try:
        mode = path.stat().st_mode & 0o777
        path.open("rb").close()
    except OSError as error:
        said = f"{path} cannot be read: {error.strerror}"
        return Finding(name=name, level=Level.FAIL, said=said, remedy=f"put the secret into {path}")
    if mode & 0o077:
        said = f"{path} has mode {mode:04o}: others can read it"
        return Finding(name=name, level=Level.FAIL, said=said, remedy=f"chmod 600 {path}")
    return Finding(name=name, level=Level.OK, said=f"{path} has mode {mode:04o}")


def check_home(home: Path) -> Finding:
    """Return whether the home is ours, writable, and not writable by others."""
    name = "home"
    try:
        status = home.stat()
    except FileNotFoundError:
        said = f"{home} is not there yet: whatever is recorded first makes it"
        return Finding(name=name, level=Level.WARN, said=said, remedy=f"mkdir -m 700 {home}")
    except OSError as error:
        said = f"{home} cannot be looked at: {error.strerror}"
        return Finding(name=name, level=Level.FAIL, said=said, remedy=f"mkdir -m 700 {home}")
    if is_read_only(home):
        said = f"{home} cannot be written: {READ_ONLY}"
        remedy = "mount it for writing, or name another folder in HOTFIRE_HOME"
        return Finding(name=name, level=Level.FAIL, said=said, remedy=remedy)
    if not os.access(home, os.W_OK | os.X_OK):
        said = f"{home} cannot be written by uid {os.getuid()}"
        return Finding(name=name, level=Level.FAIL, said=said, remedy=f"chown {os.getuid()} {home}")
    mode = status.st_mode & 0o777
    if mode & 0o022:
        said = f"{home} has mode {mode:04o}: others can write there"
        return Finding(name=name, level=Level.FAIL, said=said, remedy=f"chmod go-w {home}")
    if mode & 0o055:
        said = f"{home} has mode {mode:04o}: others on this machine can read results and logs"
        return Finding(name=name, level=Level.OK, said=said)
    return Finding(name=name, level=Level.OK, said=f"{home} has mode {mode:04o}")
