"""The committed goldens: `python -m hotfire_testframework.accuracy.goldens --write | --check`.

`--write` evaluates 14 chunks nine times (one exact, eight Monte Carlo): minutes. `--check`
recomputes the exact scores of `--chunks` chunks and the greedy tokens, and compares with what is
committed. `--write --rounding like-llama` leaves those files as they are and adds the bounds of
`aestus-run --round-like-llama`: 33 evaluations of each chunk, a quarter of an hour. They are kept
in the user's cache, so that it goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from hotfire_testframework.accuracy import files, tokenizer
from hotfire_testframework.accuracy.draws import Draws, Task
from hotfire_testframework.accuracy.gguf import GgufFile
from hotfire_testframework.accuracy.like_llama import BlockDraw
from hotfire_testframework.accuracy.oracle import Oracle, Reference
from hotfire_testframework.accuracy.perplexity import (
    CHUNKS,
    CONTEXT,
    F64,
    chunks,
    perplexity,
    scored_targets,
)
from hotfire_testframework.accuracy.spread import Crowd, bound, crowd, lead_bound
from hotfire_testframework.numerics.errors import GoldenError, NumericsError

PERPLEXITY = f"{files.TEXT_NAME}.perplexity.json"
GREEDY = f"{files.TEXT_NAME}.greedy.json"
LLAMA = f"{files.TEXT_NAME}.llama.json"
LIKE_LLAMA = f"{files.TEXT_NAME}.like-llama.json"
PROMPT_TOKENS = 32
GREEDY_TOKENS = 32
# The largest difference between two float64 evaluations of the oracle (another BLAS, another
# order).
REPRODUCTION = 1e-9
# Runs of the rounded arithmetic. Its errors are 10,000 times those of float32, so that a wide
# quantile costs what the bound is for (8 runs: 13 spreads, 15: 8, 32: 6).
ROUNDED_SAMPLES = 15
OPENING_TOKENS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class GreedyGolden:
    """A prompt, its exact greedy continuation, and the reference at each continued position."""

    prompt: list[int]
    tokens: list[int]
    reference: Reference


def load_perplexity() -> Reference:
    """The committed reference of all chunks, chunk-major."""
    return _reference(_read(PERPLEXITY))


def load_greedy() -> GreedyGolden:
    """The committed greedy continuation."""
    stored = _read(GREEDY)
    return GreedyGolden(
        prompt=stored["prompt"], tokens=stored["reference"]["target"], reference=_reference(stored)
    )


def load_llama_perplexity() -> float:
    """Perplexity of all chunks by llama.cpp as it comes (`python -m benchmarks.aestus --write-golden`)."""
    return float(_read(LLAMA)["perplexity"])


def store_llama_perplexity(peer: str, logprobs: Sequence[float]) -> None:
    """Keep what `peer`, a version of llama.cpp, gives for the scored tokens of all chunks."""
    value = perplexity(np.asarray(logprobs, dtype=np.float64))
    _store(LLAMA, {"peer": peer, "context": CONTEXT, "chunks": CHUNKS, "perplexity": value})


def load_rounded_perplexity() -> tuple[Reference, Crowd]:
    """The exact scores of all chunks with the bounds of llama.cpp's roundings, and those of all."""
    stored = _read(LIKE_LLAMA)
    return _bounded(load_perplexity(), stored["perplexity"]), Crowd(**stored["crowd"])


def load_opening() -> Reference:
    """The first tokens of the text, with the bounds of llama.cpp's roundings."""
    return _reference({"reference": _read(LIKE_LLAMA)["opening"]})


def _bounded(reference: Reference, stored: dict[str, list[float]]) -> Reference:
    return replace(reference, **{name: np.asarray(values) for name, values in stored.items()})


def _read(name: str) -> dict[str, Any]:
    stored: dict[str, Any] = json.loads(files.golden(name).read_text("ascii"))
    if stored["model_sha256"] != files.MODEL_SHA256:
        raise GoldenError(f"{name} belongs to another model: {stored['model_sha256']}")
    return stored


def _reference(stored: dict[str, Any]) -> Reference:
    return Reference(**{name: np.asarray(values) for name, values in stored["reference"].items()})


def _printed(reference: Reference) -> dict[str, list[float] | list[int]]:
    """Values to 12 digits, bounds to 3 (rounded up by at most half a digit: they are quantiles)."""
    return {
        "target": reference.target.tolist(),
        "logprob": _digits(reference.logprob, 12),
        "logprob_bound": _digits(reference.logprob_bound, 3),
        "argmax": reference.argmax.tolist(),
        "gap": _digits(reference.gap, 7),
        "gap_bound": _digits(reference.gap_bound, 3),
    }


def _digits(values: np.ndarray[Any, Any], digits: int) -> list[float]:
    return [float(f"{value:.{digits}g}") for value in values.tolist()]


def _store(name: str, content: dict[str, Any]) -> None:
    content = {"model_sha256": files.MODEL_SHA256, **content}
    text = json.dumps(content, separators=(",", ":")).replace('],"', '],\n"')
    files.golden(name).write_text(text + "\n", "ascii")


def write() -> None:
    """Write every golden file anew."""
    model = files.model_path()
    if files.sha256_of(model) != files.MODEL_SHA256:
        raise GoldenError(f"{model} is not the bundled model")
    ids = tokenizer.write_goldens(GgufFile(model))
    oracle = Oracle(model)
    _write_greedy(oracle, ids[:PROMPT_TOKENS])
    parts = []
    for number, chunk in enumerate(chunks(ids)):
        parts.append(oracle.chunk(chunk, draw=number + 1))
        print(f"chunk {number + 1}/{CHUNKS}", file=sys.stderr, flush=True)
    whole = Reference(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in Reference.__slots__
        }
    )
    _store(
        PERPLEXITY,
        {
            "context": CONTEXT,
            "chunks": CHUNKS,
            "perplexity": perplexity(whole.logprob),
            "reference": _printed(whole),
        },
    )


def _write_greedy(oracle: Oracle, prompt: list[int]) -> None:
    tokens = oracle.greedy(prompt, GREEDY_TOKENS)
    reference = oracle.reference(prompt + tokens, len(prompt) - 1, tokens, draw=0)
    _store(GREEDY, {"prompt": prompt, "reference": _printed(reference)})


def text_tasks() -> list[Task]:
    """The scored half of every chunk."""
    parts = enumerate(chunks(files.read_tokens()))
    return [
        Task(name="chunk", number=n, ids=ids, first=CONTEXT // 2, targets=scored_targets(ids))
        for n, ids in parts
    ]


def opening_task() -> Task:
    """The first tokens of the text from the very first on: what an emulator can afford."""
    ids = files.read_tokens()[: OPENING_TOKENS + 1]
    return Task(name="opening", number=CHUNKS, ids=ids, first=0, targets=ids[1:])


def write_rounded() -> None:
    """Write the bounds of llama.cpp's roundings; what is exact stays with the other goldens."""
    draws = Draws(files.model_path(), BlockDraw)
    tasks = text_tasks()
    parts = []
    for task in tasks:
        parts.append(_drawn_reference(draws, task))
        print(f"chunk {task.number + 1}/{len(tasks)}", file=sys.stderr, flush=True)
    opening, _ = _drawn_reference(draws, opening_task())
    limits = asdict(crowd(np.concatenate([deviations for _, deviations in parts], axis=1)))
    bounds = {
        name: np.concatenate([getattr(reference, name) for reference, _ in parts])
        for name in ("logprob_bound", "gap_bound")
    }
    _store(
        LIKE_LLAMA,
        {
            "crowd": limits,
            "perplexity": {name: _digits(values, 3) for name, values in bounds.items()},
            "opening": _printed(opening),
        },
    )


def _drawn_reference(draws: Draws, task: Task) -> tuple[Reference, F64]:
    """The exact scores with their bounds, and the deviations `[samples, positions]` behind them."""
    exact, ids = draws.exact(task)
    drawn = [draws.drawn(task, number) for number in range(ROUNDED_SAMPLES)]
    deviations: F64 = np.array([one.logprob for one in drawn]) - exact.logprob
    leads = np.array([one.leads for one in drawn]) - exact.leads
    reference = Reference(
        target=np.asarray(task.targets, np.int64),
        logprob=exact.logprob,
        logprob_bound=bound(deviations),
        argmax=ids[:, 0],
        gap=exact.leads[:, 0],
        gap_bound=lead_bound(leads, exact.leads),
    )
    return reference, deviations


def check(count: int) -> None:
    """Recompute what is exact and refuse any difference."""
    stored, greedy = load_perplexity(), load_greedy()
    oracle = Oracle(files.model_path())
    if oracle.greedy(greedy.prompt, len(greedy.tokens)) != greedy.tokens:
        raise GoldenError("the greedy tokens differ")
    ids = files.read_tokens()
    for number, chunk in enumerate(chunks(ids, count)):
        fresh = oracle.exact_chunk(chunk)
        part = slice(number * len(fresh.logprob), (number + 1) * len(fresh.logprob))
        worst = float(np.max(np.abs(fresh.logprob - stored.logprob[part])))
        print(f"chunk {number}: largest difference {worst:.2g}")
        if worst > REPRODUCTION or (fresh.argmax != stored.argmax[part]).any():
            raise GoldenError(f"chunk {number} differs by {worst:.3g}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 when the goldens are written or equal, 1 when they differ."""
    parser = argparse.ArgumentParser(prog="goldens", description=__doc__)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true")
    action.add_argument("--check", action="store_true")
    parser.add_argument("--chunks", type=int, default=CHUNKS, help="chunks to check")
    parser.add_argument(
        "--rounding",
        choices=("none", "like-llama"),
        default="none",
        help="with --write: whose bounds",
    )
    options = parser.parse_args(arguments)
    try:
        if options.check:
            check(options.chunks)
        elif options.rounding == "like-llama":
            write_rounded()
        else:
            write()
    except NumericsError as error:
        print(f"goldens: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
