"""`hotfire quarantine …`: flaky tests that run and do not block, for a time."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

tree = typer.Typer(help="List quarantined tests, add, approve and end.", no_args_is_help=True)


class Output(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="table or json.")]
Owner = Annotated[str, typer.Option(help="Who repairs it.")]
Bug = Annotated[str, typer.Option(help="Where that is followed.")]
Days = Annotated[int, typer.Option(min=1, max=90, help="Then it blocks again.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Its id, or the beginning of it.")]


@tree.command("list")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """List tests that do not block, and proposals. Example: hotfire quarantine list"""
    from hotfire_infra.cli.verbs import quarantine as verb

    return verb.listed(everything=everything, as_json=output is Output.JSON)


@tree.command()
def add(
    test: Annotated[str, typer.Argument(metavar="TEST", help="Identifier of the test.")],
    owner: Owner,
    bug: Bug,
    days: Days = 14,
    reason: Annotated[str, typer.Option(help="What is known of it.")] = "",
    variant: Annotated[
        list[str] | None, typer.Option(metavar="AXIS=VALUE", help="Only there.")
    ] = None,
) -> int:
    """Let its known failures pass. Example: hotfire quarantine add TEST --owner ada --bug HF-12"""
    from hotfire_infra.cli.verbs import quarantine as verb

    return verb.add(test, tuple(variant or ()), verb.terms_of(owner, bug, days, reason))


@tree.command()
def approve(quarantine: Id, owner: Owner, bug: Bug, days: Days = 14) -> int:
    """Take a proposal on. Example: hotfire quarantine approve 01M7A3 --owner ada --bug HF-12"""
    from hotfire_infra.cli.verbs import quarantine as verb

    return verb.approve(quarantine, verb.terms_of(owner, bug, days, ""))


@tree.command()
def end(
    quarantine: Id, reason: Annotated[str, typer.Option(help="Why; every reader asks for it.")]
) -> int:
    """Let a test block again. Example: hotfire quarantine end 01M7A3 --reason repaired"""
    from hotfire_infra.cli.verbs import quarantine as verb

    return verb.end(quarantine, reason)
