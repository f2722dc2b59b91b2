"""What tests of the infrastructure share: a store, a plan, an orchestrator on a fake."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from benchmarks.postgres_server import PostgresServer, serve

from hotfire_infra.analysis.reporting import StoreReports
from hotfire_infra.api.service import Service
from hotfire_infra.api.serving import application, bind_to
from hotfire_infra.clock import ManualClock
from hotfire_infra.configuration import Configuration
from hotfire_infra.executors.fake import Director, FakeExecutor, Fault, everything_passes
from hotfire_infra.executors.protocol import Capacity, DeviceReport, Executor
from hotfire_infra.orchestrator.creation import RunRequest, create_run
from hotfire_infra.orchestrator.lock import acquire
from hotfire_infra.orchestrator.loop import Orchestrator
from hotfire_infra.settings import Settings
from hotfire_infra.source.stamp import StoredSource
from hotfire_infra.store import queries
from hotfire_infra.store.database import Store, open_store
from hotfire_infra.store.rows import RunSnapshot
from hotfire_pipelines.plan import (
    Plan,
    PlannedCell,
    PlannedEdge,
    PlannedTask,
    Source,
    inventory_digest,
)
from hotfire_testframework.contract.task import TaskSpec
from hotfire_testframework.contract.variants import variant_hash

REVISION = "3f2a91c" + "0" * 33


@pytest.fixture(autouse=True)
def settings_as_they_were() -> Iterator[None]:
    """Take back what `--server` sets: in one process it would reach the tests that follow."""
    before = {name: value for name, value in os.environ.items() if name.startswith("HOTFIRE_")}
    yield
    for name in [name for name in os.environ if name.startswith("HOTFIRE_")]:
        del os.environ[name]
    os.environ.update(before)


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Take back what `serve` sets up: its handler holds the standard error of one test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def spec_of(**values: Any) -> TaskSpec:
    """Return a specification that needs nothing."""
    return TaskSpec.from_json({"harness": "command", "command": ["true"], **values})


def plan_of(
    tasks: Mapping[str, Sequence[str]],
    *,
    edges: Sequence[tuple[str, str]] = (),
    requires: Mapping[str, Mapping[str, Any]] | None = None,
    required: Mapping[str, str] | None = None,
    specs: Mapping[str, TaskSpec] | None = None,
) -> Plan:
    """Return a plan with one task per cell: its name and the tests it expects."""
    cells, planned, inventories = [], [], {}
    for name, tests in tasks.items():
        axes = {"execution": "native", "platform": "here", "task": name}
        expected = tuple(sorted(tests))
        inventories[inventory_digest(expected)] = expected
        cells.append(
            PlannedCell(
                key=name,
                task=name,
                platform=name.partition("@")[2] or "here",
                variant=axes,
                variant_hash=variant_hash(axes),
                required=(required or {}).get(name, "always"),
                requires=(requires or {}).get(name, {}),
                inventory=inventory_digest(expected),
            )
        )
        spec = (specs or {}).get(name) or spec_of()
        planned.append(
            PlannedTask(key=name, cell=name, shard=(1, 1), spec=spec, requested_digest="0" * 64)
        )
    return Plan(
        pipeline="small",
        source=Source(repository="here", revision=REVISION),
        platforms=(),
        cells=tuple(cells),
        tasks=tuple(planned),
        edges=tuple(PlannedEdge(earlier=a, later=b, kind="success") for a, b in edges),
        inventories=inventories,
    )


SOURCE = StoredSource(
    repository="here", revision=REVISION, patch_digest="", subject="First", archive_sha256=None
)


class Stand:
    """A store with an orchestrator on it, turned round by hand."""

    def __init__(
        self,
        store: Store,
        executor: Executor,
        cache: Path,
        label: str = "stand",
        configuration: Configuration | None = None,
    ) -> None:
        self.store = store
        self.executor = executor
        lock = acquire(store, label=label)
        assert lock is not None
        self.orchestrator = Orchestrator(
            store=store,
            executor=executor,
            cache=cache,
            lock=lock,
            configuration=configuration or Configuration(),
        )

    def start(self, plan: Plan) -> int:
        """Record a run of the plan."""
        return create_run(self.store, RunRequest(plan=plan, source=SOURCE, requested_by="tester"))

    def rounds(self, count: int) -> None:
        """Go round so many times."""
        for _ in range(count):
            self.orchestrator.round()

    def finish(self, run_id: int, *, limit: int = 200) -> RunSnapshot:
        """Go round until the run is over."""
        for _ in range(limit):
            self.orchestrator.round()
            if self.show(run_id).run.verdict is not None:
                return self.show(run_id)
        raise AssertionError(f"not over after {limit} rounds: {self.show(run_id)}")

    def show(self, run_id: int) -> RunSnapshot:
        """Return the run as it is."""
        with self.store.reading() as connection:
            return queries.snapshot(connection, run_id)

    def run(self, plan: Plan) -> RunSnapshot:
        """Record a run and finish it."""
        return self.finish(self.start(plan))

    def attempts(self, run_id: int) -> list[tuple[str, int, str]]:
        """Return (task, number, state) of all attempts."""
        with self.store.reading() as connection:
            rows = queries.attempts_of(connection, run_id)
        return [(row.task_key, row.number, row.state.value) for row in rows]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the schema and nothing in it: migrating costs more than a small test."""
    home = tmp_path_factory.mktemp("template")
    open_store(home).close()
    return home / "hotfire.db"


DIALECTS = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL, one for the session; its databases are the tests'."""
    yield from serve()


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a database with the schema and nothing in it."""
    name = postgres.create_database()
    home = tmp_path_factory.mktemp("template-postgres")
    open_store(home, database=postgres.address(name)).close()
    return name


@pytest.fixture
def postgres_database(postgres: PostgresServer, postgres_template: str) -> Iterator[str]:
    """Address of a database of the test's own, with the schema."""
    name = postgres.create_database(postgres_template)
    yield postgres.address(name)
    postgres.drop_database(name)


@pytest.fixture
def dialect() -> str:
    """What `store` is on; a module or folder that means both overrides this with DIALECTS."""
    return "sqlite"


@contextmanager
def opened_store(request: pytest.FixtureRequest, dialect: str, home: Path) -> Iterator[Store]:
    """Open an empty store of a dialect, on a copy of its template."""
    home.mkdir()
    database = None
    if dialect == "postgresql":
        database = request.getfixturevalue("postgres_database")
    else:
        shutil.copy(request.getfixturevalue("empty_database"), home)
    store = open_store(home, database=database, clock=request.getfixturevalue("clock"))
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def store(request: pytest.FixtureRequest, dialect: str, tmp_path: Path) -> Iterator[Store]:
    with opened_store(request, dialect, tmp_path / "home") as opened:
        yield opened


@pytest.fixture(params=DIALECTS)
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store on each dialect in turn."""
    with opened_store(request, request.param, tmp_path / "any-home") as opened:
        yield opened


@pytest.fixture
def make_plan() -> Callable[..., Plan]:
    return plan_of


@pytest.fixture
def make_spec() -> Callable[..., TaskSpec]:
    return spec_of


@pytest.fixture
def make_stand(store: Store, clock: ManualClock, tmp_path: Path) -> Callable[..., Stand]:
    def make(
        director: Director = everything_passes,
        *,
        refusals: Mapping[str, str] | None = None,
        cpus: int = 4,
        label: str = "stand",
        devices: Sequence[DeviceReport] = (),
        faults: Mapping[str, Fault] | None = None,
        configuration: Configuration | None = None,
    ) -> Stand:
        executor = FakeExecutor(
            store.attempts,
            director=director,
            refusals=refusals,
            capacity=Capacity(cpus=cpus, ahead=cpus),
            clock=clock,
            devices=devices,
            faults=faults,
        )
        return Stand(store, executor, tmp_path / "cache", label, configuration)

    return make


@pytest.fixture(scope="session")
def make_shared_plan() -> Callable[..., Plan]:
    """Return `make_plan` for what several tests share."""
    return plan_of


@pytest.fixture(scope="session")
def served() -> Callable[..., AbstractContextManager[str]]:
    """Return the context `served(service)`: serves on a port of its own, yields the address."""
    return serve_service


@pytest.fixture
def onlooker(tmp_path) -> Callable[..., Service]:
    """Return `onlooker(store)`: a service that answers over a store, and executes nothing."""

    def make(store: Store, **more: Any) -> Service:
        usual = {
            "settings": Settings(home=store.home, cache=tmp_path / "cache", user="tester"),
            "executor": FakeExecutor(store.attempts, clock=store.clock),
            "reports": StoreReports(store),
        }
        return Service(store=store, **{**usual, **more}, executes=False)

    return make


class Live(uvicorn.Server):
    """Says when it answers, so that nobody polls."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = threading.Event()

    async def startup(self, sockets=None) -> None:
        await super().startup(sockets)
        self.answers.set()


@contextmanager
def serve_service(service: Service) -> Iterator[str]:
    """Serve until the block ends; yield the address."""
    listener = bind_to("127.0.0.1", 0)
    app = application(service.reports, service, "127.0.0.1")
    server = Live(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        assert server.answers.wait(20), "the service did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        service.drain.begin()
        server.should_exit = True
        thread.join(30)
        listener.close()
        assert not thread.is_alive(), "the service did not end"
