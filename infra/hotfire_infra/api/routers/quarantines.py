"""Routes of quarantined tests: list, begin, take a proposal on, end."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from hotfire_infra.api.access import Principal, require
from hotfire_infra.api.documents import AT_NS, TEST_EXAMPLE, ULID, with_example
from hotfire_infra.api.routers.decisions import Why, Word
from hotfire_infra.api.routers.runs import VIEWERS
from hotfire_infra.api.service import Service, Serviced
from hotfire_infra.client.quarantine_desk import (
    MOST_DAYS,
    QuarantineReport,
    StoreQuarantines,
    Terms,
)
from hotfire_infra.states import Role

router = APIRouter(prefix="/quarantines", tags=["operations"], dependencies=VIEWERS)

Operator = Annotated[Principal, Depends(require(Role.OPERATOR))]
Ref = Annotated[
    str, Path(max_length=64, description="Id of the quarantine, or its beginning", examples=[ULID])
]
EXAMPLE: dict[str, Any] = {
    "id": ULID,
    "test": TEST_EXAMPLE["test"],
    "variant": {"platform": "linux-x86_64"},
    "state": "active",
    "owner": "kernels@example.org",
    "bug": "HF-12",
    "reason": "fails in 3 % of 400 runs",
    "words": "quarantine active until 2026-12-05 …",
    "signatures": ["AssertionError: # != #"],
    "passes": 12,
    "needed": 299,
    "expires_ns": AT_NS,
    "created_ns": AT_NS,
    "ended_ns": None,
}


class TermsWish(BaseModel):
    """Who takes a test on, where it is repaired, and until when."""

    model_config = ConfigDict(
        extra="forbid", **with_example(owner="kernels@example.org", bug="HF-12", days=14)
    )

    owner: Word
    bug: Word
    days: int = Field(default=14, ge=1, le=MOST_DAYS, strict=True)
    reason: str = Field(default="", max_length=2000, pattern=r"^[^\x00]*$")


class QuarantineWish(TermsWish):
    """A test that is to run and not to block."""

    model_config = ConfigDict(
        extra="forbid",
        **with_example(
            test=TEST_EXAMPLE["test"], variant={}, owner="kernels@example.org", bug="HF-12", days=14
        ),
    )

    test: str = Field(max_length=4000, pattern=r"^[^\x00]*$", description="module/scheme/name")
    variant: Annotated[dict[Word, Word], Field(max_length=20)] = Field(
        default_factory=dict, description="Axes that the variant has"
    )


class EndWish(BaseModel):
    """Why."""

    model_config = ConfigDict(extra="forbid", **with_example(reason="repaired"))

    reason: Why


class QuarantineList(BaseModel):
    """Quarantines, newest first."""

    model_config = with_example(items=[EXAMPLE])

    items: list[QuarantineReport]


def _desk(service: Service, principal: Principal | None) -> StoreQuarantines:
    actor = "" if principal is None else principal.actor
    return StoreQuarantines(service.store, actor, is_audited=False)


def _terms(asked: TermsWish) -> Terms:
    return Terms(owner=asked.owner, bug=asked.bug, days=asked.days, reason=asked.reason)


@router.get("", summary="List quarantined tests", operation_id="list_quarantines")
def listed(
    service: Serviced,
    everything: Annotated[
        bool, Query(alias="all", description="Also those that are over", examples=[False])
    ] = False,
) -> QuarantineList:
    """Those that stand and those that are proposed."""
    return QuarantineList(items=list(_desk(service, None).quarantines(all_states=everything)))


@router.post("", summary="Put a test into quarantine", operation_id="begin_quarantine")
def begin(service: Serviced, principal: Operator, asked: QuarantineWish) -> QuarantineList:
    """In each variant of these axes in which it failed; 409 where its suite has enough."""
    found = _desk(service, principal).begin(asked.test, asked.variant, _terms(asked))
    return QuarantineList(items=list(found))


_SHOWN: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": EXAMPLE}}}
}


@router.post("/{quarantine}/approve", summary="Take a proposed quarantine on",
             operation_id="approve_quarantine", responses=_SHOWN)  # fmt: skip
def approve(
    service: Serviced, principal: Operator, quarantine: Ref, asked: TermsWish
) -> QuarantineReport:
    """From now on its known failures do not block."""
    return _desk(service, principal).approve(quarantine, _terms(asked))


@router.post("/{quarantine}/end", summary="Let a test block again",
             operation_id="end_quarantine", responses=_SHOWN)  # fmt: skip
def end(
    service: Serviced, principal: Operator, quarantine: Ref, asked: EndWish
) -> QuarantineReport:
    """Also drops a proposal."""
    return _desk(service, principal).end(quarantine, asked.reason)
