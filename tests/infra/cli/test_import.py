"""`hotfire import` as it is typed: what it prints and what the shell gets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hotfire_infra.cli.main import main

DATA = Path(__file__).parents[1] / "ingest" / "formats" / "data"
GREEN = '<testsuite name="s"><testcase classname="c" name="a" time="1"/></testsuite>'


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HOTFIRE_SERVER", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("green.xml").write_text(GREEN, encoding="utf-8")
    os.mkfifo("pipe")
    return tmp_path


def test_a_green_report_exits_0_and_again_says_that_it_is_known(capsys):
    assert main(["import", "green.xml"]) == 0
    assert "1 passed" in capsys.readouterr().err
    assert main(["import", "green.xml"]) == 0
    printed = capsys.readouterr()
    assert "green.xml: imported before, in run 1" in printed.err
    assert printed.out == "nothing new: run 1\n"


def test_a_red_report_exits_1_and_names_its_pipeline_and_platform(capsys):
    arguments = ["--pipeline", "nightly", "--platform", "dgx", "--variant", "build=debug"]
    report = str(DATA / "ctest.xml")
    assert main(["import", report, *arguments, "--revision", "abc", "-o", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["pipeline"], document["verdict"]) == ("nightly", "failed")
    assert document["cells"][0]["variant"] == {
        "build": "debug", "execution": "native", "platform": "dgx",
    }  # fmt: skip


def test_a_report_of_errors_alone_is_not_green_either():
    Path("e.xml").write_text(GREEN.replace("/></t", "><error/></testcase></t"), encoding="utf-8")
    assert main(["import", "e.xml"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.xml"], "none.xml: cannot be read"),
        (["."], "no regular file"),
        (["none.xml", "--format", "junit"], "none.xml: cannot be read"),
        (["pipe"], "no regular file"),
        (["green.xml", "--format", "tap"], "nothing in it is whole"),
        (["green.xml", "--variant", "x"], "is not AXIS=VALUE"),
        (["green.xml", "--variant", "platform=x"], "--platform"),
        (["green.xml", "--variant", "Bad Axis=x"], "Bad Axis"),
        (["green.xml", "--metric", "a=none.such"], "not registered"),
        ([str(DATA / "google-benchmark.json")], "--metric cells=METRIC"),
    ],
)
def test_what_cannot_be_imported_exits_2_with_one_message(capsys, arguments, message):
    assert main(["import", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_server_is_asked_for_elsewhere(capsys, monkeypatch):
    monkeypatch.setenv("HOTFIRE_SERVER", "http://127.0.0.1:9")
    assert main(["import", "green.xml"]) == 2
    assert "HOTFIRE_SERVER" in capsys.readouterr().err
