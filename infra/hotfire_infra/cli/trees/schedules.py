"""`hotfire schedules …` and `hotfire holds …`: what starts by itself, what is kept for people."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

tree = typer.Typer(help="List, pause and start what runs by the clock or by a push.")
holds = typer.Typer(help="List, extend and end machines kept after a failure.")


class Output(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="table or json.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="As in the service's configuration.")]
Hold = Annotated[str, typer.Argument(metavar="HOLD", help="Its id, a prefix of it, or an attempt.")]


@tree.command("list")
def list_schedules(output: OutputOption = Output.TABLE) -> int:
    """List schedules with their next time. Example: hotfire schedules list"""
    from hotfire_infra.cli.verbs import schedules as verb

    return verb.list_schedules(as_json=output is Output.JSON)


@tree.command()
def pause(name: Name) -> int:
    """Start nothing more by this schedule. Example: hotfire schedules pause nightly"""
    from hotfire_infra.cli.verbs import schedules as verb

    return verb.pause(name, paused=True)


@tree.command()
def resume(name: Name) -> int:
    """Go on with a paused schedule. Example: hotfire schedules resume nightly"""
    from hotfire_infra.cli.verbs import schedules as verb

    return verb.pause(name, paused=False)


@tree.command()
def fire(name: Name) -> int:
    """Start a schedule now. Example: hotfire schedules fire nightly"""
    from hotfire_infra.cli.verbs import schedules as verb

    return verb.fire(name)


@holds.command("list")
def list_holds(output: OutputOption = Output.TABLE) -> int:
    """List machines that are kept, and until when. Example: hotfire holds list"""
    from hotfire_infra.cli.verbs import schedules as verb

    return verb.list_holds(as_json=output is Output.JSON)


@holds.command()
def release(hold: Hold) -> int:
    """Give a machine back before its time. Example: hotfire holds release 01K"""
    from hotfire_infra.cli.verbs import schedules as verb

    return verb.release(hold)


@holds.command()
def extend(
    hold: Hold,
    time: Annotated[str, typer.Argument(metavar="TIME", help="From now: 30m, 2h.")],
) -> int:
    """Keep a machine longer. Example: hotfire holds extend 01K 2h"""
    from hotfire_infra.cli.verbs import schedules as verb

    return verb.extend(hold, time)
