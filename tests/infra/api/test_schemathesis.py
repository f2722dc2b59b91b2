"""The OpenAPI document is true: whatever schemathesis makes of it is answered as it says."""

import logging
from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup

from hotfire_infra.configuration import Configuration
from hotfire_infra.sections.limits import LimitsSection, Rate

FAST, DEEP = 4, 300
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
            for name in case.path_parameters or {}:
                case.path_parameters[name] = self.names.get(name, case.path_parameters[name])
        token = self.attempt_token if is_ingest else self.admin
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token}"}
        if is_ingest and is_known and "Hotfire-Fence" in case.headers:
            case.headers["Hotfire-Fence"] = str(self.fence)
        sent = case.as_transport_kwargs(base_url="http://127.0.0.1:8321")
        body = sent.pop("data", None)
        options = {"headers": sent["headers"], "params": sent.get("params"),
                   "cookies": None, "json": sent.get("json"), "content": body}  # fmt: skip
        answer = self.service.ask(
            sent["method"], sent["url"],
            **{name: value for name, value in options.items() if value is not None},
        )  # fmt: skip
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
def prober(make_service, live_attempt, finished_run, admin_token, enter):
    limits = LimitsSection(requests=NEVER, attempts=NEVER, refusals=NEVER, request_bytes=1 << 20)
    service = enter(make_service(Configuration(limits=limits)))
    names = {"run": str(finished_run.number), "ulid": live_attempt[0], "stream": "stdout"}
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
        prober.probe(case, is_known=is_known and mode is GenerationMode.POSITIVE)

    probe()


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
def test_every_operation_answers_as_the_document_says_to_many_more(prober):
    probe_all(prober, DEEP)
    assert prober.failures == {}
    assert not {status for status in prober.statuses if status >= 500}
