"""Damaged reports: repaired once and said so, salvaged where they break off, never believed whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfire_infra.errors import ReportRefusedError
from hotfire_infra.ingest.formats.bytes_source import repaired_chunks
from hotfire_infra.ingest.formats.values import Format

HEAD = '<?xml version="1.0"?><testsuite name="s">'
CASES = "".join(f'<testcase classname="c" name="t{n}" time="1"/>' for n in range(3))


@pytest.mark.parametrize(
    "damage",
    [
        b"\x1b[31mred\x1b[0m",
        b"\x00\x00",
        b"\x08\x0c\x1f",
        b"\xff\xfe caf\xe9",
        b"&#x1b;[0m &#0; &#xffff; &#x110000;",
        b"a & b && c &nbsp; &unknown;",
        b"\xef\xbf\xbf",
    ],
)
def test_bytes_that_xml_cannot_hold_are_filtered_and_said(read, damage):
    text = (
        HEAD.encode()
        + CASES.encode()
        + b'<testcase name="bad" classname="c"><failure message="m">before '
    )
    report = read(text + damage + b" after</failure></testcase>" + CASES.encode() + b"</testsuite>")
    assert [test.name for test in report.tests] == ["t0", "t1", "t2", "bad", "t0", "t1", "t2"]
    assert report.named("bad").detail.startswith("before ")
    assert report.named("bad").detail.endswith(" after")
    (note,) = report.reading.degraded
    assert note.startswith("line 1: ")
    assert "repaired" in note
    assert not report.reading.incomplete


def test_tests_that_came_before_the_damage_are_given_once(read):
    many = "".join(f'<testcase classname="c" name="t{n}" time="1"/>' for n in range(5_000))
    report = read((HEAD + many).encode() + b"<testcase name='x\x1b'/></testsuite>")
    assert [test.name for test in report.tests] == [*(f"t{n}" for n in range(5_000)), "x"]
    assert report.reading.tests == 5_001


@pytest.mark.parametrize("cut", ["", "<testcase name='open'", "<testcase name='open'><failure>te"])
def test_a_report_that_breaks_off_keeps_what_is_whole(read, cut):
    report = read(HEAD + CASES + cut)
    assert [test.name for test in report.tests] == ["t0", "t1", "t2"]
    assert "breaks off at line 1" in report.reading.incomplete
    if "<failure>" in cut:
        assert "within the test 'open'" in report.reading.incomplete


def test_a_report_that_is_wrong_in_the_middle_is_degraded_and_incomplete(read):
    report = read(HEAD + CASES + "</wrong>" + CASES + "</testsuite>")
    assert len(report.tests) == 3
    assert report.reading.degraded
    assert "mismatched tag" in report.reading.incomplete


def test_two_documents_in_one_file_are_not_believed_whole(read):
    report = read((HEAD + CASES + "</testsuite>") * 2)
    assert len(report.tests) == 3
    assert "junk after document element" in report.reading.incomplete


def test_space_before_the_declaration_is_repaired(read):
    report = read("\n\n" + HEAD + CASES + "</testsuite>")
    assert len(report.tests) == 3
    assert report.reading.degraded


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f"<!ENTITY {chr(98 + n)} '" + f"&{chr(97 + n)};" * 10 + "'>" for n in range(10))
    + "]><testsuite><testcase name='&k;'/></testsuite>"
)


@pytest.mark.parametrize(
    "text",
    [
        LAUGHS,
        '<!DOCTYPE t SYSTEM "file:///etc/passwd"><testsuite><testcase name="a"/></testsuite>',
        (
            '<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&x;"/>'
            "</testsuite>"
        ),
        '<!DOCTYPE t [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x"> %p;]><testsuite/>',
        "<!DOCTYPE testsuite><testsuite><testcase name='a'/></testsuite>",
    ],
    ids=["billion laughs", "external subset", "external entity", "parameter entity", "bare"],
)
def test_document_types_and_entities_are_refused(read, text):
    with pytest.raises(ReportRefusedError, match=r"report.txt:1: a document type or entity"):
        read(text, Format.JUNIT)


@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn"))))
def test_the_repair_leaves_sound_xml_alone(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "sound.xml"
    sound = "<a>" + text.replace("&", "&amp;").replace("<", "&lt;") + "</a>"
    path.write_text(sound, encoding="utf-8")
    assert b"".join(repaired_chunks(path)).decode() == sound


@given(cut=st.integers(0, 40))
def test_a_reference_cut_by_the_end_of_a_piece_stays_whole(tmp_path_factory, small_pieces, cut):
    path = tmp_path_factory.getbasetemp() / "cut.xml"
    path.write_bytes(b"x" * cut + b"&#x1F600;&amp;&#x1b;& y")
    whole = b"x" * cut + b"&#x1F600;&amp;\xef\xbf\xbd&amp; y"
    assert b"".join(repaired_chunks(path)) == whole


@pytest.fixture(scope="module")
def small_pieces():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hotfire_infra.ingest.formats.bytes_source.CHUNK_BYTES", 16)
        yield
