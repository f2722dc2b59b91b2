"""aestus-cases on a GPU: asked for by argument or environment, asserted by launches, refused where there is none.

The fake driver runs the kernels' own source on the processor, so the arithmetic and the exchanges between lanes are
tested here; nvcc's code, device memory and speed only where a GPU is.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from hotfire_testframework.contract.exit_codes import RunnerExit
from hotfire_testframework.contract.task import AttemptSpec, TaskSpec
from hotfire_testframework.contract.ulid import new_ulid

CASES = Path(__file__).resolve().parents[3] / "inference" / "cases"
SWIGLU = "swiglu.f32:n=5,data=uniform,seed=1"
SWIGLU_DIES = {"FAKE_CUDA_FAIL": "aestus_swiglu_f32_kernel"}
ONE, OTHER = (f"gemm.f32:m=2,n=3,k=8,data=exact,seed={seed}" for seed in (1, 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a run of aestus-cases left behind."""

    code: int
    said: str
    events: list[dict]

    def ends(self):
        return [one for one in self.events if one["event"] == "end"]


@pytest.fixture
def program(aestus_build):
    return aestus_build("linux-x86_64") / "bin" / "aestus-cases"


@pytest.fixture
def fake(fake_driver, tmp_path):
    """The environment of a machine with one fake device and a fatbin."""
    (tmp_path / "kernels.fatbin").write_bytes(b"any image")
    return {
        "AESTUS_CUDA_DRIVER": str(fake_driver),
        "AESTUS_CUDA_FATBIN": str(tmp_path / "kernels.fatbin"),
        "FAKE_CUDA_DEVICES": "1",
    }


@pytest.fixture
def run_cases(program, fake, tmp_path):
    """`run_cases(lines, arguments, **environment)` on the fake device."""

    def run(lines, *arguments, **environment):
        listed, events = tmp_path / "list.cases", tmp_path / "events.jsonl"
        listed.write_text("".join(f"{line}\n" for line in lines))
        events.write_text("")
        done = subprocess.run(
            [program, "--cases", listed, *arguments],
            env={**fake, "AESTUS_RESULTS": str(events), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        records = [json.loads(line) for line in events.read_text().splitlines()]
        return Answer(code=done.returncode, said=done.stderr, events=records)

    return run


@pytest.mark.parametrize("way", ["argument", "environment"])
def test_a_case_runs_on_the_gpu_and_says_so(run_cases, way):
    answer = (
        run_cases([ONE], "--impl", "cuda", AESTUS_FORCE_IMPL="scalar")
        if way == "argument"
        else run_cases([ONE], AESTUS_FORCE_IMPL="cuda")
    )
    assert answer.code == 0, answer.said
    (end,) = answer.ends()
    assert (end["metrics"]["impl"], end["metrics"]["isa"]) == ("cuda", "sm_90")
    assert answer.events[-1]["event"] == "finish"
    assert "(cuda, sm_90)" in answer.said


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(path.stem for path in CASES.glob("*.cases")))
def test_every_committed_case_passes_with_the_bits_of_the_processor(run_cases, operator):
    text = (CASES / f"{operator}.cases").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    gpu, cpu = run_cases(lines, "--impl", "cuda"), run_cases(lines, "--impl", "scalar")
    assert (gpu.code, cpu.code) == (0, 0), gpu.said
    assert [one["name"] for one in gpu.ends()] == lines
    assert {one["metrics"]["impl"] for one in gpu.ends()} == {"cuda"}
    assert {one["metrics"]["impl"] for one in cpu.ends()} == {"scalar"}
    digests = [[one["metrics"]["digest"] for one in answer.ends()] for answer in (gpu, cpu)]
    assert digests[0] == digests[1]


def test_an_f32_product_of_stored_weights_is_a_gemm(run_cases):
    answer = run_cases(["qmatmul.f32:m=2,n=3,k=32,data=exact,seed=1"], "--impl", "cuda")
    assert (answer.code, answer.ends()[0]["metrics"]["impl"]) == (0, "cuda")


@pytest.mark.parametrize(
    ("fault", "why"),
    [("wrong", "element 5: .* must be equal"), ("lazy", "element 0: got .*nan, .* differs")],
)
def test_an_output_that_is_wrong_or_never_written_is_red(run_cases, fault, why):
    answer = run_cases([ONE], "--impl", "cuda", FAKE_CUDA_FAIL=fault)
    assert answer.code == 1
    (end,) = answer.ends()
    assert end["outcome"] == "failed"
    assert re.match(why, end["message"])


def test_a_lost_device_fails_its_case_and_ends_the_process_before_the_next(run_cases):
    answer = run_cases([ONE, SWIGLU, OTHER], "--impl", "cuda", **SWIGLU_DIES)
    assert answer.code == 1
    assert [one["outcome"] for one in answer.ends()] == ["passed", "failed"]
    assert "aestus_swiglu_f32_kernel: " in answer.ends()[1]["message"]
    assert [one["event"] for one in answer.events] == ["start", "end", "start", "end"]
    assert "the device is lost after swiglu" in answer.said


def test_a_kernel_missing_from_the_fatbin_fails_its_cases_and_no_other(run_cases):
    missing = {"FAKE_CUDA_FAIL": "no aestus_swiglu_f32_kernel"}
    answer = run_cases([SWIGLU, ONE], "--impl", "cuda", **missing)
    assert [one["outcome"] for one in answer.ends()] == ["failed", "passed"]
    assert "the CUDA kernels hold no aestus_swiglu_f32_kernel" in answer.ends()[0]["message"]
    assert answer.events[-1]["event"] == "finish"


def test_after_a_lost_device_the_runner_does_the_rest_in_a_new_process(program, fake, tmp_path):
    lines = [ONE, SWIGLU, OTHER]
    spec = TaskSpec.from_json(
        {
            "harness": "cases",
            "command": [str(program)],
            "cases": lines,
            "env": {**fake, **SWIGLU_DIES, "AESTUS_FORCE_IMPL": "cuda"},
        }
    )
    attempt = AttemptSpec(attempt=new_ulid(), run="r", task="kernels", spec=spec, claim=False)
    directory = tmp_path / "attempt"
    directory.mkdir()
    (directory / "attempt.json").write_bytes(attempt.encode())
    done = subprocess.run(
        [sys.executable, "-m", "hotfire_testframework.runner", directory],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == RunnerExit.PRODUCT_FAILURE, done.stderr
    records = map(json.loads, (directory / "stream.jsonl").read_text().splitlines())
    ends = [one for one in records if one["kind"] == "test_attempt"]
    assert [one["outcome"] for one in ends] == ["passed", "failed", "passed"]
    assert ends[2]["metrics"]["impl"] == "cuda"


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"AESTUS_CUDA_FATBIN": ""}, "the implementation cuda needs AESTUS_CUDA_FATBIN"),
        ({"AESTUS_CUDA_FATBIN": "nowhere.fatbin"}, "cannot read the CUDA kernels 'nowhere.fatbin'"),
        ({"AESTUS_CUDA_DRIVER": "libnothing.so"}, "no CUDA device: the driver libnothing.so"),
        ({"FAKE_CUDA_DEVICES": "0"}, "counts 0 devices"),
    ],
)
def test_without_a_gpu_or_its_kernels_one_line_says_so_and_nothing_runs(
    run_cases, environment, sentence
):
    answer = run_cases([ONE], AESTUS_FORCE_IMPL="cuda", **environment)
    assert answer.code == 2
    assert answer.events == []
    (line,) = answer.said.splitlines()
    assert sentence in line
