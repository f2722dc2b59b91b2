"""Intern what results repeat: test ids, variants, environments and messages become integers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, Select, bindparam, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute

from hotfire_infra.store.models import Environment, Variant
from hotfire_infra.store.names import SHORT_NAME, fault_of_test
from hotfire_infra.store.postgres import is_postgres
from hotfire_infra.store.prepared import Prepared, prepare
from hotfire_infra.store.results import MESSAGE, TEST, insert_many, without_nul
from hotfire_testframework.contract.canonical import canonical_json
from hotfire_testframework.contract.variants import variant_hash


def split_test(identifier: str) -> tuple[str, str, str]:
    """Return module, scheme and name of an identifier without a fault."""
    module, scheme, name = identifier.split("/", 2)
    return module, scheme, name


@dataclass(slots=True)
class _Kept:
    """Keys of tests that were found in a database."""

    keys: dict[str, int] = field(default_factory=dict)
    highest: int = 0


_KEYS: WeakKeyDictionary[Engine, _Kept] = WeakKeyDictionary()
_ADDED: WeakKeyDictionary[Connection, set[int]] = WeakKeyDictionary()
KEYS_KEPT = 200_000
"""Of tests, per database: a nightly run asks for the same ones again and again."""


def keys_of_tests(connection: Connection, identifiers: Sequence[str]) -> list[int | None]:
    """Return the key of each test in order, adding those never seen; None: it cannot be stored.

    A test is never removed, so its key is remembered; but only once a transaction found it that did
    not add it, for what a transaction adds may yet be rolled back.
    """
    kept = _kept(connection)
    keys = [*map(kept.keys.get, identifiers)]
    places = [place for place, key in enumerate(keys) if key is None]
    if not places:
        return keys
    unknown = dict.fromkeys([identifiers[place] for place in places])
    new = _look_up_tests(connection, _storable(unknown))
    added = _ADDED.get(connection) or set()
    found = {name: key for name, key in new.items() if key not in added}
    if len(kept.keys) + len(found) > KEYS_KEPT:
        kept.keys.clear()
    kept.keys.update(found)
    kept.highest = max(kept.highest, *found.values(), 0)
    for place in places:
        keys[place] = new.get(identifiers[place])
    return keys


def _kept(connection: Connection) -> _Kept:
    kept = _KEYS.get(connection.engine)
    if kept is None:
        kept = _KEYS[connection.engine] = _Kept()
    return kept


def forget_keys_beyond(connection: Connection) -> None:
    """Forget the keys of tests if their table, on SQLite, does not reach as far as they do.

    Tests are never removed: whoever put another database into this one's place did that. Asked once
    in a transaction that does not look its foreign keys up.
    """
    kept = _kept(connection)
    if kept.keys and not is_postgres(connection):
        driver: Any = connection.connection.driver_connection
        (last,) = driver.execute(_LAST_TEST).fetchone()
        if last < kept.highest:
            kept.keys.clear()
            kept.highest = 0


def _storable(identifiers: Iterable[str]) -> list[str]:
    return [
        name
        for name in identifiers
        # Nearly all of them, without a call for each.
        if (len(name) <= SHORT_NAME and name.count("/") >= 2) or fault_of_test(name) is None
    ]


def intern_tests(connection: Connection, identifiers: Iterable[str]) -> dict[str, int]:
    """Return the key of each test that can be stored, adding those never seen."""
    wanted = list(dict.fromkeys(identifiers))
    keys = keys_of_tests(connection, wanted)
    return {name: key for name, key in zip(wanted, keys, strict=True) if key is not None}


def _look_up_tests(connection: Connection, identifiers: Sequence[str]) -> dict[str, int]:
    if not identifiers:
        return {}
    if not is_postgres(connection):
        return _look_up_each(connection, identifiers)
    texts = {identifier: split_test(without_nul(identifier)) for identifier in identifiers}
    columns = ("module", "scheme", "name")
    # Two that differ in a NUL are one.
    rows = list(dict.fromkeys(texts.values()))
    keys = _intern_arrays(connection, "test", columns, rows, width=3)
    return {identifier: keys[parts] for identifier, parts in texts.items()}


_FIND_TEST = "SELECT id FROM test WHERE module = ? AND scheme = ? AND name = ?"
ADD_FROM = 64
"""Tests from which it is worth guessing that all are new, as in the first run of a suite."""
TESTS_AT_ONCE = (100, 20, 5)
"""Tests in one look-up, which costs the driver as much as one of a single test."""
_LAST_TEST = "SELECT coalesce(max(id), 0) FROM test"


def _look_up_each(connection: Connection, identifiers: Sequence[str]) -> dict[str, int]:
    """Look each up by its index, unless all seem to be new: then they are added in one go.

    A wrong guess costs some keys that no test has, and no more.
    """
    driver: Any = connection.connection.driver_connection
    # Whoever writes is alone (BEGIN IMMEDIATE), so the next keys are known beforehand.
    (last,) = driver.execute(_LAST_TEST).fetchone()
    added = _ADDED.setdefault(connection, set())

    def find(identifier: str) -> int | None:
        row = driver.execute(_FIND_TEST, split_test(identifier)).fetchone()
        return None if row is None else row[0]

    def find_all(wanted: Sequence[str]) -> dict[str, int | None]:
        found, start = dict.fromkeys(wanted), 0
        for count in TESTS_AT_ONCE:
            while len(wanted) - start >= count:
                some = wanted[start : start + count]
                values = [part for name in some for part in split_test(name)]
                for place, key in driver.execute(_find_tests(count), values):
                    found[some[place]] = key
                start += count
        found.update((name, find(name)) for name in wanted[start:])
        return found

    def add(new: Sequence[str]) -> dict[str, int] | None:
        """Return the keys given out; None: some were there already."""
        rows = [(key, *name.split("/", 2)) for key, name in enumerate(new, last + 1)]
        keys = range(last + 1, last + 1 + len(rows))
        added.update(keys)
        if insert_many(connection, TEST, rows) != len(rows):
            return None
        return dict(zip(new, keys, strict=True))

    few = identifiers[:: len(identifiers) // 8 + 1]
    if len(identifiers) >= ADD_FROM and not any(map(find, few)):
        given = add(identifiers)
        if given is not None:
            return given
    keys = find_all(identifiers)
    missing = [name for name, key in keys.items() if key is None]
    given = (add(missing) if missing else None) or {}
    return {name: given[name] if key is None else key for name, key in keys.items()}


@lru_cache
def _find_tests(count: int) -> str:
    """Return the query for the places and keys of so many tests; by it the driver knows it again."""
    wanted = ", ".join(f"({place}, ?, ?, ?)" for place in range(count))
    return (
        f"WITH wanted (place, module, scheme, name) AS (VALUES {wanted}) "
        # The order of a CROSS JOIN is kept: a look-up by index for each that is wanted.
        "SELECT place, id FROM wanted CROSS JOIN test USING (module, scheme, name)"
    )


def _intern_arrays(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[tuple[str, ...]],
    *,
    width: int,
) -> dict[tuple[str, ...], int]:
    """Look up all rows at once by arrays, add those never seen; the first `width` columns are key.

    PostgreSQL needs 50 ms to plan `(a, b) IN (…)` with a thousand pairs; an array is one value, and
    in binary form nothing in it is searched for signs to escape.
    """
    names, key = ", ".join(columns), ", ".join(columns[:width])
    arrays = ", ".join("%b::text[]" for _ in columns[:width])
    find = f"SELECT id, {key} FROM unnest({arrays}) AS wanted ({key}) JOIN {table} USING ({key})"
    if table == "message":
        # A message may be pruned, unless somebody is about to point to it.
        find += " FOR KEY SHARE OF message"
    all_arrays = ", ".join("%b::text[]" for _ in columns)
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
    rows = {
        text: _recent_message(text) if len(text) <= RECENT_SIGNS else _message_of(text)
        for text in dict.fromkeys(texts)
    }
    keys = add_messages(connection, list(rows.values()))
    return {text: keys[digest] for text, (digest, _) in rows.items()}


RECENT_MESSAGES = 1_000
RECENT_SIGNS = 4_000
"""Of a message whose digest is remembered for a while: one cause fails many tests with one text."""


def _message_of(text: str) -> tuple[str, str]:
    """Return the digest of a text and the text as it is stored: half a character is none."""
    try:
        return hashlib.sha256(text.encode()).hexdigest(), text
    except UnicodeEncodeError:
        content = text.encode("utf-8", "replace")
        return hashlib.sha256(content).hexdigest(), content.decode()


_recent_message = lru_cache(maxsize=RECENT_MESSAGES)(_message_of)


# The order of a CROSS JOIN is kept: a look-up by index for each that is wanted.
_FIND_MESSAGES = (
    "SELECT sha256, message.id FROM json_each(?) AS wanted"
    " CROSS JOIN message ON sha256 = wanted.value"
)
_LAST_MESSAGE = "SELECT coalesce(max(id), 0) FROM message"


def add_messages(connection: Connection, rows: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the key of each (sha256, text) by its digest, adding those never seen."""
    if not rows:
        return {}
    if is_postgres(connection):
        pairs = [(digest, without_nul(text)) for digest, text in rows]
        keys = _intern_arrays(connection, "message", ("sha256", "text"), pairs, width=1)
        return {digest: key for (digest, *_), key in keys.items()}
    driver: Any = connection.connection.driver_connection
    wanted = json.dumps([digest for digest, _ in rows])
    found: dict[str, int] = dict(driver.execute(_FIND_MESSAGES, (wanted,)))
    new = {digest: text for digest, text in rows if digest not in found}
    if new:
        # Whoever writes is alone (BEGIN IMMEDIATE), so the next keys are known beforehand.
        (last,) = driver.execute(_LAST_MESSAGE).fetchone()
        added = [(key, *row) for key, row in enumerate(new.items(), last + 1)]
        insert_many(connection, MESSAGE, added)
        found.update((digest, key) for key, digest, _ in added)
    return found


def intern_variant(connection: Connection, axes: Mapping[str, str]) -> int:
    """Return the key of a variant, adding it if it was never seen."""
    digest = variant_hash(axes)
    return _intern_one(connection, _VARIANT, digest, axes)


def intern_environment(connection: Connection, fields: Mapping[str, Any]) -> int:
    """Return the key of an environment, stored once per digest of its canonical JSON."""
    digest = _digest_of(json.dumps(fields, sort_keys=True))
    return _intern_one(connection, _ENVIRONMENT, digest, fields)


@lru_cache(maxsize=256)
def _digest_of(text: str) -> str:
    """Return the digest of the canonical form; a machine reports the same thousands of times."""
    return hashlib.sha256(canonical_json(json.loads(text))).hexdigest()


@dataclass(frozen=True, slots=True)
class _Statements:
    """Of one dictionary; built once, for building one costs more than executing it."""

    key: InstrumentedAttribute[str]
    find: Select[Any]
    known: Prepared
    add: Prepared


def _statements(key: InstrumentedAttribute[str], rest: InstrumentedAttribute[Any]) -> _Statements:
    table: Any = key.class_.__table__
    find = select(table.c.id).where(key == bindparam("digest"))
    add = insert(table).values({key.key: bindparam("digest"), rest.key: bindparam("rest")})
    return _Statements(key, find, prepare(find), prepare(add))


_VARIANT = _statements(Variant.hash, Variant.axes)
_ENVIRONMENT = _statements(Environment.sha256, Environment.fields)


def _intern_one(
    connection: Connection, statements: _Statements, digest: str, rest: Mapping[str, Any]
) -> int:
    known = statements.known.row(connection, digest=digest)
    if known is not None:
        return int(known[0])
    if not is_postgres(connection):
        # Whoever writes is alone (BEGIN IMMEDIATE).
        statements.add.run(connection, digest=digest, rest=dict(rest))
        added = statements.known.row(connection, digest=digest)
        assert added is not None
        return int(added[0])
    try:
        with connection.begin_nested():
            statements.add.run(connection, digest=digest, rest=dict(rest))
    except IntegrityError:
        pass  # Another writer interned it between the two statements.
    return int(connection.execute(statements.find, {"digest": digest}).scalar_one())
