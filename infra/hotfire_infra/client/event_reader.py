"""Read a stream of server-sent events: whole batches as they come, nothing for a ping."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hotfire_infra.client.connection import Connection

NO_CONTENT = 204


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedEvent:
    """One event of a run; `id` is what to come back with."""

    id: int
    topic: str
    payload: Mapping[str, Any]
    at_ns: int


def events_of(
    connection: Connection, run: str, *, after: int, ping: float, idle: float
) -> Iterator[tuple[StreamedEvent, ...]]:
    """Yield the events of a run behind an id; an empty batch for each ping.

    Ends with the stream; ServiceUnreachableError when it breaks off or is silent for `idle` seconds.
    """
    headers = {"Last-Event-ID": str(after)} if after else {}
    query = {"ping_seconds": ping}
    with connection.stream(
        f"/runs/{run}/events", headers=headers, query=query, idle=idle
    ) as answer:
        if answer.status_code == NO_CONTENT:
            return
        rest = b""
        for chunk in answer.iter_bytes():
            *whole, rest = (rest + chunk).split(b"\n\n")
            if whole:
                yield tuple(event for block in whole if (event := _parse(block)) is not None)


def _parse(block: bytes) -> StreamedEvent | None:
    """Return the event in one block; None for a comment."""
    fields: dict[str, str] = {}
    for line in block.decode().split("\n"):
        name, _, value = line.partition(":")
        if name:
            fields[name] = value.removeprefix(" ")
    if "id" not in fields or "data" not in fields:
        return None
    body = json.loads(fields["data"])
    return StreamedEvent(
        id=int(fields["id"]), topic=body["topic"], payload=body["payload"], at_ns=body["at_ns"]
    )
