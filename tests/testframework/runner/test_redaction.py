"""Secrets leave no trace: in texts, in streams cut anywhere, in files and archives."""

from __future__ import annotations

import base64
import html
import json
import tarfile
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotfire_testframework.runner.artifacts import pack_directory
from hotfire_testframework.runner.log_files import open_logs
from hotfire_testframework.runner.redaction import NOTHING_SECRET, Flow, Redactor

VALUE = "s3cr€t/+ &<token>-9f86d081884c"
REDACTOR = Redactor([VALUE.encode()])
PRINTED = {
    "plain": lambda text: text,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "url": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "path": quote,
    "json": lambda text: json.dumps(text),
    "json-utf8": lambda text: json.dumps(text, ensure_ascii=False),
    "html": html.escape,
    "repr": repr,
    "hex": lambda text: text.encode().hex(),
}


@pytest.mark.parametrize("form", PRINTED)
@pytest.mark.parametrize("before", ["", "u", "user", "user:"])
def test_no_printed_form_of_a_secret_gets_through(form, before):
    said = PRINTED[form](f"{before}{VALUE}!")
    kept = REDACTOR.text(f"Authorization: {said} end")
    secret = PRINTED[form](VALUE).strip("'\"")
    assert secret[3:-4] not in kept
    assert kept.startswith("Authorization: ")
    assert kept.endswith(" end")
    assert "*" * 8 in kept


@given(st.data(), st.sampled_from(sorted(PRINTED)))
@settings(max_examples=300, deadline=None)
def test_a_stream_may_be_cut_anywhere(data, form):
    whole = f"begin {PRINTED[form](VALUE)} middle {VALUE}{VALUE} end".encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert b"".join(REDACTOR.stream(pieces)) == REDACTOR.content(whole)
    assert not REDACTOR.holds_secret(REDACTOR.content(whole))


@given(st.lists(st.binary(max_size=40), max_size=10))
@settings(max_examples=200, deadline=None)
def test_a_stream_keeps_its_length_and_all_that_is_no_secret(pieces):
    whole = b"".join(pieces)
    kept = b"".join(REDACTOR.stream(pieces))
    assert len(kept) == len(whole)
    assert REDACTOR.holds_secret(whole) or kept == whole


def test_what_cannot_become_a_secret_is_said_at_once():
    flow = Flow(REDACTOR)
    assert flow.feed(b"password: ") == b"password: "
    assert flow.feed(VALUE[:5].encode()) == b""
    assert flow.feed(b"nothing") == VALUE[:5].encode() + b"nothing"


def test_every_line_of_a_key_is_a_secret():
    key = "first line of a key\nMIIEvQIBADANBgkqhkiG\n9w0BAQEFAASCBKcw\nlast line of it\n"
    redactor = Redactor([key.encode()])
    assert redactor.text("line 2 is MIIEvQIBADANBgkqhkiG.") == f"line 2 is {'*' * 20}."


def test_values_of_records_are_redacted_wherever_they_stand():
    body = {"message": f"got {VALUE}", "metrics": {"list": [1, f"x{VALUE}", None]}, "n": 3}
    kept = REDACTOR.value(body)
    assert VALUE not in json.dumps(kept, ensure_ascii=False)
    assert (kept["n"], kept["metrics"]["list"][0]) == (3, 1)


def test_files_and_packed_folders_hold_no_secret(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "log.txt").write_text(f"token={VALUE}\n", encoding="utf-8")
    (folder / "blob.bin").write_bytes(b"\0" * 100 + VALUE.encode() + b"\xff" * 100)
    (folder / "clean").write_bytes(b"\x00clean")
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    pack_directory(folder, tmp_path / "out.tar.gz", REDACTOR)
    with tarfile.open(tmp_path / "out.tar.gz") as archive:
        contents = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}
    assert {name: len(body) for name, body in contents.items()} == sizes
    assert not any(REDACTOR.holds_secret(body) for body in contents.values())
    assert contents["clean"] == b"\x00clean"


def test_a_secret_across_the_chunks_of_a_file_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr("hotfire_testframework.runner.redaction.CHUNK_BYTES", 16)
    path = tmp_path / "log"
    path.write_bytes(b"x" * 9 + VALUE.encode() + b"y" * 30)
    REDACTOR.file(path)
    assert path.read_bytes() == b"x" * 9 + b"*" * len(VALUE.encode()) + b"y" * 30


def test_the_log_of_a_command_is_written_without_the_secret(tmp_path):
    paths = (tmp_path / "stdout.log", tmp_path / "stderr.log")
    logs = open_logs(paths, REDACTOR)
    with logs as (out, err):
        for sign in VALUE.encode():
            out.write(bytes([sign]))
        err.write(b"nothing to hide\n")
    logs.finish()
    assert paths[0].read_bytes() == b"*" * len(VALUE.encode())
    assert paths[1].read_bytes() == b"nothing to hide\n"


def test_without_secrets_nothing_changes(tmp_path):
    assert not NOTHING_SECRET
    assert NOTHING_SECRET.text(VALUE) == VALUE
    logs = open_logs((tmp_path / "a",), NOTHING_SECRET)
    with logs as (out,):
        out.write(b"plain")
    assert (tmp_path / "a").read_bytes() == b"plain"
