"""A service whose cluster cannot be used comes up, says so once, and says when that is over."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence

import pytest

from hotfire_infra.errors import ClusterError
from hotfire_infra.executors.protocol import Connected, Figure
from hotfire_infra.operations.executor_check import AGAIN_SECONDS, REMARK_SECONDS, ExecutorCheck
from hotfire_infra.operations.health import Level, readiness
from hotfire_infra.orchestrator.lock import LOCK_NAME

AWAY = ClusterError("the API server at https://x does not answer", trouble="unreachable")
DENIED = "may not create jobs in namespace hotfire; docs/kubernetes.md has the Role"


class Scripted:
    """Answers one after the other, the last one for ever."""

    def __init__(self, *answers: Sequence[str] | Exception) -> None:
        self._answers: Iterator[Sequence[str] | Exception] = iter(answers)
        self._last: Sequence[str] | Exception = ()

    def check(self) -> Sequence[str]:
        self._last = next(self._answers, self._last)
        if isinstance(self._last, Exception):
            raise self._last
        return self._last

    def figures(self) -> Iterable[Figure]:
        return ()

    def close(self) -> None:
        pass


def warnings(caplog) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]


@pytest.mark.parametrize(("answer", "words"), [(AWAY, "does not answer"), ([DENIED], "may not")])
def test_what_is_wrong_is_one_warning_with_its_remedy(caplog, store, answer, words):
    caplog.set_level(logging.INFO)
    executor = Scripted(answer)
    assert isinstance(executor, Connected)
    check = ExecutorCheck(executor)
    assert not check.look()
    assert not check.look()
    (line,) = warnings(caplog)
    assert words in line
    assert "docs/kubernetes.md" in line or "start the cluster" in line
    (finding,) = check.findings()
    assert finding.level is Level.WARN
    ready = readiness(
        store, lock_name=LOCK_NAME, free_bytes=0, is_draining=False, executes=False,
        others=check.findings(),
    )  # fmt: skip
    assert finding in ready
    assert all(one.level is not Level.FAIL for one in ready)


def test_that_it_is_over_is_said_and_nobody_asks_any_more(caplog):
    caplog.set_level(logging.INFO)
    check = ExecutorCheck(Scripted(AWAY, [DENIED], []), again_seconds=0.001)
    assert check.findings() == ()
    check.start()
    assert check._thread is not None
    check._thread.join(10)
    assert not check._thread.is_alive()
    assert [one.level for one in check.findings()] == [Level.OK]
    assert len(warnings(caplog)) == 2
    assert any("answers" in one.getMessage() for one in caplog.records)


def test_a_remark_that_may_stand_for_ever_is_asked_about_seldom():
    check = ExecutorCheck(Scripted(["tokens go to http://x without encryption"]))
    assert not check.look()
    assert check._pause == REMARK_SECONDS
    away = ExecutorCheck(Scripted(AWAY))
    assert not away.look()
    assert away._pause == AGAIN_SECONDS


def test_a_defect_of_the_check_does_not_end_it(caplog):
    check = ExecutorCheck(Scripted(ValueError("unexpected"), []), again_seconds=0.001)
    assert not check.look()
    assert check.look()
