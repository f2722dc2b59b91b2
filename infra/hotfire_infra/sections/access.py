"""Section `access`: who may come in, under which names, by which provider of identities."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from hotfire_infra.states import Role


class OidcSection(BaseModel):
    """Sign-in of people by OpenID Connect (authorization code with PKCE)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str
    """Address of the provider, exactly as it stands in its tokens."""
    client_id: str
    """Under which the issuer knows this service."""
    client_secret_file: Path | None = None
    """File of mode 0600 with the client's secret; without one the client is a public one."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    """What the issuer is asked for."""
    groups_claim: str = "groups"
    """Claim of the identity token that lists a person's groups."""
    roles: Mapping[str, Role] = Field(default_factory=dict)
    """Group → role; of several the highest counts."""
    default_role: Role | None = None
    """For people in none of these groups; none: they are refused."""
    session_hours: float = Field(default=12, gt=0, le=24 * 31)
    """After which a person signs in again."""
    leeway_seconds: float = Field(default=30, ge=0, le=300)
    """How far the provider's clock may be off."""

    @field_validator("issuer")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        if not is_safe_url(value):
            raise ValueError("must be https:// (http:// only for the loopback interface)")
        return value

    @field_validator("scopes")
    @classmethod
    def _asks_for_identity(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "openid" not in value:
            raise ValueError("must contain `openid`")
        return value


class AccessSection(BaseModel):
    """Who may come in; with everything at its default only the loopback interface is served."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    required: bool = False
    """Ask for a token or a sign-in on the loopback interface too."""
    public_url: str | None = None
    """How people reach the service, e.g. `https://hotfire.example.org`."""
    names: tuple[str, ...] = ()
    """Further names it answers to (`Host`), without port."""
    proxies: tuple[str, ...] = ()
    """Networks of the reverse proxies whose `X-Forwarded-*` are believed."""
    trusted_role: Role = Role.OPERATOR
    """Least role whose runs are trusted: only their tasks are given secrets."""
    trusted_tokens: tuple[str, ...] = ()
    """Names of tokens of a lesser role whose runs are trusted too."""
    oidc: OidcSection | None = None

    @field_validator("public_url")
    @classmethod
    def _is_origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if not is_safe_url(value) or parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("must be https://name[:port] without a path")
        return value.rstrip("/")

    @field_validator("proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ipaddress.ip_network(network)
        return value

    @model_validator(mode="after")
    def _can_return(self) -> Self:
        if self.oidc is not None and self.public_url is None:
            raise ValueError("`oidc` needs `public_url`: the provider sends people back there")
        return self

    @property
    def is_configured(self) -> bool:
        """Whether an operator expects others than the user who serves: then everybody signs in."""
        return bool(self.required or self.public_url or self.names or self.proxies or self.oidc)


def is_safe_url(value: str) -> bool:
    """Return whether secrets may be sent there: https, or http on the loopback interface."""
    parts = urlsplit(value)
    if not parts.hostname or parts.username or parts.password:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def is_loopback(name: str) -> bool:
    """Return whether a name or address is the loopback interface by its spelling alone."""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
