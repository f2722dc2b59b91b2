"""Which run, task and attempt the work at hand is about; every line of the log carries it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_EMPTY: Mapping[str, str] = MappingProxyType({})
_CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("hotfire_about", default=_EMPTY)


@contextmanager
def about(
    *, run: str | int | None = None, task: str | int | None = None, attempt: str | None = None
) -> Iterator[None]:
    """Say what a block is about: run (number or ULID), task (key), attempt (ULID); None keeps.

    It holds for this thread or asyncio task and for what it starts.
    """
    said = {"run": run, "task": task, "attempt": attempt}
    new = {name: str(value) for name, value in said.items() if value is not None}
    token = _CONTEXT.set({**_CONTEXT.get(), **new})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def current() -> Mapping[str, str]:
    """Return what the work at hand is about: `run`, `task`, `attempt`, as far as they are known."""
    return _CONTEXT.get()
