"""What a pipeline declares about accuracy: the drop that must not pass, and how sure one must be."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hotfire_pipelines.strict import Strict

Share = Annotated[float, Field(gt=0, lt=1)]


class AccuracyGate(Strict):
    """A gate on one accuracy task; shares, so 0.01 is one point.

    A gate that cannot see its tolerance with the items it has is refused before anything runs.
    """

    tolerance: Share = 0.01
    """The drop that must not pass."""
    alpha: Share = 2e-4
    """Probability that the gate fails though nothing changed."""
    power: Share = 0.8
    """Probability that a drop of the tolerance fails it."""
    discordance: Share = 0.02
    """Share of items whose outcome changes though nothing is wrong, until runs have measured it."""
    items: Annotated[int, Field(ge=1)] | None = None
    """Items of the task; none: as many as the last run that passed had."""

    blind: Literal["error", "warning"] = "error"
    """What it is that the gate cannot see its tolerance: no run is made, or whoever plans is told."""

    @model_validator(mode="after")
    def _is_better_than_a_coin(self) -> AccuracyGate:
        if self.alpha >= self.power:
            raise ValueError(
                f"alpha {self.alpha:g} is not below power {self.power:g}: a coin would do as well"
            )
        return self

    def figures(self) -> dict[str, Any]:
        """What the plan freezes."""
        # Left out where it says the usual: the digest of older plans stays.
        said = self.model_dump(exclude={"blind"} if self.blind == "error" else None)
        return {name: value for name, value in said.items() if value is not None}
