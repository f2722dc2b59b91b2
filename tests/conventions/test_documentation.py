"""What the documentation names exists: files, make targets, commands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

TARGETS = ("setup", "run", "test", "test-scale", "bench", "lint", "docs")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)

# `hotfire pipeline: …` in Groovy is the Jenkins step, not the command.
NOT_A_SHELL = ("```groovy", "```json", "```yaml", "```python")


def dead_links(root: Path, name: str, text: str) -> list[str]:
    """Find relative links that lead to no file of the repository."""
    prose = FENCE.sub("", text)
    targets = [target.split("#")[0] for target in LINK.findall(prose)]
    return [
        f"{name} -> {target}"
        for target in targets
        if target and "://" not in target and not (root / name).parent.joinpath(target).exists()
    ]


def unknown_commands(text: str, known: set[str]) -> set[str]:
    """Find `hotfire VERB` in code spans and blocks where the CLI has no such verb."""
    blocks = [block for block in FENCE.findall(text) if not block.startswith(NOT_A_SHELL)]
    spans = [*blocks, *re.findall(r"`[^`\n]+`", FENCE.sub("", text))]
    named = {
        verb
        for span in spans
        for verb in re.findall(r"(?:^|[\s`/$])hotfire ([a-z][a-z-]+)", span, re.MULTILINE)
    }
    return named - known


@pytest.fixture(scope="session")
def verbs(root: Path) -> set[str]:
    from typer.main import get_command

    from hotfire_infra.cli.main import app

    command = get_command(app)
    return set(getattr(command, "commands", {}))


def test_every_relative_link_leads_to_a_file(root: Path, texts: dict[str, str]) -> None:
    pages = {name: text for name, text in texts.items() if name.endswith(".md")}
    assert [link for name, text in pages.items() for link in dead_links(root, name, text)] == []


def test_every_command_in_the_documentation_exists(texts: dict[str, str], verbs: set[str]) -> None:
    pages = {name: text for name, text in texts.items() if name.endswith(".md")}
    wrong = {name: sorted(unknown_commands(text, verbs)) for name, text in pages.items()}
    assert {name: found for name, found in wrong.items() if found} == {}


def test_every_make_target_in_the_documentation_exists(texts: dict[str, str]) -> None:
    defined = set(re.findall(r"^([a-z-]+):", texts["Makefile"], re.MULTILINE))
    named = {
        target
        for name, text in texts.items()
        if name.endswith(".md")
        for target in re.findall(r"`make ([a-z-]+)", text)
    }
    assert named - defined == set()
    assert set(TARGETS) <= defined


def test_make_help_lists_every_target(root: Path) -> None:
    said = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True)
    for target in TARGETS:
        assert f"make {target} " in said.stdout


def test_planted_dead_links_and_commands_are_found(tmp_path: Path) -> None:
    (tmp_path / "here.md").touch()
    text = "[a](here.md) [b](gone.md#x) [c](https://example.org)\n"
    assert dead_links(tmp_path, "page.md", text) == ["page.md -> gone.md"]
    page = "`hotfire run` and\n```\n$ hotfire dance now\n```\nhotfire as prose\n"
    assert unknown_commands(page, {"run"}) == {"dance"}
