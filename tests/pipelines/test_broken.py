"""Broken pipelines, kept as files with the expected message beside each: `broken/NAME.{yaml,txt}`.

Each gives exactly one error of one line, which starts with file, line and column and ends the
command with exit code 2.
"""

import re
from pathlib import Path

import pytest

from hotfire_pipelines.catalogue import Catalogue, load_platforms
from hotfire_pipelines.cells import expand_pipeline
from hotfire_pipelines.edges import link
from hotfire_pipelines.errors import DefinitionError
from hotfire_pipelines.load import load_pipeline

FOLDER = Path(__file__).parent / "broken"
CATALOGUE = "platforms.yaml"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.name != CATALOGUE)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_platforms(FOLDER / CATALOGUE)


def plan(path: Path, catalogue: Catalogue) -> None:
    pipeline = load_pipeline(path)
    link(pipeline, expand_pipeline(pipeline, catalogue).cells)


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_pipeline_gets_one_clear_error(
    name: str, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(FOLDER)
    with pytest.raises(DefinitionError) as caught:
        plan(Path(f"{name}.yaml"), catalogue)
    message = str(caught.value).replace(str(FOLDER / CATALOGUE), CATALOGUE)
    assert message == Path(f"{name}.txt").read_text(encoding="utf-8").rstrip("\n")
    assert caught.value.exit_code == 2
    assert re.match(r"[\w./-]+\.yaml:\d+:\d+: ", message)


def test_there_are_two_hundred_kinds_of_mistakes() -> None:
    expected = [(FOLDER / f"{name}.txt").read_text(encoding="utf-8") for name in NAMES]
    problems = {text.split(": ", 1)[1] for text in expected}
    assert len(problems) >= 200
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(NAMES)


def test_no_expected_message_is_more_than_one_line() -> None:
    assert all(path.read_text(encoding="utf-8").count("\n") == 1 for path in FOLDER.glob("*.txt"))
