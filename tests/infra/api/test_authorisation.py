"""Every operation of the OpenAPI document asks who calls; those that change ask for more."""

import re

import pytest

from hotfire_infra.api.openapi import operations
from hotfire_infra.configuration import Configuration
from hotfire_infra.sections.access import AccessSection
from hotfire_infra.sections.limits import LimitsSection, Rate
from hotfire_infra.states import Role
from hotfire_infra.store import credentials
from hotfire_infra.store.credentials import TokenWish

NEVER = Rate(per_second=1e6, burst=1e9)
VALUES = {"digest": "0" * 64, "ulid": "0" * 26, "run": "1", "stream": "stdout", "name": "ci"}
FOR_VIEWERS = frozenset({"logout"})


@pytest.fixture
def asked(make_service, finished_run, enter):
    limits = LimitsSection(requests=NEVER, attempts=NEVER, refusals=NEVER)
    access = AccessSection(required=True)
    return enter(make_service(Configuration(access=access, limits=limits)))


@pytest.fixture
def tokens(store):
    made = {}
    for role in Role:
        with store.writing() as connection:
            wish = TokenWish(name=role.value, role=role)
            _, made[role] = credentials.create_token(
                connection, wish, created_by="tester", now_ns=store.clock.wall_ns()
            )
    return made


def bearing(token):
    return {"Authorization": f"Bearer {token}"}


def documented(asked, tokens):
    whole = asked.ask("GET", "/api/v1/openapi.json", headers=bearing(tokens[Role.VIEWER])).json()
    for path, method, operation in operations(whole):
        concrete = re.sub(r"\{(\w+)\}", lambda found: VALUES.get(found[1], "1"), path)
        yield method.upper(), path, concrete, operation


def test_without_credentials_every_operation_is_401(asked, tokens):
    answers = {
        f"{method} {path}": asked.ask(method, concrete).status_code
        for method, path, concrete, _ in documented(asked, tokens)
    }
    assert len(answers) > 40
    assert {name: code for name, code in answers.items() if code != 401} == {}


def test_a_viewer_changes_nothing(asked, tokens):
    answers = {
        f"{method} {path}": asked.ask(
            method, concrete, headers=bearing(tokens[Role.VIEWER])
        ).status_code
        for method, path, concrete, operation in documented(asked, tokens)
        if method not in {"GET", "HEAD"} and operation["tags"] != ["ingest"]
    }
    assert len(answers) > 8
    assert {name: code for name, code in answers.items() if code != 403} == {}


def test_no_role_speaks_for_an_attempt(asked, tokens):
    answers = {
        f"{method} {path}": asked.ask(
            method, concrete, headers=bearing(tokens[Role.ADMIN])
        ).status_code
        for method, path, concrete, operation in documented(asked, tokens)
        if operation["tags"] == ["ingest"]
    }
    assert len(answers) >= 7
    assert {name: code for name, code in answers.items() if code != 401} == {}


def test_the_token_of_an_attempt_opens_nothing_else(asked, tokens, live_attempt):
    ulid, secret, _ = live_attempt
    for method, path, concrete, operation in documented(asked, tokens):
        if operation["tags"] == ["ingest"]:
            continue
        own = concrete.replace("0" * 26, ulid)
        for address in {concrete, own}:
            answer = asked.ask(method, address, headers=bearing(secret))
            assert answer.status_code in {401, 403}, (method, path, answer.text)


def test_the_token_of_an_attempt_does_not_speak_for_another(asked, live_attempts):
    (mine, secret, fence), (other, _, _) = live_attempts(2)
    headers = {**bearing(secret), "Hotfire-Fence": str(fence)}
    beat = {"phase": "run"}
    own = asked.ask("PUT", f"/api/v1/attempts/{mine}/heartbeat", headers=headers, json=beat)
    assert own.status_code == 200
    answer = asked.ask("PUT", f"/api/v1/attempts/{other}/heartbeat", headers=headers, json=beat)
    assert answer.status_code == 401


def test_denials_of_an_attempt_are_in_the_audit_log_and_its_stream_is_not(
    asked, tokens, live_attempt
):
    ulid, secret, fence = live_attempt
    headers = {**bearing(secret), "Hotfire-Fence": str(fence)}
    path = f"/api/v1/attempts/{ulid}/heartbeat"
    assert asked.ask("PUT", path, headers=headers, json={"phase": "run"}).status_code == 200
    assert asked.ask("GET", "/api/v1/runs", headers=headers).status_code == 401
    page = asked.ask("GET", "/api/v1/audit", headers=bearing(tokens[Role.OPERATOR])).json()
    assert [line["action"] for line in page["items"]] == ["GET /api/v1/runs"]
