"""`hotfire serve` as a process: it serves, drains on SIGTERM, and leaves nothing behind."""

import json
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from hotfire_infra.cli.main import main
from hotfire_infra.store.database import open_store
from hotfire_infra.store.queries import holder_of

COMMAND = (sys.executable, "-c", "from hotfire_infra.cli.main import run_cli; run_cli()")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOTFIRE_USER", "ada")
    for name in ("HOTFIRE_SERVER", "HOTFIRE_DATABASE", "HOTFIRE_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@contextmanager
def serving(*options):
    """Yield a process that serves, and its address."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process, process.stdout.readline().split()[0]
    finally:
        process.kill()
        process.communicate()


def test_a_service_told_to_end_drains_and_ends_well(home):
    with serving() as (process, url):
        assert httpx.get(f"{url}/readyz", timeout=30).json()["ready"] is True
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert not (home / "serve.json").exists()
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert "Traceback" not in said
    assert {"this service executes"} <= {line["message"] for line in lines}
    store = open_store(home)
    with store.reading() as connection:
        assert holder_of(connection, "executor") is None
    store.close()


def test_a_killed_service_is_followed_by_the_next(home):
    with serving() as (process, url):
        assert httpx.get(f"{url}/healthz", timeout=30).text == "alive\n"
        process.kill()
        process.wait()
    with serving() as (_, url):
        assert httpx.get(f"{url}/readyz", timeout=30).status_code == 200


def test_the_open_door_is_refused_and_opened_by_a_token(home, capsys):
    assert main(["serve", "--host", "0.0.0.0", "--port", "0"]) == 2
    assert "hotfire tokens create" in capsys.readouterr().err
    home.mkdir(exist_ok=True)
    assert main(["tokens", "create", "ci", "--file", str(home / "token")]) == 0
    token = (home / "token").read_text().strip()
    with serving("--host", "0.0.0.0") as (_, url):
        own = url.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{own}/api/v1/me", timeout=30).status_code == 401
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(f"{own}/api/v1/me", headers=headers, timeout=30)
        assert answer.json()["actor"] == "token:ci"
