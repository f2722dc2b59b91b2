"""Two processes that read pages of a store without a pause, while something is written into it."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from benchmarks.ingest_mix import KNOWN_TESTS

from hotfire_infra.store.database import Store, open_store
from hotfire_infra.store.queries_pages import history_page

READERS = 2


def _read(pipe: Pipe) -> None:
    """Read the histories of tests in the store that was named last, until something else is said."""
    chance = random.Random(0)
    while (said := pipe.recv()) is not None:
        stores: dict[tuple[Path, str | None], Store] = {}
        while said != "stop":
            if said not in stores:
                home, database = said
                stores[said] = open_store(home, database=database)
            is_reading = False
            while not pipe.poll():
                with stores[said].reading() as connection:
                    history_page(connection, chance.randrange(KNOWN_TESTS) + 1, limit=100)
                if not is_reading:
                    pipe.send("reading")
                is_reading = True
            said = pipe.recv()
        for store in stores.values():
            store.close()
        pipe.send("closed")


class Readers:
    """Processes that read page after page without a pause; a dead one ends the benchmark."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipes: list[Pipe] = []
        for _ in range(READERS):
            ours, theirs = spawn.Pipe()
            spawn.Process(target=_read, args=(theirs,), daemon=True).start()
            theirs.close()
            self._pipes.append(ours)

    @contextmanager
    def reading(self, home: Path, database: str | None) -> Iterator[None]:
        """Let them read a store."""
        self.turn_to(home, database)
        yield
        self._say("stop", "closed")

    def turn_to(self, home: Path, database: str | None) -> None:
        """Let them read another store than before, while they are `reading`."""
        self._say((home, database), "reading")

    def close(self) -> None:
        """Let them end."""
        for pipe in self._pipes:
            pipe.send(None)

    def _say(self, what: object, answer: str) -> None:
        for pipe in self._pipes:
            pipe.send(what)
        for pipe in self._pipes:
            # A process that died closes its end: EOFError.
            if (said := pipe.recv()) != answer:
                raise AssertionError(f"a reader said {said!r}, not {answer!r}")
