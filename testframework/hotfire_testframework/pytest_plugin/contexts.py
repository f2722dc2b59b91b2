"""Tell coverage.py which test runs, and write down whose lines are not its own.

Only a run that measures coverage anyway does this: whoever is timed never sets HOTFIRE_CONTEXTS.
"""

from __future__ import annotations

import functools
import gc
import importlib
import json
import site
import sys
import sysconfig
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from hotfire_testframework.pytest_plugin.event_stream import identify

SHARED = ""
"""coverage.py's own name of what runs outside every context: it may concern every test."""
IMPORTED, SKIPPED, RANDOM = "imported", "skipped", "random"
"""What its lines ran for is not known to be for this test alone; it ran other lines elsewhere; at random."""


class Contexts:
    """Hooks of one process that runs under coverage.py."""

    def __init__(self, coverage: Any, path: Path) -> None:
        self._coverage = coverage
        self._path = path
        self._doubts: dict[str, str] = {}
        self._current = SHARED
        self._caches: list[Any] = []
        self._known: set[str] = set()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        """Note the modules and caches there are, before the first test."""
        self._notice()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, None, None]:
        """Run one test in its context, with nothing remembered that an earlier one computed."""
        test = identify(item)
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            self._doubts[test] = RANDOM
        for cache in self._caches:
            cache.cache_clear()
        self._switch(test)
        yield
        self._switch(SHARED)
        if self._notice():
            # What a module does while it is imported is done once, and whoever comes later has it.
            self._doubts.setdefault(test, IMPORTED)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any]
    ) -> Generator[None, None, None]:
        """A fixture that several tests have is set up for all of them."""
        if fixturedef.scope == "function":
            yield
            return
        before = self._current
        self._switch(SHARED)
        yield
        self._switch(before)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that was skipped runs other lines where it is not."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self._doubts[self._current] = SKIPPED

    def pytest_sessionfinish(self) -> None:
        """Write what the contexts do not say; without this file they say nothing.

        A list, or a crash, makes several processes of one suite: what an earlier one doubted stays.
        """
        self._doubts.pop(SHARED, None)
        doubts = {**_read(self._path), **self._doubts}
        self._path.write_text(json.dumps(doubts, sort_keys=True) + "\n", encoding="utf-8")

    def _switch(self, context: str) -> None:
        self._coverage.switch_context(context)
        self._current = context

    def _notice(self) -> bool:
        """Look for new modules of the product or its tests; return whether there are any."""
        fresh = [name for name in list(sys.modules) if name not in self._known]
        if not fresh:
            return False
        self._known.update(fresh)
        own = {name for name in fresh if _is_own(sys.modules.get(name))}
        if own:
            self._caches = list(_caches())
        return bool(own)


def _read(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return found


def start(config: pytest.Config, path: str) -> None:
    """Register the contexts, if this very process is measured."""
    try:
        from coverage import Coverage
    except ImportError:
        return
    # Else the first test that records something would import it, and count as one that imports.
    importlib.import_module("hotfire_testframework.pytest_plugin.recorder")
    running = Coverage.current()
    if running is not None:
        config.pluginmanager.register(Contexts(running, Path(path)), "hotfire-contexts")


def _caches() -> Iterator[Any]:
    for found in gc.get_objects():
        if type(found) is functools._lru_cache_wrapper and _is_own(
            sys.modules.get(str(getattr(found, "__module__", "")))
        ):
            yield found


@functools.cache
def _installed() -> tuple[Path, ...]:
    """Return where Python and what is installed with it lie."""
    paths = sysconfig.get_paths()
    folders = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return tuple(Path(one).resolve() for one in [*folders, site.getusersitepackages()])


def _is_own(module: object) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str):
        return False
    path = Path(file).resolve()
    return not any(path.is_relative_to(folder) for folder in _installed())
