"""`hotfire plan platforms`: table, JSON, YAML and Kueue's objects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from hotfire_infra.cli.main import main
from hotfire_infra.cli.yaml_output import yaml_text
from hotfire_infra.store.database import open_store
from hotfire_infra.store.models import Device

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path))
    monkeypatch.delenv("HOTFIRE_SERVER", raising=False)
    monkeypatch.chdir(ROOT)
    return tmp_path


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["plan", "platforms", *words]) == 0
    return capsys.readouterr().out


def test_the_table_says_how_each_platform_is_reached_and_why_it_is_not_executable(capsys):
    lines = printed(capsys).splitlines()
    assert lines[0].split("\t") == ["PLATFORM", "EXECUTION", "REACHED BY", "POOLS", "HERE"]
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in lines[1:]}
    assert rows["drive-agx-qnx"][1:3] == ["ssh", "none"]
    assert rows["dgx-h100"][2] == "dgx-h100 (260 × 8 nvidia.com/gpu)"
    assert rows["jetson-orin"][3].startswith("not executable here: needs arch aarch64")


def test_json_and_yaml_say_the_same(capsys):
    said = json.loads(printed(capsys, "-o", "json"))
    assert said == yaml.safe_load(printed(capsys, "-o", "yaml"))
    by_name = {one["name"]: one for one in said["platforms"]}
    assert by_name["windows-rtx"]["pools"] == ["windows-rtx"]
    assert by_name["windows-rtx"]["reason"]
    assert sum(pool["machines"] for pool in said["pools"]) == 1000


def test_kueue_objects_follow_the_teams_of_the_service(capsys, home):
    (home / "service.yaml").write_text(
        "schema: hotfire.dev/service/1\nqueue: {teams: {perf: {weight: 2}}}\n"
    )
    text = printed(capsys, "-o", "kueue")
    assert text == printed(capsys, "-o", "kueue"), "the same twice"
    names = {(one["kind"], one["metadata"]["name"]) for one in yaml.safe_load_all(text)}
    assert {("LocalQueue", "perf"), ("LocalQueue", "default-exclusive")} <= names
    assert ("ClusterQueue", "hotfire-team-perf") in names


def test_devices_in_quarantine_are_taken_off_on_request(capsys, home):
    before = printed(capsys, "-o", "kueue")
    store = open_store(home)
    with store.writing() as connection:
        connection.execute(
            Device.__table__.insert(), [device("GPU-1", "bad"), device("GPU-2", "good")]
        )
    store.close()
    assert printed(capsys, "-o", "kueue") == before
    after = printed(capsys, "-o", "kueue", "--without-quarantined")
    assert gpus(before) - gpus(after) == 1


def device(identity: str, health: str) -> dict[str, object]:
    return {
        "ulid": f"01ARZ3NDEKTSV4RRFFQ69G5FA{identity[-1]}",
        "identity": identity,
        "pool": "kubernetes",
        "kind": "NVIDIA H100 80GB HBM3",
        "executor": "kubernetes",
        "health": health,
        "reason": "",
        "facts": {"pool": "dgx-h100"},
        "changed_ns": 1,
        "last_seen_ns": 1,
    }


def gpus(text: str) -> int:
    return sum(
        int(one["nominalQuota"])
        for document in yaml.safe_load_all(text)
        if document["kind"] == "ClusterQueue"
        for flavor in document["spec"]["resourceGroups"][0]["flavors"]
        for one in flavor["resources"]
        if one["name"] == "nvidia.com/gpu"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pre-merge", "-o", "kueue"], "-o kueue goes with `hotfire plan platforms`"),
        (["platforms", "--explain", "x"], "the platforms are the same for every change"),
        (["platforms", "--without-quarantined"], "only -o kueue shows them"),
    ],
)
def test_what_does_not_go_together_is_said(capsys, words, said):
    assert main(["plan", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["no", "1e3", "12:30", "0o7", "", "~", "null", "a: b", "- x", "2Gi"]
)
def test_what_some_yaml_takes_for_something_else_is_quoted(text):
    assert f'"{text}"' in yaml_text([{"key": text}])
    assert yaml.safe_load(yaml_text([{"key": text}])) == {"key": text}
