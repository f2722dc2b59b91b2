"""Here `store` is on SQLite and on PostgreSQL in turn."""

from __future__ import annotations

import pytest


@pytest.fixture(params=("sqlite", "postgresql"))
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)
