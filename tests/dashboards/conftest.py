"""Pages over literal reports; no database, no port."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from hotfire_dashboards.app import attach
from hotfire_infra.api.app import create_app


def _load_literals():
    path = Path(__file__).with_name("literal_reports.py")
    spec = importlib.util.spec_from_file_location("literal_reports", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["literal_reports"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def literals():
    return sys.modules.get("literal_reports") or _load_literals()


@pytest.fixture
def client_of(literals):
    def build(reports):
        app = create_app(reports)
        attach(app, reports)
        return literals.Browser(app)

    return build


@pytest.fixture
def client(literals, client_of):
    return client_of(literals.everything())
