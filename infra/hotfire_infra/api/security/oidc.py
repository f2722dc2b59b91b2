"""OpenID Connect as a relying party: authorization code with PKCE, checked identity tokens.

OpenID Connect Core 1.0 (3.1), Discovery 1.0, RFC 7636 (PKCE, S256), RFC 9207 (`iss` in answers).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt

from hotfire_infra.clock import Clock
from hotfire_infra.errors import InfraError
from hotfire_infra.sections.access import OidcSection, is_safe_url
from hotfire_infra.states import Role

ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
                        "ES512", "EdDSA"})  # fmt: skip
"""Signatures with a public key only: with HS256 a published key would sign, `none` is no signature."""
TIMEOUT_SECONDS = 10.0
DOCUMENT_BYTES = 1 << 20
REFRESH_SECONDS = 60
"""An unknown key id asks the provider for new keys at most this often."""
METADATA_SECONDS = 3600
_ROLES = tuple(Role)


class SignInError(InfraError):
    """A sign-in that cannot be believed or finished."""


class ProviderError(SignInError):
    """The provider of identities cannot be reached, or says what no provider should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """What one browser keeps while its reader is at the provider."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def begin(cls) -> Flow:
        """Return a fresh one: three secrets of 256 bits."""
        made = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state=next(made), nonce=next(made), verifier=next(made))

    @property
    def challenge(self) -> str:
        """S256 of the verifier."""
        digest = hashlib.sha256(self.verifier.encode("ascii")).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom the provider vouches for."""

    subject: str
    name: str
    groups: tuple[str, ...]


@dataclass(slots=True)
class Provider:
    """The provider of one section; metadata and keys are read when they are needed."""

    section: OidcSection
    redirect_uri: str
    clock: Clock
    http: httpx.Client = field(
        default_factory=lambda: httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False)
    )
    _metadata: dict[str, Any] = field(default_factory=dict)
    _metadata_at: int = 0
    _keys: dict[str, jwt.PyJWK] = field(default_factory=dict)
    _keys_at: int | None = None
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def authorization_url(self, flow: Flow) -> str:
        """Return where the browser is sent."""
        query = {
            "response_type": "code",
            "client_id": self.section.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": " ".join(self.section.scopes),
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        endpoint = self._endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    def finish(self, flow: Flow, answer: Mapping[str, str]) -> Identity:
        """Exchange the code and check the identity token; raises SignInError."""
        if not hmac.compare_digest(answer.get("state", "").encode(), flow.state.encode()):
            raise SignInError("this answer belongs to another sign-in; begin again at /login")
        if answer.get("iss", self.section.issuer) != self.section.issuer:
            raise SignInError("the answer is from another provider; begin again at /login")
        if "error" in answer:
            raise SignInError(f"the provider refused: {answer['error'][:200]!r}")
        if not answer.get("code"):
            raise SignInError("the provider's answer has no code")
        return self.identity(self._exchange(answer["code"], flow), flow.nonce)

    def _exchange(self, code: str, flow: Flow) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "client_id": self.section.client_id,
            "code_verifier": flow.verifier,
        }
        secret = self._client_secret()
        basic = httpx.BasicAuth(self.section.client_id, secret) if secret else None
        if secret and "client_secret_basic" not in self._read_metadata().get(
            "token_endpoint_auth_methods_supported", ["client_secret_basic"]
        ):
            basic, form = None, {**form, "client_secret": secret}
        found = self._ask("POST", self._endpoint("token_endpoint"), data=form, auth=basic)
        token = found.get("id_token")
        if not isinstance(token, str):
            raise ProviderError("the provider's token answer has no id_token")
        return token

    def _client_secret(self) -> str | None:
        path = self.section.client_secret_file
        return None if path is None else read_secret(path)

    def identity(self, token: str, nonce: str) -> Identity:
        """Check signature, issuer, audience, times and nonce of an identity token."""
        try:
            header = jwt.get_unverified_header(token)
            key = self._key(header)
            claims = jwt.decode(
                token, key=key, algorithms=[str(header["alg"])], audience=self.section.client_id,
                issuer=self.section.issuer, leeway=self.section.leeway_seconds,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )  # fmt: skip
        except jwt.PyJWTError as error:
            raise SignInError(f"the identity token is not valid: {error}") from error
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise SignInError("the identity token was made for another sign-in (nonce)")
        if len(_listed(claims["aud"])) > 1 and claims.get("azp") != self.section.client_id:
            raise SignInError("the identity token was made for another client (azp)")
        name = claims.get("preferred_username") or claims.get("email") or claims.get("name")
        groups = _listed(claims.get(self.section.groups_claim, []))
        subject = str(claims["sub"])
        return Identity(subject=subject, name=str(name or subject), groups=groups)

    def _key(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        algorithm, key_id = header.get("alg"), header.get("kid", "")
        if algorithm not in ALGORITHMS:
            raise SignInError(
                f"the identity token is signed by {algorithm!r}, which is not accepted"
            )
        with self._mutex:
            key = self._known(key_id)
            if key is None and self._may_refresh():
                self._read_keys()
                key = self._known(key_id)
        if key is None:
            raise SignInError("the identity token is signed with a key the provider does not list")
        if key.algorithm_name != algorithm:
            raise SignInError(f"the key of the identity token is not one for {algorithm}")
        return key

    def _known(self, key_id: object) -> jwt.PyJWK | None:
        if not key_id and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(str(key_id))

    def _may_refresh(self) -> bool:
        at = self._keys_at
        return at is None or self.clock.mono_ns() - at >= REFRESH_SECONDS * 1e9

    def _read_keys(self) -> None:
        self._keys_at = self.clock.mono_ns()
        found = self._ask("GET", self._endpoint("jwks_uri"))
        keys = {}
        for entry in found.get("keys", []):
            if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
                continue
            try:
                keys[str(entry.get("kid", ""))] = jwt.PyJWK.from_dict(entry)
            except jwt.PyJWTError:
                continue  # A kind of key we do not know is one that we do not accept.
        self._keys = keys

    def _endpoint(self, name: str) -> str:
        value = self._read_metadata().get(name)
        if not isinstance(value, str) or not is_safe_url(value):
            raise ProviderError(f"the provider's {name} is {value!r}: not an https address")
        return value

    def _read_metadata(self) -> dict[str, Any]:
        now = self.clock.mono_ns()
        if not self._metadata or now - self._metadata_at >= METADATA_SECONDS * 1e9:
            base = self.section.issuer.rstrip("/")
            found = self._ask("GET", f"{base}/.well-known/openid-configuration")
            if found.get("issuer") != self.section.issuer:
                raise ProviderError(
                    f"the provider calls itself {found.get('issuer')!r}, "
                    f"`access.oidc.issuer` says {self.section.issuer!r}"
                )
            self._metadata, self._metadata_at = found, now
        return self._metadata

    def _ask(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        """Return a JSON object; neither secrets nor codes get into the error."""
        try:
            with self.http.stream(method, url, **options) as answer:
                content = b""
                for piece in answer.iter_bytes():
                    content += piece
                    if len(content) > DOCUMENT_BYTES:
                        raise ProviderError("the provider's answer is larger than 1 MiB")
                status = answer.status_code
        except httpx.HTTPError as error:
            raise ProviderError(f"the provider cannot be asked: {type(error).__name__}") from error
        try:
            found = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ProviderError(f"the provider answered {status} without JSON") from error
        if status != 200 or not isinstance(found, dict):
            said = found.get("error", "") if isinstance(found, dict) else ""
            raise ProviderError(f"the provider answered {status} {str(said)[:100]}".rstrip())
        return found


def read_secret(path: Path) -> str:
    """Return the secret in a file that nobody else may read; raises SignInError."""
    try:
        mode = path.stat().st_mode & 0o777
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SignInError(f"{path} cannot be read: {error}; see `access.oidc`") from error
    if mode & 0o077:
        raise SignInError(f"{path} has mode {mode:04o}, others can read it: `chmod 600 {path}`")
    return text


def role_of(identity: Identity, section: OidcSection) -> Role | None:
    """Return the highest role that a person's groups give; None: they may not come in."""
    given = [section.roles[group] for group in identity.groups if group in section.roles]
    return max(given, key=_ROLES.index) if given else section.default_role


def _listed(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(one) for one in value) if isinstance(value, list | tuple) else ()
