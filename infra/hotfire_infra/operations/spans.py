"""A run that is over as OpenTelemetry spans: run → tasks → attempts.

Names are those of the semantic conventions for CI/CD (cicd.*) and version control (vcs.*). Ids follow
from our ULIDs: the same run is the same trace, however often and by whom it is exported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from hotfire_infra.states import AttemptState, RunVerdict
from hotfire_infra.store.rows import AttemptRow, RunRow, RunSnapshot, TaskRow

RUN_RESULTS: Mapping[RunVerdict, str] = {
    RunVerdict.PASSED: "success",
    RunVerdict.FAILED: "failure",
    RunVerdict.ERRORED: "error",
    RunVerdict.INCOMPLETE: "error",
    RunVerdict.CANCELLED: "cancellation",
}
ATTEMPT_RESULTS: Mapping[AttemptState, str] = {
    AttemptState.PASSED: "success",
    AttemptState.FAILED: "failure",
    AttemptState.ERRORED: "error",
    AttemptState.LOST: "error",
    AttemptState.PREEMPTED: "error",
    AttemptState.TIMED_OUT: "timeout",
    AttemptState.CANCELLED: "cancellation",
}

Attributes = dict[str, str | int | bool]


def trace_id(run_ulid: str) -> int:
    """Return the id of a run's trace: 128 bits of the ULID's sha256, never 0."""
    digest = hashlib.sha256(f"run:{run_ulid}".encode()).digest()
    return int.from_bytes(digest[:16], "big") or 1


def span_id(kind: str, name: str) -> int:
    """Return the id of a span: 64 bits of a sha256 over its kind and our own id, never 0."""
    return int.from_bytes(hashlib.sha256(f"{kind}:{name}".encode()).digest()[:8], "big") or 1


def spans_of(
    whole: RunSnapshot, attempts: Sequence[AttemptRow], *, url: str, resource: Resource
) -> list[ReadableSpan]:
    """Return the spans of a run that is over; `url` is where its page is served."""
    run = whole.run
    made = _Maker(run, f"{url}/r/{run.number}", resource)
    spans = [made.run()]
    by_task: dict[int, list[AttemptRow]] = {}
    for attempt in attempts:
        by_task.setdefault(attempt.task_id, []).append(attempt)
    for task in whole.tasks:
        own = by_task.get(task.id, [])
        spans.append(made.task(task, own))
        spans += [made.attempt(task, attempt) for attempt in own]
    return spans


class _Maker:
    """Makes the spans of one run."""

    def __init__(self, run: RunRow, url: str, resource: Resource) -> None:
        self._run = run
        self._url = url
        self._resource = resource
        self._trace = trace_id(run.ulid)
        self._root = span_id("run", run.ulid)
        self._end = run.finalized_ns or run.started_ns or run.created_ns

    def run(self) -> ReadableSpan:
        run = self._run
        result = RUN_RESULTS.get(run.verdict, "error") if run.verdict else "cancellation"
        attributes: Attributes = {
            "cicd.pipeline.name": run.pipeline,
            "cicd.pipeline.action.name": "RUN",
            "cicd.pipeline.run.id": run.ulid,
            "cicd.pipeline.run.url.full": self._url,
            "cicd.pipeline.result": result,
            "vcs.repository.name": run.source.repository,
            "vcs.ref.head.revision": run.source.revision,
            "hotfire.run.number": run.number,
            "hotfire.run.verdict": str(run.verdict or run.state),
            "hotfire.priority": str(run.priority),
            "hotfire.team": run.team,
        }
        if run.change:
            attributes["vcs.ref.head.name"] = run.change
        return self._span(
            f"RUN {run.pipeline}", self._root, None, run.created_ns, self._end, attributes, result
        )

    def task(self, task: TaskRow, attempts: Sequence[AttemptRow]) -> ReadableSpan:
        began = [task.queued_ns or 0, *(one.created_ns for one in attempts)]
        ended = [one.ended_ns for one in attempts if one.ended_ns is not None]
        start = min((at for at in began if at), default=self._end)
        result = ATTEMPT_RESULTS.get(attempts[-1].state, "error") if attempts else "skip"
        attributes: Attributes = {
            "cicd.pipeline.task.name": task.key,
            "cicd.pipeline.task.run.id": f"{self._run.ulid}/{task.key}",
            "cicd.pipeline.task.run.url.full": self._url,
            "cicd.pipeline.task.run.result": result,
            "hotfire.task.attempts": len(attempts),
        }
        if task.resolution is not None:
            attributes["hotfire.task.resolution"] = str(task.resolution)
        name = self._task_id(task)
        end = max(ended, default=start)
        return self._span(task.key, name, self._root, start, end, attributes, result)

    def attempt(self, task: TaskRow, attempt: AttemptRow) -> ReadableSpan:
        result = ATTEMPT_RESULTS.get(attempt.state, "error")
        attributes: Attributes = {
            "cicd.pipeline.task.name": task.key,
            "cicd.pipeline.task.run.id": attempt.ulid,
            "cicd.pipeline.task.run.url.full": self._url,
            "cicd.pipeline.task.run.result": result,
            "cicd.worker.name": attempt.executor,
            "hotfire.attempt.number": attempt.number,
            "hotfire.attempt.state": str(attempt.state),
        }
        if attempt.holder:
            attributes["cicd.worker.id"] = attempt.holder
        if attempt.failure_class:
            attributes["error.type"] = attempt.failure_class
        start = attempt.started_ns or attempt.created_ns
        return self._span(
            f"{task.key} #{attempt.number}", span_id("attempt", attempt.ulid), self._task_id(task),
            start, attempt.ended_ns or start, attributes, result,
        )  # fmt: skip

    def _task_id(self, task: TaskRow) -> int:
        return span_id("task", f"{self._run.ulid}/{task.key}")

    def _span(
        self, name: str, own: int, parent: int | None, start: int, end: int,
        attributes: Attributes, result: str,
    ) -> ReadableSpan:  # fmt: skip
        is_red = result in {"failure", "error", "timeout"}
        return ReadableSpan(
            name=name,
            context=self._context(own),
            parent=None if parent is None else self._context(parent),
            resource=self._resource,
            attributes=attributes,
            kind=SpanKind.SERVER if parent is None else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR, result) if is_red else Status(StatusCode.UNSET),
            start_time=start,
            end_time=max(start, end),
        )

    def _context(self, own: int) -> SpanContext:
        sampled = TraceFlags(TraceFlags.SAMPLED)
        return SpanContext(self._trace, own, is_remote=False, trace_flags=sampled)
