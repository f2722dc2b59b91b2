"""The price of a plan in lines: what it takes, within which range, and what that rests on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hotfire_infra.analysis.quantities import count, duration, significant
from hotfire_infra.cli.problems import CliError
from hotfire_pipelines.plan import Plan
from hotfire_pipelines.priced import Basis, Price, Range, Suggestion
from hotfire_pipelines.pricing import exceeded


def price_lines(price: Price) -> list[str]:
    """Return ` price  0.4 GPU-hours (0.2–0.8), …` with the budget and the hints below it."""
    if not price.tasks:
        return []
    parts = []
    if price.gpu_hours.expected:
        parts.append(f"{_range(price.gpu_hours, _hours)} GPU-hours")
    parts.append(f"{_range(price.node_hours, _hours)} node-hours")
    slots = count(price.slots, "slot")
    parts.append(f"wall {_range(price.wall_seconds, _seconds)} on {slots}")
    lines = [f" price {', '.join(parts)}; {_basis(price)}"]
    idle = {task.cell for task in price.tasks if task.basis is Basis.NOTHING}
    if idle:
        lines.append(f" free  {count(len(idle), 'cell')}: not executable here, or waiting for one")
    if budget := _budget(price):
        over = exceeded(price)
        verdict = f"exceeded: {'; '.join(over)}" if over else "kept"
        lines.append(f" budget {budget}: {verdict}")
    return lines + _hints(price.suggestions)


def check_budget(plan: Plan, *, may_exceed: bool, again: str) -> None:
    """Refuse a plan that is expected to exceed its pipeline's budget; `again` is the command."""
    over = () if plan.price is None else exceeded(plan.price)
    if over and not may_exceed:
        raise CliError(
            f"the run is beyond the budget of pipeline {plan.pipeline!r}: {'; '.join(over)}; "
            "raise `budget:`, narrow the run with --changed-since, or run it with --yes",
            next_command=f"{again} --yes",
        )


def _hints(suggestions: Sequence[Suggestion]) -> list[str]:
    """Say once which cheaper platform a task could do with, beside all that it would replace."""
    places: dict[tuple[str, str, str], list[str]] = {}
    for one in suggestions:
        share = f"{one.cheaper_price / one.price:.0%} of {one.platform}"
        places.setdefault((one.task, one.sufficient, one.cheaper), []).append(share)
    return [
        f" hint  {task} could do with {sufficient}: {cheaper} costs {', '.join(shares)}"
        for (task, sufficient, cheaper), shares in places.items()
    ]


def _basis(price: Price) -> str:
    if price.measured >= 0.995:
        return "all measured"
    if price.measured < 0.005:
        return "nothing measured yet, all declared"
    return f"{price.measured:.0%} measured, the rest declared"


def _budget(price: Price) -> str:
    budget = price.budget
    parts = [
        f"{value:g} {word}"
        for value, word in ((budget.gpu_hours, "GPU-hours"), (budget.node_hours, "node-hours"))
        if value is not None
    ]
    if budget.wall_seconds is not None:
        parts.append(f"wall {_seconds(budget.wall_seconds)}")
    return ", ".join(parts)


def _range(figure: Range, print_as: Callable[[float], str]) -> str:
    low, expected, high = (print_as(one) for one in (figure.low, figure.expected, figure.high))
    return expected if low == expected == high else f"{expected} ({low} to {high})"


def _hours(value: float) -> str:
    if value < 0.01:
        return "under 0.01"
    return f"{value:.2f}" if value < 1 else significant(value, 2)


def _seconds(value: float) -> str:
    return duration(round(value * 1e9))
