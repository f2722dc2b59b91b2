"""Routes of what is asked and decided about changes: reruns that confirm, labels, accepted shifts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from hotfire_infra.analysis.change_reports import ChangeReport
from hotfire_infra.analysis.confirmations import ConfirmationReport, confirmation_report
from hotfire_infra.analysis.transport import encode
from hotfire_infra.api.access import Principal, require
from hotfire_infra.api.documents import AT_NS, DIGEST, ULID, with_example
from hotfire_infra.api.history_examples import CHANGE_EXAMPLE
from hotfire_infra.api.paging import Cursor, Limit, decode_cursor, encode_cursor
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.routers.decisions import Why
from hotfire_infra.api.routers.runs import VIEWERS, Developer
from hotfire_infra.api.service import Service, Serviced
from hotfire_infra.client.changes_desk import StoreDesk
from hotfire_infra.states import Role
from hotfire_infra.store.confirmations import confirmation_called, newest_confirmations
from hotfire_infra.store.references import ChangeLabel

router = APIRouter(tags=["history"], dependencies=VIEWERS)

Operator = Annotated[Principal, Depends(require(Role.OPERATOR))]
ChangeRef = Annotated[
    str, Path(max_length=64, description="Id of the change, or its beginning", examples=[ULID])
]
LONGEST_BUDGET_SECONDS = 86_400

CONFIRMATION_EXAMPLE: dict[str, Any] = {
    "id": ULID,
    "run": 14,
    "change": None,
    "state": "decided",
    "answer": "confirmed",
    "words": "confirmed: decode of test_decode -9.5 % (-10.6 % … -8.4 %): confirmed by 4 blocks; "
    "parent 1b2c3d4, suspect 3f2a91c, 12 of 30 min",
    "reason": "",
    "parent": "1b2c3d4000000000000000000000000000000000",
    "suspect": "3f2a91c000000000000000000000000000000000",
    "series": [
        {
            "series": DIGEST,
            "test": "aestus.performance/pytest/test_speed.py::test_decode",
            "metric": "aestus.decode_rate",
            "answer": "confirmed",
            "interval": [-0.0998, -0.112, -0.0877],
            "confidence": 0.99,
            "blocks": 4,
        }
    ],
    "launches": 16,
    "spent_seconds": 720.0,
    "budget_seconds": 1800,
    "devices": ["GPU-4a1c"],
    "live_run": None,
    "requested_by": "the gate of run 14",
    "created_ns": AT_NS,
    "decided_ns": AT_NS + 800_000_000_000,
}
_SHOWN: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": CONFIRMATION_EXAMPLE}}}
}


class ConfirmWish(BaseModel):
    """What is to be run again, interleaved with its parent."""

    model_config = ConfigDict(extra="forbid", **with_example(what="14", budget_seconds=1800))

    what: str = Field(max_length=64, description="Id of a change, or number or id of a run")
    budget_seconds: int = Field(
        default=1800, ge=60, le=LONGEST_BUDGET_SECONDS, strict=True, description="Of the machine"
    )


class LabelWish(BaseModel):
    """What triage says of a change."""

    model_config = ConfigDict(extra="forbid", **with_example(label="true"))

    label: ChangeLabel | None = Field(description="None takes it back")


class AcceptShift(BaseModel):
    """Why a shift is the new reference."""

    model_config = ConfigDict(extra="forbid", **with_example(reason="the price of exact sums"))

    reason: Why


class ConfirmationPage(BaseModel):
    """Confirmations, newest first."""

    model_config = with_example(items=[CONFIRMATION_EXAMPLE], next=None)

    items: list[ConfirmationReport]
    next: str | None = None


def _desk(service: Service, principal: Principal) -> StoreDesk:
    return StoreDesk(service.store, principal.actor, is_audited=False)


@router.post("/confirmations", summary="Run suspect and parent again, interleaved",
             operation_id="confirm", response_model=ConfirmationReport,
             responses={**_SHOWN, 404: {"description": "There is no such run or change"}})  # fmt: skip
def confirm(service: Serviced, principal: Developer, asked: ConfirmWish) -> Response:
    """The one under way about the same, if there is one; 409 where there is nothing to confirm."""
    found = _desk(service, principal).confirm(asked.what, asked.budget_seconds)
    return Response(encode(found), media_type="application/json")


@router.get("/confirmations/{confirmation}", summary="Show a confirmation",
            operation_id="get_confirmation", response_model=ConfirmationReport,
            responses=_SHOWN)  # fmt: skip
def confirmation(
    service: Serviced,
    confirmation: Annotated[str, Path(max_length=26, description="Its id", examples=[ULID])],
) -> Response:
    """As far as it is: the answer of each series with its interval."""
    with service.store.reading() as connection:
        row = confirmation_called(connection, confirmation)
        if row is None:
            raise ApiError(404, f"there is no confirmation {confirmation!r}",
                           remedy="GET /api/v1/confirmations lists them")  # fmt: skip
        found = confirmation_report(connection, row)
    return Response(encode(found), media_type="application/json")


@router.get("/confirmations", summary="List confirmations", operation_id="list_confirmations")
def confirmations(service: Serviced, limit: Limit = 20, cursor: Cursor = None) -> ConfirmationPage:
    """Newest first."""
    before = decode_cursor("confirmations", cursor, (int,))
    with service.store.reading() as connection:
        rows = newest_confirmations(
            connection, limit=limit, before=int(before[0]) if before else None
        )
        items = [confirmation_report(connection, row) for row in rows]
    following = encode_cursor("confirmations", rows[-1].id) if len(rows) == limit else None
    return ConfirmationPage(items=items, next=following)


_CHANGED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": CHANGE_EXAMPLE}}}
}


@router.post("/changes/{change}/label", summary="Say what a change was",
             operation_id="label_change", response_model=ChangeReport,
             responses=_CHANGED)  # fmt: skip
def label(service: Serviced, principal: Developer, change: ChangeRef, asked: LabelWish) -> Response:
    """Labels give the precision of alerts; the last one counts."""
    found = _desk(service, principal).label(change, asked.label)
    return Response(encode(found), media_type="application/json")


@router.post("/changes/{change}/accept", summary="Accept a shift as the new reference",
             operation_id="accept_shift", response_model=ChangeReport,
             responses=_CHANGED)  # fmt: skip
def accept(
    service: Serviced, principal: Operator, change: ChangeRef, asked: AcceptShift
) -> Response:
    """Of all series of its alert: gates compare with what was measured since."""
    found = _desk(service, principal).accept(change, asked.reason)
    return Response(encode(found), media_type="application/json")


class Nothing(BaseModel):
    """No words."""

    model_config = ConfigDict(extra="forbid", **with_example())


@router.post("/changes/{change}/withdraw", summary="Take the acceptance of a shift back",
             operation_id="withdraw_shift", response_model=ChangeReport,
             responses=_CHANGED)  # fmt: skip
def withdraw(
    service: Serviced, principal: Operator, change: ChangeRef, asked: Nothing  # noqa: ARG001 - no words
) -> Response:  # fmt: skip
    """The reference is again what it was before."""
    found = _desk(service, principal).withdraw(change)
    return Response(encode(found), media_type="application/json")
