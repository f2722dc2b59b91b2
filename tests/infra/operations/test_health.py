"""Whether a service can do its work, and what `hotfire config doctor` says about it."""

import json
import shutil

import pytest
from sqlalchemy import text

from hotfire_infra.cli.checkup import check_up, closing_line, worst
from hotfire_infra.operations import health
from hotfire_infra.operations.health import (
    Level,
    check_clock,
    check_database,
    check_disk,
    check_home,
    check_leader,
    check_secret_file,
    readiness,
)
from hotfire_infra.orchestrator.lock import LOCK_NAME, acquire
from hotfire_infra.settings import read_settings


def ready(store, **other):
    asked = {"free_bytes": 0, "is_draining": False, "executes": True, **other}
    return {one.name: one.level for one in readiness(store, lock_name=LOCK_NAME, **asked)}


def test_a_service_that_leads_is_ready_until_it_falls_silent(store, clock):
    assert acquire(store) is not None
    assert set(ready(store).values()) == {Level.OK}
    clock.advance(health.HEARTBEAT_LIMIT_SECONDS + 1)
    assert ready(store)["orchestrator"] is Level.FAIL


def test_that_nobody_executes_is_said_and_no_failure(store):
    finding = check_leader(store, LOCK_NAME)
    assert (finding.level, "nobody executes" in finding.said) == (Level.OK, True)
    assert "orchestrator" not in ready(store, executes=False)


def test_a_service_that_ends_is_not_ready(store):
    assert ready(store, is_draining=True)["drain"] is Level.FAIL


def test_a_full_disk_is_not_ready(store):
    assert ready(store, free_bytes=1 << 60)["disk"] is Level.FAIL


@pytest.mark.parametrize(
    ("limit", "level"), [(100, Level.OK), (300, Level.WARN), (1001, Level.FAIL)]
)
def test_disk_warns_before_it_fails(tmp_path, monkeypatch, limit, level):
    usage = shutil._ntuple_diskusage(10_000, 9_000, 1_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    assert check_disk(tmp_path, limit).level is level


def test_a_database_of_another_schema_names_the_command(store):
    with store.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    finding = check_database(store)
    assert (finding.level, finding.remedy) == (Level.FAIL, "hotfire serve db upgrade")


def test_a_database_that_is_away_is_a_finding_and_no_error(store):
    store.close()
    (store.home / "hotfire.db").unlink()
    (store.home / "hotfire.db").mkdir()
    assert check_database(store).level is Level.FAIL
    assert ready(store)["database"] is Level.FAIL


@pytest.mark.parametrize(("wall", "level"), [(10**9, Level.FAIL), (18 * 10**17, Level.OK)])
def test_a_clock_that_was_never_set_is_seen(store, wall, level):
    assert check_clock(store, wall).level is level


@pytest.mark.parametrize(
    ("mode", "level"), [(0o600, Level.OK), (0o400, Level.OK), (0o640, Level.FAIL)]
)
def test_a_secret_that_others_read_is_seen(tmp_path, mode, level):
    path = tmp_path / "secret"
    path.write_text("x")
    path.chmod(mode)
    finding = check_secret_file("secret", path)
    assert finding.level is level
    assert ("chmod 600" in finding.remedy) is (level is Level.FAIL)


@pytest.mark.parametrize(
    ("mode", "level"), [(0o700, Level.OK), (0o755, Level.OK), (0o777, Level.FAIL)]
)
def test_a_home_that_others_write_is_seen(tmp_path, mode, level):
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(mode)
    assert check_home(home).level is level


def test_a_home_that_nothing_has_made_yet_is_no_failure_and_looking_makes_none(tmp_path):
    home = tmp_path / "nowhere"
    checks = check_up(settings(home))
    assert found(checks)["home"].level is Level.WARN
    assert "is not there yet" in found(checks)["home"].said
    assert closing_line(checks) == "in order (2 checks), but look at home"
    assert not home.exists()


def settings(home, **environ):
    return read_settings(environ={"HOTFIRE_HOME": str(home), **environ})


def found(checks):
    return {one.name: one for one in checks}


def test_doctor_looks_at_everything_of_a_good_home(store):
    store.home.chmod(0o700)
    checks = found(check_up(settings(store.home)))
    assert set(checks) == {"configuration", "home", "disk", "database", "clock", "orchestrator"}
    assert worst(checks.values()) is not Level.FAIL


def test_doctor_ends_with_what_it_came_to(store):
    store.home.chmod(0o700)
    checks = check_up(settings(store.home))
    assert closing_line(checks).startswith(("all in order (6 checks)", "in order (6 checks), but"))
    store.home.chmod(0o777)
    assert closing_line(check_up(settings(store.home))).startswith("not in order: home")


def test_doctor_names_file_and_line_of_a_wrong_configuration(store):
    (store.home / "service.yaml").write_text(
        "schema: hotfire.dev/service/1\naccess:\n  reqired: 1\n"
    )
    finding = found(check_up(settings(store.home)))["configuration"]
    assert finding.level is Level.FAIL
    assert "service.yaml:3" in finding.said


def test_doctor_sees_a_client_secret_that_others_read(store, tmp_path):
    secret = tmp_path / "client-secret"
    secret.write_text("x")
    secret.chmod(0o644)
    (store.home / "service.yaml").write_text(
        "schema: hotfire.dev/service/1\naccess:\n  public_url: https://ci.example.org\n  oidc:\n"
        f"    issuer: https://id.example.org\n    client_id: a\n    client_secret_file: {secret}\n"
    )
    assert found(check_up(settings(store.home)))["client secret"].level is Level.FAIL


def test_doctor_says_that_a_server_cannot_be_reached(store):
    checks = found(check_up(settings(store.home, HOTFIRE_SERVER="http://127.0.0.1:9")))
    assert checks["server"].level is Level.FAIL
    assert "HOTFIRE_SERVER" in checks["server"].remedy


def test_no_finding_shows_the_password_of_the_database(store):
    address = f"postgresql://hotfire:{'hunter2'}@127.0.0.1:9/hotfire"
    checks = found(check_up(settings(store.home, HOTFIRE_DATABASE=address)))
    assert checks["database"].level is Level.FAIL
    assert "hunter2" not in json.dumps([(one.said, one.remedy) for one in checks.values()])
