"""What a wish over HTTP is worth: class, team, name and trust are the server's to decide."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import replace

import pytest
from sqlalchemy import select

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.api.access import Principal
from hotfire_infra.api.problems import ApiError
from hotfire_infra.api.trust import (
    LONGEST_HOLD_SECONDS,
    makes_trusted_runs,
    place_in_queue,
    place_of_retry,
)
from hotfire_infra.cli.main import main
from hotfire_infra.configuration import Configuration
from hotfire_infra.orchestrator.run_order import RunOrder
from hotfire_infra.secret_files import SecretBook
from hotfire_infra.sections.access import AccessSection
from hotfire_infra.states import Priority, Role
from hotfire_infra.store import credentials, queries
from hotfire_infra.store.credentials import TokenWish
from hotfire_infra.store.models import History, Run
from hotfire_pipelines.plan import QueueOrder
from hotfire_testframework.contract.ulid import new_ulid


@pytest.fixture
def plan(make_plan):
    return make_plan({"build": ["m/s/good"]})


def principal(role=Role.DEVELOPER, team=None):
    return Principal(actor="token:ci", role=role, team=team)


@pytest.mark.parametrize("priority", [Priority.GATE, Priority.NIGHTLY])
def test_a_developer_does_not_ask_for_the_classes_of_operators(plan, priority):
    declared = replace(plan, order=QueueOrder(priority=priority.value))
    named = replace(plan, pipeline=priority.value)
    for asked, order in (
        (plan, RunOrder(priority=priority)), (declared, RunOrder()), (named, RunOrder()),
    ):  # fmt: skip
        with pytest.raises(ApiError, match="are asked for by operators") as refused:
            place_in_queue(principal(), asked, order)
        assert refused.value.status == 403
        place_in_queue(principal(Role.OPERATOR), asked, order)
    order = RunOrder(priority=Priority.DEVELOPER)
    assert place_in_queue(principal(), declared, order).priority is Priority.DEVELOPER


def test_a_token_of_a_team_uses_the_share_of_that_team(plan):
    theirs = RunOrder(team="other")
    assert place_in_queue(principal(team="vision"), plan, theirs).team == "vision"
    assert place_in_queue(principal(Role.OPERATOR), plan, theirs).team == "other"
    with pytest.raises(ApiError, match="of no team"):
        place_in_queue(principal(), plan, theirs)


def test_what_no_row_can_hold_is_refused_or_cut(plan):
    for asked, kept in ((10**30, LONGEST_HOLD_SECONDS), (-5, 0)):
        order = RunOrder(hold_seconds=asked)
        assert place_in_queue(principal(), plan, order).hold_seconds == kept
    with pytest.raises(ApiError, match="at most 200 signs"):
        place_in_queue(principal(), plan, RunOrder(change="x" * 201))


def test_a_retry_takes_no_place_that_its_asker_may_not_have():
    before = RunOrder(priority=Priority.GATE, team="vision", change="fix")
    assert place_of_retry(principal(Role.OPERATOR), before) == before
    lowered = place_of_retry(principal(team="perf"), before)
    assert lowered == RunOrder(priority=Priority.PRE_MERGE, team="perf", change="fix")


def test_runs_of_operators_and_of_named_tokens_are_trusted():
    usual, wider = AccessSection(), AccessSection(trusted_tokens=("ci",))
    narrower = AccessSection(trusted_role=Role.ADMIN)
    trusts = makes_trusted_runs
    assert trusts(principal(Role.OPERATOR), usual)
    assert not trusts(principal(), usual)
    assert trusts(principal(), wider)
    assert not trusts(principal(Role.OPERATOR), narrower)
    assert not trusts(Principal(actor="user:ci", role=Role.DEVELOPER), wider)


@pytest.fixture
def ask(store, make_service, enter):
    """Start a run over HTTP as somebody of a role, and return (answer, row)."""
    asked = enter(make_service(Configuration(access=AccessSection(required=True))))

    def start(role, plan, **wishes):
        with store.writing() as connection:
            wish = TokenWish(name=f"t{new_ulid()}", role=role)
            row, secret = credentials.create_token(
                connection, wish, created_by="tester", now_ns=store.clock.wall_ns()
            )
        source = {"repository": "here", "revision": plan.source.revision}
        body = {"id": new_ulid(), "plan": plan.to_dict(), "source": source, **wishes}
        headers = {"Authorization": f"Bearer {secret}"}
        answer = asked.ask("POST", "/api/v1/runs", json=body, headers=headers)
        return answer, f"token:{row.name}", body["id"]

    return start


def stored(store, ulid):
    with store.reading() as connection:
        run = queries.find_run(connection, ulid)
        reason = connection.execute(
            select(History.reason).where(History.entity == "run", History.entity_id == run.id)
        ).scalar_one()
    return run, reason


def test_a_run_is_of_who_asked_and_what_the_client_said_is_only_shown(store, ask, plan):
    answer, actor, ulid = ask(Role.DEVELOPER, plan, requested_by="the boss")
    assert answer.status_code == 201, answer.text
    run, reason = stored(store, ulid)
    assert run.requested_by == actor
    assert reason == f"requested by {actor}, for 'the boss' as the client says"


def test_a_plan_that_declares_more_than_the_role_may_ask_is_403_with_a_remedy(store, ask, plan):
    declared = replace(plan, order=QueueOrder(priority="gate"))
    answer, _, _ = ask(Role.DEVELOPER, declared)
    assert answer.status_code == 403
    assert "--priority pre-merge" in answer.json()["remedy"]
    with store.reading() as connection:
        assert connection.execute(select(Run.id)).all() == []
    assert ask(Role.OPERATOR, declared)[0].status_code == 201


@pytest.mark.parametrize(("role", "is_trusted"), [(Role.DEVELOPER, False), (Role.OPERATOR, True)])
def test_the_word_of_a_developer_makes_no_run_trusted(store, ask, plan, role, is_trusted):
    answer, _, ulid = ask(role, plan, wish={"is_trusted": True})
    assert answer.status_code == 201, answer.text
    run, _ = stored(store, ulid)
    assert run.is_trusted is is_trusted
    refusal = SecretBook().refusal(["HUB_TOKEN"], run)
    assert refusal is not None
    assert ("untrusted" in refusal) is not is_trusted
    # Who asked is told at once, and every reader of the run sees it.
    assert answer.json()["is_trusted"] is is_trusted
    kinds = [notice.kind for notice in StoreReports(store).find(ulid).notices]
    assert ("untrusted" in kinds) is not is_trusted


def test_a_developers_run_at_a_service_says_in_its_first_lines_that_it_is_untrusted(
    store, tmp_path, monkeypatch, capsys, make_service, served, make_token_file
):
    checkout = make_checkout(tmp_path / "library")
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "client"))
    service = make_service(Configuration(access=AccessSection(required=True)))
    with served(service) as address:
        for role, is_trusted in ((Role.DEVELOPER, False), (Role.OPERATOR, True)):
            monkeypatch.setenv("HOTFIRE_TOKEN_FILE", str(make_token_file(role)))
            assert main(["--server", address, "run", "small", "--detach"]) == 0
            said = capsys.readouterr()
            assert (" trust untrusted: its tasks get no secrets" in said.err) is not is_trusted
            assert f"next:  hotfire watch {said.out.strip()}" in said.err
            assert main(["--server", address, "show", said.out.strip()]) == 0
            shown = capsys.readouterr().out
            assert ("untrusted: its tasks get no secrets" in shown) is not is_trusted


@pytest.fixture
def make_token_file(store, tmp_path):
    def make(role):
        with store.writing() as connection:
            wish = TokenWish(name=f"cli-{role}", role=role)
            _, secret = credentials.create_token(
                connection, wish, created_by="tester", now_ns=store.clock.wall_ns()
            )
        path = tmp_path / f"{role}.token"
        path.write_text(secret)
        path.chmod(0o600)
        return path

    return make


PIPELINE = """
schema: hotfire.dev/pipeline/1
name: small
axes: {platform: {values: [here]}}
tasks:
  unit: {harness: command, command: ["true"], matrix: {platform: [here]}}
"""
PLATFORMS = """
schema: hotfire.dev/platforms/1
platforms: {here: {dimensions: {os: linux}, reach: [local]}}
"""


def make_checkout(root):
    definitions = root / "pipelines" / "definitions"
    definitions.mkdir(parents=True)
    (definitions / "platforms.yaml").write_text(PLATFORMS)
    (definitions / "small.yaml").write_text(PIPELINE)
    identity = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "First"]):
        subprocess.run(["git", *identity, *arguments], cwd=root, check=True)
    return root


def test_what_a_developer_calls_a_commit_is_not_what_a_trusted_run_executes(store, ask, plan):
    theirs = store.blobs.put_bytes(b"prints secrets").sha256
    ours = store.blobs.put_bytes(b"the commit").sha256

    def start(role, archive):
        source = {"repository": "here", "revision": plan.source.revision}
        answer, _, ulid = ask(role, plan, source={**source, "archive_sha256": archive})
        assert answer.status_code == 201, answer.text
        return stored(store, ulid)[0].source.archive_sha256

    assert start(Role.DEVELOPER, theirs) == theirs
    assert start(Role.OPERATOR, ours) == ours
    assert start(Role.DEVELOPER, theirs) == ours


def test_an_import_by_a_developer_is_theirs_and_untrusted(store, make_service, enter):
    asked = enter(make_service(Configuration(access=AccessSection(required=True))))
    report = b'<testsuite name="s"><testcase classname="c" name="a"/></testsuite>'
    sha256 = hashlib.sha256(report).hexdigest()
    for role, status, is_trusted in (
        (Role.VIEWER, 403, None), (Role.DEVELOPER, 201, False), (Role.OPERATOR, 201, True),
    ):  # fmt: skip
        with store.writing() as connection:
            _, secret = credentials.create_token(
                connection,
                TokenWish(name=f"i-{role}", role=role),
                created_by="tester",
                now_ns=store.clock.wall_ns(),
            )
        headers = {"Authorization": f"Bearer {secret}"}
        asked.ask("PUT", f"/api/v1/blobs/sha256/{sha256}", content=report, headers=headers)
        body = {
            "files": [{"name": "junit.xml", "sha256": sha256}],
            "source": {"repository": "here", "revision": str(role)},
        }
        answer = asked.ask("POST", "/api/v1/imports", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        if is_trusted is None:
            continue
        with store.reading() as connection:
            run = queries.run_by_id(connection, answer.json()["run_id"])
        assert (run.requested_by, run.is_trusted) == (f"token:i-{role}", is_trusted)


@pytest.mark.parametrize("name", ["..", ".", "a/b.xml", "", "x\n.xml"])
def test_a_report_is_laid_out_under_a_plain_name_only(store, make_service, enter, name):
    asked = enter(make_service())
    body = {
        "files": [{"name": name, "sha256": "0" * 64}],
        "source": {"repository": "r", "revision": "v"},
    }
    answer = asked.ask("POST", "/api/v1/imports", json=body)
    assert answer.status_code == 422
    assert not list(store.home.glob("imports/*"))
