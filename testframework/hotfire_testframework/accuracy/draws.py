"""Monte Carlo evaluations of token sequences, each kept on disk: what was drawn stays drawn.

A draw of 512 tokens takes seconds and a bound needs hundreds of them, so an interrupted run goes on
where it stopped. The name of the folder says what the numbers depend on: the model and the code
that evaluates it, without its comments and docstrings.
"""

from __future__ import annotations

import ast
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hotfire_testframework.accuracy import files
from hotfire_testframework.accuracy.arithmetic import Arithmetic, Array, Exact
from hotfire_testframework.accuracy.decoder import Decoder, Weights
from hotfire_testframework.accuracy.perplexity import F64, Int

# Tokens that could take the place of the most probable one; of the rest the furthest stands in.
RIVALS = 31
_EVALUATION = ("arithmetic", "decoder", "draws", "gguf", "like_llama")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Positions `first` .. `first + len(targets) - 1` of a sequence, under a name and a number."""

    name: str
    number: int
    ids: Sequence[int]
    first: int
    targets: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One evaluation: `logprob [positions]`, `leads [positions, RIVALS]` in logits.

    A lead is the distance of the token that leads exactly from one of its rivals.
    """

    logprob: F64
    leads: F64


class Draws:
    """Evaluates tasks exactly and under drawn roundings, or finds them in `folder`."""

    def __init__(
        self, model: Path, draw: Callable[..., Arithmetic], folder: Path | None = None
    ) -> None:
        self._model = model
        self._draw = draw
        base = folder or files.cache_directory() / "draws"
        self._folder = base / _digest(draw.__name__)
        self._weights: dict[str, Weights] = {}

    def exact(self, task: Task) -> tuple[Evaluation, Int]:
        """In float64: the evaluation and the ids `[positions, RIVALS + 1]`, the leader first."""
        path = self._folder / f"{task.name}-{task.number}-exact.npz"
        if not path.is_file():
            logits = self._logits(task, Exact())
            leading = np.argpartition(logits, -RIVALS - 1, axis=1)[:, -RIVALS - 1 :]
            order = np.argsort(-np.take_along_axis(logits, leading, axis=1), axis=1)
            ids = np.take_along_axis(leading, order, axis=1).astype(np.int64)
            one = _evaluation(logits, task, ids)
            _keep(path, logprob=one.logprob, leads=one.leads, ids=ids)
        with np.load(path) as kept:
            return Evaluation(logprob=kept["logprob"], leads=kept["leads"]), kept["ids"]

    def drawn(self, task: Task, number: int) -> Evaluation:
        """Draw `number` of the roundings; the same number gives the same errors."""
        path = self._folder / f"{task.name}-{task.number}-{number}.npz"
        if not path.is_file():
            logits = self._logits(task, self._draw(task.number, number))
            one = _evaluation(logits, task, self.exact(task)[1])
            _keep(path, logprob=one.logprob, leads=one.leads)
        with np.load(path) as kept:
            return Evaluation(logprob=kept["logprob"], leads=kept["leads"])

    def _logits(self, task: Task, arithmetic: Arithmetic) -> Array:
        name = arithmetic.dtype.name
        if name not in self._weights:
            self._weights[name] = Weights(self._model, arithmetic.dtype)
        logits = Decoder(self._weights[name], arithmetic).logits(task.ids, task.first)
        return logits[: len(task.targets)]


def _evaluation(logits: Array, task: Task, ids: Int) -> Evaluation:
    highest = logits.max(axis=1).astype(np.float64)
    total = np.exp(logits - logits.max(axis=1, keepdims=True)).sum(axis=1, dtype=np.float64)
    rows = np.arange(len(task.targets))
    chosen = np.take_along_axis(logits, ids, axis=1).astype(np.float64)
    return Evaluation(
        logprob=logits[rows, list(task.targets)] - highest - np.log(total),
        leads=chosen[:, :1] - chosen[:, 1:],
    )


def _keep(path: Path, **values: Any) -> None:
    """Whole or not at all: two processes may fill one folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.npz")
    np.savez(part, **values)
    part.replace(path)


def _digest(arithmetic: str) -> str:
    """Name what an evaluation depends on."""
    digest = hashlib.sha256(f"{files.MODEL_SHA256} {arithmetic}".encode())
    for module in _EVALUATION:
        tree = ast.parse(Path(__file__).with_name(f"{module}.py").read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
                node
            ):
                node.body = node.body[1:]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:16]
