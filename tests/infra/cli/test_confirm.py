"""`hotfire confirm`, `changes` and `quarantine` as they are typed: what they print, what the shell gets."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from hotfire_infra.analysis.confirmations import ConfirmationReport
from hotfire_infra.cli.main import main
from hotfire_infra.cli.verbs import confirm as verb

REPORT = ConfirmationReport(
    id="01JD3Q6X7V8W9Y0Z1A2B3C4D5E", run=14, change=None, state="open", answer="open",
    words="open: decode no value yet", reason="", parent="a" * 40, suspect="b" * 40, series=(),
    launches=0, spent_seconds=0.0, budget_seconds=1800, devices=(), live_run=None,
    requested_by="ada", created_ns=1, decided_ns=None,
)  # fmt: skip


class Desk:
    """A confirmation of two launches that ends with an answer."""

    def __init__(self, answer):
        self.asked, self.watched = [], []
        over = replace(REPORT, state="decided", answer=answer, words=f"{answer}: decode -9.5 %")
        first = replace(REPORT, live_run=15, launches=1)
        second = replace(REPORT, live_run=16, launches=2, words="open: decode -9 %")
        # Before each look something is due; a service may need a moment to start the next launch.
        self.states = [first, replace(first, live_run=None), second, over]

    def confirm(self, what, budget_seconds):
        self.asked.append((what, budget_seconds))
        return REPORT

    def advance(self, ulid):
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def watch(self, run):
        self.watched.append(run)
        return iter(())


@pytest.fixture
def ask(monkeypatch):
    def ask(desk, *words):
        session = SimpleNamespace(client=desk)
        monkeypatch.setattr(verb, "open_session", lambda: contextlib.nullcontext(session))
        monkeypatch.setattr(verb, "desk_of", lambda _: desk)
        monkeypatch.setattr(verb, "POLL_SECONDS", 0)
        return main(["confirm", "14", *words])

    return ask


@pytest.mark.parametrize(("answer", "code"), [("confirmed", 1), ("refuted", 0), ("undecided", 6)])
def test_the_exit_code_is_the_answer_and_every_launch_is_followed(ask, capsys, answer, code):
    desk = Desk(answer)
    assert ask(desk, "--budget", "45") == code
    assert desk.asked == [("14", 2700)]
    assert desk.watched == ["15", "16"]
    said = capsys.readouterr()
    assert said.out == f" {answer}: decode -9.5 %\n"
    assert "parent aaaaaaa, suspect bbbbbbb: blocks A B B A" in said.err


def test_detached_it_only_asks(ask, capsys):
    desk = Desk("confirmed")
    assert ask(desk, "--detach", "-o", "json") == 0
    assert desk.watched == []
    assert json.loads(capsys.readouterr().out)["id"] == REPORT.id


def test_an_interruption_loses_nothing_and_says_how_to_go_on(ask, capsys, monkeypatch):
    desk = Desk("confirmed")

    def interrupted(run):
        raise KeyboardInterrupt

    monkeypatch.setattr(desk, "watch", interrupted)
    assert ask(desk) == 130
    assert "the same command goes on from here" in capsys.readouterr().err


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOTFIRE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HOTFIRE_SERVER", raising=False)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["changes", "list"], 0, "no series of the target branch has changed"),
        (["changes", "label", "01JD3Q6X7V", "true"], 2, "no change is called '01JD3Q6X7V'"),
        (["changes", "accept", "01JD3Q6X7V", "--reason", "x"], 2, "no change is called"),
        (["quarantine", "list"], 0, "no test is in quarantine, and none is proposed"),
        (["quarantine", "end", "01JD", "--reason", "x"], 2, "is no quarantine's id"),
        (
            ["quarantine", "add", "m/s/t", "--owner", "ada", "--bug", "HF-1"],
            2,
            "nobody recorded a test 'm/s/t'",
        ),
        (["confirm", "12"], 2, "no run is called '12'"),
        (["bisect", "01JD3Q6X7V"], 2, "no test, series or change is called"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_what_is_not_there_is_said(words, code, said, capsys):
    assert main(words) == code
    whole = capsys.readouterr()
    assert said in whole.out + whole.err
