"""The API: the same answer as the CLI, described by OpenAPI, on loopback only."""

import importlib.util
import socket
import sys
from pathlib import Path

import pytest

from hotfire_infra.analysis.report import run_document
from hotfire_infra.api.app import create_app
from hotfire_infra.api.serving import ServingRefusedError, application, bind, loopback

_PATH = Path(__file__).parents[2] / "dashboards" / "literal_reports.py"


@pytest.fixture(scope="module")
def literals():
    if "literal_reports" not in sys.modules:
        spec = importlib.util.spec_from_file_location("literal_reports", _PATH)
        module = importlib.util.module_from_spec(spec)
        sys.modules["literal_reports"] = module
        spec.loader.exec_module(module)
    return sys.modules["literal_reports"]


@pytest.fixture
def client(literals):
    return literals.Browser(create_app(literals.everything()))


def test_run_is_the_document_of_the_command_line(client, literals):
    assert client.get("/api/v1/runs/8").json() == run_document(literals.red_report())


def test_runs_are_listed_newest_first(client):
    assert [run["number"] for run in client.get("/api/v1/runs").json()] == [9, 8, 7]
    assert len(client.get("/api/v1/runs?limit=1").json()) == 1


def test_results_are_those_that_are_not_green(client, literals):
    results = client.get("/api/v1/runs/8/results").json()
    assert [one["test"] for one in results] == [literals.CASE, literals.HOSTILE]


def test_unknown_run_is_404_with_the_next_command(client):
    answer = client.get("/api/v1/runs/99")
    assert answer.status_code == 404
    assert "hotfire ps" in answer.json()["detail"]


def test_impossible_limit_is_422(client):
    assert client.get("/api/v1/runs?limit=0").status_code == 422


def test_openapi_describes_every_route_and_no_page_of_fastapi_is_served(client):
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert set(paths) == {
        "/api/v1/runs", "/api/v1/runs/{run}", "/api/v1/runs/{run}/results"
    }  # fmt: skip
    assert all(operation["get"]["summary"] for operation in paths.values())
    assert client.get("/docs").status_code == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])
def test_other_interfaces_are_refused_with_the_reason(host):
    with pytest.raises(ServingRefusedError, match="no sign-in yet"):
        loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_loopback_is_served(host):
    assert loopback(host)


def test_taken_port_is_an_error_that_names_another():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServingRefusedError, match=f"--port {port + 1}"):
            bind("127.0.0.1", port)


def test_installed_dashboard_is_found_by_its_entry_point(literals):
    answer = literals.Browser(application(literals.everything())).get("/r/7")
    assert answer.status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8321", "192.0.2.1", "0.0.0.0:8321"])
def test_a_foreign_name_that_points_here_is_refused(literals, host):
    answer = literals.Browser(application(literals.everything()), host).get("/api/v1/runs")
    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8399", "[::1]:8321"])
def test_own_names_are_answered(literals, host):
    answer = literals.Browser(application(literals.everything()), host).get("/api/v1/runs")
    assert answer.status_code == 200
