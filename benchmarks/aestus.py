"""Aestus against llama.cpp on the same file: `python -m benchmarks.aestus [--quick] [--threads N]`.

Rates are measured in rounds that interleave both sides, one process each, so that a drift of the
machine's speed meets both; the figure is the median over the rounds and the ratio the median of the
rounds' own ratios. Perplexity uses llama.cpp's protocol (context 512, the second half counts) on
inference/data/us-constitution.txt. llama.cpp rounds the activations of quantised products to
8 bits and keys and values to half precision; Aestus does so on request (`--round-like-llama`) and is
then compared with the peer as it comes, and as shipped with the peer that rounds nothing and with
the float64 oracle. The first use compiles llama.cpp.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.builds import build_preset
from benchmarks.peers import BENCHMARKS, ROOT, model_path, peer_python
from benchmarks.report import Row, print_report

from hotfire_testframework.accuracy.goldens import store_llama_perplexity

TEXT = ROOT / "inference" / "data" / "us-constitution.txt"
GOLDEN = ROOT / "inference" / "data" / "goldens" / "us-constitution.perplexity.json"
LLAMA = "llama.cpp (llama-cpp-python 0.3.36)"
PERPLEXITY_TOLERANCE = 0.005  # Relative; the promise.


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured."""

    rounds: int
    prefill: int
    decode: int
    chunks: int


QUICK = Extent(rounds=3, prefill=128, decode=32, chunks=2)
FULL = Extent(rounds=9, prefill=512, decode=128, chunks=14)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """One round, token/s; `bandwidth_share` is decode over the adjacent read probe's limit."""

    prefill: float
    decode: float
    bandwidth_share: float


def bench(binaries: Path, what: str, threads: int, *options: str) -> dict[str, float]:
    """Run one replicate of aestus-bench; return value by metric."""
    command = [str(binaries / "aestus-bench"), "--what", what, "--model", str(model_path())]
    done = subprocess.run(
        [*command, "--threads", str(threads), *options], capture_output=True, text=True, check=True
    )
    return {one["metric"]: one["value"] for one in json.loads(done.stdout)["measurements"]}


def our_round(binaries: Path, extent: Extent, threads: int) -> Rates:
    """Measure Aestus once."""
    prefill = bench(binaries, "prefill", threads, "--prompt", str(extent.prefill))
    decode = bench(binaries, "decode", threads, "--prompt", "1", "--tokens", str(extent.decode))
    return Rates(
        prefill=prefill["aestus.prefill_rate"],
        decode=decode["aestus.decode_rate"],
        bandwidth_share=decode["aestus.bandwidth_share"],
    )


def ask_llama(*arguments: str) -> str:
    """Run the peer's script in its own environment; return what it prints."""
    command = [str(peer_python("llama")), str(BENCHMARKS / "llama_peer.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def llama_round(extent: Extent, threads: int) -> Rates:
    """Measure llama.cpp once."""
    extents = (str(threads), str(extent.prefill), str(extent.decode))
    rates = json.loads(ask_llama("rate", str(model_path()), *extents, str(TEXT)))
    return Rates(prefill=rates["prefill"], decode=rates["decode"], bandwidth_share=math.nan)


def rate_rows(binaries: Path, extent: Extent, threads: int) -> list[Row]:
    """Interleave the rounds; goals come with the speed work, so none is judged here."""
    ours: list[Rates] = []
    peers: list[Rates] = []
    for number in range(extent.rounds):
        print(f"round {number + 1} of {extent.rounds} …", file=sys.stderr, flush=True)
        ours.append(our_round(binaries, extent, threads))
        peers.append(llama_round(extent, threads))
    rows = []
    for name, size in (("prefill", extent.prefill), ("decode", extent.decode)):
        pairs = [(getattr(a, name), getattr(b, name)) for a, b in zip(ours, peers, strict=True)]
        ratio = statistics.median(a / b for a, b in pairs)
        our_rate = statistics.median(a for a, _ in pairs)
        rows.append(
            Row(
                name=f"{name} of {size} tokens, {threads} thread",
                ours=our_rate,
                # So that ours ÷ peer is the median of the rounds' own ratios.
                peer=our_rate / ratio,
                peer_name=LLAMA,
                unit="token/s",
                goal=None,
                better="higher",
            )
        )
    rows.append(
        Row(
            name="decode, share of the adjacent read bandwidth",
            ours=statistics.median(one.bandwidth_share for one in ours),
            peer=1.0,
            peer_name="the machine's read bandwidth",
            unit="1",
            goal=None,
            better="higher",
        )
    )
    return rows


def our_logprobs(binaries: Path, chunks: int, *options: str) -> list[float]:
    """Natural-log probabilities of the scored tokens by aestus-run."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "logprobs.json"
        command = [str(binaries / "aestus-run"), "--model", str(model_path()), "--text", str(TEXT)]
        limits = ["--chunks", str(chunks), "--context", "512", "--threads", "2"]
        command = [*command, *limits, *options, "--logprobs", str(out)]
        subprocess.run(command, capture_output=True, check=True)
        return [float(value) for value in json.loads(out.read_text())["logprob"]]


def perplexity(logprobs: Sequence[float]) -> float:
    """exp of the mean negative log-probability."""
    return math.exp(-statistics.fmean(logprobs))


def perplexity_row(name: str, ours: Sequence[float], peers: Sequence[float], peer_name: str) -> Row:
    """Two perplexities over the same tokens."""
    assert len(ours) == len(peers), (len(ours), len(peers))
    our_value, peer_value = perplexity(ours), perplexity(peers)
    return Row(
        name=f"perplexity, {len(ours)} tokens, {name}",
        ours=our_value,
        peer=peer_value,
        peer_name=peer_name,
        unit="1",
        goal=f"within {PERPLEXITY_TOLERANCE:.1%}",
        better="lower",
        met=abs(our_value / peer_value - 1) <= PERPLEXITY_TOLERANCE,
    )


def perplexity_rows(binaries: Path, chunks: int) -> list[Row]:
    """Against llama.cpp with its roundings and without, and against the float64 oracle."""
    print(f"perplexity over {chunks} chunks …", file=sys.stderr, flush=True)
    question = (str(model_path()), "2", str(chunks), str(TEXT))
    peers = json.loads(ask_llama("logprobs", *question))
    unrounded = json.loads(ask_llama("logprobs-unrounded", *question))
    rounded = our_logprobs(binaries, chunks, "--round-like-llama")
    shipped = our_logprobs(binaries, chunks)
    oracle = json.loads(GOLDEN.read_text())["reference"]["logprob"][: len(shipped)]
    return [
        perplexity_row("llama.cpp's roundings", rounded, peers, LLAMA),
        perplexity_row("float32 activations", shipped, unrounded, f"{LLAMA}, nothing rounded"),
        perplexity_row("float32 activations", shipped, oracle, "float64 oracle"),
    ]


def write_golden() -> None:
    """Keep the perplexity of llama.cpp as it comes, for the accuracy suite to compare with."""
    question = (str(model_path()), "2", str(FULL.chunks), str(TEXT))
    store_llama_perplexity(LLAMA, json.loads(ask_llama("logprobs", *question)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the rows."""
    parser = argparse.ArgumentParser(description="Aestus against llama.cpp on the same file.")
    parser.add_argument("--quick", action="store_true", help="a first figure within a minute")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write-golden", action="store_true", help="only llama.cpp's perplexity")
    options = parser.parse_args(arguments)
    if options.write_golden:
        write_golden()
        return 0
    extent = QUICK if options.quick else FULL
    binaries = build_preset("linux-x86_64") / "bin"
    rows = rate_rows(binaries, extent, options.threads)
    rows.extend(perplexity_rows(binaries, extent.chunks))
    print_report("aestus", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
