"""One benchmark process is one replicate; rounds interleave the benchmarks, so drift hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from hotfire_testframework.measuring.canary import Song, best_of, canary, residuals
from hotfire_testframework.measuring.foreign_load import Snapshot, foreign_share, snapshot

FOREIGN_LIMIT = 0.05  # share of the machine; above it medians moved by more than 2 %
# Relative; a slower clock or sum means another frequency or a stolen core, a slower copy a neighbour
# who moves memory. Copies scatter most where nothing disturbs.
CANARY_LIMITS = {"clock": 0.10, "memory": 0.20, "arithmetic": 0.10}
PROBE = "probe.read_bandwidth"
LEAST = 3  # launches of a valid point

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One process: its position in the measured order, its answer, and the machine around it."""

    index: int
    answer: Answer
    foreign: float | None
    songs: tuple[Song, Song]
    """The canaries right before and right after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What `hotfire_record.measurement` wants to know about one series."""

    metric: str
    name: str
    replicates: list[float]
    launches: list[int]
    inner: int
    probe: float | None
    canary: float
    valid: bool
    reason: str | None


class Session:
    """Launches benchmarks in interleaved rounds within a budget of seconds."""

    def __init__(
        self,
        launch: Callable[[str], Answer],
        *,
        clock: Callable[[], float] = time.monotonic,
        look: Callable[[], Snapshot] = snapshot,
        sing: Callable[[], Song] = canary,
    ) -> None:
        self._launch, self._clock, self._look, self._sing = launch, clock, look, sing
        self.launches: dict[str, list[Launch]] = {}
        self._count = 0

    def rounds(self, names: Sequence[str], count: int, budget_s: float) -> None:
        """`count` rounds over `names`, fewer when the budget ends, but at least one."""
        end = self._clock() + budget_s
        for number in range(count):
            if number and self._clock() >= end:
                return
            for name in names:
                self.once(name)

    def once(self, name: str) -> None:
        """One launch of one benchmark."""
        sung, before = self._sing(), self._look()
        answer = self._launch(name)
        share = foreign_share(before, self._look())
        songs = (sung, self._sing())
        launch = Launch(index=self._count, answer=answer, foreign=share, songs=songs)
        self.launches.setdefault(name, []).append(launch)
        self._count += 1

    def points(self, name: str) -> list[Point]:
        """One point per measured series of a benchmark, probes left out."""
        launches = self.launches[name]
        series: dict[tuple[str, str], list[tuple[Launch, Answer]]] = {}
        for launch in launches:
            for row in launch.answer["measurements"]:
                if row["metric"] != PROBE:
                    series.setdefault((row["metric"], row["name"]), []).append((launch, row))
        return [self._point(metric, what, rows) for (metric, what), rows in series.items()]

    def probe(self) -> Point:
        """The bandwidth probe over all launches of the session."""
        found = [
            (launch, value)
            for launches in self.launches.values()
            for launch in launches
            for value in probes(launch.answer)
        ]
        found.sort(key=lambda pair: pair[0].index)
        residual, reason = self._judge([launch for launch, _ in found])
        return Point(
            metric=PROBE,
            name="read:threads=1",
            replicates=[value for _, value in found],
            launches=[launch.index for launch, _ in found],
            inner=1,
            probe=None,
            canary=residual,
            valid=reason is None,
            reason=reason,
        )

    def canaries(self) -> list[Point]:
        """What each canary took right before and right after every launch.

        Valid whatever the machine did: that is what they are for.
        """
        launches = sorted(
            (one for group in self.launches.values() for one in group), key=lambda one: one.index
        )
        songs = [song for one in launches for song in one.songs]
        places = [one.index for one in launches for _ in one.songs]
        best = best_of(songs)
        reason = None if len(launches) >= LEAST else f"fewer than {LEAST} launches"
        return [
            Point(
                metric=f"canary.{name}_time",
                name=name,
                replicates=[getattr(song, name) for song in songs],
                launches=places,
                inner=1,
                probe=None,
                canary=residual,
                valid=reason is None,
                reason=reason,
            )
            for name, residual in residuals(songs, best).items()
        ]

    def _point(self, metric: str, name: str, rows: list[tuple[Launch, Answer]]) -> Point:
        launches = [launch for launch, _ in rows]
        residual, reason = self._judge(launches)
        beside = [value for launch in launches for value in probes(launch.answer)]
        return Point(
            metric=metric,
            name=name,
            replicates=[float(row["value"]) for _, row in rows],
            launches=[launch.index for launch in launches],
            inner=int(rows[0][1]["inner"]),
            probe=median(beside) if beside else None,
            canary=residual,
            valid=reason is None,
            reason=reason,
        )

    def _judge(self, launches: Sequence[Launch]) -> tuple[float, str | None]:
        """The worst residual of a canary, against its best of the session, and why a point is not valid."""
        everything = [
            song for group in self.launches.values() for one in group for song in one.songs
        ]
        heard = residuals((song for one in launches for song in one.songs), best_of(everything))
        which = max(heard, key=lambda name: heard[name] / CANARY_LIMITS[name])
        residual, limit = heard[which], CANARY_LIMITS[which]
        shares = [launch.foreign for launch in launches if launch.foreign is not None]
        if len({launch.index for launch in launches}) < LEAST:
            return residual, f"fewer than {LEAST} launches fitted into the budget"
        if len(shares) < len(launches):
            return residual, "foreign load cannot be read on this system"
        if median(shares) > FOREIGN_LIMIT:
            return residual, f"foreign load {median(shares):.1%} of the machine, allowed 5 %"
        if residual > limit:
            said = f"{which} canary {residual:.1%} slower than at its best"
            return residual, f"{said}, allowed {limit:.0%}"
        return residual, None


def probes(answer: Answer) -> list[float]:
    """The bandwidth probes of one launch, in B/s."""
    return [float(row["value"]) for row in answer["measurements"] if row["metric"] == PROBE]
