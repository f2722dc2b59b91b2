"""Who comes in, with what, how often; and what is written down about it."""

import pytest

from hotfire_infra.api.security.listening import ListeningRefusedError, check_listening
from hotfire_infra.sections.access import AccessSection, OidcSection
from hotfire_infra.sections.limits import LimitsSection, Rate
from hotfire_infra.states import Role

ROLES = list(Role)


def test_on_loopback_without_configuration_everybody_is_the_user_who_serves(open_door):
    answer = open_door.ask("POST", "/api/v1/needs/admin")
    assert (answer.status_code, answer.json()) == (200, "user:ada")


def test_a_token_shown_on_loopback_counts_for_what_it_is_and_not_for_more(open_door):
    token = open_door.token("viewer")
    assert open_door.ask("POST", "/api/v1/needs/developer", token=token).status_code == 403
    assert open_door.ask("GET", "/page", token="hf_invented").status_code == 401


@pytest.mark.parametrize("has", ROLES)
@pytest.mark.parametrize("needs", ROLES)
def test_a_role_includes_the_ones_before_it_and_none_after(door, has, needs):
    answer = door.ask("POST", f"/api/v1/needs/{needs}", token=door.token(has))
    assert answer.status_code == (200 if ROLES.index(has) >= ROLES.index(needs) else 403)


def test_without_credentials_nothing_is_answered_not_even_what_forgot_to_ask(door):
    answer = door.ask("GET", "/page")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "hotfire tokens create" in answer.text


def test_a_browser_without_sign_in_is_led_to_it_and_back(door):
    answer = door.ask("GET", "/page?a=1", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=/page%3Fa%3D1")


def test_a_revoked_token_is_refused_at_once(door):
    admin, doomed = door.token("admin", "root"), door.token("viewer", "doomed")
    assert door.ask("GET", "/page", token=doomed).status_code == 200
    assert door.ask("DELETE", "/api/v1/tokens/doomed", token=admin).status_code == 200
    answer = door.ask("GET", "/page", token=doomed)
    assert (answer.status_code, "revoked" in answer.text) == (401, True)


def test_an_expired_token_is_refused(door, clock):
    token = door.token("viewer", expires_ns=clock.wall_ns() + 10**9)
    assert door.ask("GET", "/page", token=token).status_code == 200
    clock.advance(1)
    assert "expired" in door.ask("GET", "/page", token=token).text


def test_last_use_is_noted_and_not_at_every_request(door, clock, store):
    admin = door.token("admin", "root")
    used = []
    for _ in range(3):
        listed = door.ask("GET", "/api/v1/tokens", token=admin).json()
        used.append(listed[0]["last_used"])
        clock.advance(301)
    assert used[0] == used[1] != used[2]


def test_the_secret_of_a_token_is_shown_once_and_stored_nowhere(door, store):
    admin = door.token("admin", "root")
    made = door.ask("POST", "/api/v1/tokens", token=admin, json={"name": "b", "role": "viewer"})
    secret = made.json()["token"]
    assert secret.startswith("hf_")
    assert len(secret) >= 3 + 43
    listing = door.ask("GET", "/api/v1/tokens", token=admin)
    assert secret not in listing.text
    files = [path.read_bytes() for path in store.home.rglob("*") if path.is_file()]
    assert not [content for content in files if secret.encode() in content]


def test_two_tokens_in_force_have_no_common_name(door):
    admin = door.token("admin", "root")
    wish = {"name": "root", "role": "viewer"}
    answer = door.ask("POST", "/api/v1/tokens", token=admin, json=wish)
    assert (answer.status_code, "in force" in answer.text) == (409, True)


@pytest.mark.parametrize("role", ["viewer", "developer", "operator"])
def test_only_an_administrator_makes_tokens(door, role):
    wish = {"name": "more", "role": "admin"}
    answer = door.ask("POST", "/api/v1/tokens", token=door.token(role), json=wish)
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "192.0.2.1:8321", "0.0.0.0", ""])
def test_a_foreign_name_is_refused_while_everybody_is_the_user(make_door, host):
    assert make_door().ask("GET", "/page", headers={"Host": host}).status_code == 421


def test_configured_names_are_answered_and_others_not(make_door):
    section = AccessSection(public_url="https://ci.example.org", names=("ci-internal",))
    door = make_door(access=section)
    token = door.token()
    for host, status in {
        "ci.example.org": 200, "CI-internal:8321": 200, "evil.example": 421, "10.0.0.7:8321": 200,
    }.items():  # fmt: skip
        answer = door.ask("GET", "/page", token=token, headers={"Host": host})
        assert answer.status_code == status, host


def test_a_proxy_before_an_open_service_is_refused(open_door):
    answer = open_door.ask("GET", "/page", headers={"X-Forwarded-For": "192.0.2.1"})
    assert answer.status_code == 421
    assert "access.proxies" in answer.text


def test_a_forwarded_address_counts_only_from_a_configured_proxy(make_door):
    section = AccessSection(required=True, proxies=("10.0.0.0/8",))
    forged = {"X-Forwarded-For": "198.51.100.9, 192.0.2.1, 10.0.0.3"}
    for peer, address in {"10.0.0.2": "192.0.2.1", "172.16.0.1": "172.16.0.1"}.items():
        door = make_door(access=section, peer=peer)
        door.ask("GET", f"/page?{peer}", headers=forged)
        assert door.audit()[0].address == address


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://127.0.0.1:8321"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 200),
        ({"Cookie": "hotfire_login=x"}, 403),
    ],
)
def test_a_page_elsewhere_changes_nothing_even_where_everybody_is_the_user(
    open_door, headers, status
):
    answer = open_door.ask("POST", "/api/v1/needs/admin", headers=headers)
    assert answer.status_code == status


def test_a_token_needs_no_origin(door):
    headers = {"Origin": "http://elsewhere.example"}
    answer = door.ask("POST", "/api/v1/needs/viewer", token=door.token(), headers=headers)
    assert answer.status_code == 200


def test_too_many_requests_are_told_when_to_come_back(make_door, clock):
    limits = LimitsSection(requests=Rate(per_second=0.5, burst=2))
    door = make_door(access=AccessSection(required=True), limits=limits)
    mine, other = door.token("viewer", "mine"), door.token("viewer", "other")
    assert [door.ask("GET", "/page", token=mine).status_code for _ in range(2)] == [200, 200]
    answer = door.ask("GET", "/page", token=mine)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "2")
    assert door.ask("GET", "/page", token=other).status_code == 200
    clock.advance(2)
    assert door.ask("GET", "/page", token=mine).status_code == 200


def test_guessing_is_slowed_down_per_address(make_door):
    limits = LimitsSection(refusals=Rate(per_second=1, burst=3))
    door = make_door(access=AccessSection(required=True), limits=limits)
    codes = [door.ask("GET", "/page", token=f"hf_{n}").status_code for n in range(5)]
    assert codes == [401, 401, 401, 429, 429]
    assert door.ask("GET", "/page", token=door.token()).status_code == 200


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_over_its_cap_is_413_whether_it_says_so_or_not(make_door, announced):
    door = make_door(limits=LimitsSection(request_bytes=2048))

    async def pieces():
        for _ in range(40):
            yield b"x" * 100

    content = b"x" * 4000 if announced else pieces()
    answer = door.ask("POST", "/api/v1/body", content=content)
    assert (answer.status_code, "2048 bytes" in answer.text) == (413, True)
    assert door.ask("POST", "/api/v1/body", content=b"x" * 2048).json() == 2048


def test_a_defect_is_500_without_what_it_was(open_door, caplog):
    answer = open_door.ask("GET", "/api/v1/defect")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("path", ["/page", "/api/v1/defect", "/nowhere"])
def test_every_answer_carries_the_security_headers(open_door, path):
    answer = open_door.ask("GET", path)
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Strict-Transport-Security" not in answer.headers
    assert "max-age" in open_door.ask("GET", path, scheme="https").headers[
        "Strict-Transport-Security"
    ]  # fmt: skip


def test_changes_and_denials_are_in_the_audit_log_and_looking_is_not(door):
    token = door.token("developer")
    door.ask("GET", "/page", token=token)
    door.ask("POST", "/api/v1/needs/developer", token=token)
    door.ask("POST", "/api/v1/needs/admin", token=token)
    lines = [(row.actor, row.action, row.outcome) for row in door.audit()]
    assert lines == [
        ("token:ci", "POST /api/v1/needs/admin", "denied"),
        ("token:ci", "POST /api/v1/needs/developer", "allowed"),
    ]


def test_a_thousand_denials_alike_are_two_lines_that_count_them(make_door, clock):
    limits = LimitsSection(refusals=Rate(per_second=1000, burst=1000))
    door = make_door(access=AccessSection(required=True), limits=limits)
    for _ in range(100):
        door.ask("GET", "/page")
    clock.advance(61)
    door.ask("GET", "/page")
    lines = door.audit(outcome="denied")
    assert len(lines) == 3
    assert [line.detail.get("repeated") for line in lines].count(99) == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_other_interfaces_are_served_only_when_somebody_can_sign_in(store, make_door, host):
    with pytest.raises(ListeningRefusedError, match="hotfire tokens create"):
        check_listening(host, AccessSection(), store)
    with pytest.raises(ListeningRefusedError):
        check_listening(host, AccessSection(required=True), store)
    make_door().token("admin")
    assert check_listening(host, AccessSection(), store) == host


def test_other_interfaces_are_served_with_a_provider(store):
    oidc = OidcSection(issuer="https://id.example.org", client_id="hotfire")
    section = AccessSection(public_url="https://ci.example.org", oidc=oidc)
    assert check_listening("0.0.0.0", section, store) == "0.0.0.0"


def test_elsewhere_than_on_loopback_nobody_is_the_user_who_serves(make_door):
    door = make_door(host="0.0.0.0")
    assert door.ask("GET", "/page").status_code == 401
    assert door.ask("GET", "/page", token=door.token()).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_need_neither_name_nor_token(door, path):
    assert door.ask("GET", path, headers={"Host": "10.1.2.3"}).status_code == 404


def test_probes_are_answered_no_faster_than_anything_else(make_door):
    limits = LimitsSection(requests=Rate(per_second=1, burst=2))
    door = make_door(access=AccessSection(required=True), limits=limits)
    assert [door.ask("GET", "/healthz").status_code for _ in range(3)] == [404, 404, 429]
