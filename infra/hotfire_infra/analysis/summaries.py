"""The few figures of a cell that people read first: worst error, perplexity, decode rate."""

from __future__ import annotations

from collections.abc import Iterable

from hotfire_infra.analysis.quantities import count, percent, quantity, significant
from hotfire_infra.store.queries_measurements import MeasurementRow
from hotfire_infra.store.queries_tests import CellFigures

SHOWN = {
    "aestus.prefill_rate": "prefill",
    "aestus.decode_rate": "decode",
    "aestus.bandwidth_share": "of the bandwidth limit",
}
"""Metrics worth a place in a cell's line, in their order, and the word for each."""


def cell_summary(measured: Iterable[MeasurementRow], figures: CellFigures | None) -> str:
    """Return `decode 172 tok/s, 41 % of the bandwidth limit`, or what else the cell measured."""
    measured = tuple(measured)
    latest = {row.metric: row for row in measured if row.metric in SHOWN}
    parts = (_figures(figures) if figures else []) + _gpu_costs(measured)
    parts += [_words(latest[metric]) for metric in SHOWN if metric in latest]
    # A figure that counts for nothing is still shown, with why: an empty place would say less.
    reasons = [row.reason for row in latest.values() if not row.valid]
    return ", ".join(parts) + (f" (not compared: {reasons[0]})" if reasons else "")


def _words(row: MeasurementRow) -> str:
    word = SHOWN[row.metric]
    if row.metric == "aestus.bandwidth_share":
        return f"{percent(row.value, 0)} {word}"
    return f"{word} {quantity(row.value, row.unit)}"


def _gpu_costs(measured: Iterable[MeasurementRow]) -> list[str]:
    """Return `at most 48 registers, no spills` of a cell that compiled GPU kernels."""
    registers: list[float] = []
    spilling = 0
    for row in measured:
        if row.metric == "cuda.registers":
            registers.append(row.value)
        elif row.metric == "cuda.spill_bytes":
            spilling += row.value > 0
    if not registers:
        return []
    spills = f"{count(spilling, 'kernel')} with spills" if spilling else "no spills"
    return [f"at most {max(registers):.0f} registers", spills]


def _figures(figures: CellFigures) -> list[str]:
    plain = _accuracy(figures.worst_error, figures.perplexity, "reference", figures.reference)
    rounded = _accuracy(
        figures.rounded_worst_error,
        figures.rounded_perplexity,
        "llama.cpp",
        figures.llama_cpp_perplexity,
    )
    # Another arithmetic with other bounds: its figures follow a word of their own.
    return [*plain, f"8-bit activations: {', '.join(rounded)}"] if rounded else plain


def _accuracy(
    worst: float | None, perplexity: float | None, other: str, known: float | None
) -> list[str]:
    parts = []
    if worst is not None:
        parts.append(f"worst error {significant(worst, 2)} of its bound")
    if perplexity is not None:
        # Four digits: two figures that differ in the third should not look equal by rounding.
        beside = f" ({other} {significant(known, 4)})" if known else ""
        parts.append(f"perplexity {significant(perplexity, 4)}{beside}")
    return parts
