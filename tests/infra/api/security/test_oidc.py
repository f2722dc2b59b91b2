"""Sign-in of people, against a provider on a real loopback port."""

import importlib.util
import sys
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from hotfire_infra.api.security.sign_in import local_path
from hotfire_infra.sections.access import AccessSection, OidcSection
from hotfire_infra.states import Role

_PATH = Path(__file__).with_name("fake_provider.py")


def _fake_provider():
    if "fake_provider" not in sys.modules:
        spec = importlib.util.spec_from_file_location("fake_provider", _PATH)
        module = importlib.util.module_from_spec(spec)
        sys.modules["fake_provider"] = module
        spec.loader.exec_module(module)
    return sys.modules["fake_provider"]


@pytest.fixture
def provider():
    with _fake_provider().FakeProvider() as running:
        yield running


@pytest.fixture
def make_browser(provider, make_door, tmp_path):
    secret = tmp_path / "client-secret"
    secret.write_text(_fake_provider().SECRET + "\n")
    secret.chmod(0o600)

    def make(**oidc):
        values = {
            "roles": {"developers": Role.DEVELOPER, "keepers": Role.OPERATOR},
            "client_secret_file": secret,
            **oidc,
        }
        section = OidcSection(issuer=provider.issuer, client_id="hotfire", **values)
        access = AccessSection(public_url="https://ci.example.org", oidc=section)
        return Browser(make_door(access=access, name="ci.example.org"))

    return make


class Browser:
    """Keeps cookies and follows the way to the provider and back by hand."""

    def __init__(self, door):
        self.door = door
        self.cookies = {}

    def ask(self, method, path, **options):
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Cookie": cookie} if cookie else {}
        headers |= options.pop("headers", {})
        answer = self.door.ask(method, path, scheme="https", headers=headers, **options)
        for header in answer.headers.get_list("set-cookie"):
            name, _, rest = header.partition("=")
            value = rest.split(";")[0].strip('"')
            if "Max-Age=0" in header:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer

    def begin(self, back="/page"):
        return self.ask("GET", f"/login/begin?next={back}").headers["Location"]

    def sign_in(self, provider, back="/page"):
        way = urlsplit(provider.authorize(self.begin(back)))
        return self.ask("GET", f"{way.path}?{way.query}")


def test_a_person_signs_in_looks_and_signs_out(provider, make_browser):
    browser = make_browser()
    answer = browser.sign_in(provider)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/page")
    assert browser.ask("GET", "/page").status_code == 200
    assert browser.ask("GET", "/api/v1/me").json() == {
        "actor": "user:248289", "name": "ada", "role": "developer", "team": None,
    }  # fmt: skip
    kept = dict(browser.cookies)
    own = {"Sec-Fetch-Site": "same-origin"}
    assert browser.ask("POST", "/logout", headers=own).status_code == 303
    assert "hotfire_login" not in browser.cookies
    browser.cookies = kept
    assert browser.ask("GET", "/page").status_code == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(provider, make_browser):
    header = next(
        line for line in make_browser().sign_in(provider).headers.get_list("set-cookie")
        if line.startswith("hotfire_login=")
    )  # fmt: skip
    assert {"HttpOnly", "SameSite=lax", "Secure", "Path=/"} <= set(header.split("; "))


def test_with_the_cookie_a_page_elsewhere_changes_nothing(provider, make_browser):
    browser = make_browser()
    browser.sign_in(provider)
    path = "/api/v1/needs/developer"
    for headers, status in [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({}, 403),
        ({"Origin": "https://ci.example.org"}, 200),
    ]:
        assert browser.ask("POST", path, headers=headers).status_code == status, headers


def test_elliptic_signatures_are_accepted_too(provider, make_browser):
    provider.add_elliptic_key()
    assert make_browser().sign_in(provider).status_code == 303


@pytest.mark.parametrize(
    ("groups", "default", "status"),
    [
        (["keepers", "developers"], None, 303),
        (["strangers"], None, 403),
        ([], None, 403),
        ([], Role.VIEWER, 303),
        ("keepers", None, 303),
    ],
)
def test_groups_decide_about_the_role(provider, make_browser, groups, default, status):
    provider.groups = groups
    browser = make_browser(default_role=default)
    assert browser.sign_in(provider).status_code == status
    if "keepers" in groups:
        assert browser.ask("GET", "/api/v1/me").json()["role"] == "operator"


def _past(seconds):
    return {"exp": int(time.time()) - seconds, "iat": int(time.time()) - seconds - 300}


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": "another-client"}, "Audience"),
        ({"aud": ["hotfire", "another"]}, "azp"),
        ({"iss": "https://evil.example"}, "issuer"),
        (_past(120), "expired"),
        ({"iat": int(time.time()) + 3600}, "not yet valid"),
        ({"exp": None}, "exp"),
        ({"sub": None}, "sub"),
    ],
)
def test_a_token_for_others_or_another_time_lets_nobody_in(provider, make_browser, claims, reason):
    provider.claims = claims
    browser = make_browser()
    answer = browser.sign_in(provider)
    assert (answer.status_code, reason in answer.text) == (403, True), answer.text
    assert "hotfire_login" not in browser.cookies
    denied = browser.door.audit(action="sign-in")[0]
    assert (denied.outcome, reason in denied.reason) == ("denied", True)


def test_alg_none_lets_nobody_in(provider, make_browser):
    provider.algorithm = "none"
    answer = make_browser().sign_in(provider)
    assert (answer.status_code, "not accepted" in answer.text) == (403, True)


def test_a_public_key_used_as_a_shared_secret_lets_nobody_in(provider, make_browser):
    provider.key, provider.algorithm = "x" * 40, "HS256"
    answer = make_browser().sign_in(provider)
    assert (answer.status_code, "HS256" in answer.text) == (403, True)


def test_a_key_for_one_algorithm_does_not_serve_another(provider, make_browser):
    provider.algorithm = "RS512"
    assert "RS512" in make_browser().sign_in(provider).text


def test_a_forged_signature_lets_nobody_in(provider, make_browser):
    provider.key = provider.other_key
    answer = make_browser().sign_in(provider)
    assert (answer.status_code, "Signature" in answer.text) == (403, True)


def test_an_unknown_key_asks_for_new_keys_once_a_minute_at_most(provider, make_browser, clock):
    browser = make_browser()
    browser.sign_in(provider)
    provider.header = {"kid": "three"}
    for _ in range(3):
        assert "does not list" in browser.sign_in(provider).text
    assert provider.asked.count("/keys") == 1
    clock.advance(61)
    provider.public_keys.append({**provider.public_keys[0], "kid": "three"})
    assert browser.sign_in(provider).status_code == 303


def test_an_answer_to_another_sign_in_is_refused(provider, make_browser):
    mine, other = make_browser(), make_browser()
    way = urlsplit(provider.authorize(other.begin()))
    mine.begin()
    answer = mine.ask("GET", f"{way.path}?{way.query}")
    assert (answer.status_code, "another sign-in" in answer.text) == (403, True)
    stranger = make_browser()
    assert stranger.ask("GET", f"{way.path}?{way.query}").status_code == 400


def test_an_answer_from_another_provider_is_refused(provider, make_browser):
    browser = make_browser()
    state = parse_qs(urlsplit(browser.begin()).query)["state"][0]
    path = f"/login/callback?code=c&state={state}&iss=https://evil.example"
    assert "another provider" in browser.ask("GET", path).text


def test_a_stolen_code_is_worth_nothing_without_its_verifier(provider, make_browser):
    victim, thief = make_browser(), make_browser()
    way = provider.authorize(victim.begin())
    code = parse_qs(urlsplit(way).query)["code"][0]
    state = parse_qs(urlsplit(thief.begin()).query)["state"][0]
    answer = thief.ask("GET", f"/login/callback?code={code}&state={state}")
    assert (answer.status_code, "invalid_grant" in answer.text) == (403, True)


@pytest.mark.parametrize(
    ("bend", "reason"),
    [
        ({"metadata": {"issuer": "https://evil.example"}}, "calls itself"),
        ({"metadata": {"token_endpoint": "http://evil.example/token"}}, "not an https"),
        ({"token_answer": (200, b"no json")}, "without JSON"),
        ({"token_answer": (200, b"[" * 100_000)}, "without JSON"),
        ({"token_answer": (200, b" " * (2 << 20))}, "larger than"),
        ({"token_answer": (200, {"id_token": 7})}, "no id_token"),
        ({"token_answer": (200, {"id_token": "a.b.c"})}, "not valid"),
        ({"token_answer": (302, {})}, "answered 302"),
    ],
)
def test_a_provider_that_says_nonsense_lets_nobody_in(provider, make_browser, bend, reason):
    browser = make_browser()
    way = urlsplit(provider.authorize(browser.begin()))
    vars(provider).update(bend)
    fresh = make_browser()
    fresh.cookies = browser.cookies
    answer = fresh.ask("GET", f"{way.path}?{way.query}")
    assert (answer.status_code, reason in answer.text) == (403, True), answer.text


def test_a_provider_that_is_away_is_said_so(provider, make_browser):
    browser = make_browser()
    provider.__exit__()
    answer = browser.ask("GET", "/login/begin")
    assert (answer.status_code, "cannot be asked" in answer.text) == (502, True)


def test_a_client_secret_that_others_can_read_is_not_used(provider, make_browser, tmp_path):
    (tmp_path / "client-secret").chmod(0o644)
    browser = make_browser()
    answer = browser.sign_in(provider)
    assert "chmod 600" in answer.text


def test_no_secret_of_a_sign_in_is_in_the_log(provider, make_browser, caplog):
    caplog.set_level("DEBUG", logger="hotfire_infra")
    provider.claims = {"nonce": "another"}
    browser = make_browser()
    browser.sign_in(provider)
    assert _fake_provider().SECRET not in caplog.text
    assert "eyJ" not in caplog.text


@pytest.mark.parametrize(
    "wish",
    ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a\r\nSet-Cookie:x", "a"],
)
def test_the_way_back_never_leads_elsewhere(wish):
    assert local_path(wish) == "/"


def test_a_token_signs_a_browser_in_until_it_is_revoked(make_browser):
    browser = make_browser()
    token, admin = browser.door.token("viewer"), browser.door.token("admin", "root")
    own = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
    body = f"token={token}&next=/page"
    answer = browser.ask("POST", "/login/token", content=body, headers=own)
    assert answer.headers["Location"] == "/page"
    assert browser.ask("GET", "/api/v1/me").json()["actor"] == "token:ci"
    browser.door.ask("DELETE", "/api/v1/tokens/ci", token=admin)
    assert browser.ask("GET", "/page").status_code == 401


def test_a_wrong_token_in_the_form_is_refused_and_written_down(make_browser):
    browser = make_browser()
    own = {"Sec-Fetch-Site": "same-origin"}
    answer = browser.ask("POST", "/login/token", content="token=hf_guess", headers=own)
    assert (answer.status_code, "not known" in answer.text) == (403, True)
    assert "sign-in" in {line.action for line in browser.door.audit(outcome="denied")}


def test_an_administrator_ends_the_sessions_of_a_person_and_of_nobody_else(provider, make_browser):
    ada = make_browser()
    ada.sign_in(provider)
    provider.claims = {"sub": "other"}
    other = make_browser()
    other.sign_in(provider)
    admin = ada.door.token("admin", "root")
    answer = ada.door.ask("DELETE", "/api/v1/logins/user:248289", token=admin)
    assert answer.json() == {"actor": "user:248289", "ended": 1}
    assert ada.ask("GET", "/page").status_code == 401
    assert other.ask("GET", "/page").status_code == 200
