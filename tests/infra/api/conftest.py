"""A service in this process for the tests of this folder."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[1] / "served.py"


@pytest.fixture(scope="session")
def served():
    """Return the context `served(service)` that yields an address."""
    if "hotfire_served" not in sys.modules:
        spec = importlib.util.spec_from_file_location("hotfire_served", _PATH)
        module = importlib.util.module_from_spec(spec)
        sys.modules["hotfire_served"] = module
        spec.loader.exec_module(module)
    return sys.modules["hotfire_served"].served
