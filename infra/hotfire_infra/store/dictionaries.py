"""Intern what results repeat: test ids, variants, environments and messages become integers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import IntegrityError

from hotfire_infra.store.models import Environment, Variant
from hotfire_infra.store.postgres import is_postgres
from hotfire_infra.store.results import without_nul
from hotfire_testframework.contract.canonical import canonical_json
from hotfire_testframework.contract.variants import variant_hash


def split_test(identifier: str) -> tuple[str, str, str]:
    """Return module, scheme and name of an identifier that the stream's reader has checked."""
    module, scheme, name = identifier.split("/", 2)
    return module, scheme, name


_KEYS: WeakKeyDictionary[Engine, dict[str, int]] = WeakKeyDictionary()
_ADDED: WeakKeyDictionary[Connection, set[int]] = WeakKeyDictionary()
KEYS_KEPT = 200_000
"""Of tests, per database: a nightly run asks for the same ones again and again."""


def intern_tests(connection: Connection, identifiers: Iterable[str]) -> dict[str, int]:
    """Return the key of each test, adding those never seen.

    A test is never removed, so its key is remembered; but only once a transaction found it that did
    not add it, for what a transaction adds may yet be rolled back.
    """
    kept = _KEYS.setdefault(connection.engine, {})
    wanted = dict.fromkeys(identifiers)
    found = {identifier: kept[identifier] for identifier in wanted if identifier in kept}
    unknown = [identifier for identifier in wanted if identifier not in found]
    if unknown:
        new = _look_up_tests(connection, unknown)
        added = _ADDED.get(connection) or set()
        if len(kept) + len(new) > KEYS_KEPT:
            kept.clear()
        kept.update((name, key) for name, key in new.items() if key not in added)
        found |= new
    return found


def _look_up_tests(connection: Connection, identifiers: Sequence[str]) -> dict[str, int]:
    texts = {identifier: split_test(identifier) for identifier in identifiers}
    if not is_postgres(connection):
        return _intern_each(connection, texts, _FIND_TEST, _ADD_TEST)
    columns = ("module", "scheme", "name")
    keys = _intern_arrays(connection, "test", columns, list(texts.values()), width=3)
    return {"/".join(parts): key for parts, key in keys.items()}


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
    added = _ADDED.setdefault(connection, set())
    for name, row in rows.items():
        known = driver.execute(find, row).fetchone()
        if known is None:
            known = driver.execute(add, row).fetchone()
            added.add(known[0])
        found[name] = known[0]
    return found


def _intern_arrays(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, ...]],
    *,
    width: int,
) -> dict[tuple[str, ...], int]:
    """Look up all rows at once by arrays, add those never seen; the first `width` columns are key.

    PostgreSQL needs 50 ms to plan `(a, b) IN (…)` with a thousand pairs; an array is one value.
    """
    names, key = ", ".join(columns), ", ".join(columns[:width])
    arrays = ", ".join("%s::text[]" for _ in columns[:width])
    find = f"SELECT id, {key} FROM unnest({arrays}) AS wanted ({key}) JOIN {table} USING ({key})"
    all_arrays = ", ".join("%s::text[]" for _ in columns)
    add = (
        f"INSERT INTO {table} ({names}) SELECT * FROM unnest({all_arrays})"
        f" ON CONFLICT DO NOTHING RETURNING id, {key}"
    )
    driver: Any = connection.connection.driver_connection

    def ask(statement: str, some: Sequence[tuple[str, ...]], columns_asked: int) -> None:
        values = [[row[place] for row in some] for place in range(columns_asked)]
        for identity, *parts in driver.execute(statement, values).fetchall():
            found[tuple(parts)] = identity

    found: dict[tuple[str, ...], int] = {}
    if rows:
        ask(find, rows, width)
    # In one order: two writers that add the same rows must not wait for each other.
    if new := sorted(row for row in rows if row[:width] not in found):
        ask(add, new, len(columns))
        _ADDED.setdefault(connection, set()).update(
            found[row[:width]] for row in new if row[:width] in found
        )
        # What another writer added in between was neither found nor added.
        if missed := [row for row in new if row[:width] not in found]:
            ask(find, missed, width)
    return found


def intern_messages(connection: Connection, texts: Iterable[str]) -> dict[str, int]:
    """Return the key of each text, adding those never seen."""
    digests = {
        hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(): text
        for text in dict.fromkeys(texts)
    }
    stored = {digest: text.encode("utf-8", "replace").decode() for digest, text in digests.items()}
    if not is_postgres(connection):
        rows = {digests[digest]: (digest, text) for digest, text in stored.items()}
        return _intern_each(connection, rows, _FIND_MESSAGE, _ADD_MESSAGE)
    pairs = [(digest, without_nul(text)) for digest, text in stored.items()]
    keys = _intern_arrays(connection, "message", ("sha256", "text"), pairs, width=1)
    return {digests[digest]: key for (digest, *_), key in keys.items()}


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
