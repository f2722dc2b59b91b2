"""Assigns tests to shards: balanced, mindful of spread, and nearly the same after a small change.

`assign` has no memory and still moves few tests when one is added, because each decision depends
on little else: the longest tests go where there is most room, every other test to the first shard
of its own order of preference (a hash of name and shard) that still has room. How much room there
is goes in steps, so that a small test more changes nobody's. What `assign` leaves uneven, and an
assignment that is given, `sharding_repair` levels with few moves.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

LONGEST_PER_SHARD = 1
"""So many of the longest tests per shard are placed by room: hashed, they would make lumps."""
STEP = 0.003
"""Shares and totals are rounded up to powers of one plus this: between two, nothing depends on them."""
SLACK = 0.0005
"""A shard is full at this much above its share."""
CALM_EXTRA = 0.001
"""So much more a shard may take if its long tests vary less than those of others."""
CAUTION = 0.05
"""Seconds that a shard is kept shorter for each second of its root of squared durations.

A test of twice the duration varies about twice as much: squares stand for variances.
"""
SMALL = 0.03
"""A test of at most this part of a shard is small, and goes where it likes to, before longer ones."""


def lower_bound(seconds: Sequence[float], shards: int) -> float:
    """No assignment ends before: the mean load, the longest test, the two in the middle."""
    if not seconds:
        return 0.0
    ordered = sorted(seconds, reverse=True)
    bound = max(math.fsum(ordered) / shards, ordered[0])
    if len(ordered) > shards:
        bound = max(bound, ordered[shards - 1] + ordered[shards])
    return bound


def preference(test: str, shards: int) -> list[int]:
    """Return the shards in the order in which a test likes them, by hash (rendezvous)."""
    return sorted(range(shards), key=lambda shard: _hash(test, shard))


def assign(seconds: Mapping[str, float], shards: int) -> dict[str, int]:
    """Return test → shard, from names and durations alone; their order does not matter."""
    order = sorted(seconds, key=lambda test: (-seconds[test], test))
    cut = LONGEST_PER_SHARD * shards
    likes = {test: preference(test, shards) for test in order}
    load, squares = [0.0] * shards, [0.0] * shards
    home: dict[str, int] = {}

    def place(test: str, shard: int) -> None:
        home[test] = shard
        load[shard] += seconds[test]
        squares[shard] += seconds[test] ** 2

    for test in order[:cut]:
        place(test, min(range(shards), key=lambda one: (load[one], likes[test].index(one))))
    share = _in_steps(lower_bound(list(seconds.values()), shards))
    room = _room(share, load, squares, _in_steps(math.fsum(seconds.values())))
    fair = math.fsum(one**2 for one in seconds.values()) / shards
    # A test that comes late moves when there is less room. Were the small ones last, many would.
    rest = sorted(order[cut:], key=lambda test: seconds[test] > SMALL * share)
    for test in rest:
        fits = [one for one in likes[test] if load[one] + seconds[test] <= room[one]]
        calm = (one for one in fits if squares[one] + seconds[test] ** 2 <= fair)
        emptiest = min(range(shards), key=lambda one: load[one] - room[one])
        place(test, next(calm, fits[0] if fits else emptiest))
    return home


def _in_steps(seconds: float) -> float:
    return math.exp(math.ceil(math.log(seconds) / STEP) * STEP) if seconds > 0 else seconds


def _room(
    share: float, load: Sequence[float], squares: Sequence[float], total: float
) -> list[float]:
    """Return how full each shard may be; one that varies more with its long tests gets less."""
    most = share * (1 + CALM_EXTRA)
    caution = [CAUTION * math.sqrt(square) for square in squares]

    def rooms(level: float) -> list[float]:
        return [max(had, min(most, level - one)) for had, one in zip(load, caution, strict=True)]

    low, high = 0.0, most + max(caution)
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if math.fsum(rooms(middle)) < total else (low, middle)
    # Where one long test decides the makespan, nobody else needs to be level.
    wide = max(1.0, share * len(load) / total) if total else 1.0
    return [room * wide + SLACK * share for room in rooms(high)]


def _hash(test: str, shard: int) -> float:
    digest = hashlib.blake2b(f"{shard}\n{test}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
