"""Hostile requests of people and their programs: plans, blobs, forms and wishes that nobody should send.

Each is refused with a reason or carried out, and none is a defect; an orchestrator goes round what
was carried out. 300 of them in `make test`, 30,000 in `make test-scale`.
"""

import copy
import importlib.util
import json
import logging
from collections import Counter
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from hotfire_infra.api.access import COOKIE
from hotfire_infra.api.security.sign_in import FLOW_COOKIE
from hotfire_infra.configuration import Configuration
from hotfire_infra.sections.limits import LimitsSection, Rate
from hotfire_infra.store import queries
from hotfire_pipelines.errors import PipelineError
from hotfire_pipelines.plan import Plan
from hotfire_testframework.contract.jsonform import from_json
from hotfire_testframework.contract.ulid import new_ulid
from hotfire_testframework.errors import ContractError

DIALECTS = ("sqlite", "postgresql")
_SPEC = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
hostile = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(hostile)

NEVER = Rate(per_second=1e6, burst=1e9)
LIMITS = LimitsSection(
    requests=NEVER, attempts=NEVER, refusals=NEVER, request_bytes=64 << 10, artifact_bytes=64 << 10
)
REFUSALS = {400, 401, 403, 404, 405, 409, 411, 413, 415, 422, 429}
DONE = {200, 201, 202, 204, 303}
SHOWN = 20
"""Defects that a failure lists."""


def wishes_of(document):
    """Return (method, path, example) of all that people may ask to be changed."""
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in {"post", "put", "delete"} and "ingest" not in operation["tags"]:
                body = operation.get("requestBody", {}).get("content", {})
                name = body.get("application/json", {}).get("schema", {}).get("$ref", "")
                schema = document["components"]["schemas"].get(name.rpartition("/")[2], {})
                found.append((method.upper(), path, (schema.get("examples") or [None])[0]))
    return found


class Asker:
    """Plays a client with every right, badly."""

    def __init__(self, service, admin, run):
        self.service = service
        self.admin = admin
        self.run = run
        self.wishes = wishes_of(service.ask("GET", "/api/v1/openapi.json").json())
        self.statuses = Counter()
        self.defects = []

    def send(self, number):
        rng = hostile.seeded(number)
        kind = rng.choice([self._run] * 3 + [self._wish] * 3 + [self._blob, self._form])
        answer = kind(rng)
        self.statuses[answer.status_code] += 1
        if answer.status_code in DONE:
            return
        is_page = answer.headers.get("content-type", "").startswith("text/html")
        is_refused = answer.status_code in REFUSALS and "defect" not in answer.text
        if not is_refused or not (is_page or answer.json()["detail"]):
            sent = answer.request
            self.defects.append((number, sent.method, sent.url.path, answer.text[:300]))

    def ask(self, method, path, **options):
        headers = {"Authorization": f"Bearer {self.admin}"} | options.pop("headers", {})
        return self.service.ask(method, path, headers=headers, **options)

    def _run(self, rng):
        """A plan that was frozen as it is, wrong words and all, or was edited afterwards."""
        asked = copy.deepcopy(self.run)
        for _ in range(rng.randrange(1, 3)):
            changed = json.loads(hostile.mistyped(rng, json.dumps(asked["plan"]).encode()))
            asked["plan"] = changed if isinstance(changed, dict) else asked["plan"]
        if rng.random() < 0.9:
            asked["plan"] = refrozen(asked["plan"])
        asked["id"] = new_ulid()
        content = json.dumps(asked).encode()
        if rng.random() < 0.3:
            content = hostile.mistyped(rng, content)
        return self._post(rng, "/api/v1/runs", content)

    def _wish(self, rng):
        method, path, example = rng.choice(self.wishes)
        while "{" in path:
            word = rng.choice([*hostile.HOSTILE_NAMES, "1", "latest", "0", "-1", "9" * 30, "%00"])
            before, _, rest = path.partition("{")
            word = quote(word, safe="%", errors="surrogatepass") or "1"
            path = before + word + rest.partition("}")[2]
        if example is None:
            return self.ask(method, path)
        return self._post(rng, path, hostile.mistyped(rng, json.dumps(example).encode()), method)

    def _post(self, rng, path, content, method="POST"):
        if rng.random() < 0.2:
            content = hostile.deep(rng) if rng.random() < 0.3 else hostile.damaged(rng, content)
        kind = rng.choice(["application/json"] * 6 + ["text/plain", "application/xml", "x"])
        return self.ask(method, path, content=content, headers={"Content-Type": kind})

    def _blob(self, rng):
        content = rng.choice([b"", b"\0\x1b[2J", rng.randbytes(200), b"x" * (65 << 10)])
        right = sha256(content).hexdigest()
        digest = rng.choice([right, right, right.upper(), "0" * 64, "..%2f..%2fx", "x", right[:-1]])
        return self.ask("PUT", f"/api/v1/blobs/sha256/{digest}", content=content)

    def _form(self, rng):
        """What a browser sends to sign in, or what sends itself for one."""
        fields = {"token": rng.choice([*hostile.WRONG, *hostile.HOSTILE_NAMES]), "next": "//x"}
        many = {f"field{number}": "" for number in range(rng.choice([0, 0, 1, 2, 3, 50]))}
        content = urlencode(fields | many, errors="replace").encode()
        if rng.random() < 0.5:
            content = hostile.damaged(rng, content)
        if rng.random() < 0.1:
            content = b"&" * (70 << 10)
        cookies = {FLOW_COOKIE: "e30", COOKIE: "x\x7f"}
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie}
        path = rng.choice(["/login/token", "/login/token", "/logout"])
        return self.service.ask("POST", path, content=content, headers=headers)


def refrozen(plan):
    """Return a plan with the digest that its content has, if it can be read at all."""
    content = {name: value for name, value in plan.items() if name != "digest"}
    try:
        return content | {"digest": from_json(Plan, content, "plan").digest}
    except (PipelineError, ContractError):
        return plan


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return request.param


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL + 1, logger="hotfire_infra")


@pytest.fixture
def asker(make_service, enter, admin_token, finished_run, make_plan, make_spec):
    service = enter(make_service(Configuration(limits=LIMITS)))
    plan = make_plan(
        {"a": ["m/s/x"], "b": ["m/s/y"]},
        edges=[("a", "b")],
        specs={"a": make_spec(retries=1, env={"A": "b"}, args=["x"]), "b": make_spec()},
    )
    source = {"repository": "here", "revision": "3f2a91c", "subject": "S"}
    return Asker(
        service, admin_token, {"id": "", "plan": json.loads(plan.to_json()), "source": source}
    )


def ask_all(asker, make_stand, store, count):
    for number in range(count):
        asker.send(number)
    assert not asker.defects, (len(asker.defects), asker.defects[:SHOWN])
    assert {200, 201, 404, 413, 422} <= set(asker.statuses), asker.statuses
    # Whatever became a run comes to an end, and keeps no other from one.
    stand = make_stand(label="before", cpus=50)
    for _ in range(30 + count // 10):
        stand.orchestrator.round()
    with store.reading() as connection:
        left = queries.unfinished_runs(connection)
    assert not left, left


def test_hostile_requests_are_refused_with_a_reason_or_carried_out(asker, make_stand, store):
    ask_all(asker, make_stand, store, 300)


@pytest.mark.scale
def test_thirty_thousand_of_them_too(asker, make_stand, store):
    ask_all(asker, make_stand, store, 30_000)


@pytest.mark.parametrize("where", ["plan", "id"])
def test_half_a_character_is_refused_though_no_answer_can_quote_it(asker, where):
    right = {**asker.run, "id": new_ulid()}
    wrong = {"id": {"id": "\ud800" * 26}, "plan": {"plan": {**right["plan"], "digest": "\ud800"}}}
    headers = {"Content-Type": "application/json"}
    content = json.dumps(right | wrong[where])
    answer = asker.ask("POST", "/api/v1/runs", content=content, headers=headers)
    assert answer.status_code in (400, 422)
    assert answer.json()["detail"]


@pytest.mark.parametrize("path", ["logins/x%00y", "tokens/t?x=%00"])
def test_an_address_with_a_nul_names_nothing(asker, path):
    answer = asker.ask("DELETE", f"/api/v1/{path}")
    assert answer.status_code == 422
    assert "names nothing" in answer.json()["detail"]


@pytest.mark.parametrize("reason", ["\0", " \0", "x\0", " "])
def test_a_reason_is_more_than_what_cannot_be_stored(asker, reason):
    wish = {"pools": ["fake"], "reason": reason, "dry_run": False}
    answer = asker.ask("POST", "/api/v1/invalidations", json=wish)
    assert answer.status_code == 422
    assert "reason" in answer.json()["detail"]


def test_yes_is_no_moment(asker):
    wish = {"pools": ["fake"], "reason": "r", "until_ns": True, "dry_run": True}
    answer = asker.ask("POST", "/api/v1/invalidations", json=wish)
    assert answer.status_code == 422
    assert "until_ns" in answer.json()["detail"]


def test_a_form_of_another_page_is_refused_in_words(asker):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = asker.service.ask("POST", "/login/token", content=b"a=&b=&c=&d=&e=", headers=form)
    assert answer.status_code == 422
    assert "not the form" in answer.text
