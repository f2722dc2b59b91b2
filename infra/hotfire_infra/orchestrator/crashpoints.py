"""Where a service may die, by name: tests put an end there, production passes by."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class CrashPoint(StrEnum):
    """Moments between two effects; after a death at any of them nothing may be lost or doubled."""

    HANDED_OVER = "handed over"
    """Within the transaction: slots are passed on to those that were started ahead."""
    LOOKED = "looked"
    """Blobs are moved, no row names them."""
    SETTLED = "settled"
    """Within the transaction: claims granted, attempts ended."""
    LEASED = "leased"
    """Within the transaction: folds written, tasks leased."""
    COMMITTED = "committed"
    """The store says so, nobody outside knows: claims unanswered, the dead not freed."""
    ANSWERED = "answered"
    """Some of the effects are done."""
    SUBMITTING = "submitting"
    """An attempt is leased and its runner not started."""
    SUBMITTED = "submitted"
    ANALYSED = "analysed"
    """A run is folded and analysed, its verdict not written."""
    FINALIZED = "finalized"


Passing = Callable[[CrashPoint], None]
"""Called at every point; a test raises there or kills its own process."""


def pass_by(_point: CrashPoint) -> None:
    """Do nothing."""
