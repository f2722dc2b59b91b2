"""Reference accuracies in TensorRT-LLM's format, and the thresholds they stand for.

    table = references.read("references/gsm8k.yaml")
    entry = table.lookup("deepseek-ai/DeepSeek-V3-Lite", quant_algo="NVFP4")
    references.threshold(entry, n=1319)  # 60.507

Scores, σ and thresholds are in the units of the file: points of 0..100, or a perplexity.
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from types import MappingProxyType
from typing import Any

from hotfire_testframework.accuracy.reference_file import Written, read_models
from hotfire_testframework.numerics.errors import ReferenceFileError

SPECS: Mapping[str, Any] = MappingProxyType(
    {
        "dtype": "auto",
        "quant_algo": None,
        "kv_cache_quant_algo": None,
        "spec_dec_algo": None,
        "extra_acc_spec": None,
    }
)
"""What a reference is asked by, with the value that holds where nobody says otherwise."""
PARAMETERS = ("alpha", "beta", "sigma", "num_samples", "higher_is_better", "threshold")
METRICS = ("accuracy", "wer", "perplexity")
LOWER_IS_BETTER = frozenset({"wer", "perplexity"})
_NOTES = frozenset({"reference_note", "ref_al", "min_al"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a task's file does not say: σ in points, the samples of a full run, α and β."""

    num_samples: int | None = None
    sigma: float = 50.0
    alpha: float = 0.05
    beta: float = 0.2
    higher_is_better: bool = True


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "gsm8k": Task(num_samples=1319),
        "gsm8k_inferencemax": Task(num_samples=1319),
        "gsm8k_inferencex": Task(num_samples=1319),
        "mmlu": Task(num_samples=4096),
        "mmmu": Task(num_samples=900),
        "gpqa_diamond": Task(num_samples=198),
        "json_mode_eval": Task(num_samples=100),
        "cnn_dailymail": Task(num_samples=512, sigma=11.06, alpha=0.002),
        "humaneval": Task(num_samples=164, sigma=15.08, alpha=0.002),
        "zero_scrolls": Task(num_samples=80, sigma=6.97, alpha=0.002),
        "SlimPajama-6B": Task(num_samples=86, sigma=4.48, alpha=0.01, higher_is_better=False),
        "longbench_v1": Task(num_samples=4750),
        "longbench_v2": Task(num_samples=215),
        "videomme": Task(num_samples=300),
        "voxpopuli": Task(num_samples=32, higher_is_better=False),
        # Exact: z is 0 at α = .5, so the threshold is the reference.
        "passkey_retrieval_64k": Task(num_samples=20, sigma=0.0, alpha=0.5),
        "passkey_retrieval_128k": Task(num_samples=20, sigma=0.0, alpha=0.5),
    }
)
"""Defaults by the name of the file, as TensorRT-LLM's `accuracy_core.py` states them in 2026."""


class Entry(Mapping[str, Any]):
    """One reference: its keys as written, and where it stands; absent parameters are the task's."""

    __slots__ = ("file", "line", "metric", "model", "task", "values_")

    def __init__(self, model: str, written: Written, file: str, task: Task) -> None:
        self.model = model
        self.file = file
        self.line = written.line
        self.task = task
        self.values_ = written.values
        self.metric = next((name for name in METRICS if name in written.values), "accuracy")
        self._check()

    def __getitem__(self, key: str) -> Any:
        """Return a value as written in the file."""
        return self.values_[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys as written."""
        return iter(self.values_)

    def __len__(self) -> int:
        """Count the keys as written."""
        return len(self.values_)

    def __repr__(self) -> str:
        """Name the model, what is special about it, and its score."""
        return f"<{self.place}: {self.model} {self.words} {self.metric} {self.get(self.metric)}>"

    @property
    def place(self) -> str:
        """File and line, as errors name them."""
        return f"{self.file}:{self.line}"

    @property
    def is_acceptance_length(self) -> bool:
        """Whether this is a length of accepted drafts (`ref_al`, `min_al`), not a score."""
        return "min_al" in self.values_ or "ref_al" in self.values_

    @property
    def accuracy(self) -> float:
        """The reference score in the units of the file."""
        return float(self.values_["ref_al" if self.is_acceptance_length else self.metric])

    @property
    def alpha(self) -> float:
        """One-sided probability of a false failure."""
        return float(self._stated("alpha"))

    @property
    def beta(self) -> float:
        """Probability to miss a drop of `detectable`."""
        return float(self._stated("beta"))

    @property
    def sigma(self) -> float:
        """Standard deviation of one sample's score."""
        return float(self._stated("sigma"))

    @property
    def num_samples(self) -> int | None:
        """Samples of a run, or None where neither file nor task says."""
        found = self._stated("num_samples")
        return None if found is None else int(found)

    @property
    def higher_is_better(self) -> bool:
        """Whether a drop is bad; a rise is, for a word error rate or a perplexity."""
        by_task = self.task.higher_is_better and self.metric not in LOWER_IS_BETTER
        return bool(self.get("higher_is_better", by_task))

    @property
    def specs(self) -> Mapping[str, Any]:
        """The five keys that a lookup compares, with their defaults."""
        return {key: self.get(key, default) for key, default in SPECS.items()}

    @property
    def words(self) -> str:
        """What is special about this entry: `quant_algo=FP8`, or `default`."""
        return _words(self.specs)

    def _stated(self, name: str) -> Any:
        """A parameter as written, or the task's where it is absent or null."""
        written = self.get(name)
        return getattr(self.task, name) if written is None else written

    def _check(self) -> None:
        """Refuse what no threshold could be computed from, by file, line and value."""
        if self.is_acceptance_length:
            return
        score = self.values_.get(self.metric)
        if score is None:
            known = (*SPECS, *PARAMETERS, *METRICS)
            odd = [key for key in self.values_ if key not in known and key not in _NOTES]
            raise ReferenceFileError(
                f"{self.place}: {self.model}: no {' or '.join(METRICS)} in {dict(self.values_)!r}"
                + "".join(_nearest(str(key), known) for key in odd)
            )
        for name in (self.metric, "alpha", "beta", "sigma", "num_samples", "threshold"):
            value = self.values_.get(name)
            if value is not None and not _is_usable(name, value):
                raise ReferenceFileError(
                    f"{self.place}: {self.model}: {name} is {value!r}, expected {_EXPECTED[name]}"
                )


_EXPECTED = {
    **dict.fromkeys((*METRICS, "threshold"), "a finite number"),
    **dict.fromkeys(("alpha", "beta"), "a probability between 0 and 1"),
    "sigma": "a number that is not negative",
    "num_samples": "a whole number above 0",
}


def _is_usable(name: str, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return False
    if name in {"alpha", "beta"}:
        return 0 < value < 1
    if name == "num_samples":
        return value > 0 and value == int(value)
    return name != "sigma" or value >= 0


class References(Mapping[str, tuple[Entry, ...]]):
    """One task's file: model → entries in the order of the file, which is the order of a lookup."""

    __slots__ = ("_models", "file", "repeated", "task")

    def __init__(
        self,
        file: str,
        models: Mapping[str, tuple[Entry, ...]],
        repeated: tuple[str, ...],
        task: str,
    ) -> None:
        self.file = file
        self.task = task
        self.repeated = repeated
        self._models = models

    def __getitem__(self, model: str) -> tuple[Entry, ...]:
        """Return the entries of a model."""
        return self._models[model]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the models in the order of the file."""
        return iter(self._models)

    def __len__(self) -> int:
        """Count the models."""
        return len(self._models)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries of all models."""
        return tuple(entry for model in self._models.values() for entry in model)

    def lookup(self, model: str, **specs: Any) -> Entry:
        """Return the first entry of `model` whose values equal the five specs asked for.

        A spec not given is asked for at its default (`dtype` auto, else None). Keys beyond the
        five are ignored in an entry unless asked for. Raises `ReferenceFileError` with the
        nearest known model, key or entry.
        """
        entries = self._models.get(model)
        if entries is None:
            hint = _nearest(model, tuple(self._models))
            raise ReferenceFileError(f"{self.file}: no references of model {model!r}{hint}")
        known = {*SPECS, *(key for entry in self.entries for key in entry)}
        for key in specs:
            if key not in known:
                hint = _nearest(key, tuple(SPECS))
                raise ReferenceFileError(f"{self.file}: no entry has a key {key!r}{hint}")
        asked = {**SPECS, **specs}
        for entry in entries:
            if all(entry.get(key, SPECS.get(key)) == value for key, value in asked.items()):
                return entry
        nearest = max(entries, key=lambda one: _agreement(one, asked))
        raise ReferenceFileError(
            f"{self.file}:{entries[0].line}: {model} has no entry with {_words(asked)};"
            f" nearest is line {nearest.line}: {nearest.words}"
        )

    def threshold(self, entry: Mapping[str, Any], n: int | None = None) -> float:
        """Return `threshold(entry, n)`."""
        return threshold(entry, n)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is read but cannot do its work, one sentence each with file and line.

        Entries that no lookup reaches because an earlier one answers first, references that are
        placeholders, and models written twice (the later one counts, as in TensorRT-LLM).
        """
        found = list(self.repeated)
        for entries in self._models.values():
            first: dict[str, Entry] = {}
            for entry in entries:
                before = first.setdefault(entry.words, entry)
                if before is not entry:
                    found.append(
                        f"{entry.place}: {entry.model} {entry.words} is never reached:"
                        f" line {before.line} answers first"
                    )
                if not entry.is_acceptance_length and entry.accuracy == 0:
                    found.append(f"{entry.place}: {entry.model} has a placeholder of 0")
        return tuple(found)


_last_read: ContextVar[References | None] = ContextVar("last_read_references", default=None)


def read(path: str | os.PathLike[str]) -> References:
    """Read a reference file; the task's defaults go by the file's name (`gsm8k.yaml`).

    Raises `ReferenceFileError` with file, line and value for what cannot be read.
    """
    file = os.fspath(path)
    stem = Path(file).stem
    task = TASKS.get(stem, Task())
    models, repeated = read_models(file)
    table = References(
        file,
        {
            name: tuple(Entry(name, written, file, task) for written in entries)
            for name, entries in models.items()
        },
        repeated,
        stem,
    )
    _last_read.set(table)
    return table


def lookup(model: str, **specs: Any) -> Entry:
    """Return `References.lookup` of the file that this context read last."""
    table = _last_read.get()
    if table is None:
        raise ReferenceFileError(f"no references of {model!r}: read a file first")
    return table.lookup(model, **specs)


def threshold(entry: Mapping[str, Any], n: int | None = None) -> float:
    """Return the worst score that passes with `n` samples (default: the entry's own number).

    Of two independent runs of n samples, one-sided (TensorRT-LLM, tests/integration/defs/accuracy,
    README "Hypothesis testing methodology"):
      threshold = reference + z_α·√(2σ²/n), and minus where lower is better;
    a `threshold` written in the entry wins, and an acceptance length passes from its `min_al` on.
    """
    one = _entry(entry)
    if one.is_acceptance_length:
        least = one.get("min_al")
        if least is None:
            raise ReferenceFileError(f"{one.place}: {one.model}: min_al is not filled in")
        return float(least)
    if one.get("threshold") is not None:
        return float(one["threshold"])
    slack = NormalDist().inv_cdf(one.alpha) * _scale(one, n)
    return one.accuracy + slack if one.higher_is_better else one.accuracy - slack


def detectable(entry: Mapping[str, Any], n: int | None = None) -> float:
    """Return θ = -(z_α + z_β)·√(2σ²/n): the change that is missed with probability β."""
    one = _entry(entry)
    normal = NormalDist()
    return -(normal.inv_cdf(one.alpha) + normal.inv_cdf(one.beta)) * _scale(one, n)


def passes(entry: Mapping[str, Any], score: float, n: int | None = None) -> bool:
    """Whether `score` of `n` samples is on the good side of the threshold; a NaN never is."""
    one = _entry(entry)
    limit = threshold(one, n)
    return score >= limit if one.higher_is_better else score <= limit


def _entry(entry: Mapping[str, Any]) -> Entry:
    """Take a plain mapping as an entry of no file, with the default parameters."""
    if isinstance(entry, Entry):
        return entry
    return Entry("", Written(line=0, values=dict(entry)), "entry", Task())


def _scale(entry: Entry, n: int | None) -> float:
    samples = entry.num_samples if n is None else n
    if samples is None:
        raise ReferenceFileError(
            f"{entry.place}: {entry.model}: neither n, nor num_samples in the entry, nor a task"
            f" of that name ({', '.join(TASKS)})"
        )
    if samples <= 0:
        raise ReferenceFileError(f"{entry.place}: {entry.model}: n is {n!r}, expected above 0")
    return math.sqrt(2 * entry.sigma**2 / samples)


def _agreement(entry: Entry, asked: Mapping[str, Any]) -> float:
    """How near an entry is to what was asked: equal keys count one, similar words a part."""
    pairs = [(entry.get(key, SPECS.get(key)), value) for key, value in asked.items()]
    return sum(
        1 if mine == value else difflib.SequenceMatcher(None, str(mine), str(value)).ratio() / 2
        for mine, value in pairs
    )


def _words(specs: Mapping[str, Any]) -> str:
    said = [f"{key}={value}" for key, value in specs.items() if value != SPECS.get(key)]
    return ", ".join(said) or "default"


def _nearest(name: str, known: tuple[str, ...]) -> str:
    """Hint at what was meant: `: did you mean …`, or the count of what there is."""
    lowered = {each.lower(): each for each in reversed(known)}
    close = difflib.get_close_matches(name.lower(), lowered, n=3, cutoff=0.5)
    if close:
        return f": did you mean {', '.join(repr(lowered[each]) for each in close)}?"
    return f": known are {', '.join(known[:5])}{', …' if len(known) > 5 else ''}"
