"""A token file that cannot be used is refused with the command that puts it right."""

import pytest

from hotfire_infra.cli.problems import explain
from hotfire_infra.client.connection import read_token
from hotfire_infra.errors import AccessDeniedError


def test_token_file_that_others_may_read_names_the_command(tmp_path):
    path = tmp_path / "token"
    path.write_text("hf_secret\n", encoding="ascii")
    path.chmod(0o644)
    with pytest.raises(AccessDeniedError, match="mode 0644") as caught:
        read_token(path)
    assert explain(caught.value).next_command == f"chmod 600 {path}"
    path.chmod(0o600)
    assert read_token(path) == "hf_secret"


def test_token_file_that_is_not_there_is_named_once(tmp_path):
    path = tmp_path / "token"
    with pytest.raises(AccessDeniedError, match="No such file") as caught:
        read_token(path)
    problem = explain(caught.value)
    assert problem.message.startswith(f"HOTFIRE_TOKEN_FILE {path} cannot be read: No such file")
    assert problem.next_command == f"hotfire tokens create NAME --file {path}"
