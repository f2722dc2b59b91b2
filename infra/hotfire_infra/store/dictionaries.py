"""Intern what results repeat: test ids, variants, environments and messages become integers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, insert, select, tuple_
from sqlalchemy.exc import IntegrityError

from hotfire_infra.store.models import Environment, Message, Test, Variant
from hotfire_infra.store.postgres import is_postgres
from hotfire_infra.store.results import MESSAGE, TEST, insert_rows
from hotfire_testframework.contract.canonical import canonical_json
from hotfire_testframework.contract.variants import variant_hash

# SQLite allows 32,766 bound values in a statement; a test takes three.
CHUNK = 4_000

T = TypeVar("T")


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]


def split_test(identifier: str) -> tuple[str, str, str]:
    """Return module, scheme and name of an identifier that the stream's reader has checked."""
    module, scheme, name = identifier.split("/", 2)
    return module, scheme, name


def intern_tests(connection: Connection, identifiers: Iterable[str]) -> dict[str, int]:
    """Return the key of each test, adding those never seen."""
    wanted = list(dict.fromkeys(identifiers))
    if not is_postgres(connection):
        texts = {identifier: split_test(identifier) for identifier in wanted}
        return _intern_each(connection, texts, _FIND_TEST, _ADD_TEST)
    found = _known_tests(connection, wanted)
    new = [split_test(identifier) for identifier in wanted if identifier not in found]
    if new:
        # In one order: two writers that add the same tests must not wait for each other.
        insert_rows(connection, TEST, sorted(new))
        found |= _known_tests(connection, ["/".join(parts) for parts in new])
    return found


_FIND_TEST = "SELECT id FROM test WHERE module = ? AND scheme = ? AND name = ?"
_ADD_TEST = "INSERT INTO test (module, scheme, name) VALUES (?, ?, ?) RETURNING id"
_FIND_MESSAGE = "SELECT id FROM message WHERE sha256 = ? AND ? IS NOT NULL"
_ADD_MESSAGE = "INSERT INTO message (sha256, text) VALUES (?, ?) RETURNING id"


def _intern_each(
    connection: Connection, rows: Mapping[str, tuple[str, ...]], find: str, add: str
) -> dict[str, int]:
    """Look each up by its index, within the process: two microseconds, and nothing to compile."""
    driver: Any = connection.connection.driver_connection
    found: dict[str, int] = {}
    for name, row in rows.items():
        known = driver.execute(find, row).fetchone() or driver.execute(add, row).fetchone()
        found[name] = known[0]
    return found


def _known_tests(connection: Connection, identifiers: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in _chunks(identifiers):
        parts = [split_test(identifier) for identifier in chunk]
        rows = connection.execute(
            select(Test.id, Test.module, Test.scheme, Test.name).where(
                tuple_(Test.module, Test.scheme, Test.name).in_(parts)
            )
        )
        found.update((f"{module}/{scheme}/{name}", key) for key, module, scheme, name in rows)
    return found


def intern_messages(connection: Connection, texts: Iterable[str]) -> dict[str, int]:
    """Return the key of each text, adding those never seen."""
    digests = {
        hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(): text
        for text in dict.fromkeys(texts)
    }
    if not digests:
        return {}
    if not is_postgres(connection):
        rows = {
            text: (digest, text.encode("utf-8", "replace").decode())
            for digest, text in digests.items()
        }
        return _intern_each(connection, rows, _FIND_MESSAGE, _ADD_MESSAGE)
    found = _known_messages(connection, list(digests))
    # Only what is new: an INSERT that meets a conflict uses up a key of PostgreSQL's sequence.
    new = sorted(
        (digest, text.encode("utf-8", "replace").decode())
        for digest, text in digests.items()
        if digest not in found
    )
    if new:
        insert_rows(connection, MESSAGE, new)
        found |= _known_messages(connection, [digest for digest, _ in new])
    return {digests[digest]: key for digest, key in found.items()}


def _known_messages(connection: Connection, digests: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in _chunks(digests):
        rows = connection.execute(
            select(Message.sha256, Message.id).where(Message.sha256.in_(chunk))
        )
        found.update((digest, key) for digest, key in rows)
    return found


def intern_variant(connection: Connection, axes: Mapping[str, str]) -> int:
    """Return the key of a variant, adding it if it was never seen."""
    digest = variant_hash(axes)
    return _intern_one(connection, Variant, {"hash": digest}, {"axes": dict(axes)})


def intern_environment(connection: Connection, fields: Mapping[str, Any]) -> int:
    """Return the key of an environment, stored once per digest of its canonical JSON."""
    digest = _digest_of(json.dumps(fields, sort_keys=True))
    return _intern_one(connection, Environment, {"sha256": digest}, {"fields": dict(fields)})


@lru_cache(maxsize=256)
def _digest_of(text: str) -> str:
    """Return the digest of the canonical form; a machine reports the same thousands of times."""
    return hashlib.sha256(canonical_json(json.loads(text))).hexdigest()


def _intern_one(
    connection: Connection, model: Any, identity: Mapping[str, str], rest: Mapping[str, Any]
) -> int:
    query = select(model.id).filter_by(**identity)
    known = connection.execute(query).scalar()
    if known is not None:
        return int(known)
    try:
        with connection.begin_nested():
            connection.execute(insert(model).values(**identity, **rest))
    except IntegrityError:
        pass  # Another writer interned it between the two statements (PostgreSQL only).
    return int(connection.execute(query).scalar_one())
