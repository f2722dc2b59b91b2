"""Processes of a cluster: started to outlive the command, found again by identity, ended whole.

A process is known by (boot, pid, start time), never by its pid alone; a record lost by a crash is
made up for by the cluster's mark in the environment of everything that was started for it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotfire_infra.executors.processes import PROC, ProcessIdentity, identify
from hotfire_k8s.errors import ComponentError
from hotfire_k8s.home import Home

MARK = "HOTFIRE_CLUSTER"
"""Environment variable that holds the cluster's home; children inherit it."""
GRACE_S = 10.0
POLL_S = 0.05
HEALTH_POLL_S = 0.15
SWEEPS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A process that belongs to a cluster: how it is started and how it is asked for its health."""

    name: str
    argv: tuple[str, ...]
    is_healthy: Callable[[], bool]
    """Asks the process itself; False while it is not ready. Must not raise."""
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    """Working directory; the component's own below the home unless given."""
    patience_s: float = 60.0
    """How long it may take to become healthy."""


def recorded(home: Home, name: str) -> dict[str, Any] | None:
    """Return what was written down when a component was started."""
    return home.read(f"processes/{name}.json")


def identity_of(record: Mapping[str, Any]) -> ProcessIdentity:
    """Read an identity back."""
    return ProcessIdentity(
        boot_id=str(record["boot_id"]),
        pid=int(record["pid"]),
        start_time=int(record["start_time"]),
    )


def is_running(home: Home, component: Component) -> bool:
    """Whether the very process that was started for a component, as it is described now, lives."""
    record = recorded(home, component.name)
    return (
        record is not None
        and record["argv"] == list(component.argv)
        and identity_of(record).is_alive()
    )


def start(home: Home, component: Component) -> None:
    """Start a component and write down who it is; it outlives this process."""
    folder = component.folder or home.component(component.name)
    log = log_of(home, component.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    home.component("processes")
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "TMPDIR": str(home.component("tmp")),
        MARK: str(home.folder),
        **component.environment,
    }
    with log.open("ab") as sink:
        try:
            process = subprocess.Popen(
                component.argv,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ComponentError(f"{component.argv[0]}: {error.strerror}") from error
    who = identify(process.pid)
    # It is meant to outlive this command, so nobody waits for it.
    process.returncode = 0
    record = {"pid": who.pid, "start_time": who.start_time, "boot_id": who.boot_id}
    home.write(f"processes/{component.name}.json", {"argv": list(component.argv), **record})


def wait_until_healthy(home: Home, components: Iterable[Component]) -> None:
    """Return when all are healthy; ComponentError with the log's end when one is not in time."""
    started = time.monotonic()
    waiting = list(components)
    while waiting:
        for component in list(waiting):
            if component.is_healthy():
                waiting.remove(component)
            elif not is_running(home, component):
                raise ComponentError(f"{component.name} ended: {last_words(home, component.name)}")
            elif time.monotonic() - started > component.patience_s:
                raise ComponentError(
                    f"{component.name} was not healthy after {component.patience_s:.0f} s: "
                    f"{last_words(home, component.name)}"
                )
        time.sleep(HEALTH_POLL_S)


def answers_soon(component: Component) -> bool:
    """Whether a component that runs is healthy, or becomes so within ten seconds."""
    deadline = time.monotonic() + GRACE_S
    while not (is_healthy := component.is_healthy()) and time.monotonic() < deadline:
        time.sleep(HEALTH_POLL_S)
    return is_healthy


def log_of(home: Home, name: str) -> Path:
    """Return the file with everything that a component said."""
    return home.folder / "logs" / f"{name}.log"


def last_words(home: Home, name: str) -> str:
    """Return the end of a component's log, in one line."""
    log = log_of(home, name)
    try:
        with log.open("rb") as opened:
            opened.seek(max(0, log.stat().st_size - 4000))
            lines = opened.read().decode("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    said = " | ".join(line.strip() for line in lines[-3:] if line.strip())
    return f"{said or 'it said nothing'} ({log})"


def stop(home: Home, names: Iterable[str], grace_s: float = GRACE_S) -> None:
    """End recorded components: SIGTERM to all, then SIGKILL to those that stay."""
    records = [record for name in names if (record := recorded(home, name)) is not None]
    end([identity_of(record) for record in records], grace_s)
    for name in names:
        (home.folder / "processes" / f"{name}.json").unlink(missing_ok=True)


def names(home: Home) -> list[str]:
    """Return the components that were started, recorded in this home."""
    return sorted(path.stem for path in home.folder.glob("processes/*.json"))


def marked(home: Home) -> list[ProcessIdentity]:
    """Return every live process that was started for a cluster, recorded or not."""
    found = []
    mark = f"{MARK}={home.folder}".encode()
    for entry in PROC.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            who = identify(int(entry.name))
            # Read after the identity: if the pid changed hands between, the signal will not go out.
            if mark in (entry / "environ").read_bytes().split(b"\0") and who.is_alive():
                found.append(who)
    return found


def end_marked(home: Home, grace_s: float = GRACE_S) -> int:
    """End every process that was started for a cluster; how many those were. ComponentError."""
    ended = 0
    for _ in range(SWEEPS):
        # What was born while one sweep went on is found by the next.
        found = marked(home)
        if not found:
            return ended
        end(found, grace_s)
        ended += len(found)
    raise ComponentError(f"processes of {home.folder} are born faster than they can be ended")


def end(identities: Iterable[ProcessIdentity], grace_s: float = GRACE_S) -> None:
    """Send SIGTERM, wait for the grace, send SIGKILL to what is left and wait for it.

    This process itself, which may be one of a cluster's, is left out.
    """
    others = [who for who in identities if who.pid != os.getpid()]
    alive = [who for who in others if send(who, signal.SIGTERM)]
    for who in alive:
        # One that was stopped hears of its end only when it goes on.
        send(who, signal.SIGCONT)
    alive = _wait_for_end(alive, grace_s)
    alive = _wait_for_end([who for who in alive if send(who, signal.SIGKILL)], grace_s)
    if alive:
        raise ComponentError(f"these processes survive SIGKILL: {sorted(w.pid for w in alive)}")


def _wait_for_end(alive: list[ProcessIdentity], patience_s: float) -> list[ProcessIdentity]:
    deadline = time.monotonic() + patience_s
    while alive and time.monotonic() < deadline:
        alive = [who for who in alive if who.is_alive()]
        if alive:
            time.sleep(POLL_S)
    return alive


def send(who: ProcessIdentity, number: signal.Signals) -> bool:
    """Signal this very process; False if it is gone."""
    with _handle(who) as descriptor:
        if descriptor is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, number)
            return True
    return False


@contextlib.contextmanager
def _handle(who: ProcessIdentity) -> Iterator[int | None]:
    """Open a process so that its pid cannot change hands meanwhile; None if it is another one."""
    try:
        descriptor = os.pidfd_open(who.pid)
    except ProcessLookupError:
        yield None
        return
    try:
        yield descriptor if who.is_alive() else None
    finally:
        os.close(descriptor)
