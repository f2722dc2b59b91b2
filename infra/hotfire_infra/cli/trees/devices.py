"""`hotfire devices …`: which there are, what speaks against them, and who takes them out and back."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from hotfire_infra.states import DeviceHealth

tree = typer.Typer(help="List devices; take them out of work and back.", no_args_is_help=True)


class Output(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="table or json.")]
DeviceRef = Annotated[
    str, typer.Argument(metavar="DEVICE", help="Identity, id, or a prefix of one.")
]
ReasonOption = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why; it stays in the device's history.")
]


@tree.command("list")
def list_(
    pool: Annotated[str | None, typer.Option(help="Only of this pool.")] = None,
    output: OutputOption = Output.TABLE,
) -> int:
    """List devices and their health. Example: hotfire devices list --pool local"""
    from hotfire_infra.cli.verbs import devices as verb

    return verb.list_devices(pool, as_json=output is Output.JSON)


@tree.command()
def show(device: DeviceRef, output: OutputOption = Output.TABLE) -> int:
    """Show a device, its evidence and history. Example: hotfire devices show GPU-5a1f"""
    from hotfire_infra.cli.verbs import devices as verb

    return verb.show(device, as_json=output is Output.JSON)


@tree.command()
def maintenance(device: DeviceRef, reason: ReasonOption) -> int:
    """Give a device no new work. Example: hotfire devices maintenance GPU-5a1f --reason fans"""
    from hotfire_infra.cli.verbs import devices as verb

    return verb.ask(device, DeviceHealth.MAINTENANCE, reason)


@tree.command()
def retire(device: DeviceRef, reason: ReasonOption) -> int:
    """Take a device out for good. Example: hotfire devices retire GPU-5a1f --reason replaced"""
    from hotfire_infra.cli.verbs import devices as verb

    return verb.ask(device, DeviceHealth.RETIRED, reason)


@tree.command()
def restore(
    device: DeviceRef,
    reason: ReasonOption,
    force: Annotated[bool, typer.Option(help="Without the health check, by your word.")] = False,
) -> int:
    """Let a device back after a health check. Example: hotfire devices restore GPU-5a1f --reason ok"""
    from hotfire_infra.cli.verbs import devices as verb

    return verb.ask(device, DeviceHealth.GOOD, reason, force=force)
