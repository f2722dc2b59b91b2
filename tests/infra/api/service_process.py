"""A service in a process of its own, whose attempts are run by whoever pushes: HOME PORT."""

from __future__ import annotations

import sys
from pathlib import Path

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.api.service import Service
from hotfire_infra.api.serving import bind, serve_on
from hotfire_infra.configuration import read_configuration
from hotfire_infra.executors.pushed import PushedExecutor
from hotfire_infra.settings import Settings
from hotfire_infra.store.database import open_store

home, port = Path(sys.argv[1]), int(sys.argv[2])
store = open_store(home)
settings = Settings(home=home, cache=home / "cache", user="tester")
service = Service(
    store=store,
    settings=settings,
    executor=PushedExecutor(store.attempts, store.clock),
    reports=StoreReports(store),
    configuration=read_configuration(home / "service.json"),
)
serve_on(service, bind(service, "127.0.0.1", port))
store.close()
