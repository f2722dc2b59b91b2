"""`hotfire lists …`: test lists by hardware condition."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

tree = typer.Typer(help="Look into test lists by hardware condition.", no_args_is_help=True)


class Output(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"


FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="test-db, or our notation.")]
ContextOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="One list of the file; default: all.")
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="What the machine is: gpu=A10. Repeatable."),
]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="table or json.")]


@tree.command()
def show(
    file: FileArgument,
    context: ContextOption = None,
    where: WhereOption = None,
    output: OutputOption = Output.TABLE,
) -> int:
    """Print what is listed, or selected. Example: hotfire lists show l0_a10.yml --where gpu=A10"""
    from hotfire_infra.cli.verbs import lists as verb

    return verb.show(file, context, where or (), as_json=output is Output.JSON)


@tree.command()
def explain(
    file: FileArgument,
    test: Annotated[str, typer.Argument(metavar="TEST", help="A line of it, or a node id.")],
    context: ContextOption = None,
    where: WhereOption = None,
    output: OutputOption = Output.TABLE,
) -> int:
    """Say per block why a test is in or out. Example: hotfire lists explain l0.yml a.py --where gpu=A10"""
    from hotfire_infra.cli.verbs import lists as verb

    return verb.explain(file, test, context, where or (), as_json=output is Output.JSON)
