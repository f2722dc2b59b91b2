"""What part of a cell's time is left when a change leaves out some of its tests."""

from __future__ import annotations

import math
from collections.abc import Collection

from hotfire_pipelines.cutting import SETUP_SECONDS
from hotfire_pipelines.durations import expect
from hotfire_pipelines.history import CellHistory


def chosen_share(
    chosen: Collection[str], left_out: Collection[str], known: CellHistory | None
) -> float:
    """Return the part of the whole cell's seconds, 0..1: set-up stays, tests by their durations.

    Of what was never measured each test counts like its neighbours, and else like every other.
    """
    if not left_out:
        return 1.0
    history = known or CellHistory()
    setup = history.setup.seconds if history.setup else SETUP_SECONDS
    every = sorted({*chosen, *left_out})
    seconds = {test: one.mean_seconds for test, one in expect(every, history.tests).items()}
    whole = setup + math.fsum(seconds.values())
    return (setup + math.fsum(seconds[test] for test in set(chosen))) / whole
