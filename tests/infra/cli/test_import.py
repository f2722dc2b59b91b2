"""`hotfire import` as it is typed: what it prints and what the shell gets."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hotfire_infra.api.service import Service
from hotfire_infra.cli.main import main
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.settings import Settings

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


@pytest.fixture
def service(tmp_path, served, monkeypatch):
    """A service that the command line talks to."""
    settings = Settings(home=tmp_path / "service", cache=tmp_path / "cache", user="tester")
    embedded = EmbeddedClient.open(settings)
    with served(Service.over(embedded, settings)) as address:
        monkeypatch.setenv("HOTFIRE_SERVER", address)
        yield embedded
    embedded.close()


def test_reports_are_imported_by_a_service_as_they_are_here(service, capsys):
    Path("more").mkdir()
    Path("more/green.xml").write_text(GREEN.replace('"a"', '"b"'), encoding="utf-8")
    assert main(["import", "green.xml", "more/green.xml", "--platform", "dgx", "-o", "json"]) == 0
    printed = capsys.readouterr()
    assert "   more/green.xml: junit, 1 passed" in printed.err
    document = json.loads(printed.out)
    assert [cell["task"] for cell in document["cells"]] == ["green.xml", "green.xml-2"]
    assert document["verdict"] == "passed"
    assert main(["import", "more/green.xml", "--platform", "dgx"]) == 0
    printed = capsys.readouterr()
    assert "more/green.xml: imported before, in run 1" in printed.err
    assert printed.out == "nothing new: run 1\n"
    assert list((service.store.home / "imports").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.xml"], "none.xml: cannot be read"),
        (["pipe"], "no regular file"),
        (["green.xml", "--format", "tap"], "green.xml"),
        (["green.xml", "--variant", "Bad Axis=x"], "Bad Axis"),
    ],
)
def test_what_a_service_cannot_import_exits_2_and_leaves_nothing(
    service, capsys, arguments, message
):
    assert main(["import", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "sent-" not in said
    assert service.runs() == ()
