"""Tokens and login sessions: made, found by digest, revoked; the secrets themselves are not here."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, or_, select, update

from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.states import Role
from hotfire_infra.store.models import Attempt, Login, Run, Task, Token
from hotfire_testframework.contract.ulid import new_ulid, parse_ulid

TOKEN_PREFIX = "hf_"  # noqa: S105 - what scanners for leaked secrets look for, not a secret
SECRET_BYTES = 32
USED_EVERY_NS = 10 * 60 * 1_000_000_000
"""How coarsely the last use of a token is noted: a write per request would be a write too many."""


def digest_of(secret: str) -> str:
    """Return what is stored of a secret; it has 256 random bits, so no salt or slow hash is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """A token without its secret; times in nanoseconds since 1970."""

    id: int
    ulid: str
    name: str
    role: Role
    team: str | None
    created_by: str
    created_ns: int
    expires_ns: int | None
    revoked_ns: int | None
    last_used_ns: int | None

    def refusal(self, now_ns: int) -> str | None:
        """Return why it is not accepted now; None: it is."""
        if self.revoked_ns is not None:
            return "the token was revoked"
        if self.expires_ns is not None and self.expires_ns <= now_ns:
            return "the token has expired"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRow:
    """A person's session after sign-in."""

    id: int
    subject: str
    """The actor: `user:<subject of the provider>` or `token:<name>`."""
    name: str
    role: Role
    expires_ns: int
    revoked_ns: int | None

    def refusal(self, now_ns: int) -> str | None:
        """Return why it is not accepted now; None: it is."""
        if self.revoked_ns is not None:
            return "signed out"
        return "the sign-in has expired" if self.expires_ns <= now_ns else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptCredential:
    """What an attempt's token is compared with; it never changes after the lease."""

    attempt_id: int
    run_id: int
    ulid: str
    token_sha256: str
    team: str | None


_TOKEN = (
    Token.id, Token.ulid, Token.name, Token.role, Token.team, Token.created_by, Token.created_ns,
    Token.expires_ns, Token.revoked_ns, Token.last_used_ns,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWish:
    """What a token is to be; `expires_ns` None: until it is revoked."""

    name: str
    role: Role
    team: str | None = None
    expires_ns: int | None = None
    ulid: str | None = None


def create_token(
    connection: Connection, wish: TokenWish, *, created_by: str, now_ns: int
) -> tuple[TokenRow, str]:
    """Record a token and return it with its secret, which nobody can read again.

    Raises RequestRefusedError when a token of this name is in force: a name tells who acts.
    """
    taken = [row for row in tokens(connection) if row.name == wish.name and not row.refusal(now_ns)]
    if taken:
        raise RequestRefusedError(
            f"a token named {wish.name!r} is in force; choose another name, or "
            f"`hotfire tokens revoke {wish.name}`"
        )
    secret = TOKEN_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    ulid = wish.ulid or str(new_ulid())
    connection.execute(
        insert(Token).values(
            ulid=parse_ulid(ulid), name=wish.name, token_sha256=digest_of(secret), role=wish.role,
            team=wish.team, created_by=created_by, created_ns=now_ns, expires_ns=wish.expires_ns,
        )
    )  # fmt: skip
    row = connection.execute(select(*_TOKEN).where(Token.ulid == ulid)).one()
    return TokenRow(**row._mapping), secret


def tokens(connection: Connection) -> tuple[TokenRow, ...]:
    """Return all tokens, newest first, those no longer in force too."""
    rows = connection.execute(select(*_TOKEN).order_by(Token.id.desc()))
    return tuple(TokenRow(**row._mapping) for row in rows)


def find_token(connection: Connection, secret: str) -> TokenRow | None:
    """Return the token of a secret, in force or not.

    The look-up is by digest: how long it takes says something about the digest of a guess, and
    nothing about the secret.
    """
    query = select(*_TOKEN).where(Token.token_sha256 == digest_of(secret))
    row = connection.execute(query).one_or_none()
    return None if row is None else TokenRow(**row._mapping)


def has_usable_token(connection: Connection, now_ns: int) -> bool:
    """Return whether any token would be accepted now."""
    in_time = or_(Token.expires_ns.is_(None), Token.expires_ns > now_ns)
    query = select(Token.id).where(Token.revoked_ns.is_(None), in_time).limit(1)
    return connection.execute(query).first() is not None


def revoke_token(connection: Connection, ref: str, *, now_ns: int) -> TokenRow:
    """Revoke the token of this name or ULID, at once and for good; a second time changes nothing."""
    rows = [row for row in tokens(connection) if ref in (row.name, row.ulid)]
    in_force = [row for row in rows if row.revoked_ns is None]
    if not rows:
        raise RequestRefusedError(f"there is no token {ref!r}; see `hotfire tokens list`")
    if in_force:
        connection.execute(
            update(Token).where(Token.id == in_force[0].id).values(revoked_ns=now_ns)
        )
        end_logins(connection, f"token:{in_force[0].name}", now_ns=now_ns)
    chosen = (in_force or rows)[0]
    found = connection.execute(select(*_TOKEN).where(Token.id == chosen.id)).one()
    return TokenRow(**found._mapping)


def note_use(connection: Connection, token: TokenRow, now_ns: int) -> None:
    """Note that a token was used."""
    connection.execute(update(Token).where(Token.id == token.id).values(last_used_ns=now_ns))


def use_is_stale(token: TokenRow, now_ns: int) -> bool:
    """Return whether the noted last use is old enough to be worth a write."""
    return token.last_used_ns is None or now_ns - token.last_used_ns >= USED_EVERY_NS


def create_login(
    connection: Connection, *, subject: str, name: str, role: Role, lifetime_ns: int, now_ns: int
) -> str:
    """Record a session and return the secret for its cookie."""
    secret = secrets.token_urlsafe(SECRET_BYTES)
    connection.execute(
        insert(Login).values(
            cookie_sha256=digest_of(secret), subject=subject, name=name, role=role,
            created_ns=now_ns, expires_ns=now_ns + lifetime_ns,
        )
    )  # fmt: skip
    return secret


def find_login(connection: Connection, secret: str) -> LoginRow | None:
    """Return the session of a cookie, in force or not."""
    columns = (
        Login.id, Login.subject, Login.name, Login.role, Login.expires_ns, Login.revoked_ns,
    )  # fmt: skip
    query = select(*columns).where(Login.cookie_sha256 == digest_of(secret))
    row = connection.execute(query).one_or_none()
    return None if row is None else LoginRow(**row._mapping)


def end_login(connection: Connection, login_id: int, *, now_ns: int) -> None:
    """End a session."""
    connection.execute(update(Login).where(Login.id == login_id).values(revoked_ns=now_ns))


def end_logins(connection: Connection, subject: str, *, now_ns: int) -> int:
    """End all sessions of a person; return how many there were."""
    ended = connection.execute(
        update(Login)
        .where(Login.subject == subject, Login.revoked_ns.is_(None))
        .values(revoked_ns=now_ns)
        .returning(Login.id)
    ).all()
    return len(ended)


def attempt_credential(connection: Connection, ulid: str) -> AttemptCredential | None:
    """Return what the token of an attempt is compared with; None: there is no such attempt."""
    row = connection.execute(
        select(Attempt.id, Attempt.token_sha256, Task.run_id, Run.team)
        .join(Task, Task.id == Attempt.task_id)
        .join(Run, Run.id == Task.run_id)
        .where(Attempt.ulid == ulid)
    ).one_or_none()
    if row is None:
        return None
    return AttemptCredential(
        attempt_id=row.id, run_id=row.run_id, ulid=ulid, token_sha256=row.token_sha256,
        team=row.team,
    )  # fmt: skip


def purge_logins(connection: Connection, before_ns: int) -> Sequence[int]:
    """Forget sessions that ended before a time; the audit log keeps who signed in."""
    gone = delete(Login).where(Login.expires_ns < before_ns).returning(Login.id)
    return [row.id for row in connection.execute(gone)]
