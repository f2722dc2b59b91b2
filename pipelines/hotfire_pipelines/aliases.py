"""Names for values of an axis that move with the axis: `minmax`, and `12.X` for the newest 12."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hotfire_pipelines.constraints.meaning import version
from hotfire_pipelines.errors import AliasError, suggest
from hotfire_pipelines.schema import Axis

MINMAX = "minmax"
NEWEST = re.compile(r"(\d+(?:\.\d+)*)\.X")


def resolve(name: str, axis: Axis, written: Sequence[str]) -> tuple[str, ...]:
    """Return the values that the written ones mean, each once, in the order they are written."""
    found = [value for one in written for value in meaning(name, axis, one)]
    return tuple(dict.fromkeys(found))


def meaning(name: str, axis: Axis, written: str) -> tuple[str, ...]:
    """Return the values that one written value means; a declared value always means itself.

    Raises AliasError, whose message has problem and remedy, for an alias that the axis cannot
    answer, and for a value that it does not have.
    """
    if written in axis.values:
        return (written,)
    if written == MINMAX:
        if not axis.ordered:
            raise AliasError(
                f"'minmax' needs an order, which axis {name!r} does not declare",
                "Add `ordered: true` to the axis, or name the values.",
            )
        return tuple(dict.fromkeys((axis.values[0], axis.values[-1])))
    prefix = NEWEST.fullmatch(written)
    if prefix is None:
        raise AliasError(f"{written!r} is no value of axis {name!r}", suggest(written, axis.values))
    matching = [value for value in axis.values if value.startswith(f"{prefix[1]}.")]
    ranked = [(found, value) for value in matching if (found := version(value)) is not None]
    if not ranked:
        raise AliasError(
            f"{written!r} matches no value of axis {name!r}", suggest(written, axis.values)
        )
    return (max(ranked)[1],)
