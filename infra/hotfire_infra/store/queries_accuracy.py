"""SELECTs on accuracy samples: pairs of two runs on equal keys, counted by the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Subquery, and_, case, exists, func, select

from hotfire_infra.store.models import AccuracySample, Attempt, Cell, Finding, Run, Task

_KEY = ("variant_id", "test_key", "task", "dataset", "item", "prompt", "decode_seed")
"""What must be equal for a pair: the key of a sample, the test that took it and its variant."""

_Group = tuple[int, str, str]
"""Variant, task, digest of the dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedCounts:
    """One task on one variant: what two runs answered, later - earlier.

    Sums of differences are over items, each item's difference being the mean over its seeds, so
    that an item which was decoded several times counts once.
    """

    task: str
    dataset: str
    platform: str
    samples_before: int
    samples_after: int
    """Samples of either run, paired or not."""
    errored: int = 0
    """Equal keys of which one or both have no outcome."""
    pairs: int = 0
    items: int = 0
    better: int = 0
    worse: int = 0
    outcome_sum: float = 0.0
    outcome_squares: float = 0.0
    scored_items: int = 0
    """Items with a score in both runs."""
    score_sum: float = 0.0
    score_squares: float = 0.0


def paired_counts(
    connection: Connection, before_run: int, after_run: int
) -> tuple[PairedCounts, ...]:
    """Pair the samples of two runs and count them, by task and variant, tasks in their order.

    Of several attempts, or of a sample taken twice, the last one counts; attempts that were
    invalidated or ran for another question never do. A task that both ran without an equal key
    is there with 0 pairs; a task of one run alone is not.
    """
    before, after = _samples(before_run, "before"), _samples(after_run, "after")
    earlier, later = _sizes(connection, before), _sizes(connection, after)
    shared = [group for group in later if group[:2] in {known[:2] for known in earlier}]
    sums = _sums(connection, before, after) if shared else {}
    return tuple(
        PairedCounts(
            task=group[1],
            dataset=group[2],
            platform=later[group][0],
            samples_before=sum(
                size for known, (_, size) in earlier.items() if known[:2] == group[:2]
            ),
            samples_after=later[group][1],
            **sums.get(group, {}),
        )
        for group in shared
    )


def run_to_compare(
    connection: Connection, run_id: int, *, reach: int = 20
) -> tuple[tuple[int, int], ...]:
    """Return (id, number) of earlier runs that a run's accuracy is compared with: two at most.

    Of the last `reach` runs of its pipeline that passed and took samples: the newest, and the oldest,
    against which a slow decline adds up.
    """
    mine = select(Run.pipeline).where(Run.id == run_id).scalar_subquery()
    sampled = exists().where(
        AccuracySample.attempt_id == Attempt.id,
        Attempt.task_id == Task.id,
        Task.cell_id == Cell.id,
        Cell.run_id == Run.id,
    )
    query = (
        select(Run.id, Run.number)
        .where(
            Run.id < run_id,
            Run.pipeline == mine,
            Run.purpose == "result",
            Run.verdict == "passed",
            sampled,
        )
        .order_by(Run.id.desc())
        .limit(reach)
    )
    found = [(int(row.id), int(row.number)) for row in connection.execute(query)]
    return tuple(dict.fromkeys((*found[:1], *found[-1:])))


def items_of_tasks(connection: Connection, pipeline: str) -> Mapping[str, int]:
    """Return how many samples each task took in the last run of a pipeline that passed.

    On the platform where it took the fewest; empty before the first such run.
    """
    run = (
        select(Run.id)
        .join(Cell, Cell.run_id == Run.id)
        .join(Task, Task.cell_id == Cell.id)
        .join(Attempt, Attempt.task_id == Task.id)
        .join(AccuracySample, AccuracySample.attempt_id == Attempt.id)
        .where(Run.pipeline == pipeline, Run.purpose == "result", Run.verdict == "passed")
        .order_by(Run.id.desc())
        .limit(1)
    )
    found = connection.execute(run).scalar()
    if found is None:
        return {}
    fewest: dict[str, int] = {}
    for (_, task, _), (_, size) in _sizes(connection, _samples(int(found), "last")).items():
        fewest[task] = min(size, fewest.get(task, size))
    return fewest


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedComparison:
    """What the finalizer recorded of one task on one platform against an earlier run."""

    task: str
    platform: str
    pairs: int
    discordant: int
    decision: str


def recorded_comparisons(
    connection: Connection, pipeline: str, runs: int
) -> tuple[RecordedComparison, ...]:
    """Return the comparisons of the last `runs` runs of a pipeline that passed, newest first."""
    newest = (
        select(Run.id)
        .where(Run.pipeline == pipeline, Run.purpose == "result", Run.verdict == "passed")
        .order_by(Run.id.desc())
        .limit(runs)
        .subquery()
    )
    query = (
        select(Finding.body)
        .where(Finding.kind == "accuracy", Finding.run_id.in_(select(newest.c.id)))
        .order_by(Finding.run_id.desc(), Finding.id)
    )
    return tuple(
        RecordedComparison(
            task=body["task"],
            platform=body["platform"],
            pairs=body["pairs"],
            discordant=body["better"] + body["worse"],
            decision=body["decision"],
        )
        for body in connection.execute(query).scalars()
    )


def _samples(run_id: int, name: str) -> Subquery:
    """The samples of a run that count, with the place of each among those of its key."""
    sample = AccuracySample.__table__.c
    test_key = func.coalesce(sample.test_id, 0).label("test_key")
    key = (*(sample[part] for part in _KEY if part != "test_key"), test_key)
    newest = (sample.attempt_id.desc(), sample.seq.desc())
    ranked = (
        select(
            *key,
            sample.outcome,
            sample.score,
            Cell.platform,
            func.row_number().over(partition_by=key, order_by=newest).label("place"),
        )
        .join(Attempt, Attempt.id == sample.attempt_id)
        .join(Task, Task.id == Attempt.task_id)
        .join(Cell, Cell.id == Task.cell_id)
        .where(
            Cell.run_id == run_id, Attempt.purpose == "result", Attempt.invalidation_id.is_(None)
        )
        .subquery(f"{name}_ranked")
    )
    return select(ranked).where(ranked.c.place == 1).subquery(name)


def _sizes(connection: Connection, samples: Subquery) -> Mapping[_Group, tuple[str, int]]:
    """Platform and number of samples by group."""
    group = (samples.c.variant_id, samples.c.task, samples.c.dataset)
    query = (
        select(*group, func.min(samples.c.platform).label("platform"), func.count().label("size"))
        .group_by(*group)
        .order_by(samples.c.task, samples.c.variant_id)
    )
    return {
        (row.variant_id, row.task, row.dataset): (row.platform, row.size)
        for row in connection.execute(query)
    }


def _sums(
    connection: Connection, before: Subquery, after: Subquery
) -> Mapping[_Group, Mapping[str, Any]]:
    item = _items(before, after)
    summed = {
        "errored": func.sum(item.c.errored),
        "pairs": func.sum(item.c.pairs),
        "items": func.count(item.c.outcome),
        "better": func.sum(item.c.better),
        "worse": func.sum(item.c.worse),
        "outcome_sum": func.coalesce(func.sum(item.c.outcome), 0.0),
        "outcome_squares": func.coalesce(func.sum(item.c.outcome * item.c.outcome), 0.0),
        "scored_items": func.count(item.c.score),
        "score_sum": func.coalesce(func.sum(item.c.score), 0.0),
        "score_squares": func.coalesce(func.sum(item.c.score * item.c.score), 0.0),
    }
    group = (item.c.variant_id, item.c.task, item.c.dataset)
    query = select(*group, *(value.label(name) for name, value in summed.items())).group_by(*group)
    whole = {"errored", "pairs", "items", "better", "worse", "scored_items"}
    return {
        (row.variant_id, row.task, row.dataset): {
            name: int(getattr(row, name)) if name in whole else float(getattr(row, name))
            for name in summed
        }
        for row in connection.execute(query)
    }


def _items(before: Subquery, after: Subquery) -> Subquery:
    """One row per item with equal keys in both: its pairs, and its mean differences over seeds."""
    both = and_(*(before.c[part] == after.c[part] for part in _KEY))
    known = before.c.outcome.in_(("0", "1")) & after.c.outcome.in_(("0", "1"))
    worse = case((known & (before.c.outcome > after.c.outcome), 1), else_=0)
    better = case((known & (before.c.outcome < after.c.outcome), 1), else_=0)
    # A mean leaves out what is NULL: an errored outcome, or a score that only one of them has.
    outcome = case((known, (better - worse) * 1.0))
    group = (after.c.variant_id, after.c.task, after.c.dataset, after.c.item)
    return (
        select(
            *group,
            func.sum(case((known, 0), else_=1)).label("errored"),
            func.sum(case((known, 1), else_=0)).label("pairs"),
            func.sum(better).label("better"),
            func.sum(worse).label("worse"),
            func.avg(outcome).label("outcome"),
            func.avg(after.c.score - before.c.score).label("score"),
        )
        .select_from(after.join(before, both))
        .group_by(*group)
        .subquery("items")
    )
