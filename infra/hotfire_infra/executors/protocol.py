"""The Executor contract: few verbs, all idempotent, keyed by our attempt id."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, runtime_checkable

from hotfire_infra.executors.spool import Spool
from hotfire_infra.states import Priority
from hotfire_testframework.contract.evidence import Evidence
from hotfire_testframework.contract.task import AttemptSpec
from hotfire_testframework.contract.ulid import Ulid


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be run: the attempt's specification, its token and how it may be stopped."""

    spec: AttemptSpec
    token: str
    """Handed to the runner in a file of mode 0600; never in argv, environment or plan."""
    device: str = ""
    """Identity of the device that it is to run on; empty: whatever there is."""
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Handed over as files of mode 0600 in `secrets/` of the attempt; gone with its release."""
    requires: Mapping[str, Any] = field(default_factory=dict)
    """What the plan says of the machine, for an executor that looks for one."""
    platform: str = ""
    """Of the catalogue."""
    cell: str = ""
    team: str = ""
    priority: Priority = Priority.DEVELOPER
    avoid: tuple[str, ...] = ()
    """Names of machines that it is to stay away from."""
    shun: tuple[Ulid, ...] = ()
    """Earlier attempts that their machines spoiled: never again there while there is another machine.
    Whoever knows where they were turns them into `avoid`."""

    @property
    def attempt(self) -> Ulid:
        """The key of every verb."""
        return self.spec.attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why this executor cannot run something, in words for people."""

    reason: str


class Life(StrEnum):
    """What an executor sees of an attempt."""

    ABSENT = "absent"
    """Never submitted here."""
    STARTING = "starting"
    """Submitted; whether a process came of it is not yet known."""
    RUNNING = "running"
    ENDED = "ended"
    """Nothing of it runs any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One look at an attempt."""

    life: Life
    exit_code: int | None = None
    """Of the runner; a negative number is the signal that killed it; none where nobody saw it."""
    detail: str = ""
    evidence: tuple[Evidence, ...] = ()
    """What the executor found out about an end that the runner did not survive to explain."""
    waiting: str = ""
    """Why nothing of it runs yet, in the words of whoever decides. The executor vouches for an attempt
    that waits: its lease is renewed until there is a runner to claim it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceReport:
    """One device as an executor sees it now."""

    identity: str
    """What the machine itself calls it: `GPU-…`, `MIG-…`, `machine:<id>`."""
    kind: str
    """Model."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """`vendor` and `capability` as tasks ask for them, `driver`, `firmware`, …"""
    is_shared: bool = False
    """Carries as many attempts as the capacity lets in; any other carries one at a time."""
    evidence: tuple[Evidence, ...] = ()
    """What its counters say against it now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What an executor can carry at once."""

    cpus: int
    memory_mib: int | None = None
    ahead: int = 0
    """Runners that may be started before there is room, to wait there for their claim's answer."""
    counts_attempts: bool = False
    """Somebody else finds the machines: `cpus` is a number of attempts, whatever each of them takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one attempt takes of the capacity while it lives."""

    cpus: int
    exclusive: bool
    """Takes the machine alone: no other attempt beside it, whatever there is room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What of a machine decides the outcome of a task, beside what every machine is asked."""

    launcher: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One family of figures for operations; keys of `values` are the values of `labels`."""

    name: str
    text: str
    labels: tuple[str, ...]
    values: Mapping[tuple[str, ...], float]
    is_counter: bool = False


@runtime_checkable
class Connected(Protocol):
    """What an executor offers beside the contract that is connected to something far away."""

    def figures(self) -> Iterable[Figure]:
        """Return how the connection is."""

    def check(self) -> Sequence[str]:
        """Ask now, and return what is wrong, in sentences; raises ExecutorError if nobody answers."""

    def close(self) -> None:
        """Let the connection go; what was submitted goes on."""


class Mark(NamedTuple):
    """What is another as soon as there is something else to see of an attempt."""

    acts: Hashable
    """As soon as there is something to be done: it has ended, or never will begin."""
    words: Hashable = None
    """As soon as there is something else to be said; that may wait for a moment."""


@runtime_checkable
class Remote(Protocol):
    """What an executor offers beside the contract whose attempts are many, far away and mostly wait."""

    def mark(self, attempt: Ulid) -> Mark:
        """Return what is another as soon as `attach` or the spool would show another picture.

        Cheap. What changes by the clock alone, heartbeats and output may lag behind by seconds.
        """

    def acts(self, attempt: Ulid) -> Hashable:
        """Return that part of the mark alone, which is cheaper still."""

    def nudge(self) -> None:
        """Let `wait` return: the ingest routes have heard the end of an attempt."""


class Executor(Protocol):
    """Turns an attempt into something running, on one kind of machinery.

    Every verb may be called again with the same attempt, by this process or by its successor, and
    then does nothing that was not done already. The order is submit, any number of attach, logs and
    cancel, then release.

    1. `submit` starts the runner at most once for an attempt id, ever: a crash between "started"
    and
       "noted that it started" must not lead to a second one. It returns before the runner is done.
       Submitting what was submitted before, even if it has ended, does nothing.
    2. `attach` says what is there and starts nothing. After a restart of the service it works on
    what
       the previous one submitted. It never blocks; it also advances a cancellation whose grace is
       over.
    3. `logs` works while the attempt runs, and after it until `release`.
    4. `cancel` asks politely and returns at once; after the grace, the next `attach` kills the
    whole
       tree of processes. Cancelling what has ended or was never submitted does nothing.
    5. `release` frees what the attempt holds here: stray processes first, then its bulky files. It
    is called once all of the attempt is stored, and may be called before submit; a later submit
    still starts nothing.
    6. An executor never runs anything again on its own: retries are the store's alone.
    7. `can_execute` looks at the machinery as it is now and names what is missing.
    8. `observe` never guesses: a machine that cannot be asked now leaves the answer empty.
    9. Between submit and claim `attach` says of an attempt that waits for others why (`waiting`).
    10. ExecutorError is raised only where a verb cannot be carried out; an attempt that fails is no
       error of the executor.
    """

    @property
    def name(self) -> str:
        """`local`, `fake`, …: recorded with each attempt."""

    @property
    def capacity(self) -> Capacity:
        """How much fits at once; the dispatcher keeps within it."""

    def devices(self) -> Sequence[DeviceReport]:
        """Return the devices that are here now; none: it does not tell devices apart."""

    def can_execute(self, requires: Mapping[str, Any]) -> Refusal | None:
        """Return None if tasks with these requirements can run here now, else why not.

        `requires` is what a plan says, and may hold `demand`: what such a task takes of a machine.
        """

    def observe(self, probe: Probe) -> tuple[Mapping[str, Any], ...]:
        """Return the environment that each machine of the pool reports now; empty if one is mute.

        The values are those that an attempt on it would record.
        """

    def spool(self, attempt: Ulid) -> Spool:
        """Return where the attempt's stream arrives on this machine."""

    def submit(self, order: Order) -> None:
        """Start the attempt unless it was ever started."""

    def attach(self, attempt: Ulid) -> Observation:
        """Return what there is of the attempt."""

    def logs(self, attempt: Ulid, stream: str, offset: int) -> bytes:
        """Return the output of the attempt from a byte on."""

    def cancel(self, attempt: Ulid, *, grace_seconds: float) -> None:
        """Ask the attempt to end within the grace."""

    def release(self, attempt: Ulid) -> None:
        """Free everything the attempt holds."""

    def wait(self, seconds: float) -> None:
        """Return when something of an attempt may have changed, at the latest after `seconds`."""
