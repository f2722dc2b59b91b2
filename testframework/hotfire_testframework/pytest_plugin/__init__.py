"""pytest plugin: appends one event per step of a test to the file named in HOTFIRE_EVENTS.

Without that variable nothing is streamed; the fixture `hotfire_record` then checks what it is given and drops it.
With HOTFIRE_CONTEXTS, and under coverage.py, the executed lines are told apart by test.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hotfire_testframework.pytest_plugin.recorder import Recorder

EVENTS_VARIABLE = "HOTFIRE_EVENTS"
CONTEXTS_VARIABLE = "HOTFIRE_CONTEXTS"
"""A file that the tests' contexts need beside the data of coverage.py."""
STREAM_NAME = "hotfire-stream"


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Start streaming if asked to; last, because xdist decides in its own configure who the controller is."""
    config.addinivalue_line(
        "markers",
        "hotfire_id(identifier): record this test under `module/scheme/name` instead of its node id",
    )
    path = os.environ.get(EVENTS_VARIABLE)
    if path:
        # Imported here, so that a plain pytest run does not pay for it.
        from hotfire_testframework.pytest_plugin.activation import activate

        finished, listed = os.environ.get("HOTFIRE_FINISHED"), os.environ.get("HOTFIRE_LISTED")
        activate(config, path, finished, listed)
    contexts = os.environ.get(CONTEXTS_VARIABLE)
    if contexts:
        from hotfire_testframework.pytest_plugin.contexts import start

        start(config, contexts)


@pytest.fixture
def hotfire_record(request: pytest.FixtureRequest) -> Recorder:
    """Record measurements, accuracy samples, metrics and artifacts of this test."""
    from hotfire_testframework.pytest_plugin.recorder import Recorder

    stream = request.config.pluginmanager.get_plugin(STREAM_NAME)
    return Recorder(stream, request.node.nodeid)
