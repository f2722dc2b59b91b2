"""`hotfire serve db …`: the care of the store's database and blobs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

tree = typer.Typer(
    help="Upgrade, check, back up, restore and prune the store.", no_args_is_help=True
)


class Output(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="table or json.")]


@tree.command()
def upgrade() -> int:
    """Bring the database to this release's schema. Example: hotfire serve db upgrade"""
    from hotfire_infra.cli.verbs import database as verb

    return verb.upgrade()


@tree.command()
def check(
    deep: Annotated[bool, typer.Option("--deep", help="Read every row and every blob.")] = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Check database and blobs. Exit: 0 whole, 2 newer, 3 not. Example: hotfire serve db check"""
    from hotfire_infra.cli.verbs import database as verb

    return verb.check(deep=deep, as_json=output is Output.JSON)


@tree.command()
def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A new folder, or FILE.tar.")],
) -> int:
    """Back up under load: database, then blobs. Example: hotfire serve db backup monday.tar"""
    from hotfire_infra.cli.verbs import database as verb

    return verb.backup(target)


@tree.command()
def restore(
    source: Annotated[Path, typer.Argument(metavar="BACKUP", help="What `backup` wrote.")],
) -> int:
    """Restore into an empty home. Example: HOTFIRE_HOME=new hotfire serve db restore monday.tar"""
    from hotfire_infra.cli.verbs import database as verb

    return verb.restore(source)


@tree.command()
def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would go.")] = False,
    output: OutputOption = Output.TABLE,
) -> int:
    """Remove what `retention` does not keep. Example: hotfire serve db prune --dry-run"""
    from hotfire_infra.cli.verbs import database as verb

    return verb.prune(dry_run=dry_run, as_json=output is Output.JSON)
