"""`hotfire compare` on accuracy: the line, the document and the exit code, here and by HTTP."""

import json
from contextlib import closing, contextmanager

import pytest

from hotfire_infra.analysis.accuracy.gates import Gate
from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.cli.exit_codes import CliExit
from hotfire_infra.cli.verbs import compare as verb
from hotfire_infra.client.connection import Connection
from hotfire_infra.client.http_reports import HttpReports
from hotfire_infra.executors.fake import Script

TEST = "accuracy/pytest/test_gsm8k"


def samples(lost):
    bodies = (
        {"task": "gsm8k", "dataset": "d", "item": str(i), "prompt": f"p{i}", "decode_seed": 0,
         "outcome": int(i >= lost), "test": TEST}
        for i in range(300)
    )  # fmt: skip
    return tuple(("accuracy_sample", body) for body in bodies)


@pytest.fixture
def two_runs(make_stand, make_plan):
    said = {}
    stand = make_stand(lambda _: Script(records=said["samples"]))
    plan = make_plan({"accuracy": [TEST]})
    for lost in (0, 25):
        said["samples"] = samples(lost)
        stand.run(plan)
    return stand.store


@contextmanager
def opened(reports):
    yield reports


def test_a_drop_has_a_line_and_blocks_nobody_without_a_gate(two_runs, monkeypatch, capsys):
    monkeypatch.setattr(verb, "open_reports", lambda: opened(StoreReports(two_runs)))
    assert verb.compare("1", "2", show_all=False, as_json=False) == CliExit.OK
    line = "gsm8k on here: 300 pairs, 25 discordant, drop 8.33 points ["
    assert line in capsys.readouterr().out
    assert verb.compare("1", "2", show_all=False, as_json=True) == CliExit.OK
    (task,) = json.loads(capsys.readouterr().out)["accuracy"]
    assert (task["decision"], task["pairs"], task["worse"]) == ("regressed", 300, 25)


def test_a_declared_gate_makes_the_comparison_red(two_runs, monkeypatch, capsys):
    monkeypatch.setattr(verb, "open_reports", lambda: opened(StoreReports(two_runs)))
    monkeypatch.setattr(
        "hotfire_infra.analysis.reporting.declared_gates", lambda *_: {"*": Gate(tolerance=0.02)}
    )
    assert verb.compare("1", "2", show_all=False, as_json=False) == CliExit.RED
    # Backwards nothing is lost.
    assert verb.compare("2", "1", show_all=False, as_json=False) == CliExit.OK


def test_a_service_says_the_same(two_runs, served, onlooker):
    local = StoreReports(two_runs)
    service = onlooker(two_runs, reports=local)
    with served(service) as address, closing(Connection(address, None)) as connection:
        assert HttpReports(connection).accuracy(1, 2) == local.accuracy(1, 2)
