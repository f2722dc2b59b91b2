"""`hotfire tokens` and `hotfire audit` on the store of a home directory."""

import json

import pytest

from hotfire_infra.api.service import Service
from hotfire_infra.cli.main import main
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.configuration import Configuration
from hotfire_infra.sections.access import AccessSection
from hotfire_infra.settings import read_settings


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOTFIRE_USER", "ada")
    monkeypatch.delenv("HOTFIRE_SERVER", raising=False)
    monkeypatch.delenv("HOTFIRE_DATABASE", raising=False)
    return tmp_path


def test_a_token_is_printed_once_listed_without_it_and_revoked(capsys):
    assert main(["tokens", "create", "ci", "--role", "operator"]) == 0
    secret = capsys.readouterr().out.strip()
    assert secret.startswith("hf_")
    assert main(["tokens", "list", "-o", "json"]) == 0
    listed = capsys.readouterr().out
    assert secret not in listed
    assert json.loads(listed)[0]["role"] == "operator"
    assert main(["tokens", "revoke", "ci"]) == 0
    assert main(["audit", "-o", "json"]) == 0
    actions = [line["action"] for line in json.loads(capsys.readouterr().out)]
    assert actions == ["tokens revoke", "tokens create"]


def test_a_token_goes_into_a_file_that_nobody_else_reads(home, capsys):
    path = home / "token"
    assert main(["tokens", "create", "ci", "--file", str(path)]) == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().strip() not in capsys.readouterr().out


def test_an_existing_file_is_not_overwritten_and_no_token_is_made(home, capsys):
    path = home / "token"
    path.write_text("mine")
    assert main(["tokens", "create", "ci", "--file", str(path)]) == 2
    assert path.read_text() == "mine"
    capsys.readouterr()
    main(["tokens", "list", "-o", "json"])
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize("name", ["../x", "", "a b", "\x1b[2J", "x" * 101])
def test_a_name_that_is_none_is_refused(name, capsys):
    assert main(["tokens", "create", name]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_second_token_of_a_name_in_force_is_refused_with_the_remedy(capsys):
    main(["tokens", "create", "ci"])
    assert main(["tokens", "create", "ci"]) == 2
    assert "hotfire tokens revoke ci" in capsys.readouterr().err


def test_revoking_what_is_not_there_is_refused(capsys):
    assert main(["tokens", "revoke", "nobody"]) == 2
    assert "hotfire tokens list" in capsys.readouterr().err


def test_signing_out_nobody_is_said(capsys):
    assert main(["tokens", "sign-out", "user:nobody"]) == 0
    assert "0 sessions of user:nobody" in capsys.readouterr().err


def test_the_same_verbs_work_at_a_service(home, capsys, monkeypatch, served):
    settings = read_settings()
    assert main(["tokens", "create", "root", "--role", "admin", "--file", str(home / "t")]) == 0
    embedded = EmbeddedClient.open(settings)
    required = Configuration(access=AccessSection(required=True))
    service = Service.over(embedded, settings, executes=False)
    service.configuration = required
    with served(service) as address:
        monkeypatch.setenv("HOTFIRE_SERVER", address)
        assert main(["tokens", "list"]) == 4
        monkeypatch.setenv("HOTFIRE_TOKEN_FILE", str(home / "t"))
        assert main(["tokens", "create", "ci"]) == 0
        assert main(["tokens", "revoke", "ci"]) == 0
        assert main(["tokens", "sign-out", "user:nobody"]) == 0
        capsys.readouterr()
        assert main(["audit", "--actor", "token:root", "-o", "json"]) == 0
        lines = json.loads(capsys.readouterr().out)
        assert main(["config", "doctor"]) == 0
    embedded.close()
    assert [line["action"] for line in lines] == [
        "DELETE /api/v1/logins/{actor}",
        "DELETE /api/v1/tokens/{name}", "POST /api/v1/tokens",
    ]  # fmt: skip
