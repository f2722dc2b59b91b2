"""`Detector`: one observation after the other, with a stated rate of false alarms."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import asdict, replace
from math import isfinite, log
from typing import Any

import numpy as np

from hotfire_infra.analysis.changepoints.batch import SPELL
from hotfire_infra.analysis.changepoints.machines import Machines
from hotfire_infra.analysis.changepoints.noise import (
    CENTRE,
    RHO,
    SCALE,
    Floats,
    inflation,
    median,
    spread,
)
from hotfire_infra.analysis.changepoints.records import Alert, ChangeKind, Changepoint
from hotfire_infra.analysis.changepoints.recursion import (
    BEST,
    CARRIED,
    COUNT,
    FEWEST,
    FIRST,
    FIT,
    KNOWN,
    LEVEL,
    LEVELS,
    LEVELS_AFTER,
    LOSSES,
    MIRRORED,
    MODELLED,
    NEXT_FIT,
    NOMINAL,
    NOTHING,
    REVIEWS,
    SINCE,
    SPREAD,
    STATISTIC,
    VALUES,
    append,
    extend,
    locate,
    replay,
    threshold,
)
from hotfire_infra.analysis.changepoints.shape import (
    DRIFT_MARGIN,
    best_ramp,
    confidence,
    level_cost,
    mixture,
    origin_near,
    position_interval,
)
from hotfire_infra.analysis.changepoints.spread import late_spread_change, wild_before

VERSION = 4
"""Of the state."""
_LONG = 10
"""Observations behind a change from which a slope can be told from a step."""
_IN_DOUBT = 0.6
"""Log-likelihood by which a step must be better than a slope that took so long to be noticed."""
_SECOND_STEP = 6.0
"""Log-likelihood that a second step must gain over a slope."""
_SHARP = 3.0
"""Scales of a jump that is no part of the drift before it."""
_RECENT, _RESTLESS = 32, 1.25
_FEW_AFTER, _RESTLESS_AFTER = 6, 1.6
_SPELL = 15
"""Observations of a spell that may have been chance."""
_SPELL_KNOWN = 6
"""Observations of one so short that a series which had one must show as many before the next is told."""
_BACK, _STRONG = 0.4, 1.7
"""Shares of the threshold: below the first two levels are one, below the second a spell is weak."""
_STANDS = 0.5
"""Share of the threshold below which a change, seen from later, is withdrawn."""


def _ramp_over_step(z: Floats, split: int) -> float:
    """Return by how much more a slope explains a segment than one step does, in log-likelihood."""
    ramp = best_ramp(z)
    if ramp is None:
        return -math.inf
    return level_cost(z[:split]) + level_cost(z[split:]) - ramp.cost


class Detector:
    """Watches a series; false alarms come once in `arl0` observations in the mean.

    That holds for the noise of the series itself, whose scale, autocorrelation and tails are learned
    from the observations since the last change and residuals from before; it is calibrated on
    white, outlier-ridden and autocorrelated noise (`benchmarks/README.md`). The first 15
    observations raise no alert.
    """

    def __init__(self, *, arl0: float = NOMINAL) -> None:
        if not arl0 >= 2:
            raise ValueError(f"arl0 is {arl0}; it counts observations, so 2 at least")
        self.arl0 = arl0
        self._next = 0
        self._is_logged = True
        self._origin = 1.0
        self._changes: list[Changepoint] = []
        self._levels: list[tuple[float, float]] = []
        """Of each change the levels before and after, as kept."""
        self._alerted = 0
        self._spell = 0
        """Observations that are no news: those of a spell, where one went away before."""
        self._machines = Machines()
        self._floats = np.zeros(LEVELS_AFTER.stop)
        self._integers = np.zeros(SINCE.stop, np.int64)
        self._values = self._floats[VALUES]
        self._places = self._integers[VALUES]
        self._before = np.empty(0)
        self._before_places = np.empty(0, np.int64)
        self._carried = np.empty(0)
        self._fit = self._floats[FIT]
        self._fit[NEXT_FIT] = FIRST
        self._losses = self._floats[LOSSES]
        self._steady = self._floats[LEVELS]
        self._changed = self._floats[LEVELS_AFTER]
        self._since = self._integers[SINCE]

    @property
    def changepoints(self) -> list[Changepoint]:
        """The changes that stand, in order, as what came later has refined them."""
        return list(self._changes)

    def append(self, value: float, machine: Hashable | None = None) -> list[Alert]:
        """Take the next observation; return what it revealed, as a rule nothing.

        ValueError: the value is not finite; the detector is as it was.
        """
        if not isfinite(value):
            raise ValueError(f"observation {self._next} is {value}, not a finite number")
        place = self._next
        self._next += 1
        if self._is_logged:
            if value > 0:
                if place == 0:
                    self._origin = origin_near(value)
                share = value / self._origin
                is_in_range = 0.0 < share < math.inf
                value = log(share) if is_in_range else log(value) - log(self._origin)
            else:
                self._unlog()
        if machine is not None:
            offset = self._machines.offset(machine, value, self._level())
            if offset is None:
                return []
            value -= offset
        seen = append(value, place, self.arl0, self._floats, self._integers, self._carried)
        if seen == NOTHING:
            return []
        if seen == SPREAD:
            return self._look_at_spread()
        if seen == LEVEL:
            split = locate(self._changed, self._since, self._fit)
            # Where a spell of some observations came and went, as short a one is no news.
            lasts = self._fit[COUNT] - split > self._spell
            bar = threshold(self._fit, self.arl0) * self._unrest(split)
            if lasts and self._fit[STATISTIC] > bar:
                return self._changed_at(split)
        if self._changes and int(self._fit[COUNT]) in REVIEWS:
            return self._review()
        return []

    @property
    def _table(self) -> Floats:
        return self._losses[MIRRORED:][::-1]

    def _level(self) -> float | None:
        return float(self._fit[CENTRE]) if self._fit[MODELLED] else None

    def _unrest(self, split: int) -> float:
        """By what the noise about a change exceeds that of the segment, as a variance ratio.

        A spell of unrest makes likelihood ratios larger by its variance; a little of it is chance,
        the less of it the fewer observations there are.
        """
        worst = 1.0
        before = self._values[max(0, split - _RECENT) : split]
        after = self._values[split : int(self._fit[COUNT])][:_RECENT]
        for part, least, limit in (
            (before, _RECENT, _RESTLESS), (after, _FEW_AFTER, _RESTLESS_AFTER)
        ):  # fmt: skip
            if part.size >= least:
                ratio = spread(part - median(part)) / float(self._fit[SCALE])
                worst = max(worst, min(ratio, 3.0) if ratio > limit else 1.0)
        z = (self._values[:split][-_RECENT:] - self._fit[CENTRE]) / self._fit[SCALE]
        return max(worst, wild_before(z, z.size)) ** 2

    def _unlog(self) -> None:
        """A value that is not positive came: keep the series as it is, not its logarithms."""
        self._is_logged = False
        count = int(self._fit[COUNT])
        origin = self._origin
        level = math.exp(self._fit[CENTRE]) * origin
        self._values[:count] = np.exp(self._values[:count]) * origin
        self._before = np.exp(self._before) * origin
        self._carried = self._carried * level
        self._levels = [
            (math.exp(old) * origin, math.exp(new) * origin) for old, new in self._levels
        ]
        self._machines.scale(level)
        self._fit[NEXT_FIT] = 0 if self._fit[MODELLED] else self._fit[NEXT_FIT]

    def _changed_at(self, split: int) -> list[Alert]:
        """The segment changed at an offset: begin a new one, and say so if it is news."""
        count = int(self._fit[COUNT])
        values = self._values[:count].copy()
        places = self._places[:count].copy()
        news = int(places[split]) >= self._alerted or self._before.size == 0
        if news and self._went_away(values, split):
            if split <= _SPELL_KNOWN:
                self._spell = _SPELL_KNOWN
            return self._withdraw(values, places)
        point, levels = self._described(values, places, split)
        if news:
            self._before, self._before_places = values[:split][-CARRIED:], places[:split][-CARRIED:]
            self._carry(values[:split])
        elif self._changes:
            # Among what was seen at the last alert already: that change lies here instead.
            old_level = self._levels[-1][0]
            levels = (old_level, levels[1])
            point = replace(point, before=self._changes[-1].before, kind=self._changes[-1].kind)
        self._restart(values[split:], places[split:])
        return self._announce(point, levels, is_new=news)

    def _went_away(self, values: Floats, split: int) -> bool:
        """Whether the last change was a spell of a few observations, and no long strong one.

        What comes after it then has the level of what was before it, and a spell that is as long as
        this is told from chance by too little for both its ends to be news.
        """
        if not self._changes or split > _SPELL or self._before.size < FEWEST:
            return False
        if self._changes[-1].kind not in (ChangeKind.STEP, ChangeKind.MIX):
            return False
        scale, limit = float(self._fit[SCALE]), threshold(self._fit, self.arl0)
        centre = float(median(self._before))
        before, spell, after = (
            (part - centre) / scale for part in (self._before, values[:split], values[split:])
        )
        outside = level_cost(np.concatenate([before, after]))
        is_back = level_cost(before) + level_cost(after) > outside - _BACK * limit
        both = level_cost(np.concatenate([before, spell, after]))
        is_weak = both - outside - level_cost(spell) < _STRONG * limit
        return is_back and (is_weak or split <= SPELL)

    def _withdraw(self, values: Floats, places: Any) -> list[Alert]:
        """Take the last change back: its segment goes on from before it."""
        last = self._changes.pop()
        self._levels.pop()
        self._restart(
            np.concatenate([self._before, values]), np.concatenate([self._before_places, places])
        )
        # Behind it nothing is known to begin here: whatever ends this segment is news.
        self._before, self._before_places = np.empty(0), np.empty(0, np.int64)
        return [Alert(index=last.index, low=last.low, high=last.high, kind=last.kind,
                      withdraws=last.index)]  # fmt: skip

    def _announce(
        self, point: Changepoint, levels: tuple[float, float], *, is_new: bool
    ) -> list[Alert]:
        self._alerted = self._next if is_new else self._alerted
        if not is_new:
            if self._changes:
                self._changes[-1], self._levels[-1] = point, levels
            return []
        if point.kind is ChangeKind.DRIFT and self._changes and self._is_same_way(levels):
            # The same drift goes on: it was told already, at the latest as a step.
            last = self._changes[-1]
            self._changes[-1] = replace(last, kind=ChangeKind.DRIFT, after=point.after)
            self._levels[-1] = (self._levels[-1][0], levels[1])
            return []
        self._changes.append(point)
        self._levels.append(levels)
        return [Alert(index=point.index, low=point.low, high=point.high, kind=point.kind)]

    def _is_same_way(self, levels: tuple[float, float]) -> bool:
        old, new = self._levels[-1]
        return (new > old) == (levels[1] > levels[0])

    def _described(
        self, values: Floats, places: Any, split: int
    ) -> tuple[Changepoint, tuple[float, float]]:
        scale = float(self._fit[SCALE])
        growth = inflation(self._fit[RHO], int(self._fit[MODELLED]))
        old = float(median(values[:split]))
        new = float(median(values[split:]))
        z = (values - old) / scale
        best, low, high = position_interval(z, 0.0, (new - old) / scale, self._table, growth)
        gain = level_cost(z) - level_cost(z[:split]) - level_cost(z[split:])
        is_drift = self._continues(values, split, scale, growth) or (
            values.size - split >= _LONG and _ramp_over_step(z, split) > -_IN_DOUBT * growth
        )
        kind = ChangeKind.DRIFT if is_drift else ChangeKind.STEP
        modes = mixture(z[:split], z[split:]) if kind is ChangeKind.STEP else None
        point = Changepoint(
            index=int(places[best]),
            low=int(places[low]),
            high=int(places[high]),
            kind=ChangeKind.MIX if modes else kind,
            before=modes.before if modes else self._unit(old),
            after=modes.after if modes else self._unit(new),
            # The statistic knows the density of the noise, the clipped squares only its scale.
            confidence=confidence(max(gain, self._fit[STATISTIC]), values.size, growth),
        )
        return point, (old, new)

    def _continues(self, values: Floats, split: int, scale: float, growth: float) -> bool:
        """Whether one slope explains the last change and this one better than two steps do."""
        if not self._changes or self._before.size < _LONG:
            return False
        old, new = self._levels[-1]
        levels = median(values[:split]), median(values[split:])
        if (new > old) != (levels[1] > levels[0]):
            return False
        if abs(levels[1] - levels[0]) > _SHARP * scale:
            return False
        if self._changes[-1].kind is ChangeKind.DRIFT:
            return True
        z = (np.concatenate([self._before, values]) - levels[0]) / scale
        begin = self._before.size
        steps = sum(
            level_cost(part) for part in (z[:begin], z[begin : begin + split], z[begin + split :])
        )
        ramp = best_ramp(z)
        return ramp is not None and ramp.cost < steps + _SECOND_STEP * growth

    def _unit(self, value: float) -> float:
        return math.exp(value) * self._origin if self._is_logged else value

    def _carry(self, values: Floats) -> None:
        left = values - median(values)
        self._carried = np.concatenate([self._carried, left])[-CARRIED:]

    def _restart(self, values: Floats, places: Any) -> None:
        """Begin a segment with these observations."""
        self._fit[COUNT] = 0
        self._fit[NEXT_FIT] = values.size if self._carried.size >= KNOWN else FIRST
        self._fit[STATISTIC] = 0.0
        if self._carried.size < KNOWN:
            self._fit[MODELLED] = 0
        extend(values, places, self.arl0, self._floats, self._integers, self._carried)

    def _look_at_spread(self) -> list[Alert]:
        """Say so if the noise of the segment has changed; its new part goes on as a segment."""
        count, scale = int(self._fit[COUNT]), float(self._fit[SCALE])
        values, places = self._values[:count].copy(), self._places[:count].copy()
        centre = float(self._fit[CENTRE])
        z = (values - centre) / scale
        # Where most observations are equal there is no spread to speak of.
        found = late_spread_change(z) if median(np.abs(values - median(values))) > 0 else None
        if found is None:
            return []
        growth = inflation(self._fit[RHO], int(self._fit[MODELLED]))
        point = Changepoint(
            index=int(places[found.index]), low=int(places[found.low]),
            high=int(places[found.high]), kind=ChangeKind.VARIANCE,
            before=found.before * scale, after=found.after * scale,
            confidence=confidence(found.gain, count, growth),
        )  # fmt: skip
        self._changes.append(point)
        self._levels.append((centre, centre))
        self._carried = np.empty(0)
        self._before, self._before_places = np.empty(0), np.empty(0, np.int64)
        self._restart(values[found.index :], places[found.index :])
        return [Alert(index=point.index, low=point.low, high=point.high, kind=point.kind)]

    def _review(self) -> list[Alert]:
        """Look at the last change again: where it lies, and whether it still is one."""
        count, old_count = int(self._fit[COUNT]), self._before.size
        if old_count < FEWEST:
            return []
        last = self._changes[-1]
        if last.kind is ChangeKind.DRIFT and last.index <= self._before_places[old_count // 2]:
            # It went on: what is before it here is part of it, and no level to compare with.
            return []
        values = np.concatenate([self._before, self._values[:count]])
        places = np.concatenate([self._before_places, self._places[:count]])
        scale = float(self._fit[SCALE])
        growth = inflation(self._fit[RHO], int(self._fit[MODELLED]))
        old, new = float(median(self._before)), float(median(self._values[:count]))
        z = (values - old) / scale
        gain = level_cost(z) - level_cost(z[:old_count]) - level_cost(z[old_count:])
        slope = _ramp_over_step(z, old_count) / growth
        if last.kind is ChangeKind.DRIFT and slope > -DRIFT_MARGIN:
            return []
        if gain < _STANDS * threshold(self._fit, self.arl0):
            if count == REVIEWS[0]:
                self._spell = _SPELL_KNOWN
            return self._withdraw(self._values[:count].copy(), self._places[:count].copy())
        best, low, high = position_interval(z, 0.0, (new - old) / scale, self._table, growth)
        kind = last.kind
        if kind in (ChangeKind.STEP, ChangeKind.DRIFT):
            # Told as one, it may turn out to be the other.
            kind = ChangeKind.DRIFT if slope > DRIFT_MARGIN else ChangeKind.STEP
        self._changes[-1] = replace(
            last, kind=kind, index=int(places[best]), low=int(places[low]), high=int(places[high]),
            after=last.after if last.kind is ChangeKind.MIX else self._unit(new),
            confidence=max(last.confidence, confidence(gain, values.size, growth)),
        )  # fmt: skip
        return []

    def state(self) -> dict[str, Any]:
        """Return all that is needed to go on, as JSON takes it; a few kilobytes.

        What follows from the observations (loss, costs) is left out and made again.
        """
        count = int(self._fit[COUNT])
        fit = self._fit.copy()
        # Infinite where no candidate is long enough, which JSON cannot say; made again anyway.
        fit[BEST] = 0.0
        return {
            "v": VERSION,
            "arl0": self.arl0,
            "next": self._next,
            "logged": self._is_logged,
            "origin": self._origin,
            "alerted": self._alerted,
            "spell": self._spell,
            "changes": [asdict(one) for one in self._changes],
            "levels": [list(pair) for pair in self._levels],
            "machines": self._machines.state(),
            "values": self._values[:count].tolist(),
            "places": self._places[:count].tolist(),
            "before": self._before.tolist(),
            "before_places": self._before_places.tolist(),
            "carried": self._carried.tolist(),
            "fit": fit.tolist(),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Detector:
        """Return the detector that gave this state; it goes on as that one would have.

        ValueError: the state is of another version.
        """
        if state.get("v") != VERSION:
            raise ValueError(
                f"a detector's state of version {state.get('v')!r}; {VERSION} is known"
            )
        made = cls(arl0=state["arl0"])
        made._next, made._alerted = state["next"], state["alerted"]
        made._spell = state["spell"]
        made._is_logged, made._origin = state["logged"], state["origin"]
        made._changes = [
            Changepoint(**{**one, "kind": ChangeKind(one["kind"])}) for one in state["changes"]
        ]
        made._levels = [(old, new) for old, new in state["levels"]]
        made._machines = Machines.restore(state["machines"])
        count = len(state["values"])
        made._values[:count], made._places[:count] = state["values"], state["places"]
        made._before = np.array(state["before"], np.float64)
        made._before_places = np.array(state["before_places"], np.int64)
        made._carried = np.array(state["carried"], np.float64)
        made._fit[:] = state["fit"]
        if made._fit[MODELLED]:
            replay(made._values, made._carried, made._fit, made._losses,
                   made._steady, made._changed, made._since)  # fmt: skip
        return made
