"""Static files: vendored bytes are those of the packages, names hold digests."""

import hashlib
from importlib import resources

import pytest

from hotfire_dashboards.assets import FILES, VENDORED, asset_url, served_asset

ROOT = resources.files("hotfire_dashboards")


@pytest.mark.parametrize("name", sorted(VENDORED))
def test_vendored_file_is_the_one_of_its_package(name):
    content = (ROOT / "static" / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == VENDORED[name]


def test_third_party_file_names_every_vendored_file_with_digest_and_licence():
    text = (ROOT / "THIRD_PARTY.md").read_text()
    for name, digest in VENDORED.items():
        assert f"static/{name}" in text
        assert digest in text
    assert "The MIT License" in text
    assert "Zero-Clause BSD" in text


def test_every_static_file_is_served_and_every_served_file_exists():
    on_disk = {
        path.relative_to(ROOT / "static").as_posix()
        for path in (ROOT / "static").rglob("*")
        if path.is_file()
    }
    assert on_disk == set(FILES)


def test_served_name_changes_with_the_content_and_may_be_kept_for_ever(client):
    url = asset_url("hotfire.css")
    answer = client.get(url)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert hashlib.sha256(answer.content).hexdigest()[:12] in url
    assert client.get("/static/hotfire.000000000000.css").status_code == 404
    assert served_asset("../app.py") is None
