"""The key of a series: what must be equal for two measurements to be comparable."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesIdentity:
    """Test, metric@version, variant, environment class and the benchmark's own definition.

    The machine is not part of it: it is a factor column of each point.
    """

    test: str
    metric: str
    version: int
    variant_hash: str
    environment_class: str
    """Device or CPU model, ISA, native or emulated, clock policy."""
    definition: str
    """sha256 of what the benchmark does; a changed benchmark starts a new series."""


def series_key(identity: SeriesIdentity) -> str:
    """Return the sha256, as 64 hex signs, of the identity as sorted, compact JSON (UTF-8)."""
    text = json.dumps(asdict(identity), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
