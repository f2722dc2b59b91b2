"""Mutated model files crash nothing under the sanitizers."""

from __future__ import annotations

import json
import os
import subprocess

MUTANTS = 100_000
LARGEST_SEED_BYTES = 64 * 1024


def test_no_mutant_of_a_small_model_crashes(aestus_build):
    tool = aestus_build("asan") / "bin" / "aestus-fuzz-gguf"
    # A mutant may ask for more memory than there is: that is a refusal, not a crash.
    environment = os.environ | {"ASAN_OPTIONS": "allocator_may_return_null=1"}
    done = subprocess.run(
        [tool, "--count", str(MUTANTS), "--seed", "1"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout)
    assert report["seed_bytes"] <= LARGEST_SEED_BYTES
    assert report["count"] == MUTANTS == sum(report["outcomes"].values())
    # Otherwise the mutants never got beyond the reader, or were no mutants.
    assert report["outcomes"]["ran"] > MUTANTS // 100
    assert report["outcomes"]["status 3"] > MUTANTS // 100
