"""What it costs to run many short commands, beside `xargs -P` of the same commands, in one run.

    python -m benchmarks.dispatch [--quick]

Two questions. *Sleep*: commands of 0.2 s on two slots; the makespan beside `xargs -P2` that starts the
same commands bare. *Trivial*: `true` on two slots, each under the runner; throughput beside `xargs -P2`
that starts the same runner on directories made before. Ours is the whole way: queue, lease, claim,
runner, stored results, folds, verdicts, gate, on SQLite. Batches of ours and of the peer alternate,
so that a slow moment of the machine hits both. Processor time and commits are those of the service; the
overhead of an attempt is the time from its claim to its stored end beyond the command's own 0.2 s.
The lease lies before that, as a rule while the slots are still taken by others.
"""

from __future__ import annotations

import argparse
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Row, print_report
from sqlalchemy import event, func, select

from hotfire_infra.executors.local import LocalExecutor
from hotfire_infra.executors.protocol import Capacity
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.finalizing import ANALYSES
from hotfire_infra.orchestrator.lock import acquire
from hotfire_infra.orchestrator.loop import Orchestrator
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.states import RunVerdict
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store, open_store
from hotfire_infra.store.models import Attempt, Task
from hotfire_pipelines.plan import Plan, PlannedCell, PlannedTask, Source, inventory_digest
from hotfire_testframework.contract.task import AttemptSpec, TaskSpec
from hotfire_testframework.contract.ulid import new_ulid
from hotfire_testframework.contract.variants import variant_hash
from hotfire_testframework.runner.bundle import build_bundle

SLOTS = 2
SECONDS = 0.2
SLEEP = ["sleep", str(SECONDS)]
TRIVIAL = ["true"]
REVISION = "0" * 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Commands in all, and how many batches they are cut into."""

    sleeps: int
    sleep_batches: int
    trivials: int
    trivial_batches: int


FULL = Sizes(sleeps=2_000, sleep_batches=4, trivials=1_000, trivial_batches=5)
QUICK = Sizes(sleeps=100, sleep_batches=1, trivials=60, trivial_batches=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one run of ours cost."""

    commands: int
    wall: float
    processor: float
    """Of the service alone, in seconds."""
    commits: int
    overheads: tuple[float, ...]
    """Seconds from one attempt's claim, which takes the slot, to its stored end."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dispatch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer commands: within a minute")
    options = parser.parse_args(arguments)
    sizes = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory(prefix="hotfire-dispatch-") as folder:
        service = Service(Path(folder))
        service.run(TRIVIAL, 4)  # Warms file caches, statements and the nursery.
        sleeps, sleep_peers = service.compare(SLEEP, sizes.sleeps, sizes.sleep_batches)
        trivials, trivial_peers = service.compare(
            TRIVIAL, sizes.trivials, sizes.trivial_batches, with_runner=True
        )
        service.close()
    print_report("dispatch", make_rows(sleeps, sleep_peers, trivials, trivial_peers))
    return 0


class Service:
    """An orchestrator with the local executor on a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store: Store = open_store(folder / "home")
        self.bundle = folder / "runner.pyz"
        self.bundle.write_bytes(build_bundle())
        lock = acquire(self.store)
        assert lock is not None
        executor = LocalExecutor(
            self.store.attempts,
            self.bundle,
            folder / "cache",
            self.store.clock,
            Capacity(cpus=SLOTS, ahead=SLOTS),
        )
        self.orchestrator = Orchestrator(
            store=self.store,
            executor=executor,
            cache=folder / "cache",
            lock=lock,
            analyses=ANALYSES,
        )
        self.commits = 0
        event.listen(self.store.write_engine, "commit", self._count)

    def _count(self, _connection: object) -> None:
        self.commits += 1

    def close(self) -> None:
        """Let go of the store."""
        self.orchestrator.lock.release()
        self.store.close()

    def compare(
        self, command: list[str], commands: int, batches: int, *, with_runner: bool = False
    ) -> tuple[list[Batch], list[float]]:
        """Run the commands in batches, ours and the peer's in turn."""
        size = commands // batches
        ours, peers = [], []
        for number in range(batches):
            is_ours_first = bool(number % 2)
            if is_ours_first:
                ours.append(self.run(command, size))
            peers.append(self.peer(command, size, with_runner=with_runner))
            if not is_ours_first:
                ours.append(self.run(command, size))
        return ours, peers

    def peer(self, command: list[str], commands: int, *, with_runner: bool) -> float:
        """Let xargs do the same; return the wall time."""
        if with_runner:
            return self.peer_runner(command, commands)
        return peer_bare(command, commands)

    def run(self, command: list[str], commands: int) -> Batch:
        """Run a batch as one run of so many tasks; anything but a pass is an error."""
        request = RunRequest(
            plan=make_plan(command, commands),
            source=StoredSource(
                repository="benchmark",
                revision=REVISION,
                patch_digest="",
                subject="",
                archive_sha256=None,
            ),
            requested_by="benchmark",
        )
        began, before, commits = time.perf_counter(), _processor(), self.commits
        run_id = create_run(self.store, request)
        self.orchestrator.run_until_idle(threading.Event())
        wall = time.perf_counter() - began
        processor, commits = _processor() - before, self.commits - commits
        with self.store.reading() as connection:
            verdict = queries.run_by_id(connection, run_id).verdict
            spans = select(Attempt.ended_ns - Attempt.started_ns).join(
                Task, Task.id == Attempt.task_id
            )
            taken = connection.execute(spans.where(Task.run_id == run_id)).scalars().all()
            attempts = connection.execute(
                select(func.count(Attempt.id))
                .join(Task, Task.id == Attempt.task_id)
                .where(Task.run_id == run_id)
            ).scalar_one()
        if verdict is not RunVerdict.PASSED or attempts != commands:
            sys.exit(f"{command}: verdict {verdict} with {attempts} attempts of {commands} tasks")
        return Batch(
            commands=commands,
            wall=wall,
            processor=processor,
            commits=commits,
            overheads=tuple((span or 0) / 1e9 for span in taken),
        )

    def peer_runner(self, command: list[str], commands: int) -> float:
        """Let xargs start the same runner, on attempt directories that need no claim."""
        folders = []
        for _ in range(commands):
            ulid = new_ulid()
            folder = self.folder / "peer" / ulid
            folder.mkdir(parents=True)
            spec = AttemptSpec(
                attempt=ulid, run="peer", task="peer", spec=_spec(command), claim=False
            )
            (folder / "attempt.json").write_bytes(spec.encode())
            folders.append(str(folder))
        return _xargs([sys.executable, str(self.bundle)], folders)


def peer_bare(command: list[str], commands: int) -> float:
    """Let xargs start the commands bare; return the wall time."""
    return _xargs(["sh", "-c", f"exec {shlex.join(command)}"], ["x"] * commands)


def _xargs(command: list[str], arguments: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        ["xargs", "-P", str(SLOTS), "-n", "1", *command],
        input="\n".join(arguments).encode(),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _spec(command: list[str]) -> TaskSpec:
    return TaskSpec.from_json({"harness": "command", "command": command})


def make_plan(command: list[str], commands: int) -> Plan:
    """Return a plan with one cell and one task per command."""
    cells, tasks, inventories = [], [], {}
    for number in range(commands):
        name = f"command-{number:04}"
        expected = (f"tasks/command/{name}",)
        digest = inventory_digest(expected)
        inventories[digest] = expected
        axes = {"execution": "native", "platform": "here", "task": name}
        cells.append(
            PlannedCell(
                key=name,
                task=name,
                platform="here",
                variant=axes,
                variant_hash=variant_hash(axes),
                required="always",
                requires={},
                inventory=digest,
            )
        )
        tasks.append(
            PlannedTask(
                key=name, cell=name, shard=(1, 1), spec=_spec(command), requested_digest="0" * 64
            )
        )
    return Plan(
        pipeline="dispatch",
        source=Source(repository="benchmark", revision=REVISION),
        platforms=(),
        cells=tuple(cells),
        tasks=tuple(tasks),
        edges=(),
        inventories=inventories,
    )


def make_rows(
    sleeps: Sequence[Batch],
    sleep_peers: Sequence[float],
    trivials: Sequence[Batch],
    trivial_peers: Sequence[float],
) -> list[Row]:
    """Return the two comparisons and the costs per attempt."""
    total = sum(batch.commands for batch in sleeps)
    trivial = sum(batch.commands for batch in trivials)
    overheads = sorted(1e3 * (span - SECONDS) for batch in sleeps for span in batch.overheads)
    return [
        Row(
            name=f"makespan of {total} commands of {SECONDS} s on {SLOTS} slots",
            ours=sum(batch.wall for batch in sleeps),
            peer=sum(sleep_peers),
            peer_name=f"xargs -P{SLOTS}, bare",
            unit="s",
            goal=1.1,
            better="lower",
        ),
        Row(
            name=f"{trivial} trivial commands under the runner",
            ours=trivial / sum(batch.wall for batch in trivials),
            peer=trivial / sum(trivial_peers),
            peer_name=f"xargs -P{SLOTS} of the same runner",
            unit="1/s",
            goal=0.8,
            better="higher",
        ),
        _cost("processor of the service per attempt", "ms", sleeps, "processor", 1e3),
        _cost("commits per attempt", "commits", sleeps, "commits", 1),
        *(
            Row(
                name=f"{word} overhead of an attempt, claim to stored end",
                ours=value,
                peer=None,
                peer_name=None,
                unit="ms",
                goal=None,
                better="lower",
            )
            for word, value in (
                ("median", statistics.median(overheads)),
                ("p99", overheads[int(0.99 * (len(overheads) - 1))]),
            )
        ),
    ]


def _cost(name: str, unit: str, batches: Sequence[Batch], field: str, factor: float) -> Row:
    spent = sum(getattr(batch, field) for batch in batches) * factor
    return Row(
        name=name,
        ours=spent / sum(batch.commands for batch in batches),
        peer=None,
        peer_name=None,
        unit=unit,
        goal=None,
        better="lower",
    )


if __name__ == "__main__":
    sys.exit(main())
