"""A shared costly step: once, and the same answer or error for all."""

import pytest

from hotfire_testframework.accuracy.launch import Once, ToolError


def test_the_step_is_taken_once_and_not_before_it_is_asked_for():
    taken = []
    once = Once(lambda: {"n": taken.append(1) or len(taken)})
    assert taken == []
    assert once() == once() == {"n": 1}


def test_an_error_reaches_every_test_without_a_second_step():
    taken = []

    def crash():
        taken.append(1)
        raise ToolError("aestus-run ended with -11")

    once = Once(crash)
    for _ in range(2):
        with pytest.raises(ToolError, match="-11"):
            once()
    assert taken == [1]
