"""On which interfaces a service may listen, and with what it is secured there."""

from __future__ import annotations

import ipaddress

from fastapi import FastAPI

from hotfire_infra.api.access import Access, install_access
from hotfire_infra.api.security.auditing import Auditor
from hotfire_infra.api.security.gatekeeper import Gatekeeper, Observe
from hotfire_infra.api.security.oidc import Provider
from hotfire_infra.api.security.routes import administration_router
from hotfire_infra.api.security.sign_in import SignIn, sign_in_router
from hotfire_infra.configuration import Configuration
from hotfire_infra.errors import InfraError
from hotfire_infra.sections.access import AccessSection, is_loopback
from hotfire_infra.store import credentials
from hotfire_infra.store.database import Store


class ListeningRefusedError(InfraError):
    """The address asked for must not be served as things are."""

    exit_code = 2


def check_listening(host: str, section: AccessSection, store: Store) -> str:
    """Return the address to bind for `host`; refuse an open door (ListeningRefusedError).

    The loopback interface is served always. Any other address only when people or programs can
    sign in: by a token in force or by `access.oidc`.
    """
    name = "127.0.0.1" if host == "localhost" else host
    try:
        ipaddress.ip_address(name)
    except ValueError:
        raise ListeningRefusedError(
            f"{host!r} is no address of an interface: say 127.0.0.1, ::1, 0.0.0.0 or one that "
            "this machine has"
        ) from None
    if is_loopback(name) or section.oidc is not None:
        return name
    with store.reading() as connection:
        has_token = credentials.has_usable_token(connection, store.clock.wall_ns())
    if not has_token:
        raise ListeningRefusedError(
            f"refused to serve on {host!r}: whoever reached the port could do everything; first "
            "make a token with `hotfire tokens create NAME --role admin`, or set `access.oidc` in "
            "service.yaml; or stay on loopback and use `ssh -L 8321:127.0.0.1:8321`"
        )
    return name


def secure(
    app: FastAPI, store: Store, *, user: str, host: str = "127.0.0.1",
    configuration: Configuration | None = None, observe: Observe | None = None,
) -> None:  # fmt: skip
    """Put credentials, limits, audit and sign-in before the routes of `app`.

    `user` is who serves: everybody, while only the loopback `host` is served and nothing in
    section `access` is set.
    """
    chosen = configuration or Configuration()
    section, limits = chosen.access, chosen.limits
    is_open = is_loopback(host) and not section.is_configured
    access = Access(store, user if is_open else None)
    auditor = Auditor(store)
    provider = None
    if section.oidc is not None:
        provider = Provider(section.oidc, f"{section.public_url}/login/callback", store.clock)
    install_access(app, access)
    app.state.limits = limits
    app.include_router(administration_router(store))
    app.include_router(sign_in_router(SignIn(store, section, auditor, provider)))
    believed = section if is_open else section.model_copy(update={"required": True})
    app.add_middleware(
        Gatekeeper, access=access, section=believed, limits=limits, auditor=auditor,
        clock=store.clock, observe=observe, logs_requests=chosen.logging.requests,
    )  # fmt: skip


def secure_literals(app: FastAPI) -> None:
    """Secure an application without a store: everybody is its reader, on loopback names only."""
    access = Access(None, "reader")
    install_access(app, access)
    app.add_middleware(Gatekeeper, access=access)
