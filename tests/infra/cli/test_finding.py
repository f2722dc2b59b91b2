"""Words on the command line find the cell that was meant, or say which ones they could mean."""

from types import SimpleNamespace

import pytest

from hotfire_infra.cli.finding import find_cell
from hotfire_infra.cli.problems import CliError

KEYS = ("suite|platform=linux", "board-suite|platform=board", "board-suite|platform=linux")


def report():
    return SimpleNamespace(number=2, cells=[SimpleNamespace(key=key) for key in KEYS])


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("suite", "suite|platform=linux"),
        ("suite linux", "suite|platform=linux"),
        ("board-suite|platform=linux", "board-suite|platform=linux"),
        ("platform=board", "board-suite|platform=board"),
    ],
)
def test_whole_name_of_a_task_means_that_task(words, key):
    assert find_cell(report(), words).key == key


def test_words_that_fit_several_cells_name_them():
    with pytest.raises(CliError, match="fits 2 cells: board-suite|platform=board"):
        find_cell(report(), "board-suite")


def test_word_in_no_cell_finds_none():
    assert find_cell(report(), "kernels") is None
