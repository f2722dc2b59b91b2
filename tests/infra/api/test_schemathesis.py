"""The OpenAPI document is true: whatever schemathesis makes of it is answered as it says."""

import logging
from collections import Counter

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from sqlalchemy import insert, select

from hotfire_infra.client.results_care import ResultsCare
from hotfire_infra.configuration import Configuration
from hotfire_infra.sections.limits import LimitsSection, Rate
from hotfire_infra.sections.schedules import ScheduleSection
from hotfire_infra.states import DeviceHealth
from hotfire_infra.store.invalidations import Predicate
from hotfire_infra.store.models import Attempt, Device, Hold

FAST, DEEP = 4, 200
"""Examples per operation and mode."""
NEVER = Rate(per_second=1e6, burst=1e9)

# What the data are about may be gone or over (404, 409), however right the data are; and the other
# two send requests of their own, over a network.
LEFT_OUT = ("positive_data_acceptance", "ignored_auth", "use_after_free", "max_response_time")


def checks():
    load_all_checks()
    return [check for check in CHECKS.get_all() if check.__name__ not in LEFT_OUT]


def is_endless(operation):
    responses = operation.definition.raw.get("responses", {})
    return "text/event-stream" in responses.get("200", {}).get("content", {})


class Prober:
    """Sends a case in this process and holds the answer against the document."""

    def __init__(self, service, names, attempt, admin):
        self.service = service
        self.names = names
        self.ulid, self.attempt_token, self.fence = attempt
        self.admin = admin
        self.statuses = Counter()
        self.failures = {}
        self.checks = checks()

    def probe(self, case, *, is_known):
        is_ingest = "ingest" in (case.operation.definition.raw.get("tags") or ())
        if is_known:
            path = case.operation.path
            for name in case.path_parameters or {}:
                where = f"{path.split('/')[3]}/{name}"
                known = self.names.get(where, self.names.get(name))
                case.path_parameters[name] = known or case.path_parameters[name]
        token = self.attempt_token if is_ingest else self.admin
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}
        if is_ingest and is_known and "Hotfire-Fence" in case.headers:
            case.headers["Hotfire-Fence"] = str(self.fence)
        sent = case.as_transport_kwargs(base_url="http://127.0.0.1:8321")
        body = sent.pop("data", None)
        options = {"headers": sent["headers"], "params": sent.get("params"),
                   "cookies": None, "json": sent.get("json"), "content": body}  # fmt: skip
        try:
            answer = self.service.ask(
                sent["method"], sent["url"],
                **{name: value for name, value in options.items() if value is not None},
            )  # fmt: skip
        except httpx.InvalidURL:
            return  # Longer than this client sends.
        self.statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=self.checks)
        except FailureGroup as found:
            for one in found.exceptions:
                where = f"{case.operation.method.upper()} {case.operation.path}"
                self.failures.setdefault(
                    f"{where}: {one}", answer.text[:300] + f" {sent} {body}"[:600]
                )


@pytest.fixture
def names(store, finished_run, live_attempt):
    """What there is one of, by the parameter that names it, or by folder and parameter."""
    device, hold = "0" * 25 + "D", "0" * 25 + "H"
    with store.writing() as connection:
        connection.execute(
            insert(Device).values(
                ulid=device, identity="GPU-1", pool="fake", kind="k", executor="fake", facts={},
                health=DeviceHealth.GOOD, changed_ns=0, last_seen_ns=0,
            )
        )  # fmt: skip
        attempt = connection.execute(select(Attempt.id).order_by(Attempt.id)).scalars().first()
        connection.execute(
            insert(Hold).values(
                ulid=hold, attempt_id=attempt, reason="failed", held_by="ada", boot_id="b", cpus=1,
                until_mono_ns=1 << 60, until_ns=1 << 60,
            )
        )  # fmt: skip
    care = ResultsCare(store, "ada")
    made = care.invalidate(Predicate(pools=("elsewhere", "fake")), reason="r", dry_run=False)
    return {
        "run": str(finished_run.number), "ulid": live_attempt[0], "stream": "stdout",
        "device": device, "hold": hold, "invalidation": made.ulid, "schedules/name": "nightly",
        "tokens/name": "admin-to-be", "actor": "user:somebody", "pipeline": "small",
        "digest": finished_run.plan_digest,
    }  # fmt: skip


@pytest.fixture
def prober(make_service, live_attempt, names, admin_token, enter, tmp_path):
    limits = LimitsSection(requests=NEVER, attempts=NEVER, refusals=NEVER, request_bytes=1 << 20)
    nightly = ScheduleSection(pipeline="pre-merge", checkout=tmp_path, cron="0 3 * * *")
    configuration = Configuration(limits=limits, schedules={"nightly": nightly})
    service = enter(make_service(configuration))
    return Prober(service, names, live_attempt, admin_token)


def probe_all(prober, examples):
    document = prober.service.ask("GET", "/api/v1/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    probed = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if is_endless(operation):
            continue
        probed += 1
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _probe_operation(prober, operation, mode, examples)
    return probed


def _probe_operation(prober, operation, mode, examples):
    if mode is GenerationMode.NEGATIVE and not _can_be_wrong(operation):
        return

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True,
        phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode), is_known=st.booleans())
    def probe(case, is_known):
        if mode is GenerationMode.POSITIVE or not _vanishes(case):
            prober.probe(case, is_known=is_known and mode is GenerationMode.POSITIVE)

    probe()


def _vanishes(case):
    """Whether something wrong is not sent at all: a query has no form for an object.

    Nor for a list of one, which is its item, nor for objects in a list, which become plain text.
    """
    return any(
        isinstance(one, dict)
        or (isinstance(one, list) and (len(one) < 2 or any(isinstance(i, dict) for i in one)))
        for one in dict(case.query or {}).values()
    )


def _can_be_wrong(operation):
    raw = operation.definition.raw
    return bool(raw.get("parameters") or raw.get("requestBody"))


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL, logger="hotfire_infra")


def test_every_operation_answers_as_the_document_says(prober):
    assert probe_all(prober, FAST) > 35
    assert prober.failures == {}
    assert not {status for status in prober.statuses if status >= 500}
    assert {200, 404, 422} <= set(prober.statuses)


@pytest.mark.scale
@pytest.mark.parametrize("dialect", ["postgresql", "sqlite"])
def test_every_operation_answers_as_the_document_says_to_many_more(prober, dialect):
    probe_all(prober, DEEP)
    assert prober.failures == {}
    assert not {status for status in prober.statuses if status >= 500}
