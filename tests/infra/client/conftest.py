"""What tests of the clients share: the same store through either door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from hotfire_infra.api.service import Service
from hotfire_infra.client.embedded import EmbeddedClient
from hotfire_infra.client.http import HttpClient
from hotfire_infra.client.protocol import Client
from hotfire_infra.settings import Settings


@pytest.fixture(params=["embedded", "service"])
def clients(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    checkout: Path,
    served: Callable[..., AbstractContextManager[str]],
) -> Iterator[tuple[Client, EmbeddedClient]]:
    """The client that plans, and the one whose store holds its runs."""
    settings = Settings(home=tmp_path / "home", cache=tmp_path / "cache", user="tester")
    embedded = EmbeddedClient.open(settings)
    if request.param == "embedded":
        yield embedded, embedded
    else:
        with served(Service.over(embedded, settings, executes=False)) as address:
            far = HttpClient.open(replace(settings, home=tmp_path / "else", server=address))
            yield far, embedded
            far.close()
    embedded.close()
