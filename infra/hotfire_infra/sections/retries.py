"""Section `retries`: what is done again after which failure, where, when, and how often in all."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from hotfire_testframework.contract.failure import FailureClass


class RetryRule(BaseModel):
    """What follows an attempt that ended with one failure class."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retries: int | None = Field(default=None, ge=0)
    """At most so many of one task for this class; none: only the task's own number counts."""
    elsewhere: bool = False
    """Never on a device it failed on, while there is another that fits."""
    backoff_seconds: float = Field(default=0.0, ge=0)
    """Before the first retry; each further one waits twice as long."""
    backoff_limit_seconds: float = Field(default=600.0, ge=0)
    """The longest wait between two attempts."""


NEVER = RetryRule(retries=0)
DEFAULT_RULES: Mapping[FailureClass, RetryRule] = {
    FailureClass.INFRA_NODE: RetryRule(elsewhere=True),
    FailureClass.INFRA_DEVICE: RetryRule(elsewhere=True),
    FailureClass.INFRA_NETWORK: RetryRule(backoff_seconds=10.0),
    FailureClass.PREEMPTED: RetryRule(),
    FailureClass.UNKNOWN: NEVER,
    FailureClass.PRODUCT: NEVER,
    FailureClass.TEST: NEVER,
    FailureClass.TIMEOUT: NEVER,
    FailureClass.HARNESS: NEVER,
    FailureClass.CONFIG: NEVER,
}
"""A wrong plan, a broken harness and a red test fail the same way again: only trouble is retried."""


class RetriesSection(BaseModel):
    """The policy table and its budgets; the task's own number of retries binds beside them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: Mapping[FailureClass, RetryRule] = Field(default_factory=dict)
    """Replaces single lines of the default table."""
    per_run_share: float = Field(default=2.0, ge=0)
    """Retries of one run, as a share of its tasks."""
    per_run_minimum: int = Field(default=20, ge=0)
    """So that a small run may retry at all."""
    per_pool_hour: int = Field(default=2000, ge=0)
    """Retries in one pool within an hour, of all runs together."""
    broken_share: float = Field(default=0.9, gt=0, le=1)
    """A pool in which this share of an hour's attempts was interrupted is broken: nothing is retried."""
    broken_minimum: int = Field(default=50, ge=1)
    """Attempts of that hour below which no share is taken."""

    def rule(self, failure: FailureClass) -> RetryRule:
        """Return the line of the table for a failure class."""
        return self.rules.get(failure, DEFAULT_RULES[failure])
