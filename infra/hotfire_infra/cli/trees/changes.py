"""`hotfire changes …`: what changed in the series of the target branch, and what people say of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

tree = typer.Typer(help="List changes of series, label them, accept a shift.", no_args_is_help=True)


class Output(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"


class Word(StrEnum):
    """What triage says of a change."""

    TRUE = "true"
    FALSE = "false"
    DRIFT = "drift"
    INFRA = "infra"
    NONE = "none"


class State(StrEnum):
    """What became of a change."""

    ALERT = "alert"
    RECORDED = "recorded"
    WITHDRAWN = "withdrawn"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="table or json.")]
Change = Annotated[str, typer.Argument(metavar="CHANGE", help="Its id, or the beginning of it.")]


@tree.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 20,
    state: Annotated[State | None, typer.Option(help="Only those.")] = None,
    output: OutputOption = Output.TABLE,
) -> int:
    """List changes, those noticed last first. Example: hotfire changes list --state alert"""
    from hotfire_infra.cli.verbs import changes as verb

    chosen = None if state is None else state.value
    return verb.list_changes(limit, chosen, as_json=output is Output.JSON)


@tree.command()
def label(
    change: Change,
    word: Annotated[
        Word, typer.Argument(metavar="LABEL", help="true, false, drift, infra, or none.")
    ],
) -> int:
    """Say what a change was; labels give precision. Example: hotfire changes label 01M7A3 true"""
    from hotfire_infra.cli.verbs import changes as verb

    return verb.label(change, word.value)


@tree.command()
def accept(
    change: Change,
    reason: Annotated[str, typer.Option(help="Why; every reader asks for it.")],
) -> int:
    """Compare with what is since a change. Example: hotfire changes accept 01M7A3 --reason 'exact'"""
    from hotfire_infra.cli.verbs import changes as verb

    return verb.accept(change, reason)


@tree.command()
def withdraw(change: Change) -> int:
    """Take an acceptance back. Example: hotfire changes withdraw 01M7A3"""
    from hotfire_infra.cli.verbs import changes as verb

    return verb.withdraw(change)


@tree.command()
def quality(
    check: Annotated[
        bool, typer.Option("--check", help="Inject steps into the stored series now; seconds.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the injected steps; default: the time.")] = -1,
    output: OutputOption = Output.TABLE,
) -> int:
    """Say how good the detector is on this store. Example: hotfire changes quality --check"""
    from hotfire_infra.cli.verbs import detector_quality as verb

    return verb.quality(check=check, seed=seed, as_json=output is Output.JSON)


@tree.command()
def noise(
    measure: Annotated[
        str | None, typer.Option("--measure", metavar="RUN", help="Run its code again first.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, max=50, help="How many times.")] = 6,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Build anew each time: layout is noise, too.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--detach", help="Follow them, or return.")] = True,
    output: OutputOption = Output.TABLE,
) -> int:
    """Say how far runs of the same code differ. Example: hotfire changes noise --measure latest"""
    from hotfire_infra.cli.verbs import noise as verb

    as_json = output is Output.JSON
    if measure is None:
        return verb.show(as_json=as_json)
    return verb.measure(measure, runs, rebuild=rebuild, wait=wait, as_json=as_json)
