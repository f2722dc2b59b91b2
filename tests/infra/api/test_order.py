"""Who may ask for which place in the queue, by HTTP."""

from __future__ import annotations

import pytest

from hotfire_infra.api.access import Principal
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.routers.runs import LONGEST_HOLD_SECONDS, place_in_queue
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.states import Priority, Role


def principal(role=Role.DEVELOPER, team=None):
    return Principal(actor="token:ci", role=role, team=team)


@pytest.mark.parametrize("priority", [Priority.GATE, Priority.NIGHTLY])
def test_a_developer_does_not_ask_for_the_classes_of_operators(priority):
    with pytest.raises(ApiError, match="are asked for by operators"):
        place_in_queue(principal(), RunOrder(priority=priority))
    order = place_in_queue(principal(Role.OPERATOR), RunOrder(priority=priority))
    assert order.priority is priority


def test_a_token_of_a_team_uses_the_share_of_that_team():
    assert place_in_queue(principal(team="vision"), RunOrder(team="other")).team == "vision"
    assert place_in_queue(principal(), RunOrder(team="other")).team == "other"


def test_what_no_row_can_hold_is_refused_or_cut():
    assert place_in_queue(principal(), RunOrder(hold_seconds=10**30)).hold_seconds == (
        LONGEST_HOLD_SECONDS
    )
    assert place_in_queue(principal(), RunOrder(hold_seconds=-5)).hold_seconds == 0
    with pytest.raises(ApiError, match="at most 200 signs"):
        place_in_queue(principal(), RunOrder(change="x" * 201))
