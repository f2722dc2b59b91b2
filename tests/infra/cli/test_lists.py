"""`hotfire lists`: every line of the real lists is shown and explained; wrong questions exit 2."""

import json
from pathlib import Path

import pytest

from hotfire_infra.cli.main import main
from hotfire_pipelines.testlists import read

REAL = Path(__file__).parents[2] / "data" / "trtllm"
A10 = str(REAL / "l0_a10.yml")


def answer(capsys, *arguments):
    assert main(["lists", *arguments, "-o", "json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["l0_a10.yml", "l0_sanity_check.yml"])
def test_every_line_of_a_real_list_is_shown(capsys, name):
    shown = answer(capsys, "show", str(REAL / name))
    lines = (REAL / name).read_text().splitlines()
    listed = [entry for block in read(REAL / name).blocks for entry in block.entries]
    assert len(shown) == len(listed)
    assert all(one["test"] in lines[one["line"] - 1] for one in shown)


@pytest.mark.parametrize("name", ["l0_a10.yml", "l0_sanity_check.yml"])
def test_every_line_of_a_real_list_is_explained(capsys, name):
    lists = read(REAL / name)
    for block in lists.blocks:
        for entry in (block.entries[0], block.entries[-1]):
            found = answer(capsys, "explain", str(REAL / name), str(entry), "--where", "gpu=H20")
            assert [one["line"] for one in found] == [b.source.line for b in lists.blocks]
            own = next(one for one in found if one["line"] == block.source.line)
            assert own["entry"]["line"] == entry.source.line
            assert own["selected"] is False
            assert "gpu like" in own["why"]
            assert "but gpu is H20" in own["why"]


def test_what_a_machine_gets_is_shown(capsys):
    where = ["gpu=NVIDIA A10", "stage=pre_merge", "backend=cpp"]
    words = [word for one in where for word in ("--where", one)]
    shown = answer(capsys, "show", A10, *words, "--context", "l0_a10")
    assert len(shown) == 5
    assert shown[-1]["timeout_minutes"] == 90
    assert "backend = cpp" in shown[-1]["condition"]


def test_a_node_id_is_found_in_the_folder_that_is_listed(capsys):
    node = "unittest/trt/functional/test_x.py::test_y[1]"
    assert main(["lists", "explain", A10, node, "--where", "backend=tensorrt"]) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    assert [row.split("\t")[3] for row in rows] == ["no", "no", "yes", "no", "no", "no"]
    assert "line 89: unittest/trt/functional" in rows[2]
    assert "the query does not say: system_gpu_count = 1" in rows[2]


def test_without_a_machine_the_condition_is_told(capsys):
    found = answer(capsys, "explain", A10, "unittest/bindings")
    own = next(one for one in found if one["entry"])
    assert own["selected"] is None
    assert own["why"].startswith("asks for system_gpu_count = 1, gpu like *a10*")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", A10, "--where", "gpu=H100"], "the query {gpu=H100}; the nearest block of 6 is"),
        (["show", A10, "--where", "gpu"], "--where 'gpu' is no KEY=VALUE"),
        (["show", A10, "--context", "l0_a1"], "no list 'l0_a1' in this file"),
        (["explain", A10, "unittest/bindngs"], "Did you mean 'unittest/bindings'?"),
        (["show", "gone.yml"], "gone.yml:1:1: cannot read the file"),
    ],
)
def test_a_wrong_question_is_exit_code_2_and_one_message(capsys, arguments, message):
    assert main(["lists", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_key_that_no_block_asks_for_is_noted(capsys):
    assert main(["lists", "show", A10, "--where", "gpuu=A10"]) == 0
    assert "no block asks for 'gpuu'" in (said := capsys.readouterr().err)
    assert "Did you mean 'gpu'?" in said


def test_a_block_that_is_used_twice_is_shown_with_both_conditions(tmp_path, capsys):
    path = tmp_path / "twice.yml"
    path.write_text(
        "one:\n- condition: {terms: {a: b}}\n  tests: &them [x.py]\n"
        "two:\n- condition: {terms: {a: c}}\n  tests: *them\n"
    )
    shown = answer(capsys, "show", str(path))
    assert [(one["context"], one["condition"]) for one in shown] == [
        ("one", ["a = b"]), ("two", ["a = c"])
    ]  # fmt: skip


def test_what_is_wrong_names_the_verb_that_was_typed(capsys):
    assert main(["lists", "show", "/nowhere.yml"]) == 2
    assert "hotfire lists --help" in capsys.readouterr().err
