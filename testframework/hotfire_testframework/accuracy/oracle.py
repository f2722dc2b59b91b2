"""Exact answers with float32 bounds: perplexity chunks, teacher-forced greedy tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hotfire_testframework.accuracy.arithmetic import Array, MonteCarlo
from hotfire_testframework.accuracy.decoder import Decoder, Weights
from hotfire_testframework.accuracy.perplexity import F64, Int, Scores, scored_targets, scores
from hotfire_testframework.accuracy.spread import SAMPLES, bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Exact scores of consecutive positions with the bound of each; arrays of one length."""

    target: Int
    logprob: F64
    logprob_bound: F64
    argmax: Int
    gap: F64
    gap_bound: F64


class Oracle:
    """The float64 decoder beside Monte Carlo draws of the same evaluation."""

    def __init__(self, model: Path) -> None:
        weights = Weights(model, np.dtype(np.float64))
        self._exact = Decoder(weights)
        self._arithmetic = MonteCarlo(0)
        self._noisy = Decoder(weights, self._arithmetic)

    def chunk(self, ids: Sequence[int], draw: int) -> Reference:
        """The scored half of one perplexity chunk; `draw` separates the random streams."""
        first = len(ids) // 2
        return self.reference(ids, first, scored_targets(ids), draw)

    def exact_chunk(self, ids: Sequence[int]) -> Scores:
        """As `chunk`, without the bounds: one evaluation instead of nine."""
        targets = scored_targets(ids)
        return scores(self._exact.logits(ids, len(ids) // 2)[: len(targets)], targets)

    def reference(
        self, ids: Sequence[int], first: int, targets: Sequence[int], draw: int
    ) -> Reference:
        """Scores of the positions from `first` on, one per target."""
        count = len(targets)
        exact = scores(self._exact.logits(ids, first)[:count], targets)
        logprobs, gaps = [], []
        for sample in range(SAMPLES):
            self._arithmetic.reseed(draw * SAMPLES + sample)
            noisy = self._noisy.logits(ids, first)[:count]
            logprobs.append(scores(noisy, targets).logprob - exact.logprob)
            gaps.append(_gap(noisy, exact) - exact.gap)
        return Reference(
            target=np.asarray(targets, np.int64),
            logprob=exact.logprob,
            logprob_bound=bound(np.array(logprobs)),
            argmax=exact.argmax,
            gap=exact.gap,
            gap_bound=bound(np.array(gaps)),
        )

    def greedy(self, prompt: Sequence[int], count: int) -> list[int]:
        """`count` most probable continuations of `prompt`, each fed back."""
        ids = list(prompt)
        for _ in range(count):
            ids.append(int(self._exact.logits(ids, len(ids) - 1)[0].argmax()))
        return ids[len(prompt) :]


def _gap(logits: Array, exact: Scores) -> F64:
    """Distance between the two ids that lead exactly, in another evaluation."""
    rows = np.arange(len(exact.gap))
    distance: F64 = logits[rows, exact.argmax] - logits[rows, exact.second]
    return distance
