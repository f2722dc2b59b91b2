"""aestus-run and aestus-bench as a caller sees them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from hotfire_testframework.contract.metrics import METRICS


@pytest.fixture(scope="module")
def tools(aestus_build) -> Path:
    return aestus_build("linux-x86_64") / "bin"


@pytest.fixture(scope="module")
def tiny_model(tools, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    call(tools / "aestus-fuzz-gguf", "--write", path, "--count", 0)
    return path


@pytest.fixture
def tokens(tmp_path) -> Path:
    path = tmp_path / "tokens.txt"
    path.write_text(" ".join(str(i * 31 % 266) for i in range(70)))
    return path


def call(*argv: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=False)


def test_perplexity_scores_the_second_half_of_each_chunk(tools, tiny_model, tokens, tmp_path):
    columns = tmp_path / "columns.json"
    arguments = ["--tokens", tokens, "--context", 16, "--chunks", 4, "--logprobs", columns]
    done = call(tools / "aestus-run", "--model", tiny_model, *arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["perplexity"]["tokens_scored"] == 4 * 7
    positions = json.loads(columns.read_text())["position"]
    assert positions[:8] == [8, 9, 10, 11, 12, 13, 14, 24]


def test_teacher_and_greedy_agree_where_they_meet(tools, tiny_model, tokens):
    arguments = ["--tokens", tokens, "--limit", 9, "--teacher", "--greedy", 1]
    report = json.loads(call(tools / "aestus-run", "--model", tiny_model, *arguments).stdout)
    longer = ["--tokens", tokens, "--limit", 10, "--teacher"]
    other = json.loads(call(tools / "aestus-run", "--model", tiny_model, *longer).stdout)
    assert report["greedy"]["digest"][0] == other["teacher"]["digest"][8]
    assert report["teacher"]["digest"] == other["teacher"]["digest"][:8]


@pytest.mark.parametrize("impl", ["scalar", "auto"])
@pytest.mark.parametrize("threads", [1, 2])
def test_implementation_and_threads_do_not_change_a_digest(
    tools, tiny_model, tokens, monkeypatch, impl, threads
):
    arguments = ["--model", tiny_model, "--tokens", tokens, "--limit", 20, "--teacher"]
    expected = json.loads(call(tools / "aestus-run", *arguments).stdout)["teacher"]
    monkeypatch.setenv("AESTUS_FORCE_IMPL", impl)
    forced = json.loads(call(tools / "aestus-run", *arguments, "--threads", threads).stdout)
    assert forced["teacher"] == expected


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model", "absent.gguf", "--text", "absent.txt"], "absent.gguf: cannot open"),
        (["--modle", "x"], "unknown argument --modle"),
        (["--model"], "--model needs a value"),
        ([], "--model is required"),
    ],
)
def test_wrong_request_is_one_sentence_and_exit_code_2(tools, arguments, sentence):
    done = call(tools / "aestus-run", *arguments)
    assert done.returncode == 2
    assert sentence in done.stderr.splitlines()[0]


def test_unforceable_implementation_is_exit_code_2(tools, tiny_model, tokens, monkeypatch):
    monkeypatch.setenv("AESTUS_FORCE_IMPL", "abacus")
    done = call(tools / "aestus-run", "--model", tiny_model, "--tokens", tokens, "--teacher")
    assert done.returncode == 2
    assert "abacus" in done.stderr


@pytest.mark.parametrize("what", ["load", "prefill", "decode"])
def test_bench_reports_its_metric_beside_the_probe(tools, tiny_model, what):
    sizes = ["--prompt", 8, "--tokens", 4, "--probe-bytes", 1 << 20]
    done = call(tools / "aestus-bench", "--what", what, "--model", tiny_model, *sizes)
    assert done.returncode == 0, done.stderr
    measurements = json.loads(done.stdout)["measurements"]
    metrics = [m["metric"] for m in measurements]
    assert metrics[0] == {"load": "aestus.load_time"}.get(what, f"aestus.{what}_rate")
    assert metrics[-2:] == ["probe.read_bandwidth"] * 2
    assert all(m["value"] > 0 for m in measurements)


def test_bench_decodes_without_and_with_timers_in_blocks(tools, tiny_model):
    sizes = ("--prompt", 8, "--tokens", 4, "--probe-bytes", 1 << 20)
    done = call(tools / "aestus-bench", "--what", "timers", "--model", tiny_model, *sizes)
    rows = [one for one in json.loads(done.stdout)["measurements"] if one["unit"] == "token/s"]
    letters = "".join("B" if "timers=on" in one["name"] else "A" for one in rows)
    assert letters == "ABBA" * 6
    assert all(one["value"] > 0 for one in rows)


def test_bench_tells_what_a_decoded_token_is_made_of(tools, tiny_model):
    sizes = ["--prompt", 8, "--tokens", 48, "--probe-bytes", 1 << 20]
    done = call(tools / "aestus-bench", "--what", "decode", "--model", tiny_model, *sizes)
    measurements = json.loads(done.stdout)["measurements"]
    parts = {m["metric"]: m["value"] for m in measurements if "decode_time" in m["metric"]}
    assert set(parts) == {one.name for one in METRICS if one.part_of == "aestus.decode_rate"}
    assert all(m["unit"] == "s" for m in measurements if m["metric"] in parts)
    assert min(parts.values()) > 0


def test_bench_tells_peak_memory(tools, tiny_model):
    done = call(tools / "aestus-bench", "--what", "memory", "--model", tiny_model, "--prompt", 8)
    measurement = json.loads(done.stdout)["measurements"][0]
    assert measurement["metric"] == "aestus.peak_memory"
    assert 1 << 20 < measurement["value"] < 1 << 28
