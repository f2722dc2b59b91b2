"""What other machines ask of a service that runs."""

import pytest

from hotfire_infra.configuration import Configuration
from hotfire_infra.sections.access import AccessSection
from hotfire_infra.sections.limits import LimitsSection


@pytest.fixture
def service(make_service):
    return make_service(Configuration(access=AccessSection(required=True)))


def test_a_service_that_runs_is_alive_and_ready(service, enter):
    asked = enter(service)
    assert asked.ask("GET", "/healthz").text == "alive\n"
    answer = asked.ask("GET", "/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)


def test_a_service_that_drains_is_alive_and_not_ready(service, enter):
    asked = enter(service)
    service.drain.begin()
    assert asked.ask("GET", "/healthz").status_code == 200
    answer = asked.ask("GET", "/readyz")
    assert (answer.status_code, answer.json()["checks"]["drain"]) == (503, "fail")


def test_a_service_without_room_is_not_ready_and_tells_no_path(make_service, enter):
    limits = LimitsSection(free_disk_bytes=1 << 60)
    answer = enter(make_service(Configuration(limits=limits))).ask("GET", "/readyz")
    assert (answer.status_code, answer.json()["checks"]["disk"]) == (503, "fail")
    assert "/" not in answer.text.replace("application/json", "")


def test_figures_need_a_viewer(service, enter, admin_token):
    asked = enter(service)
    assert asked.ask("GET", "/metrics").status_code == 401
    answer = asked.ask("GET", "/metrics", headers={"Authorization": f"Bearer {admin_token}"})
    assert answer.headers["content-type"].startswith("text/plain")
    assert "hotfire_database_up 1.0" in answer.text


def test_answers_are_counted_by_route(service, enter, admin_token):
    asked = enter(service)
    headers = {"Authorization": f"Bearer {admin_token}"}
    asked.ask("GET", "/api/v1/runs/1", headers=headers)
    asked.ask("GET", "/api/v1/runs/2", headers=headers)
    text = asked.ask("GET", "/metrics", headers=headers).text
    assert 'hotfire_http_request_seconds_count{method="GET",route="/api/v1/runs/{run}"} 2.0' in text
