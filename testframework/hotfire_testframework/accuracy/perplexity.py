"""The perplexity protocol of llama.cpp, and what one scored position yields.

Chunks of `context` tokens from the start of the text, each evaluated from an empty cache without
a BOS token; the first half only warms up. Scored are the targets context/2 + 1 .. context - 1 of
each chunk (255 of 512), so perplexity = exp(-mean ln p(target)) (llama.cpp,
tools/perplexity/perplexity.cpp).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
Int = NDArray[np.int64]

CONTEXT = 512
CHUNKS = 14
SCORED = CONTEXT // 2 - 1  # per chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Per scored position: ln p(target), the two best ids, their distance in logits."""

    logprob: F64
    argmax: Int
    second: Int
    gap: F64


def chunks(ids: Sequence[int], count: int = CHUNKS, context: int = CONTEXT) -> Iterator[list[int]]:
    """The first `count` chunks of exactly `context` tokens."""
    for start in range(0, count * context, context):
        chunk = list(ids[start : start + context])
        if len(chunk) == context:
            yield chunk


def scored_targets(chunk: Sequence[int]) -> list[int]:
    """The tokens of a chunk whose probability counts."""
    return list(chunk[len(chunk) // 2 + 1 :])


def scores(logits: NDArray[Any], targets: Sequence[int]) -> Scores:
    """Scores of `logits [positions, vocab]` against the token that followed each position."""
    exact = logits.astype(np.float64)
    rows = np.arange(len(targets))
    highest = exact.max(axis=1)
    normaliser = highest + np.log(np.exp(exact - highest[:, None]).sum(axis=1))
    pair = np.argpartition(exact, -2, axis=1)[:, -2:]
    values = np.take_along_axis(exact, pair, axis=1)
    best = np.argmax(values, axis=1)
    return Scores(
        logprob=exact[rows, list(targets)] - normaliser,
        argmax=pair[rows, best].astype(np.int64),
        second=pair[rows, 1 - best].astype(np.int64),
        gap=np.abs(values[:, 1] - values[:, 0]),
    )


def perplexity(logprob: F64) -> float:
    """exp of the mean negative log-probability."""
    return float(np.exp(-np.mean(logprob)))
