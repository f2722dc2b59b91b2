"""Waivers end, name one failure, and say why they do not waive."""

from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from time import process_time

import pytest

from hotfire_pipelines.errors import PipelineError, PlanError
from hotfire_pipelines.waivers import load, read_waives_txt, restore

REAL = Path(__file__).parents[1] / "data" / "trtllm" / "waives.excerpt.txt"
TODAY = date(2026, 11, 21)
ONE = """\
schema: hotfire.dev/waivers/1
waivers:
  - test: kernels/case/gemm.f32:*
    variant: {platform: "windows-*"}
    owner: kernels@example.org
    bug: HF-12
    reason: rounding differs under Wine
    signature: error [0-9.]+ over its bound
    created: 2026-11-01
    expires: 2026-12-01
"""
WINDOWS = {"platform": "windows-x86_64", "execution": "emulated"}
TEST = "kernels/case/gemm.f32:m=1,n=1,k=1"
MESSAGE = "gemm: error 1.7 over its bound"


def saved(tmp_path, text, name="waivers.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def waives(tmp_path, text, **options):
    found = read_waives_txt(saved(tmp_path, text, "waives.txt"), **options)
    return found, [(one.kind, one.line) for one in found.findings]


def test_a_failure_in_scope_is_waived_with_bug_owner_and_end(tmp_path):
    judgement = load(saved(tmp_path, ONE)).judge(TEST, WINDOWS, MESSAGE, TODAY)
    assert judgement.waiver is not None
    assert judgement.reason == (
        "rounding differs under Wine (HF-12, kernels@example.org, until 2026-12-01)"
    )


@pytest.mark.parametrize(
    ("test", "variant", "message", "today", "reason"),
    [
        (TEST, WINDOWS, MESSAGE, date(2026, 12, 2), "expired on 2026-12-01"),
        (TEST, WINDOWS, "segmentation fault", TODAY, "is for another failure"),
        (TEST, {"platform": "linux-x86_64"}, MESSAGE, TODAY, ""),
        (TEST, {}, MESSAGE, TODAY, ""),
        ("kernels/case/softmax.f32:rows=1", WINDOWS, MESSAGE, TODAY, ""),
    ],
)
def test_a_failure_out_of_scope_is_not_waived(tmp_path, test, variant, message, today, reason):
    judgement = load(saved(tmp_path, ONE)).judge(test, variant, message, today)
    assert judgement.waiver is None
    assert (reason in judgement.reason) if reason else judgement.reason == ""


def test_it_waives_on_its_last_day(tmp_path):
    found = load(saved(tmp_path, ONE))
    assert found.judge(TEST, WINDOWS, MESSAGE, date(2026, 12, 1)).waiver is not None


def test_brackets_of_a_test_name_stand_for_themselves(tmp_path):
    found = load(saved(tmp_path, ONE.replace("kernels/case/gemm.f32:*", "m/pytest/f[a-1]")))
    assert found.judge("m/pytest/f[a-1]", WINDOWS, MESSAGE, TODAY).waiver is not None
    assert found.judge("m/pytest/fa", WINDOWS, MESSAGE, TODAY).waiver is None


def test_lint_finds_what_has_no_effect(tmp_path):
    again = ONE + ONE.split("waivers:\n")[1]
    found = load(saved(tmp_path, again))
    kinds = [(one.kind, one.line) for one in found.lint(TODAY, [("other/case/x", WINDOWS)])]
    assert kinds == [("matches-nothing", 3), ("matches-nothing", 11), ("shadowed", 11)]
    assert found.lint(date(2026, 11, 28))[0].kind == "expires-soon"
    assert found.lint(date(2026, 12, 5))[0].kind == "expired"
    assert load(saved(tmp_path, ONE)).lint(TODAY, [(TEST, WINDOWS)]) == ()


def test_a_snapshot_judges_like_its_file(tmp_path):
    found = load(saved(tmp_path, ONE))
    again = restore(found.snapshot(), "plan")
    assert again.waivers == found.waivers
    assert again.judge(TEST, WINDOWS, MESSAGE, TODAY).waiver is not None
    assert again.lines == found.lines == (3,)


@pytest.mark.parametrize(
    "change",
    [{"signature": ".*"}, {"signature": "("}, {"expires": "2027-06-01"}, {"owner": ""}, {"x": 1}],
)
def test_a_snapshot_that_no_file_could_give_is_refused(tmp_path, change):
    (value,) = load(saved(tmp_path, ONE)).snapshot()
    with pytest.raises(PlanError, match="waiver 1 of the plan"):
        restore([{**value, **change}], "plan")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2026-12-01", "2027-02-01", r"10:14.*for 92 days.*2027-01-30 or earlier"),
        ("2026-12-01", "2026-10-01", "lies before created"),
        ("2026-12-01", "soon", r"10:14"),
        ("error [0-9.]+ over its bound", "error [", "no regular expression"),
        ("error [0-9.]+ over its bound", ".*", "matches any failure"),
        ("error [0-9.]+ over its bound", "(error) .*\\1", "can take for ever"),
        ("    owner: kernels@example.org\n", "", "owner"),
        ("bug: HF-12", "bgu: HF-12", r"6:5.*'bgu'.*'bug'"),
        ("waivers/1", "waivers/9", "1:9"),
    ],
)
def test_a_wrong_file_is_said_with_its_place(tmp_path, old, new, message):
    with pytest.raises(PipelineError, match=message):
        load(saved(tmp_path, ONE.replace(old, new)))


def test_a_hostile_message_does_not_keep_the_gate_busy(tmp_path):
    found = load(saved(tmp_path, ONE.replace("error [0-9.]+ over its bound", "(x+x+)+y")))
    judged = found.judge(TEST, WINDOWS, "x" * 100_000, TODAY)
    assert judged.waiver is None
    assert "is for another failure" in judged.reason


def test_a_real_list_is_read_line_by_line():
    found = read_waives_txt(REAL, platforms={"B200", "GH200", "H20"})
    lines = [line for line in REAL.read_text().splitlines() if line.strip()]
    assert len(found.waivers) == len(lines)
    for waiver in found.waivers:
        scope = f"full:{waiver.scope}/" if waiver.scope else ""
        assert lines[waiver.line - 1].startswith(f"{scope}{waiver.test} SKIP")
    counts = Counter(one.kind for one in found.findings)
    bare = sum(line.endswith("SKIP") for line in lines)
    assert counts["bare"] == bare > 0
    assert counts["unreachable"] == sum(
        one.scope is not None and one.scope not in {"B200", "GH200", "H20"} for one in found.waivers
    )
    assert sum(bool(one.bugs) for one in found.waivers) == sum("nvbugs" in line for line in lines)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a.py::t SKIP (https://nvbugs/1)", []),
        ("a.py::t SKIP", ["bare"]),
        ("a.py::t SKIP ()", ["bare"]),
        ("a.py::t SKIP # https://nvbugs/1", ["comment-eaten"]),
        ("a.py::t SKIP (https://x.org/issue#12)", ["comment-eaten"]),
        ("a.py SKIP (slow)", ["multi-target"]),
        ("unittest/trt/functional SKIP (slow)", ["multi-target"]),
        ('a.py::t -m "part0" SKIP (slow)', ["multi-target"]),
        ("a.py::t b.py::u SKIP (slow)", ["multi-target"]),
        ("a.py::t[x, y.py] SKIP (slow)", []),
        ("full:H20/a.py::t SKIP (slow)", []),
        ("full:H2/a.py::t SKIP (slow)", ["unreachable"]),
        ("a.py::t SKIP (slow) b.py::u SKIP (slow)", ["multi-target"]),
        ("a.py::TestModel SKIP (slow)", ["multi-target"]),
        ("a.py::t[TestModel] SKIP (slow)", []),
        ("a.py::t[a#b] SKIP (slow)", ["comment-eaten"]),
        ("full: H20/a.py::t SKIP (slow)", ["multi-target", "malformed"]),
        ("Full:H20/a.py::t SKIP (slow)", ["malformed"]),
        ("full:H20/full:H20/a.py::t SKIP (slow)", ["malformed"]),
        ("a.py::t TIMEOUT (90) SKIP (slow)", ["malformed"]),
        ("a.py::t", ["malformed"]),
        ("# only a comment", []),
    ],
)
def test_each_kind_of_trouble_is_found(tmp_path, line, expected):
    _, findings = waives(tmp_path, f"{line}\n", platforms={"H20"})
    assert [kind for kind, _ in findings] == expected


def test_scopes_are_not_judged_without_known_platforms(tmp_path):
    found, findings = waives(tmp_path, "full:H2/a.py::t SKIP (https://nvbugs/1, nvbugs/2)\n")
    assert findings == []
    assert (found.waivers[0].scope, found.waivers[0].test) == ("H2", "a.py::t")
    assert found.waivers[0].bugs == ("1", "2")


@pytest.mark.parametrize(
    ("line", "test", "reason", "bugs"),
    [
        ("a.py::t[x SKIP (y)] SKIP (z)", "a.py::t[x SKIP (y)]", "z", ()),
        ("a.py::t[x SKIP (y)", "a.py::t[x", "y", ()),
        ("a.py::t SKIP (a (b) c)", "a.py::t", "a (b) c", ()),
        ("a.py::t SKIP (a) (b)", "a.py::t", "a) (b", ()),
        ("a.py::t SKIP (nvbugs/1) b.py::u SKIP (nvbugs/2)", "a.py::t", "nvbugs/1", ("1",)),
        ("a.py::t\tSKIP\t(https://nvbugs.nvidia.com/bug/7)", "a.py::t",
         "https://nvbugs.nvidia.com/bug/7", ("7",)),
        ("a.py::t SKIP (NVBug 5123456)", "a.py::t", "NVBug 5123456", ("5123456",)),
        ("a.py::t[x\fy\u2028z] SKIP (r)", "a.py::t[x\fy\u2028z]", "r", ()),
    ],
)  # fmt: skip
def test_a_line_is_read_as_far_as_it_is_one_entry(tmp_path, line, test, reason, bugs):
    for end in ("\n", "\r\n", "\r"):
        path = tmp_path / "waives.txt"
        path.write_bytes(f"\ufeff{line}{end}{end}".encode())
        (found,) = read_waives_txt(path).waivers
        assert (found.test, found.reason, found.bugs, found.line) == (test, reason, bugs, 1)


@pytest.mark.parametrize(
    "line", ["a" + "[x] " * 50_000, "a SKIP (" + "(x) SKIP" * 50_000, "a" + "[x" * 50_000 + " SKIP"]
)
def test_a_hostile_line_takes_no_time(tmp_path, line):
    began = process_time()
    waives(tmp_path, line)
    assert process_time() - began < 3


def test_the_second_line_for_a_test_is_said(tmp_path):
    _, findings = waives(tmp_path, "a.py::t SKIP (x)\n\na.py::t XFAIL (y)\n")
    assert findings == [("duplicate", 3)]


def test_a_list_that_is_no_text_is_said(tmp_path):
    path = tmp_path / "waives.txt"
    path.write_bytes(b"a SKIP (x)\n\xff\n")
    with pytest.raises(PipelineError, match=r"waives.txt:2: byte 0xff is not UTF-8"):
        read_waives_txt(path)
    with pytest.raises(PipelineError, match="cannot be read"):
        read_waives_txt(tmp_path / "missing.txt")


def test_ninety_days_are_allowed(tmp_path):
    created = date(2026, 11, 1)
    text = ONE.replace("2026-12-01", str(created + timedelta(days=90)))
    assert load(saved(tmp_path, text)).waivers[0].created == created
