"""Secrets that a runner sends without redacting them: the service stores none of them."""

from __future__ import annotations

import hashlib

import pytest

from hotfire_infra.ingest.logs import append_redacted
from hotfire_testframework.contract.stream import encode_record
from hotfire_testframework.runner.redaction import Redactor

VALUE = b"hf_9Zk/4+wq7LxN2pT0vB"
NAME = "HUB_TOKEN"


@pytest.fixture
def far(make_service, live_attempt, enter, store):
    """Ask as the runner of an attempt that was given a secret."""
    asked = enter(make_service())
    ulid, token, fence = live_attempt
    folder = store.attempts / ulid / "secrets"
    folder.mkdir(mode=0o700)
    (folder / NAME).write_bytes(VALUE)

    def ask(method, path, **options):
        headers = {"Authorization": f"Bearer {token}", "Hotfire-Fence": str(fence)}
        headers |= options.pop("headers", {})
        return asked.ask(method, f"/api/v1/attempts/{ulid}{path}", headers=headers, **options)

    ask.root = store.attempts / ulid
    return ask


def exposed(home):
    """Return the files below the home, but for the secret's own, that hold the value."""
    return [
        str(path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and path.parent.name != "secrets" and VALUE in path.read_bytes()
    ]


def test_records_logs_artifacts_and_signs_of_life_are_stored_without_the_secret(far, store):
    text = VALUE.decode()
    test = {"test": f"m/s/t[{text}]", "try": 1}
    ended = {**test, "outcome": "failed", "duration_ns": 5, "message": f"refused: {text}"}
    content = encode_record(1, "test_start", 5, test) + encode_record(2, "test_attempt", 6, ended)
    lines = {"Content-Type": "application/x-ndjson"}
    assert far("POST", "/records", content=content, headers=lines).json() == {"acked_seq": 2}
    assert far("PUT", "/heartbeat", json={"phase": "run", "test": test["test"]}).is_success
    for offset, piece in ((0, b"begin " + VALUE[:9]), (15, VALUE[9:] + b" end")):
        assert far("POST", f"/logs/stdout?offset={offset}", content=piece).is_success
    artifact = b"token=" + VALUE
    path = f"/artifacts/kept.txt?sha256={hashlib.sha256(artifact).hexdigest()}"
    answer = far("PUT", path, content=artifact)
    assert (answer.status_code, answer.json()["type"]) == (422, "about:blank#secret")
    assert exposed(store.home) == []
    stars = b"*" * len(VALUE)
    assert (far.root / "stdout.log").read_bytes() == b"begin " + stars + b" end"
    assert stars in (far.root / "stream.jsonl").read_bytes()


def test_a_piece_that_is_sent_again_brings_no_half_of_a_secret_back(far, store):
    whole = b"begin " + VALUE + b" end"
    assert far("POST", "/logs/stdout?offset=0", content=whole).json() == {"size": len(whole)}
    assert far("POST", "/logs/stdout?offset=15", content=whole[15:]).is_success
    assert (far.root / "stdout.log").read_bytes() == b"begin " + b"*" * len(VALUE) + b" end"


@pytest.mark.parametrize("cut", range(1, len(VALUE) + 8, 3))
def test_wherever_a_log_is_cut_the_secret_does_not_stay(tmp_path, cut):
    whole, path = b"a " + VALUE + b" b " + VALUE, tmp_path / "log"
    redactor = Redactor([VALUE])
    append_redacted(path, 0, whole[:cut], redactor)
    append_redacted(path, cut, whole[cut:], redactor)
    assert path.read_bytes() == redactor.content(whole)


def test_only_a_secret_that_the_task_names_is_handed_out_and_only_to_its_attempt(far, store):
    root = far.root
    (root / "secrets" / "OTHER").write_bytes(b"of another task")
    spec = root / "attempt.json"
    spec.write_text('{"inputs": [], "spec": {"secrets": ["HUB_TOKEN"]}}')
    answer = far("GET", f"/inputs/secret:{NAME}")
    assert (answer.status_code, answer.content) == (200, VALUE)
    assert answer.headers["cache-control"] == "no-store"
    assert far("GET", "/inputs/secret:OTHER").status_code == 404
    assert far("GET", f"/inputs/{NAME}").status_code == 404
    other = {"Authorization": "Bearer somebody-else"}
    assert far("GET", f"/inputs/secret:{NAME}", headers=other).status_code == 401
