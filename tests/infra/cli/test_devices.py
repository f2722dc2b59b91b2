"""`hotfire devices` on the store of a home directory."""

from __future__ import annotations

import json

import pytest

from hotfire_infra.cli.main import main
from hotfire_infra.executors.protocol import DeviceReport
from hotfire_infra.orchestrator.devices import Note, move_device, note, register
from hotfire_infra.states import DeviceHealth
from hotfire_infra.store import queries_devices
from hotfire_infra.store.database import open_store
from hotfire_testframework.contract.failure import FailureClass


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOTFIRE_USER", "ada")
    monkeypatch.delenv("HOTFIRE_SERVER", raising=False)
    monkeypatch.delenv("HOTFIRE_DATABASE", raising=False)
    store = open_store(tmp_path / "home")
    reports = [
        DeviceReport(identity=f"GPU-{name}", kind="H100", facts={"driver": "550.54"})
        for name in ("aaaa", "bbbb")
    ]
    with store.writing() as connection:
        register(connection, "dgx", "local", reports, by="tester", at_ns=1)
        bad = queries_devices.find_device(connection, "GPU-bbbb")
        what = Note(
            kind="xid", source="kernel", confidence=0.95, detail="Xid 79",
            failure_class=FailureClass.INFRA_DEVICE,
        )  # fmt: skip
        note(connection, bad.id, what, 2)
        move_device(connection, bad, DeviceHealth.SUSPECT, "evidence: xid", by="tester", at_ns=3)
        bad = queries_devices.find_device(connection, "GPU-bbbb")
        move_device(connection, bad, DeviceHealth.BAD, "differential rerun", by="tester", at_ns=4)
    store.close()
    return tmp_path / "home"


def health(name: str, capsys) -> str:
    capsys.readouterr()
    assert main(["devices", "show", name, "-o", "json"]) == 0
    return json.loads(capsys.readouterr().out)["health"]


def test_the_list_shows_the_sick_ones_first_with_their_reason(capsys):
    assert main(["devices", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if "GPU-" in line]
    assert "GPU-bbbb" in rows[0]
    assert "differential rerun" in rows[0]
    assert main(["devices", "list", "--pool", "elsewhere", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_device_is_shown_with_evidence_and_history(capsys):
    assert main(["devices", "show", "GPU-b"]) == 0
    text = capsys.readouterr().out
    assert "xid (infra-device, kernel, 0.95)  Xid 79" in text
    assert "suspect → bad  by tester: differential rerun" in text
    assert "driver 550.54" in text


def test_maintenance_and_retirement_need_a_reason_that_is_kept(capsys):
    assert main(["devices", "maintenance", "GPU-aaaa", "--reason", "  "]) == 2
    assert main(["devices", "maintenance", "GPU-aaaa", "--reason", "new fans"]) == 0
    assert health("GPU-aaaa", capsys) == "maintenance"
    assert main(["devices", "retire", "GPU-aaaa", "--reason", "replaced"]) == 0
    assert main(["devices", "show", "GPU-aaaa"]) == 0
    text = capsys.readouterr().out
    assert "good → maintenance  by ada: new fans" in text
    assert "maintenance → retired  by ada: replaced" in text


def test_a_bad_device_comes_back_by_a_check_and_not_by_asking(capsys):
    assert main(["devices", "restore", "GPU-bbbb", "--reason", "reseated"]) == 0
    assert "health check" in capsys.readouterr().err
    assert health("GPU-bbbb", capsys) == "bad"


def test_a_person_may_take_the_word_for_it(capsys):
    assert main(["devices", "restore", "GPU-bbbb", "--reason", "reseated", "--force"]) == 0
    assert health("GPU-bbbb", capsys) == "good"


def test_what_the_table_of_health_does_not_allow_is_refused(capsys):
    assert main(["devices", "retire", "GPU-bbbb", "--reason", "scrap"]) == 0
    assert main(["devices", "restore", "GPU-bbbb", "--reason", "found again"]) == 2
    assert "no way to good" in capsys.readouterr().err
    assert main(["devices", "show", "GPU-zzzz"]) == 2
    assert main(["devices", "show", "GPU-"]) == 2


def test_who_moved_a_device_stands_in_the_audit_log(capsys):
    assert main(["devices", "maintenance", "GPU-aaaa", "--reason", "fans"]) == 0
    capsys.readouterr()
    assert main(["audit", "-o", "json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)
    assert (line["actor"], line["action"]) == ("user:ada", "devices health")
    assert (line["target"], line["reason"]) == ("GPU-aaaa", "fans")
