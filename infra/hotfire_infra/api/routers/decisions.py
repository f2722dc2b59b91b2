"""Routes of decisions on recorded results: invalidate in bulk, withdraw, accept lost tests."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from hotfire_infra.api.access import Principal, require
from hotfire_infra.api.documents import ULID, with_example
from hotfire_infra.api.paging import Limit
from hotfire_infra.api.routers.runs import VIEWERS
from hotfire_infra.api.service import Service, Serviced
from hotfire_infra.client.results_care import ResultsCare
from hotfire_infra.states import Role
from hotfire_infra.store.invalidations import Predicate

router = APIRouter(tags=["operations"], dependencies=VIEWERS)

Operator = Annotated[Principal, Depends(require(Role.OPERATOR))]
Word = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
Words = Annotated[list[Word], Field(max_length=100)]
Moment = Annotated[int, Field(ge=0, le=2**63 - 1, strict=True)]
# A NUL is no white space either, and PostgreSQL stores none.
Why = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]


class InvalidationWish(BaseModel):
    """Which results are not to count; everything that is given must agree."""

    model_config = ConfigDict(
        extra="forbid",
        **with_example(drivers=["570.124.06"], reason="wrong sums", dry_run=True),
    )

    devices: Words = Field(default_factory=list)
    pools: Words = Field(default_factory=list)
    drivers: Words = Field(default_factory=list)
    environment: Annotated[dict[Word, Word], Field(max_length=20)] = Field(default_factory=dict)
    since_ns: Moment | None = None
    until_ns: Moment | None = None
    reason: Why
    dry_run: bool = False


class InvalidatedDocument(BaseModel):
    """What a decision meets, or would meet."""

    model_config = with_example(ulid="", attempts=2, runs=[12, 11], still_running=0)

    ulid: str = Field(description="Of the decision; empty for a dry run")
    attempts: int
    runs: list[int] = Field(description="Numbers, newest first")
    still_running: int


class InvalidationDocument(BaseModel):
    """One decision."""

    model_config = with_example(
        ulid=ULID, predicate={"drivers": ["570.124.06"]}, reason="wrong sums",
        requested_by="operator", attempts=2, created_ns=1, withdrawn_ns=None,
    )  # fmt: skip

    ulid: str
    predicate: Any
    reason: str
    requested_by: str
    attempts: int
    created_ns: int
    withdrawn_ns: int | None


class InvalidationList(BaseModel):
    """The newest decisions."""

    model_config = with_example(items=[])

    items: list[InvalidationDocument]


class WhyDocument(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid", **with_example(reason="it was the probe"))

    reason: Why


class AcceptWish(BaseModel):
    """From which cell lost tests are not expected any more; none: from all of the run."""

    model_config = ConfigDict(extra="forbid", **with_example(reason="needs a newer driver"))

    reason: Why
    cell: Word | None = None


class AcceptedDocument(BaseModel):
    """A cell whose expectation was set to what the run reported."""

    model_config = with_example(cell="unit|platform=linux-x86_64", forgotten=["m/pytest/test_a"])

    cell: str
    forgotten: list[str]


class AcceptedList(BaseModel):
    """All cells of which something was forgotten."""

    model_config = with_example(items=[])

    items: list[AcceptedDocument]


def _care(service: Service, principal: Principal) -> ResultsCare:
    return ResultsCare(service.store, principal.actor)


@router.post("/invalidations", summary="Let results not count", operation_id="invalidate_results")
def invalidate(
    service: Serviced, principal: Operator, asked: InvalidationWish
) -> InvalidatedDocument:
    """By device, pool, driver, environment and time; with `dry_run` nothing is changed."""
    predicate = Predicate(
        devices=tuple(asked.devices),
        pools=tuple(asked.pools),
        drivers=tuple(asked.drivers),
        environment=asked.environment,
        since_ns=asked.since_ns,
        until_ns=asked.until_ns,
    )
    care = _care(service, principal)
    found = care.invalidate(predicate, reason=asked.reason, dry_run=asked.dry_run)
    return InvalidatedDocument.model_validate(asdict(found))


@router.get("/invalidations", summary="List invalidations", operation_id="list_invalidations")
def invalidations(service: Serviced, limit: Limit = 50) -> InvalidationList:
    """Newest first."""
    rows = ResultsCare(service.store, "").invalidations(limit)
    return InvalidationList(items=[InvalidationDocument(**asdict(row)) for row in rows])


@router.post(
    "/invalidations/{invalidation}/withdraw",
    summary="Let invalidated results count again",
    operation_id="withdraw_invalidation",
)
def withdraw(
    service: Serviced,
    principal: Operator,
    invalidation: Annotated[
        str, Path(max_length=64, description="Id, or its beginning", examples=[ULID])
    ],
    asked: WhyDocument,
) -> InvalidationDocument:
    """409 for one that was withdrawn before, or that there is not."""
    row = _care(service, principal).withdraw(invalidation, reason=asked.reason)
    return InvalidationDocument(**asdict(row))


@router.post(
    "/runs/{run}/accept",
    summary="Expect no longer what a run lost",
    operation_id="accept_lost_tests",
)
def accept(
    service: Serviced,
    principal: Operator,
    run: Annotated[
        str, Path(max_length=64, description="Number or id of the run", examples=["12"])
    ],
    asked: AcceptWish,
) -> AcceptedList:
    """A missing test stays expected until it is back, gone, or accepted here."""
    found = _care(service, principal).accept(run, cell=asked.cell, reason=asked.reason)
    return AcceptedList(items=[AcceptedDocument.model_validate(asdict(one)) for one in found])
