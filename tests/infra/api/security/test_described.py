"""The routes of administration are described as wholly as all others."""

import importlib.util
from pathlib import Path

from hotfire_infra.api.app import create_app
from hotfire_infra.api.openapi import operations
from hotfire_infra.api.security.listening import secure

_SPEC = importlib.util.spec_from_file_location(
    "openapi_rules", Path(__file__).parents[1] / "test_openapi.py"
)
rules = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(rules)


def test_tokens_audit_and_sign_in_are_described_whole(store):
    app = create_app(rules.NoReports())
    secure(app, store, user="ada")
    whole = app.openapi()
    own = {
        operation["operationId"]: sorted(rules.lacking(whole, path, method, operation))
        for path, method, operation in operations(whole)
        if operation["tags"] == ["access"]
    }
    assert own == {
        "list_tokens": [], "create_token": [], "revoke_token": [], "list_audit": [], "get_me": [], "end_logins": [],
    }  # fmt: skip
