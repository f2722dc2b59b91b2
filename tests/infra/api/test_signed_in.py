"""Who is signed in stands on every page, with the way out; nothing where nobody has to sign in."""

from __future__ import annotations

import pytest

from hotfire_infra.api.access import COOKIE
from hotfire_infra.configuration import Configuration
from hotfire_infra.sections.access import AccessSection
from hotfire_infra.states import Role
from hotfire_infra.store import credentials

PAGES = ("/", "/r/1", "/r/none")


@pytest.fixture
def cookie(store):
    """The header of a browser in which a person is signed in, under a hostile name."""
    with store.writing() as connection:
        secret = credentials.create_login(
            connection, subject="user:1", name="Ada <b>L</b>", role=Role.DEVELOPER,
            lifetime_ns=10**15, now_ns=store.clock.wall_ns(),
        )  # fmt: skip
    return {"Cookie": f"{COOKIE}={secret}", "Origin": "http://127.0.0.1:8321"}


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_who_is_signed_in_and_how_to_sign_out(
    make_service, finished_run, enter, cookie, page
):
    asked = enter(make_service(Configuration(access=AccessSection(required=True))))
    text = asked.ask("GET", page, headers=cookie).text
    assert "Ada &lt;b&gt;L&lt;/b&gt; (developer)" in text
    assert 'method="post" action="/logout"' in text
    assert asked.ask("POST", "/logout", headers=cookie).status_code == 303
    assert "Ada" not in asked.ask("GET", page, headers=cookie).text


@pytest.mark.parametrize("page", PAGES)
def test_open_loopback_has_nobody_to_sign_out(make_service, finished_run, enter, page):
    assert "logout" not in enter(make_service()).ask("GET", page).text
