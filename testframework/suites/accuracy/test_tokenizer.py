"""The tokenizer against ids of an independent implementation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hotfire_testframework.accuracy import files, tokenizer
from hotfire_testframework.accuracy.launch import Toolbox

EMULATED = os.environ.get("AESTUS_ACCURACY_PROFILE") == "emulated"
STRINGS = [] if EMULATED else tokenizer.load_strings()


def test_the_text_has_the_golden_ids(toolbox: Toolbox, model: Path, tmp_path: Path) -> None:
    text = files.data_directory() / f"{files.TEXT_NAME}.txt"
    arguments: list[str | Path] = ["--model", model, "--text", text, "--ids"]
    answer = toolbox.run("aestus-run", arguments, tmp_path / "run.json", timeout=300)
    assert answer["ids"] == files.read_tokens()


if not EMULATED:  # the binding is loaded natively

    @pytest.fixture(scope="module")
    def opened(model: Path) -> Any:
        """The model through the Python binding, closed afterwards."""
        from aestus import Model

        with Model(model) as opened_model:
            yield opened_model

    @pytest.mark.parametrize("number", range(len(STRINGS)))
    def test_a_hard_string_has_the_golden_ids_and_comes_back(number: int, opened: Any) -> None:
        text, ids = STRINGS[number]
        assert opened.tokenize(text).tolist() == ids
        assert opened.detokenize(ids) == text.encode("utf-8")
