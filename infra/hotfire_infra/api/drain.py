"""Draining: what a service does between being told to end and ending."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

GRACE_SECONDS = 20
"""For requests that are under way; streams are ended at once, since their readers come back."""


@dataclass(slots=True)
class Drain:
    """Begins once; whoever has to know asks `is_draining` or leaves a function."""

    _flag: threading.Event = field(default_factory=threading.Event)
    _hooks: list[Callable[[], object]] = field(default_factory=list)

    @property
    def is_draining(self) -> bool:
        """Whether the service has been told to end: readiness says no from here on."""
        return self._flag.is_set()

    def on_begin(self, hook: Callable[[], object]) -> None:
        """Call `hook` when draining begins; it must return at once and not raise."""
        self._hooks.append(hook)

    def begin(self) -> None:
        """Begin, the first time that this is called."""
        if not self._flag.is_set():
            self._flag.set()
            for hook in self._hooks:
                hook()
