"""`hotfire tokens …` and `hotfire audit`: who may come in, and who did what."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hotfire_infra.cli.console import data, progress, table
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.problems import CliError
from hotfire_infra.client.administration import (
    Administration,
    ServiceAdministration,
    StoreAdministration,
)
from hotfire_infra.settings import read_settings
from hotfire_infra.states import Role
from hotfire_infra.store.audit import AuditFilter
from hotfire_infra.store.database import open_store

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was typed after `hotfire tokens create`."""

    name: str
    role: Role
    team: str | None
    expires_days: int | None
    file: str | None


@contextlib.contextmanager
def administration() -> Iterator[Administration]:
    """Open the service that `$HOTFIRE_SERVER` names, or the store of this home."""
    settings = read_settings()
    if settings.server:
        there = ServiceAdministration.connect(settings.server, settings.token_file)
        try:
            yield there
        finally:
            there.connection.close()
        return
    store = open_store(settings.home, database=settings.database)
    try:
        yield StoreAdministration(store, settings.user)
    finally:
        store.close()


def create(wish: Wish, *, as_json: bool) -> int:
    """Make a token and print it once."""
    for word in (wish.name, wish.team or wish.name):
        if not _NAME.fullmatch(word):
            raise CliError(
                f"{word!r} is no name: letters, digits, `.`, `_`, `-`, at most 100",
                next_command="hotfire tokens create --help",
            )
    place = _reserve(Path(wish.file)) if wish.file else None
    try:
        with administration() as admin:
            made = dict(admin.create_token(wish.name, wish.role, wish.team, wish.expires_days))
    except BaseException:
        if place is not None:
            place.unlink()
        raise
    if place is not None:
        place.write_text(f"{made.pop('token')}\n", encoding="ascii")
        progress(f"token {wish.name!r} ({wish.role}) written to {place}")
        return CliExit.OK
    if as_json:
        data(json.dumps(made))
        return CliExit.OK
    progress(f"token {wish.name!r} ({wish.role}); nobody can read it again:")
    data(str(made["token"]))
    return CliExit.OK


def _reserve(path: Path) -> Path:
    """Make an empty file that at no moment anybody else can read; an existing one stays."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise CliError(
            f"{path} cannot be made for the token: {error.strerror}",
            next_command="hotfire tokens create --help",
        ) from error
    return path


def list_tokens(*, as_json: bool) -> int:
    """Print all tokens without their secrets."""
    with administration() as admin:
        rows = list(admin.tokens())
    if as_json:
        data(json.dumps(rows))
        return CliExit.OK
    columns = ("name", "role", "team", "created", "expires", "last_used", "revoked")
    lines = [[str(row[column] or "-") for column in columns] for row in rows]
    data(table([column.replace("_", " ") for column in columns], lines, frozenset()))
    return CliExit.OK


def revoke(name: str) -> int:
    """Revoke a token."""
    with administration() as admin:
        row = admin.revoke_token(name)
    progress(f"token {row['name']!r} is revoked since {row['revoked']}")
    return CliExit.OK


def sign_out(actor: str) -> int:
    """End the sessions of a person."""
    with administration() as admin:
        ended = admin.end_logins(actor)
    progress(f"{ended} {'session' if ended == 1 else 'sessions'} of {actor} ended")
    return CliExit.OK


def audit(wanted: AuditFilter, limit: int, *, as_json: bool) -> int:
    """Print the newest lines of the audit log."""
    with administration() as admin:
        rows = list(admin.audit(wanted, limit))
    if as_json:
        data(json.dumps(rows, ensure_ascii=False))
        return CliExit.OK
    columns = ("at", "outcome", "actor", "action", "target", "address", "reason")
    lines = [[str(row[column] or "-") for column in columns] for row in rows]
    data(table(columns, lines, frozenset()))
    return CliExit.OK
