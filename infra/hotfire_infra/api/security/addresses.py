"""Where a request came from and which name it asked for, as far as that can be believed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from hotfire_infra.sections.access import AccessSection, is_loopback

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Of one request."""

    address: str
    """Of the client; the proxy's own where the proxy says nothing."""
    scheme: str
    host: str
    """As in `Host`, with port."""
    is_forwarded: bool
    """Whether headers of a proxy came with it, believed or not."""

    @property
    def url(self) -> str:
        """`scheme://host`, as a browser writes it into `Origin`."""
        return f"{self.scheme}://{self.host}"


def origin_of(scope: Scope, section: AccessSection) -> Origin:
    """Return where a request came from; a header counts only from a configured proxy."""
    headers = Headers(scope=scope)
    client = scope.get("client")
    peer = str(client[0]) if client else "unknown"
    scheme = str(scope.get("scheme", "http"))
    is_forwarded = any(name in headers for name in FORWARDED)
    address = peer
    if is_forwarded and _inside(peer, section.proxies):
        address = _first_outside(headers.getlist("x-forwarded-for"), section.proxies) or peer
        said = headers.get("x-forwarded-proto", scheme).strip().lower()
        scheme = said if said in ("http", "https") else scheme
    host = headers.get("host", "")
    return Origin(address=address, scheme=scheme, host=host, is_forwarded=is_forwarded)


def _first_outside(values: Sequence[str], proxies: Sequence[str]) -> str | None:
    """Return the last address that no proxy of ours wrote about itself: the rest can be forged."""
    named = [part.strip() for value in values for part in value.split(",") if part.strip()]
    for text in reversed(named):
        try:
            ipaddress.ip_address(text)
        except ValueError:
            return None
        if not _inside(text, proxies):
            return text
    return None


def _inside(address: str, networks: Sequence[str]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in ipaddress.ip_network(network) for network in networks)


def name_of(host: str) -> str:
    """Return the name of a `Host` header, without its port."""
    return re.sub(r":[0-9]*$", "", host).strip("[]").lower().rstrip(".")


def admits_name(host: str, section: AccessSection) -> bool:
    """Return whether the service answers to this name.

    A page elsewhere can let its own name point here and have the reader's browser ask for it; that
    request carries the foreign name. An address is not such a name, but without sign-in only the
    loopback interface is served at all.
    """
    name = name_of(host)
    if is_loopback(name):
        return True
    if not section.is_configured:
        return False
    public = urlsplit(section.public_url).hostname if section.public_url else None
    if name in {one.lower() for one in section.names} | {public}:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_same_origin(headers: Headers, origin: Origin) -> bool | None:
    """Return whether a browser says that one of our own pages asks; None: it says nothing.

    A page elsewhere cannot set or suppress these headers in the reader's browser.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    said = headers.get("origin")
    if said is not None:
        return said.lower() == origin.url.lower()
    return None
