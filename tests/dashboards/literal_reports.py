"""Reports made of literals: everything a page can meet, without a database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import httpx

from hotfire_infra.analysis.change_reports import ChangeReport
from hotfire_infra.analysis.coverage import LanguageCoverage
from hotfire_infra.analysis.detector_quality import DetectorQuality, Quality, Recall, share
from hotfire_infra.analysis.history import (
    RunSummary,
    SeriesHistory,
    SeriesPoint,
    TestHistory,
    TestOccurrence,
)
from hotfire_infra.analysis.report import (
    CellReport,
    FailedTest,
    PerformancePoint,
    RunReport,
    Source,
)

NOON = 1_795_262_400_000_000_000
SECOND = 1_000_000_000
HOSTILE = "suites.<script>/pytest/<img src=x onerror=alert(1)>&\"'{{7*7}}"
CASE = "aestus.kernels/native/rmsnorm.f32:rows=3,d=33,data=uniform,seed=7"
SOURCE = Source(
    repository="hotfire", revision="3f2a91c0d1e2f3a4b5c6", patch_digest=None,
    subject="Vectorise the quantised dot",
)  # fmt: skip


def cell(task, platform, verdict="passed", **changes):
    execution = changes.pop("execution", "native")
    values = {
        "key": f"{task}|platform={platform}", "task": task, "platform": platform,
        "variant": {"platform": platform, "execution": execution, "build_type": "release"},
        "required": "always", "state": "done", "verdict": verdict, "reason": "",
        "failure_class": None, "attempts": 1, "tests": {"passed": 1}, "duration_ns": 41 * SECOND,
    }  # fmt: skip
    return CellReport(**{**values, **changes})


def failure(test=CASE, message="error 3.71 × the bound at [2, 32]\nexpected 0.4981, got 0.5012"):
    return FailedTest(
        test=test, outcome="failed", failure_class="product", message=message,
        cell="kernels|platform=linux-x86_64",
    )  # fmt: skip


def point(change="unchanged", **changes):
    values = {
        "series": "ab" * 32, "test": "suites.performance.test_decode/pytest/test_decode",
        "platform": "linux-x86_64", "metric": "aestus.decode_rate",
        "unit": "token/s", "value": 172.4,
        "valid": True, "invalid_reason": None, "change": change,
        "change_reason": "no change beyond 3%", "interval": (0.004, -0.012, 0.020),
        "normalised": (0.001, -0.010, 0.012), "earlier_runs": 5, "replicates": 5,
    }  # fmt: skip
    return PerformancePoint(**{**values, **changes})


def green_cells():
    cells = []
    for platform, execution in (
        ("linux-x86_64", "native"), ("l4t-aarch64", "emulated"), ("windows-x86_64", "emulated"),
    ):  # fmt: skip
        cells += [
            cell("build", platform, execution=execution, duration_ns=47 * SECOND),
            cell("kernels", platform, execution=execution, tests={"passed": 1940},
                 summary="worst error 0.62 of its bound", duration_ns=12 * SECOND),
            cell("accuracy", platform, execution=execution, tests={"passed": 3},
                 summary="perplexity 8.50 (reference 8.50)"),
        ]  # fmt: skip
    cells.append(cell("performance", "linux-x86_64", tests={"passed": 6},
                      summary="decode 172 tok/s, 41 % of the bandwidth limit"))  # fmt: skip
    cells.append(
        cell("kernels", "linux-x86_64-sm_90", "not_executable", attempts=0, tests={},
             required="when-available", reason="no NVIDIA device", duration_ns=None)
    )  # fmt: skip
    return cells


def run_report(cells=None, **changes):
    values = {
        "number": 7, "ulid": "01JD3Q6X7V8W9Y0Z1A2B3C4D5E", "pipeline": "pre-merge",
        "source": SOURCE, "plan_digest": "c0ffee" * 10 + "abcd", "state": "finalized",
        "verdict": "passed", "reasons": (), "url": "http://127.0.0.1:8321/r/7",
        "cells": tuple(green_cells() if cells is None else cells), "tasks": 14,
        "tests_expected": 2113, "estimate_seconds": 240.0, "created_ns": NOON,
        "finalized_ns": NOON + 231 * SECOND,
        "coverage": (
            LanguageCoverage(language="C++", files=21, executable_lines=2310, hit_lines=2107,
                             never_loaded=1),
            LanguageCoverage(language="Python", files=64, executable_lines=4800, hit_lines=4512,
                             never_loaded=0),
        ),
        "performance": (point(), point("regressed", metric="aestus.prefill_rate", value=381.0,
                        interval=(-0.182, -0.231, -0.133), normalised=(-0.176, -0.22, -0.132),
                        change_reason="the interval excludes no change")),
    }  # fmt: skip
    return RunReport(**{**values, **changes})


def red_report():
    cells = green_cells()
    bad = (failure(), failure(HOSTILE, "<script>alert('message')</script>"))
    cells[1] = replace(cells[1], verdict="failed", failure_class="product", failures=bad,
                       tests={"passed": 1938, "failed": 2},
                       summary="worst error 3.71 of its bound")  # fmt: skip
    cells[5] = replace(cells[5], verdict="errored", failure_class="infra-node", attempts=2,
                       reason="the emulator died twice (exit 36)", tests={})  # fmt: skip
    return run_report(cells, verdict="failed", number=8, url="http://127.0.0.1:8321/r/8",
                      reasons=("kernels on linux-x86_64: 2 tests failed (product)",
                               "accuracy on l4t-aarch64: infrastructure, no answer"))  # fmt: skip


def live_report():
    cells = [replace(one, verdict=None, state="waiting", tests={}, summary="", attempts=0,
                     duration_ns=None, reason="") for one in green_cells()]  # fmt: skip
    cells[0] = green_cells()[0]
    cells[1] = replace(cells[1], state="running", attempts=1)
    return run_report(cells, state="running", verdict=None, finalized_ns=None, number=9,
                      coverage=(), performance=())  # fmt: skip


def history(test=CASE, outcomes=("passed", "passed", "failed")):
    occurrences = []
    for index, outcome in enumerate(outcomes):
        for platform in ("linux-x86_64", "l4t-aarch64"):
            said = outcome if platform == "linux-x86_64" else "passed"
            occurrences.append(TestOccurrence(
                run=index + 1, revision="3f2a91c0d1", created_ns=NOON + index * 3600 * SECOND,
                platform=platform, cell=f"kernels|platform={platform}",
                variant={"platform": platform, "execution": "native"}, attempt="01JD",
                attempt_number=1, outcome=said, failure_class=None,
                duration_ns=2_100_000, message=failure().message if said == "failed" else "",
                evidence={"impl": "avx2", "n": 99, "error_over_bound": 3.71, "max_ulp": 412},
                environment={"cpu_model": "Zen 5", "governor": {"unreadable": "no such file"}},
            ))  # fmt: skip
    return TestHistory(test=test, occurrences=tuple(reversed(occurrences)))


def change(**values):
    """Return what a detector made of the last point of `series`."""
    said = {
        "id": "01JD3Q6X7V8W9Y0Z1A2B3C4D5F", "series": "ab" * 32, "metric": "aestus.decode_rate",
        "test": "suites.performance.test_decode/pytest/test_decode", "kind": "step",
        "state": "alert", "direction": "worse", "run": 6, "after_run": 5, "until_run": 6,
        "after_revision": "3f2a91c0d1", "until_revision": "3f2a91c0d1", "before": 172.4,
        "after": 141.0, "effect": -0.182, "confidence": 0.99, "reason": "", "cause": "C",
        "noticed_run": 6, "withdrawn_run": None,
        "words": "decode -18.2 % of test_decode since 3f2a91c..3f2a91c (after run 5, by run 6): "
        "172 tok/s → 141 tok/s; alert of run 6",
    }  # fmt: skip
    return ChangeReport(**{**said, **values})


def withdrawn_change():
    words = "decode +3.0 % of test_decode since 3f2a91c..3f2a91c (after run 1, by run 3): "
    return change(
        state="withdrawn", direction="better", run=2, after_run=1, until_run=3, before=171.0,
        after=176.0, noticed_run=4, withdrawn_run=5,
        words=f"{words}171 tok/s → 176 tok/s; withdrawn by run 5",
    )  # fmt: skip


def series(values=(171.0, 172.5, 170.8, 173.0, 172.4, 141.0)):
    points = tuple(
        SeriesPoint(run=i + 1, revision="3f2a91c0d1", created_ns=NOON + i * 3600 * SECOND, value=v,
                    replicates=(v * 0.985, v * 0.995, v, v * 1.004, v * 1.012), probe=38e9,
                    valid=True, invalid_reason=None, machine="bench-1",
                    change="too_few" if i < 3 else "regressed" if v < 150 else "unchanged",
                    change_reason="the interval excludes no change" if v < 150 else "steady",
                    interval=None if i < 3 else (-0.01, -0.03, 0.012))
        for i, v in enumerate(values)
    )  # fmt: skip
    return SeriesHistory(
        key="ab" * 32, test="suites.performance.test_decode/pytest/test_decode",
        metric="aestus.decode_rate", unit="token/s", direction="larger", platform="linux-x86_64",
        variant={"platform": "linux-x86_64", "execution": "native"},
        environment="Zen 5, x86-64-v3, native, clock not fixed", points=points,
        changes=(withdrawn_change(), change()) if len(values) > 5 else (),
    )  # fmt: skip


def summary(report):
    return RunSummary(
        number=report.number, ulid=report.ulid, pipeline=report.pipeline, source=report.source,
        state=report.state, verdict=report.verdict, headline="", created_ns=report.created_ns,
        duration_ns=report.duration_ns,
        totals=report.totals if report.is_final else {"passed": 1, "undecided": 10},
    )  # fmt: skip


@dataclass
class LiteralReports:
    """Satisfies `Reports` from values."""

    all_runs: list[RunReport] = field(default_factory=list)
    tests: dict[str, TestHistory] = field(default_factory=dict)
    all_series: list[SeriesHistory] = field(default_factory=list)
    checks: tuple[Quality, ...] = ()

    def runs(self, limit):
        return tuple(summary(one) for one in reversed(self.all_runs))[:limit]

    def report(self, run):
        return next((r for r in self.all_runs if run in {str(r.number), r.ulid}), None)

    def test(self, identifier):
        return self.tests.get(identifier)

    def series(self, key):
        return next((s for s in self.all_series if s.key.startswith(key)), None)

    def detector(self, limit):
        return DetectorQuality(precision=share(7, 9), checks=self.checks[:limit])


def check(found=38, day=0):
    recall = Recall(low=1.5, high=2.0, found=share(found, 40), delay=8.0)
    return Quality(id=f"check{day}", checked_ns=NOON + day * 86_400 * SECOND,
                   series=40, precision=share(6, 8), recalls=(recall,))  # fmt: skip


def everything():
    return LiteralReports(
        [run_report(), red_report(), live_report()],
        {CASE: history(), HOSTILE: history(HOSTILE)}, [series()], (check(day=1), check(36)),
    )  # fmt: skip


class Browser:
    """Asks an application for pages in this process, without a port."""

    def __init__(self, app, host="127.0.0.1:8321"):
        self._app = app
        self._host = host

    def get(self, path):
        async def ask():
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(
                transport=transport, base_url=f"http://{self._host}"
            ) as client:
                return await client.get(path)

        return asyncio.run(ask())
