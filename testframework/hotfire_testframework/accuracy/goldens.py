"""The committed goldens: `python -m hotfire_testframework.accuracy.goldens --write | --check`.

`--write` evaluates 14 chunks nine times (one exact, eight Monte Carlo): minutes. `--check`
recomputes the exact scores of `--chunks` chunks and the greedy tokens, and compares with what is
committed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hotfire_testframework.accuracy import files, tokenizer
from hotfire_testframework.accuracy.gguf import GgufFile
from hotfire_testframework.accuracy.oracle import Oracle, Reference
from hotfire_testframework.accuracy.perplexity import CHUNKS, CONTEXT, chunks, perplexity
from hotfire_testframework.numerics.errors import GoldenError, NumericsError

PERPLEXITY = f"{files.TEXT_NAME}.perplexity.json"
GREEDY = f"{files.TEXT_NAME}.greedy.json"
LLAMA = f"{files.TEXT_NAME}.llama.json"
PROMPT_TOKENS = 32
GREEDY_TOKENS = 32
# The largest difference between two float64 evaluations of the oracle (another BLAS, another
# order).
REPRODUCTION = 1e-9


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
    options = parser.parse_args(arguments)
    try:
        write() if options.write else check(options.chunks)
    except NumericsError as error:
        print(f"goldens: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
