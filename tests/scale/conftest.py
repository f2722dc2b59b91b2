"""The fixtures of the infrastructure's tests, for tests that take minutes."""

from ..infra.conftest import (
    clock,
    dialect,
    empty_database,
    make_plan,
    make_spec,
    postgres,
    postgres_database,
    postgres_template,
    store,
)

__all__ = [
    "clock",
    "dialect",
    "empty_database",
    "make_plan",
    "make_spec",
    "postgres",
    "postgres_database",
    "postgres_template",
    "store",
]
