"""`hotfire waivers …`: failures that people let pass, for a time."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

tree = typer.Typer(help="Check waiver files, and draft one from a list.", no_args_is_help=True)


class Output(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"


@tree.command()
def lint(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[PIPELINE|FILE]", help="Name, file or waives.txt; default: all pipelines."
        ),
    ] = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="table or json.")] = Output.TABLE,
) -> int:
    """Find waivers without effect. Exit: 0 none, 1 some, 2 unreadable. Example: hotfire waivers lint"""
    from hotfire_infra.cli.verbs import waivers as verb

    return verb.lint(what, as_json=output is Output.JSON)


@tree.command("import")
def import_command(
    file: Annotated[
        Path, typer.Argument(metavar="waives.txt", help="A list of `TEST SKIP` lines.")
    ],
    platform: Annotated[
        list[str] | None,
        typer.Option(metavar="TOKEN", help="A scope that exists, to find those that do not."),
    ] = None,
) -> int:
    """Report what a list hides, print a draft. Example: hotfire waivers import waives.txt > w.yaml"""
    from hotfire_infra.cli.verbs import waivers as verb

    return verb.import_list(file, tuple(platform or ()))
