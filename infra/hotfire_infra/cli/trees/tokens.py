"""`hotfire tokens …`: credentials of programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from hotfire_infra.states import Role

tree = typer.Typer(help="Make, list and revoke tokens of programs.", no_args_is_help=True)


class Output(StrEnum):
    """How data is printed."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="table or json.")]


@tree.command()
def create(
    name: Annotated[str, typer.Argument(help="Letters, digits, `.`, `_` and `-`.")],
    role: Annotated[Role, typer.Option(help="Includes the ones before it.")] = Role.DEVELOPER,
    team: Annotated[str | None, typer.Option(help="Its runs count for this team.")] = None,
    expires_days: Annotated[int, typer.Option(min=0, max=3650, help="0: until revoked.")] = 90,
    file: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the token there (mode 0600).")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> int:
    """Make a token; it is shown this once. Example: hotfire tokens create ci --role developer"""
    from hotfire_infra.cli.verbs import tokens as verb

    wish = verb.Wish(name=name, role=role, team=team, expires_days=expires_days or None, file=file)
    return verb.create(wish, as_json=output is Output.JSON)


@tree.command("list")
def list_(output: OutputOption = Output.TABLE) -> int:
    """List tokens, newest first; never their secrets. Example: hotfire tokens list"""
    from hotfire_infra.cli.verbs import tokens as verb

    return verb.list_tokens(as_json=output is Output.JSON)


@tree.command()
def revoke(name: Annotated[str, typer.Argument(help="Name or id of the token.")]) -> int:
    """Revoke a token at once and for good. Example: hotfire tokens revoke ci"""
    from hotfire_infra.cli.verbs import tokens as verb

    return verb.revoke(name)


@tree.command("sign-out")
def sign_out(
    actor: Annotated[str, typer.Argument(help="user:SUBJECT, as in the audit log.")],
) -> int:
    """End all sessions of a person at once. Example: hotfire tokens sign-out user:248289"""
    from hotfire_infra.cli.verbs import tokens as verb

    return verb.sign_out(actor)
