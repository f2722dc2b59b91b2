"""How many shards a task wants: a number, or what ends within a declared time."""

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag

from hotfire_pipelines.demands import Time, seconds_of
from hotfire_pipelines.strict import Strict

MOST_SHARDS = 256


def _of_an_attempt(text: str) -> str:
    if seconds_of(text) > 7 * 86_400:
        raise ValueError(f"{text!r} is longer than the 7 days that an attempt may take")
    return text


class ShardTarget(Strict):
    """As many shards as the measured durations need to end within a time."""

    target: Annotated[Time, AfterValidator(_of_an_attempt)]
    """Nine of ten shards end within it, set-up included: 10m, 1h30m."""
    max: Annotated[int, Field(ge=1, le=MOST_SHARDS)] = 32
    """More are not made, even if the target needs them."""

    @property
    def seconds(self) -> float:
        """The target in seconds."""
        return float(seconds_of(self.target))


# Tags are no keys, so that a message does not take them for a place in the file.
def _form(value: Any) -> str:
    return "(target)" if isinstance(value, (dict, ShardTarget)) else "(number)"


Shards = Annotated[
    Annotated[int, Field(ge=1, le=MOST_SHARDS), Tag("(number)")]
    | Annotated[ShardTarget, Tag("(target)")],
    Discriminator(_form),
]
