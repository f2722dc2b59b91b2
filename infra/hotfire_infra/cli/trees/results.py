"""`hotfire results …`: which recorded results count, and which tests are expected."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

tree = typer.Typer(
    help="Invalidate results in bulk, withdraw that, accept lost tests.", no_args_is_help=True
)


class Output(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="table or json.")]
ReasonOption = Annotated[str, typer.Option(help="Why; every reader asks for it.")]
Moment = Annotated[
    str | None, typer.Option(metavar="TIME", help="2026-11-21T09:00Z, or an age: 6h, 2d.")
]


@tree.command()
def invalidate(
    reason: ReasonOption,
    device: Annotated[list[str] | None, typer.Option(help="Identity of a device.")] = None,
    pool: Annotated[list[str] | None, typer.Option(help="Pool of machines.")] = None,
    driver: Annotated[list[str] | None, typer.Option(help="Version of its driver.")] = None,
    environment: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="What the machine reported.")
    ] = None,
    since: Moment = None,
    until: Moment = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, and change nothing.")] = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Let results not count. Example: hotfire results invalidate --driver 570.1 --reason 'wrong sums'"""
    from hotfire_infra.cli.verbs import results as verb

    wish = verb.Wish(
        devices=tuple(device or ()),
        pools=tuple(pool or ()),
        drivers=tuple(driver or ()),
        environment=tuple(environment or ()),
        since=since,
        until=until,
    )
    return verb.invalidate(wish, reason, dry_run=dry_run, as_json=output is Output.JSON)


@tree.command()
def withdraw(
    invalidation: Annotated[str, typer.Argument(help="Id of the decision, or its beginning.")],
    reason: ReasonOption,
) -> int:
    """Let invalidated results count again. Example: hotfire results withdraw 01M7 --reason cable"""
    from hotfire_infra.cli.verbs import results as verb

    return verb.withdraw(invalidation, reason)


@tree.command("list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 20,
    output: OutputOption = Output.TABLE,
) -> int:
    """List invalidations, newest first. Example: hotfire results list"""
    from hotfire_infra.cli.verbs import results as verb

    return verb.list_invalidations(limit, as_json=output is Output.JSON)


@tree.command()
def accept(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Number, id, or latest.")],
    reason: ReasonOption,
    cell: Annotated[str | None, typer.Option(help="Only this cell, by its key.")] = None,
) -> int:
    """Expect no longer what a run lost. Example: hotfire results accept 12 --reason 'split in two'"""
    from hotfire_infra.cli.verbs import results as verb

    return verb.accept(run, cell, reason)
