"""The API: the same answer as the CLI, problems with remedies, behind the gatekeeper."""

import asyncio
import importlib.util
import socket
import sys
from pathlib import Path

import pytest

from hotfire_infra.analysis.report import run_document
from hotfire_infra.api.app import create_app
from hotfire_infra.api.serving import ServingRefusedError, application, bind_to

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


def test_runs_are_listed_newest_first_and_a_cursor_leads_to_the_next_page(client):
    whole = client.get("/api/v1/runs").json()
    assert ([run["number"] for run in whole["items"]], whole["next"]) == ([9, 8, 7], None)
    first = client.get("/api/v1/runs?limit=2").json()
    rest = client.get(f"/api/v1/runs?limit=2&cursor={first['next']}").json()
    assert [run["number"] for run in first["items"] + rest["items"]] == [9, 8, 7]
    assert rest["next"] is None


@pytest.mark.parametrize("cursor", ["x", "WzFd", "WyJ0ZXN0cyIsMSwyXQ", "%00", "WyJydW5zIiwiYSJd"])
def test_a_cursor_of_another_list_or_of_nothing_is_refused(client, cursor):
    answer = client.get(f"/api/v1/runs?cursor={cursor}")
    assert (answer.status_code, answer.json()["type"]) == (400, "about:blank#bad-cursor")


def test_results_are_those_that_are_not_green(client, literals):
    results = client.get("/api/v1/runs/8/results").json()
    assert [one["test"] for one in results] == [literals.CASE, literals.HOSTILE]


def test_unknown_run_is_404_with_the_next_command(client):
    answer = client.get("/api/v1/runs/99")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["remedy"] == "hotfire ps"


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/v1/runs?limit=0", 422), ("/api/v1/nothing", 404), ("/api/v1/devices", 503)],
)
def test_every_error_is_a_problem_document_with_a_remedy(client, path, status):
    answer = client.get(path)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert all(problem[name] for name in ("type", "title", "detail", "remedy"))


def test_no_page_of_fastapi_is_served(client):
    assert client.get("/docs").status_code == 404


def test_taken_port_is_an_error_that_names_another():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ServingRefusedError, match=f"--port {port + 1}"):
            bind_to("127.0.0.1", port)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_second_piece_of_an_answer_does_not_wait_for_the_clients_kernel(address):
    async def is_without_delay(listener):
        found = asyncio.get_running_loop().create_future()

        async def accepted(_reader, writer):
            own = writer.get_extra_info("socket")
            found.set_result(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(accepted, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname()[:2])
            writer.close()
            return bool(await found)

    with bind_to(address, 0) as listener:
        assert asyncio.run(is_without_delay(listener))


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
