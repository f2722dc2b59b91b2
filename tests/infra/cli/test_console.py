"""What tests print may hold anything; a terminal gets only our own colours."""

import json
import os

import pytest

from hotfire_infra.analysis.reporting import DEFAULT_URL
from hotfire_infra.cli import console
from hotfire_infra.cli.problems import Problem
from hotfire_infra.cli.session import SERVE_FILE, served_url

HOSTILE = "\x1b[2J\x1b]0;owned\x07 a\rb \x9b31m \u202egpj.exe \ud800"
SHOWN = r"\u001b[2J\u001b]0;owned\u0007 a\u000db \u009b31m \u202egpj.exe \ud800"


@pytest.mark.parametrize("write", [console.data, console.progress])
def test_what_moves_the_cursor_is_shown_and_not_done(capsys, write):
    write(f"one\n\ttwo {HOSTILE}")
    captured = capsys.readouterr()
    assert f"one\n\ttwo {SHOWN}\n" in captured.out + captured.err


def test_an_error_shows_it_too(capsys):
    console.report_problem(Problem(message=HOSTILE, next_command=HOSTILE, code=2))
    assert capsys.readouterr().err == f"error: {SHOWN}\nnext:  {SHOWN}\n"


def test_our_own_colours_stay(capsys, monkeypatch):
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    text = "".join(f"\x1b[{code}m✓\x1b[0m" for code in console._ANSI.values())
    console.data(text)
    assert capsys.readouterr().out == text + "\n"


def test_json_stays_json(capsys):
    console.data(json.dumps({"reason": HOSTILE}, ensure_ascii=False))
    assert json.loads(capsys.readouterr().out) == {"reason": HOSTILE}


def test_the_note_of_a_server_that_was_killed_is_not_believed(tmp_path):
    note = tmp_path / SERVE_FILE
    note.write_text(json.dumps({"url": "http://127.0.0.1:1", "pid": os.getpid()}))
    assert served_url(tmp_path) == "http://127.0.0.1:1"
    note.write_text(json.dumps({"url": "http://127.0.0.1:1", "pid": 2**22 + 1}))
    assert served_url(tmp_path) == DEFAULT_URL
