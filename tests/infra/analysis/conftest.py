"""A branch with synthetic measurements, put into a store run by run."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable, Mapping, Sequence

import pytest
from sqlalchemy import insert, select, update

from hotfire_infra.analysis.noise import watch_noise
from hotfire_infra.analysis.performance import analyse_performance
from hotfire_infra.analysis.watching import watch_series
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.series import name_series
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.store.database import Store
from hotfire_infra.store.dictionaries import intern_environment, intern_tests
from hotfire_infra.store.models import (
    Attempt,
    Cell,
    Finding,
    Measurement,
    Result,
    Run,
    SeriesChange,
    Task,
)
from hotfire_infra.store.partitions import month_of
from hotfire_testframework.contract.metrics import METRICS
from hotfire_testframework.contract.ulid import new_ulid

DECODE = "aestus.decode_rate"


def revision(number: int) -> str:
    """Return the id of the branch's commit of this number."""
    return f"{number:07x}" + "c" * 33


class Branch:
    """Commits 1, 2, … of a target branch; `run` measures one of them and finalizes it."""

    def __init__(self, store: Store, plan_of: Callable) -> None:
        self.store = store
        self.plan = plan_of({"speed": ["perf/pytest/t"]})
        self.runs: list[int] = []

    def measure(
        self,
        commit: int,
        values: Mapping[str, float | str],
        *,
        metric: str = DECODE,
        machine: str = "stand-1",
        policy=None,
        verdict: str | None = "passed",
        **terms,
    ) -> int:
        """Record a run with its points, by test: a number, or why there is none. Not finalized."""
        run_id = create_run(self.store, self.request(commit, policy=policy, **terms))
        with self.store.writing() as connection:
            task = connection.execute(
                select(Task.id, Cell.variant_id)
                .join(Cell, Cell.id == Task.cell_id)
                .where(Task.run_id == run_id)
            ).one()
            now = self.store.clock.wall_ns()
            attempt = connection.execute(
                insert(Attempt)
                .values(
                    ulid=new_ulid(), task_id=task.id, number=1, state="passed", executor="fake",
                    pool="here", token_sha256="0" * 64, boot_id="", lease_expires_mono_ns=0,
                    created_ns=now, started_ns=now, ended_ns=now, in_flight=[],
                    environment_id=intern_environment(
                        connection, {"hostname": machine, "cpu_model": "Xeon"}
                    ),
                )
                .returning(Attempt.id)
            ).scalar_one()  # fmt: skip
            names = [f"perf/pytest/{test}" for test in values]
            ids = intern_tests(connection, names)
            for seq, (name, value) in enumerate(zip(names, values.values(), strict=True), start=1):
                valid = not isinstance(value, str)
                connection.execute(
                    insert(Result).values(
                        attempt_id=attempt, seq=1000 + seq, test_id=ids[name], try_number=1,
                        variant_id=task.variant_id, outcome="passed", duration_ns=1,
                    )
                )  # fmt: skip
                connection.execute(
                    insert(Measurement).values(
                        month=month_of(now), attempt_id=attempt, seq=seq,
                        test_id=ids[name],
                        variant_id=task.variant_id, metric=metric, version=1,
                        unit=METRICS.get(metric).unit.value, value=value if valid else 1.0,
                        estimator="median", replicates=[value if valid else 1.0], launches=[0],
                        inner=1, valid=valid, reason="" if valid else value, definition="d",
                    )
                )  # fmt: skip
            if verdict is not None:
                over = {"state": "finalized", "verdict": verdict}
                connection.execute(update(Run).where(Run.id == run_id).values(**over))
        self.runs.append(run_id)
        return run_id

    def request(self, commit: int, *, policy=None, **terms) -> RunRequest:
        """Return the order of a run of a commit of the branch; `terms` make it one of a change."""
        own = terms.pop("revision", revision(commit))
        patch = terms.pop("patch_digest", "")
        source = StoredSource(
            repository="here", revision=own, patch_digest=patch, subject=f"Commit {commit}",
            archive_sha256=None,
        )  # fmt: skip
        stamp = dataclasses.replace(self.plan.source, revision=own, patch_digest=patch or None)
        plan = dataclasses.replace(self.plan, source=stamp)
        if policy is not None:
            plan = dataclasses.replace(plan, policy=policy)
        older = [revision(one) for one in range(commit, max(0, commit - 50), -1)]
        return RunRequest(
            plan=plan, source=source, requested_by="tester",
            **{"merge_base": revision(commit), "options": {"ancestors": older}, **terms},
        )  # fmt: skip

    def finalize(self, run_id: int) -> tuple[str, ...]:
        """Do what the finalizer does with measurements."""
        steps = (name_series, watch_noise, analyse_performance, watch_series)
        return tuple(line for step in steps for line in step(self.store, run_id))

    def run(self, commit: int, values: Mapping[str, float | str], **terms) -> int:
        """Measure and finalize."""
        run_id = self.measure(commit, values, **terms)
        self.finalize(run_id)
        return run_id

    def history(
        self, steps: Mapping[int, float], *, runs: int, tests: Sequence[str] = ("decode",),
        noise: float = 0.01, seed: int = 1, begin: int = 1, **terms,
    ) -> None:  # fmt: skip
        """Run commits one after the other; the level is multiplied from each commit of `steps` on."""
        draw = {test: random.Random(f"{seed} {test}") for test in tests}
        for commit in range(begin, begin + runs):
            level = 100.0 * math.prod(by for at, by in steps.items() if commit >= at)
            values = {test: level * math.exp(draw[test].gauss(0, noise)) for test in tests}
            self.run(commit, values, **terms)

    def changes(self) -> list:
        """Return the recorded changes, oldest first."""
        with self.store.reading() as connection:
            query = select(*SeriesChange.__table__.c).order_by(SeriesChange.id)
            return list(connection.execute(query))

    def findings(self) -> list:
        """Return what runs were told."""
        with self.store.reading() as connection:
            return list(connection.execute(select(*Finding.__table__.c).order_by(Finding.id)))


@pytest.fixture
def branch(store, make_plan) -> Branch:
    return Branch(store, make_plan)


@pytest.fixture
def any_branch(any_store, make_plan) -> Branch:
    return Branch(any_store, make_plan)
