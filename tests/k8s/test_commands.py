"""The command line: wrong usage is 2, trouble is 3, each with one sentence and no traceback."""

from __future__ import annotations

import pytest

from hotfire_k8s import __main__ as commands


def run(capsys, *arguments):
    code = commands.main(list(map(str, arguments)))
    return code, capsys.readouterr()


def test_outside_of_a_checkout_it_asks_for_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOTFIRE_HOME", raising=False)
    code, said = run(capsys, "status")
    assert code == 2
    assert "is not inside a git checkout" in said.err


def test_fewer_nodes_than_pools_are_wrong_usage(tmp_path, capsys):
    code, said = run(capsys, "up", "--home", tmp_path / "home", "--nodes", 3, "--no-real-node")
    assert code == 2
    assert said.err.startswith("cluster: 3 nodes are too few")
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_catalogue_is_wrong_usage_with_its_line(tmp_path, monkeypatch, capsys):
    wrong = tmp_path / "platforms.yaml"
    wrong.write_text("schema: hotfire.dev/platforms/1\nplatforms: {}\n")
    monkeypatch.setattr("hotfire_k8s.nodes.CATALOGUE", wrong)
    code, said = run(capsys, "up", "--home", tmp_path / "home", "--no-real-node")
    assert code == 2
    assert "platforms.yaml" in said.err


def test_a_home_that_is_a_file_is_said(tmp_path, capsys):
    (tmp_path / "home").touch()
    code, said = run(capsys, "up", "--home", tmp_path / "home", "--nodes", 0)
    assert code == 3
    assert "File exists" in said.err or "Not a directory" in said.err


def test_images_for_a_cluster_that_is_not_there_are_wrong_usage(tmp_path, capsys):
    code, said = run(capsys, "load", "--home", tmp_path / "home", "image.tar")
    assert code == 2
    assert "has no real node to take image.tar: there is no cluster" in said.err


@pytest.mark.parametrize("arguments", [["up", "--nodes", "many"], ["fly"], []])
def test_what_it_does_not_know_is_wrong_usage(arguments):
    with pytest.raises(SystemExit) as ended:
        commands.main(arguments)
    assert ended.value.code == 2
