"""Examples of the histories that the API returns."""

from __future__ import annotations

from typing import Any

from hotfire_infra.api.documents import AT_NS, ATTEMPT, DIGEST, TEST_EXAMPLE

_VARIANT = {"execution": "native", "platform": "linux-x86_64"}
_REVISION = "3f2a91c000000000000000000000000000000000"

TEST_HISTORY_EXAMPLE: dict[str, Any] = {
    "test": TEST_EXAMPLE["test"],
    "occurrences": [
        {
            "run": 12,
            "revision": _REVISION,
            "created_ns": AT_NS,
            "platform": "linux-x86_64",
            "cell": "kernels|platform=linux-x86_64",
            "variant": _VARIANT,
            "attempt": ATTEMPT,
            "attempt_number": 1,
            "outcome": "passed",
            "failure_class": None,
            "duration_ns": 1_200_000,
            "message": "",
            "evidence": {"error_over_bound": 0.31},
            "environment": {"cpu_model": "Xeon"},
        }
    ],
    "series": [],
    "flakes": [
        {
            "variant": _VARIANT,
            "kind": "known flake",
            "words": "fails in 0.7 % [0.33, 1.2] of 1,205 runs: known flake, p = 0.997",
            "broken": 0.003,
            "rate": 0.007,
            "low": 0.0033,
            "high": 0.012,
            "runs": 1205,
            "failures": 8,
        }
    ],
}
CHANGE_EXAMPLE: dict[str, Any] = {
    "id": "01JD3Q6X7V8W9Y0Z1A2B3C4D5F",
    "series": DIGEST,
    "test": "aestus.performance/pytest/test_speed.py::test_decode",
    "metric": "aestus.decode_rate",
    "kind": "step",
    "state": "alert",
    "direction": "worse",
    "words": "decode -4.1 % of test_speed.py::test_decode since 1b2c3d4..3f2a91c (after run 10, by "
    "run 12): 43.5 tok/s → 41.7 tok/s; alert of run 14",
    "run": 12,
    "after_run": 10,
    "until_run": 12,
    "after_revision": "1b2c3d4000000000000000000000000000000000",
    "until_revision": _REVISION,
    "before": 43.5,
    "after": 41.7,
    "effect": -0.041,
    "confidence": 0.998,
    "reason": "",
    "cause": "01JD3Q6X7V8W9Y0Z1A2B3C4D5G",
    "noticed_run": 14,
    "withdrawn_run": None,
    "label": None,
    "labelled_by": None,
}
SERIES_EXAMPLE: dict[str, Any] = {
    "key": DIGEST,
    "test": "aestus.performance/pytest/test_speed.py::test_decode",
    "metric": "aestus.decode_rate",
    "unit": "token/s",
    "direction": "larger",
    "platform": "linux-x86_64",
    "variant": _VARIANT,
    "environment": "avx2",
    "points": [
        {
            "run": 12,
            "revision": _REVISION,
            "created_ns": AT_NS,
            "value": 41.7,
            "replicates": [41.2, 41.7, 41.9],
            "probe": 21.0,
            "valid": True,
            "invalid_reason": None,
            "machine": "stand-1",
            "change": "unchanged",
            "change_reason": "",
            "interval": [0.001, -0.004, 0.006],
        }
    ],
    "changes": [CHANGE_EXAMPLE],
}
REPORT_EXAMPLE: dict[str, Any] = {
    "number": 12,
    "ulid": "01JD3Q6X7V8W9Y0Z1A2B3C4D5E",
    "pipeline": "pre-merge",
    "source": {
        "repository": "https://git.example.org/aestus.git",
        "revision": _REVISION,
        "patch_digest": None,
        "subject": "Scale before the softmax",
    },
    "plan_digest": DIGEST,
    "state": "finalized",
    "verdict": "passed",
    "reasons": [],
    "url": "http://127.0.0.1:8321/r/12",
    "cells": [],
    "tasks": 31,
    "tests_expected": 9_120,
    "estimate_seconds": None,
    "created_ns": AT_NS,
    "finalized_ns": AT_NS,
    "coverage": [],
    "performance": [],
    "parent_number": None,
    "requested_by": "token:jenkins",
    "not_here": {},
}
SUMMARY_EXAMPLE: dict[str, Any] = {
    "number": 12,
    "ulid": "01JD3Q6X7V8W9Y0Z1A2B3C4D5E",
    "pipeline": "pre-merge",
    "source": REPORT_EXAMPLE["source"],
    "state": "finalized",
    "verdict": "passed",
    "headline": "passed on 2 of 3 platforms",
    "created_ns": AT_NS,
    "duration_ns": 90_000_000_000,
    "totals": {"passed": 24, "not_executable": 3},
}
HOLD_EXAMPLE: dict[str, Any] = {
    "id": "01JD3Q8E0000000000000000AE",
    "run": 12,
    "cell": "kernels|platform=linux-x86_64",
    "attempt": ATTEMPT,
    "attempt_number": 1,
    "held_by": "user:ada",
    "until": "2026-11-21T16:00:00Z",
    "seconds_left": 1800,
    "directory": "/srv/hotfire/attempts/01JD3Q7A0000000000000000AA/work",
    "refusal": "",
}

KERNEL_ERRORS_EXAMPLE: dict[str, Any] = {
    "group": {"kernel": "gemm", "dtype": "f32", "shape": "small", "arch": "linux-x86_64 avx2"},
    "runs": [
        {
            "run": 12,
            "ulp": {"cases": 214, "quantiles": [1.0, 3.0, 9.0, 14.0]},
            "relative": {"cases": 214, "quantiles": [6e-08, 2e-07, 6e-07, 9e-07]},
            "over_bound": 0.31,
            "ulp_level": 0.0,
            "relative_level": 0.0,
        }
    ],
    "ulp_alarms": [],
    "relative_alarms": [],
}

DETECTOR_EXAMPLE: dict[str, Any] = {
    "precision": {"hits": 7, "trials": 9, "value": 0.7778, "interval": [0.4526, 0.9368]},
    "checks": [
        {
            "id": "01JD3Q8E0000000000000000AF",
            "checked_ns": AT_NS,
            "series": 40,
            "precision": {"hits": 6, "trials": 8, "value": 0.75, "interval": [0.4093, 0.9285]},
            "recalls": [
                {
                    "low": 1.5,
                    "high": 2.0,
                    "found": {"hits": 38, "trials": 40, "value": 0.95, "interval": [0.835, 0.9862]},
                    "delay": 8.0,
                }
            ],
        }
    ],
}
