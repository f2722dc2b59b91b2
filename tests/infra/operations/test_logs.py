"""What the service says, in which form, and what it never says."""

import io
import json
import logging
import threading

import pytest

from hotfire_infra.operations.context import about, current
from hotfire_infra.operations.logs import set_up_logging
from hotfire_infra.operations.redaction import redacted
from hotfire_infra.sections.logging import LoggingSection

log = logging.getLogger("hotfire_infra.example")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def logged():
    root = logging.getLogger()
    before, level = list(root.handlers), root.level

    def make(stream=None, **section):
        target = stream or io.StringIO()
        set_up_logging(LoggingSection(**section), target)
        return target

    yield make
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def test_a_line_is_one_object_with_the_ids_of_what_it_is_about(logged):
    stream = logged()
    with about(run=12, attempt="01JD3Q6X7V8W9Y0Z1A2B3C4D5E"), about(task="build"):
        log.info("leased on %s", "gpu-3", extra={"seconds": 1.5})
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info", "logger": "hotfire_infra.example", "message": "leased on gpu-3",
        "run": "12", "task": "build", "attempt": "01JD3Q6X7V8W9Y0Z1A2B3C4D5E", "seconds": 1.5,
    }  # fmt: skip


def test_ids_end_with_their_block_and_do_not_reach_other_threads():
    seen = []
    with about(run=1):
        thread = threading.Thread(target=lambda: seen.append(dict(current())))
        thread.start()
        thread.join()
    assert seen == [{}]
    assert dict(current()) == {}


def test_an_error_stands_with_its_traceback_in_the_same_line(logged):
    stream = logged()
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        log.exception("broken")
    assert stream.getvalue().count("\n") == 1
    assert "ValueError: first" in json.loads(stream.getvalue())["error"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_a_test_wrote_neither_makes_a_line_nor_moves_the_cursor(logged, form):
    stream = logged(format=form)
    log.warning("name: %s", "a\nlevel=error forged\x1b[2J\u2028\ud800")
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()
    assert "\u2028" not in stream.getvalue()


def test_a_terminal_gets_text_and_everything_else_json(logged):
    terminal = logged(Terminal())
    log.info("hello")
    assert terminal.getvalue().endswith("info    hello\n")
    pipe = logged()
    log.info("hello")
    assert json.loads(pipe.getvalue())["message"] == "hello"


def test_the_level_of_the_section_counts(logged):
    stream = logged(level="warning")
    log.info("quiet")
    log.error("loud")
    assert "quiet" not in stream.getvalue()
    assert "loud" in stream.getvalue()


def test_a_wrong_call_of_the_log_is_still_a_line(logged):
    stream = logged()
    log.info("%d of %d", "one")
    assert "%d of %d" in json.loads(stream.getvalue())["message"]


def test_an_endless_message_is_cut(logged):
    stream = logged()
    log.info("x" * 10_000_000)
    assert len(stream.getvalue()) < 20_000


SECRETS = [
    "token hf_abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG here",
    "Authorization: Bearer abcDEF123-._~",
    "Authorization: Basic aG90ZmlyZTpzZWNyZXQ=",
    "cookie hotfire_login=Zm9vYmFyYmF6; path=/",
    f"postgresql://hotfire:{'hunter2'}@db:5432/hotfire",
    "id_token=eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    "{'client_secret': 'hunter2', 'a': 1}",
    '"password": "hunter2"',
    "-----BEGIN PRIVATE" + " KEY-----\nMIIhunter2\n-----END PRIVATE" + " KEY-----",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_replaced_wherever_it_stands(logged, text):
    stream = logged()
    try:
        raise RuntimeError(text)
    except RuntimeError:
        log.exception("said %s", text, extra={"about": text})
    written = stream.getvalue()
    for secret in ("hunter2", "abcdefghijklmnop", "abcDEF123", "aG90ZmlyZ", "Zm9vYm", "eyJhbG"):
        assert secret not in written
    assert written.count("[redacted]") >= 3


@pytest.mark.parametrize(
    "text", ["passed 3 of 4", "secretary of state", "http://127.0.0.1:8321/r/1", "token: 3/s"]
)
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text
