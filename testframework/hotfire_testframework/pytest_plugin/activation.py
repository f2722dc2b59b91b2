"""Decide what this pytest process streams: all of it, an xdist worker's share, or only worker crashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hotfire_testframework.pytest_plugin import STREAM_NAME
from hotfire_testframework.pytest_plugin.event_file import EventFile
from hotfire_testframework.pytest_plugin.event_stream import EventStream
from hotfire_testframework.pytest_plugin.listed import Listed
from hotfire_testframework.pytest_plugin.workers import CrashWatch


def activate(
    config: pytest.Config, path: str, finished_path: str | None, listed_path: str | None = None
) -> None:
    """Register the stream, or on the controller of xdist the watch over its workers."""
    refuse_conflicts(config.pluginmanager)
    file = EventFile(path)
    if config.pluginmanager.has_plugin("dsession"):
        config.pluginmanager.register(CrashWatch(file, Path(path)), "hotfire-workers")
        return
    worker = getattr(config, "workerinput", {}).get("workerid")
    finished = _read_lines(finished_path)
    if listed_path is not None:
        # Before the stream: hooks that are tried last run in the order of their registration.
        listed = Listed(file, worker, finished, listed_path)
        config.pluginmanager.register(listed, "hotfire-listed")
    config.pluginmanager.register(EventStream(file, worker, finished), STREAM_NAME)


def refuse_conflicts(manager: pytest.PytestPluginManager) -> None:
    """Refuse `flaky` beside `pytest-rerunfailures`: together they silently never rerun anything."""
    has_flaky = manager.has_plugin("flaky") or manager.has_plugin("flaky.flaky_pytest_plugin")
    has_reruns = manager.has_plugin("rerunfailures") or manager.has_plugin("pytest_rerunfailures")
    if has_flaky and has_reruns:
        raise pytest.UsageError(
            "flaky and pytest-rerunfailures are both installed: --reruns is silently ignored; "
            "uninstall one or pass -p no:flaky"
        )


def _read_lines(path: str | None) -> frozenset[str]:
    if path is None:
        return frozenset()
    return frozenset(Path(path).read_text(encoding="utf-8").split("\n")) - {""}
