"""Tokens, sessions and the audit log, on both databases."""

import pytest

from hotfire_infra.errors import RequestRefusedError
from hotfire_infra.states import Role
from hotfire_infra.store import credentials
from hotfire_infra.store.audit import (
    AuditEntry,
    AuditFilter,
    AuditOutcome,
    audit_log,
    record_audit,
)
from hotfire_infra.store.credentials import TokenWish

SECOND = 1_000_000_000


def make(connection, now_ns=0, **wish):
    made = TokenWish(**{"name": "ci", "role": Role.DEVELOPER, **wish})
    return credentials.create_token(connection, made, created_by="user:ada", now_ns=now_ns)


def test_a_token_is_found_by_its_secret_and_by_nothing_else(any_store):
    with any_store.writing() as connection:
        row, secret = make(connection, team="perf")
        assert credentials.find_token(connection, secret) == row
        for guess in ("", secret[:-1], secret + "x", secret.upper(), "hf_\ud800", row.name):
            assert credentials.find_token(connection, guess) is None
    assert (row.role, row.team) == (Role.DEVELOPER, "perf")


def test_a_name_is_free_again_once_its_token_is_over(any_store):
    with any_store.writing() as connection:
        make(connection, expires_ns=SECOND)
        with pytest.raises(RequestRefusedError, match="in force"):
            make(connection)
        make(connection, now_ns=2 * SECOND)
        credentials.revoke_token(connection, "ci", now_ns=3 * SECOND)
        make(connection, now_ns=4 * SECOND)
        assert len(credentials.tokens(connection)) == 3


def test_revoking_ends_the_sessions_that_the_token_opened(any_store):
    with any_store.writing() as connection:
        make(connection)
        mine, other = (
            credentials.create_login(
                connection, subject=subject, name="n", role=Role.VIEWER, lifetime_ns=SECOND,
                now_ns=0,
            )
            for subject in ("token:ci", "user:ci")
        )  # fmt: skip
        credentials.revoke_token(connection, "ci", now_ns=1)
        assert credentials.find_login(connection, mine).refusal(2) == "signed out"
        assert credentials.find_login(connection, other).refusal(2) is None
        assert credentials.find_login(connection, other).refusal(SECOND) is not None
        assert len(credentials.purge_logins(connection, 2 * SECOND)) == 2


def test_whether_any_token_would_be_accepted_is_known(any_store):
    with any_store.writing() as connection:
        assert not credentials.has_usable_token(connection, 0)
        make(connection, expires_ns=SECOND)
        assert credentials.has_usable_token(connection, 0)
        assert not credentials.has_usable_token(connection, SECOND)


def test_the_audit_log_is_read_newest_first_by_pages_and_filters(any_store):
    with any_store.writing() as connection:
        for number in range(5):
            entry = AuditEntry(
                actor=f"user:{number % 2}", action="POST /x", target=f"/x/{number}",
                outcome=AuditOutcome.DENIED if number == 3 else AuditOutcome.ALLOWED, address="a",
            )  # fmt: skip
            record_audit(connection, entry, number)
        newest = audit_log(connection, AuditFilter(), limit=2)
        older = audit_log(connection, AuditFilter(before_id=newest[-1].id), limit=9)
        assert [row.target for row in (*newest, *older)] == [f"/x/{n}" for n in (4, 3, 2, 1, 0)]
        assert len(audit_log(connection, AuditFilter(actor="user:1"))) == 2
        assert len(audit_log(connection, AuditFilter(outcome="denied"))) == 1
        assert audit_log(connection, AuditFilter(action="%")) == ()


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 5000, "\x1b[2J", ""])
def test_whatever_a_request_carries_can_be_written_down(any_store, text):
    entry = AuditEntry(
        actor=text, action=text, target=text, outcome=AuditOutcome.DENIED, address=text, reason=text
    )
    with any_store.writing() as connection:
        record_audit(connection, entry, 1)
        assert len(audit_log(connection, AuditFilter())) == 1
