"""The local executor: an attempt is a process tree in a directory of this machine."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotfire_infra.clock import Clock, SystemClock
from hotfire_infra.errors import ExecutorError
from hotfire_infra.executors.local_devices import (
    device_environment,
    post_mortem,
    report_devices,
)
from hotfire_infra.executors.nursery import Nursery, WakePipe
from hotfire_infra.executors.probing import Machine, observe_by_runner
from hotfire_infra.executors.processes import (
    ATTEMPT_VARIABLE,
    ProcessIdentity,
    identify,
    send,
    tree_of,
)
from hotfire_infra.executors.protocol import (
    Capacity,
    DeviceReport,
    Life,
    Observation,
    Order,
    Probe,
    Refusal,
)
from hotfire_infra.executors.spool import Spool, read_object, write_object
from hotfire_infra.settings import inherited_environment
from hotfire_testframework.contract.ulid import Ulid
from hotfire_testframework.runner.attempt_dir import WAKE

BULKY = ("secrets", "work", "artifacts", "events")
"""What `release` removes: by then all of it that matters is in the store."""
DEATH_SECONDS = 1.0
"""From a runner's death to the news of how it died."""
OBSERVED_NS = 10 * 1_000_000_000
"""How long what the machine said of itself is taken for now."""


@dataclass(slots=True)
class LocalExecutor:
    """Starts runners that outlive this process; files in the spool say what was started.

    `submit.intent` is made before the process, `process.json` after it. A directory with the first
    and without the second is a crash in between: whether a runner came up shows by its claim, and
    none is started again in either case.
    """

    root: Path
    """Directory of all attempts."""
    bundle: Path
    """The runner's zipapp."""
    cache: Path
    clock: Clock = field(default_factory=SystemClock)
    capacity: Capacity = field(default_factory=lambda: _whole_machine())
    name: str = "local"
    _children: dict[str, int] = field(default_factory=dict)
    _statuses: dict[str, int] = field(default_factory=dict)
    _nursery: Nursery | None = None
    _wake: WakePipe | None = None
    _observed: dict[Probe, tuple[int, tuple[Mapping[str, Any], ...]]] = field(default_factory=dict)

    def devices(self) -> Sequence[DeviceReport]:
        """Return this machine and what stands in it."""
        return report_devices()

    def can_execute(self, requires: Mapping[str, Any]) -> Refusal | None:
        """Look at this machine."""
        reason = Machine(
            path=self._environment()["PATH"], cache=self.cache, executor=self.name
        ).missing(requires)
        return None if reason is None else Refusal(reason=reason)

    def observe(self, probe: Probe) -> tuple[Mapping[str, Any], ...]:
        """Ask the runner itself, as it would start here; an answer is good for some seconds."""
        now = self.clock.mono_ns()
        known = self._observed.get(probe)
        if known is None or now - known[0] > OBSERVED_NS:
            values = observe_by_runner(self.bundle, probe, self._environment(), self.cache)
            known = self._observed[probe] = (now, () if values is None else (values,))
        return known[1]

    def spool(self, attempt: Ulid) -> Spool:
        """Return the attempt's directory."""
        return Spool(self.root / attempt)

    def submit(self, order: Order) -> None:
        """Write the specification, note the intent, start the runner, note the process."""
        root = self.spool(order.attempt).root
        try:
            root.mkdir(parents=True, exist_ok=True)
            if not _intend(root / "submit.intent"):
                return
            write_object(root / "attempt.json", order.spec.to_json(), mode=0o600)
            _write_secret(root / "token", order.token.encode("ascii"))
            _write_secrets(root / "secrets", order.secrets)
            pid = self._bear(order, root)
        except OSError as error:
            raise ExecutorError(f"the runner could not be started in {root}: {error}") from error
        self._children[order.attempt] = pid
        _write_identity(root, identify(pid))

    def _bear(self, order: Order, root: Path) -> int:
        """Have the nursery fork a runner; without one, start an interpreter for it."""
        environment = {**self._environment(), **device_environment(order.device)}
        try:
            if self._nursery is None:
                self._nursery = Nursery(self.bundle, self._environment())
            return self._nursery.start(root, environment)
        except OSError:
            self._nursery = None
            return self._start(order.attempt, root, environment)

    def _start(self, attempt: Ulid, root: Path, environment: Mapping[str, str]) -> int:
        """Spawn the runner; not by Popen, whose objects want to outlive their processes."""
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        return os.posix_spawn(
            sys.executable,
            [sys.executable, str(self.bundle), str(root)],
            {**environment, ATTEMPT_VARIABLE: attempt},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(root / "runner.log"), append, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            # Its own session: a Ctrl-C in this terminal must not reach it.
            setsid=True,
            # The interpreter ignores these two; what it starts must not.
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )

    def _environment(self) -> dict[str, str]:
        """Return the runner's environment; tools of our own virtual environment are found last."""
        inherited = inherited_environment()
        path = inherited.get("PATH", os.defpath)
        inherited["PATH"] = f"{path}{os.pathsep}{Path(sys.executable).parent}"
        return inherited

    def attach(self, attempt: Ulid) -> Observation:
        """Look for the process; kill it if its grace is over."""
        spool = self.spool(attempt)
        if not (spool.root / "submit.intent").exists():
            return Observation(life=Life.ABSENT)
        status = self._reap_child(attempt)
        identity = _read_identity(spool.root) or _claimed_identity(spool)
        if identity is None:
            return self._without_identity(spool)
        if identity.is_alive():
            self._kill_if_overdue(attempt, spool, identity)
            return Observation(life=Life.RUNNING)
        code = spool.exit_code()
        if code is None:
            code = self._reap_child(attempt, DEATH_SECONDS) if status is None else status
        detail = "" if code is not None else _last_words(spool)
        evidence = post_mortem(identity) if code in (None, -signal.SIGKILL) else ()
        return Observation(life=Life.ENDED, exit_code=code, detail=detail, evidence=evidence)

    def _without_identity(self, spool: Spool) -> Observation:
        if spool.exit_code() is not None or (spool.root / "cancel").exists():
            return Observation(life=Life.ENDED, exit_code=spool.exit_code())
        detail = "the service died while it started the runner"
        return Observation(life=Life.STARTING, detail=detail)

    def _reap_child(self, attempt: Ulid, seconds: float = 0) -> int | None:
        """Return the status of a runner that is our own child; an unreaped one stays a zombie."""
        pid = self._children.get(attempt)
        if pid is None:
            return self._statuses.get(attempt)
        status = None if self._nursery is None else self._nursery.take_status(pid, seconds)
        if status is None:
            with contextlib.suppress(ChildProcessError):
                found, raw = os.waitpid(pid, os.WNOHANG)
                status = os.waitstatus_to_exitcode(raw) if found else None
        if status is not None:
            del self._children[attempt]
            self._statuses[attempt] = status
        return status

    def _kill_if_overdue(self, attempt: Ulid, spool: Spool, identity: ProcessIdentity) -> None:
        request = read_object(spool.root / "cancel")
        if request is None:
            return
        is_same_boot = request.get("boot_id") == self.clock.boot_id
        if not is_same_boot or self.clock.mono_ns() >= int(request.get("kill_mono_ns", 0)):
            send(tree_of(attempt, identity.pid), signal.SIGKILL)

    def logs(self, attempt: Ulid, stream: str, offset: int) -> bytes:
        """Read the file that the runner writes."""
        return self.spool(attempt).read_log(stream, offset)

    def cancel(self, attempt: Ulid, *, grace_seconds: float) -> None:
        """Write the request with its deadline, then SIGTERM; a shorter grace than before counts."""
        spool = self.spool(attempt)
        if not (spool.root / "submit.intent").exists() or spool.exit_code() is not None:
            return
        deadline = self.clock.mono_ns() + int(grace_seconds * 1e9)
        before = read_object(spool.root / "cancel")
        if before is not None and int(before.get("kill_mono_ns", 0)) <= deadline:
            return
        request = {"kill_mono_ns": deadline, "boot_id": self.clock.boot_id}
        write_object(spool.root / "cancel", request)
        identity = _read_identity(spool.root) or _claimed_identity(spool)
        if identity is not None and identity.is_alive():
            send({identity.pid}, signal.SIGTERM)

    def release(self, attempt: Ulid) -> None:
        """Kill what a runner that vanished has left, then remove the bulky files."""
        spool = self.spool(attempt)
        if not spool.root.exists():
            return
        identity = _read_identity(spool.root) or _claimed_identity(spool)
        if spool.exit_code() is None:
            send(tree_of(attempt, None if identity is None else identity.pid), signal.SIGKILL)
        self._reap_child(attempt)
        for name in BULKY:
            shutil.rmtree(spool.root / name, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            (spool.root / "token").unlink()

    def wait(self, seconds: float) -> None:
        """Sleep until a runner asks for its claim, or one of this process's runners ends."""
        self._listen()
        sources = [source for source in (self._wake, self._nursery) if source is not None]
        if not sources:
            time.sleep(seconds)
            return
        ready, _, _ = select.select(sources, [], [], seconds)
        if self._wake is not None and self._wake in ready:
            self._wake.drain()
        if self._nursery is not None and self._nursery in ready:
            self._nursery.take_news()
            if not self._nursery.is_alive:
                self._nursery = None

    def _listen(self) -> None:
        if self._wake is None:
            with contextlib.suppress(OSError):
                self._wake = WakePipe(self.root / WAKE)


def _whole_machine() -> Capacity:
    """Return a slot per processor, and a runner that is up in time for each."""
    cpus = os.cpu_count() or 1
    return Capacity(cpus=cpus, ahead=cpus)


def _intend(path: Path) -> bool:
    """Make the mark that a runner is about to be started; False if there is one already."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True


def _write_secret(path: Path, secret: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(secret)


def _write_secrets(folder: Path, values: Mapping[str, bytes]) -> None:
    if values:
        folder.mkdir(mode=0o700, exist_ok=True)
    for name, value in values.items():
        _write_secret(folder / name, value)


def _write_identity(root: Path, identity: ProcessIdentity) -> None:
    write_object(
        root / "process.json",
        {"pid": identity.pid, "start_time": identity.start_time, "boot_id": identity.boot_id},
    )


def _read_identity(root: Path) -> ProcessIdentity | None:
    value = read_object(root / "process.json")
    if value is None:
        return None
    return ProcessIdentity(
        boot_id=str(value["boot_id"]), pid=int(value["pid"]), start_time=int(value["start_time"])
    )


def _claimed_identity(spool: Spool) -> ProcessIdentity | None:
    """Return the runner that claimed: its service may have died before it noted the process."""
    claim = spool.claim_request()
    if claim is None:
        return None
    identity = identify(int(claim.get("pid", 0)))
    if identity.boot_id != claim.get("boot_id"):
        return ProcessIdentity(boot_id=str(claim.get("boot_id")), pid=0, start_time=0)
    return identity


def _last_words(spool: Spool) -> str:
    try:
        words = (spool.root / "runner.log").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        words = ""
    return words.splitlines()[-1][:300] if words else "it left no exit code"
