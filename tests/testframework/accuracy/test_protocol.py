"""Protocol, bounds and judgement on small numbers; launching of tools without any tool."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from hotfire_testframework.accuracy import files, goldens, tokenizer
from hotfire_testframework.accuracy.gguf import GgufFile
from hotfire_testframework.accuracy.judge import judge
from hotfire_testframework.accuracy.launch import Toolbox, ToolError
from hotfire_testframework.accuracy.oracle import Reference
from hotfire_testframework.accuracy.perplexity import chunks, perplexity, scored_targets, scores
from hotfire_testframework.accuracy.spread import FLOOR, QUANTILES, SAMPLES, bound
from hotfire_testframework.numerics.errors import GoldenError, ModelFileError


def test_chunks_are_whole_and_the_second_half_is_scored() -> None:
    parts = list(chunks(range(1100), 14, 512))
    assert [part[0] for part in parts] == [0, 512]
    assert (scored_targets(parts[1])[0], scored_targets(parts[1])[-1]) == (512 + 257, 1023)
    assert len(scored_targets(parts[0])) == 255


def test_scores_of_two_equal_logits_are_one_half_each() -> None:
    found = scores(np.array([[2.0, 2.0, -np.inf], [0.0, 1.0, 5.0]]), [0, 2])
    assert found.logprob[0] == pytest.approx(-math.log(2))
    assert found.gap.tolist() == [0.0, 4.0]
    assert (found.argmax[1], found.second[1]) == (2, 1)
    assert perplexity(np.log([0.5, 0.125])) == pytest.approx(4.0)


@pytest.mark.parametrize("degrees", QUANTILES)
def test_a_quantile_is_that_of_student_at_its_degrees_of_freedom(degrees: int) -> None:
    """Two-sided tail at the quantile by Simpson's rule on the density: 1e-6."""
    norm = math.gamma((degrees + 1) / 2) / math.sqrt(degrees * math.pi) / math.gamma(degrees / 2)
    x = np.linspace(0, QUANTILES[degrees], 20001)
    density = norm * (1 + x**2 / degrees) ** (-(degrees + 1) / 2)
    weights = np.ones_like(x)
    weights[1:-1:2], weights[2:-1:2] = 4, 2
    inside = 2 * float((density * weights).sum()) * (x[1] - x[0]) / 3
    assert 1 - inside == pytest.approx(1e-6, rel=1e-4)


def test_a_bound_covers_a_ninth_draw_of_the_same_law() -> None:
    random = np.random.default_rng(1)
    draws = random.standard_normal((SAMPLES + 1, 100_000)) * 1e-5
    limit = bound(draws[:SAMPLES])
    assert (np.abs(draws[SAMPLES]) > limit).sum() <= 3
    assert bound(np.zeros((SAMPLES, 2))).tolist() == [FLOOR, FLOOR]
    with pytest.raises(ValueError, match="no quantile for 3 samples"):
        bound(draws[:3])


def _reference() -> Reference:
    return Reference(
        target=np.array([5, 6]),
        logprob=np.array([-1.0, -2.0]),
        logprob_bound=np.array([1e-5, 1e-5]),
        argmax=np.array([5, 9]),
        gap=np.array([0.5, 1e-6]),
        gap_bound=np.array([1e-4, 1e-4]),
    )


def test_another_choice_is_wrong_only_where_the_reference_is_sure() -> None:
    fine = judge(_reference(), np.array([5, 6]), np.array([-1.0, -2.0]), np.array([5, 8]))
    assert (fine.wrong_choices, fine.undecided) == ([], 1)
    wrong = judge(_reference(), np.array([5, 6]), np.array([-1.0, -2.0]), np.array([4, 9]))
    assert wrong.wrong_choices == [0]


def test_a_nan_is_outside_every_bound_and_other_tokens_are_refused() -> None:
    result = judge(_reference(), np.array([5, 6]), np.array([np.nan, -2.0]), np.array([5, 9]))
    assert result.worst_ratio == math.inf
    with pytest.raises(GoldenError, match="other tokens"):
        judge(_reference(), np.array([5, 7]), np.array([-1.0, -2.0]), np.array([5, 9]))


def test_the_committed_text_and_its_ids_belong_together() -> None:
    text = files.data_directory() / "us-constitution.txt"
    assert files.sha256_of(text).startswith("e398fe77")
    ids = files.read_tokens()
    assert len(ids) == 10_710
    assert goldens.load_greedy().prompt == ids[: goldens.PROMPT_TOKENS]


def test_hard_strings_hold_what_breaks_byte_pairs() -> None:
    stored = dict(tokenizer.load_strings())
    assert stored[""] == []
    assert list(stored) == list(tokenizer.HARD_STRINGS)


def test_the_model_is_found_by_its_variable_or_named_in_the_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AESTUS_MODEL", str(tmp_path / "absent.gguf"))
    with pytest.raises(ModelFileError, match=r"absent\.gguf"):
        files.model_path()


@pytest.mark.parametrize("content", [b"", b"GGUF", b"nope" + bytes(60), b"GGUF\x02" + bytes(60)])
def test_a_file_that_is_no_gguf_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"broken\.gguf"):
        GgufFile(path)


def _tool(folder: Path, body: str) -> Toolbox:
    (folder / "aestus-run").write_text(f"#!/bin/sh\n{body}\n")
    (folder / "aestus-run").chmod(0o755)
    return Toolbox(binaries=folder)


def test_a_tool_is_started_behind_its_launcher_and_its_json_is_read(tmp_path: Path) -> None:
    script = 'echo "$@" >&2; while [ "$1" != --json ]; do shift; done; echo \'{"a": 1}\' >"$2"'
    box = _tool(tmp_path, script)
    box = Toolbox(binaries=box.binaries, launcher=("env", "X=1"))
    assert box.run("aestus-run", ["--x"], tmp_path / "out.json", timeout=10) == {"a": 1}


def test_a_tool_that_fails_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    box = _tool(tmp_path, "echo no such tensor; exit 3")
    with pytest.raises(ToolError, match="ended with 3: no such tensor"):
        box.run("aestus-run", [], tmp_path / "out.json", timeout=10)


def test_a_stale_result_of_an_earlier_run_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text('{"old": 1}')
    with pytest.raises(ToolError):
        _tool(tmp_path, "exit 0").run("aestus-run", [], tmp_path / "out.json", timeout=10)


def test_wine_gets_paths_on_the_drive_that_maps_the_root(tmp_path: Path) -> None:
    (tmp_path / "aestus-run.exe").touch()
    launcher = json.dumps(["/usr/lib/wine/wine64"])
    box = Toolbox.from_environment({"AESTUS_BIN": str(tmp_path), "AESTUS_LAUNCHER": launcher})
    assert box.path(Path("/tmp/a b/m.gguf")) == "Z:\\tmp\\a b\\m.gguf"
    assert box.executable("aestus-run").name == "aestus-run.exe"
    (tmp_path / "arm").mkdir()
    qemu = Toolbox(binaries=tmp_path / "arm", launcher=("qemu-aarch64-static", "-L", "/usr"))
    assert qemu.path(Path("/tmp/m")) == "/tmp/m"


@pytest.mark.parametrize("launcher", ["wine64", '{"a": 1}', "[1]"])
def test_a_launcher_that_is_no_list_of_words_is_refused(launcher: str, tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="AESTUS_LAUNCHER"):
        Toolbox.from_environment({"AESTUS_BIN": str(tmp_path), "AESTUS_LAUNCHER": launcher})
