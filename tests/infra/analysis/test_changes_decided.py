"""Reruns, labels and accepted shifts by the API: the same words far away as beside the store."""

from __future__ import annotations

import dataclasses
from contextlib import closing

import pytest
from sqlalchemy import update

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.client.changes_desk import ServiceDesk, StoreDesk
from hotfire_infra.client.connection import Connection
from hotfire_infra.errors import RequestRefusedError, RunNotFoundError
from hotfire_infra.store.audit import AuditFilter, audit_log
from hotfire_infra.store.models import SourceStamp
from hotfire_infra.store.references import ChangeLabel

STEP = {31: 0.9}


@pytest.fixture
def stepped(branch, store):
    """A branch with a step that is an alert."""
    branch.history(STEP, runs=40, noise=0.003)
    archive = store.blobs.put_bytes(b"source").sha256
    with store.writing() as connection:
        connection.execute(update(SourceStamp).values(archive_sha256=archive))
    return branch


@pytest.fixture
def address(stepped, store, onlooker, served):
    with served(onlooker(store)) as found:
        yield found


@pytest.fixture
def desk(address):
    with closing(Connection(address, None)) as connection:
        yield ServiceDesk(connection)


def test_what_is_decided_far_away_is_decided_in_the_store(desk, store):
    near = StoreDesk(store, "user:near")
    (change,) = desk.changes(limit=5, state="alert")
    assert (change,) == tuple(near.changes(limit=5, state="alert"))
    assert desk.label(change.id, ChangeLabel.TRUE).label == "true"
    assert near.changes(limit=5, state=None)[0].labelled_by is not None
    assert desk.label(change.id[:14], None).label is None
    accepted = desk.accept(change.id, "the price of exact sums")
    assert accepted.accepted.startswith(f"reference since run {change.run}, accepted by ")
    assert accepted.accepted.endswith(": the price of exact sums")
    assert desk.withdraw(change.id).accepted == ""


def test_reruns_are_asked_for_once_and_shown_with_their_sides(desk):
    (change,) = desk.changes(limit=5, state="alert")
    asked = desk.confirm(change.id, 600)
    assert (asked.state, asked.answer, asked.change) == ("open", "open", change.id)
    assert (asked.parent, asked.suspect) == (change.after_revision, change.until_revision)
    assert desk.confirm(change.id, 900).id == asked.id
    assert desk.confirmation(asked.id) == asked
    found = desk.connection.get("/confirmations", limit=1)
    assert [one["id"] for one in found["items"]] == [asked.id]


def test_refusals_far_away_are_the_same_errors(desk):
    with pytest.raises(RunNotFoundError):
        desk.confirm("77", 600)
    with pytest.raises(RequestRefusedError, match="has regressed"):
        desk.confirm("3", 600)
    with pytest.raises(RequestRefusedError, match="no change is called"):
        desk.label("01ABCDEFGH", ChangeLabel.TRUE)
    with pytest.raises(RequestRefusedError, match="nobody accepted"):
        desk.withdraw(desk.changes(limit=1, state=None)[0].id)


def test_who_decided_is_in_the_audit_log_of_the_store(stepped, store):
    near = StoreDesk(store, "ada")
    (change,) = near.changes(limit=5, state="alert")
    near.label(change.id, ChangeLabel.INFRA)
    near.accept(change.id, "a colder room")
    with store.reading() as connection:
        rows = audit_log(connection, AuditFilter(action="changes"))
    assert [(row.actor, row.action, row.reason) for row in rows] == [
        ("user:ada", "changes accept", "a colder room"),
        ("user:ada", "changes label", "infra"),
    ]
    with pytest.raises(RequestRefusedError, match="--reason"):
        near.accept(change.id, " ")


def test_a_report_with_reruns_travels_unchanged(desk, stepped, store):
    run = stepped.measure(40, {"decode": 70.0}, revision="f" * 40, verdict="failed")
    with store.writing() as connection:
        archive = store.blobs.put_bytes(b"change").sha256
        connection.execute(update(SourceStamp).values(archive_sha256=archive))
    stepped.finalize(run)
    report = StoreReports(store).find("41")
    asked = desk.confirm("41", 600)
    shown = StoreReports(store).find("41")
    assert dataclasses.replace(shown, confirmations=()) == report
    assert shown.confirmations == (asked,)
