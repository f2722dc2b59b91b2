"""A provider of identities, written from OpenID Connect Core 1.0 and RFC 7636, on loopback HTTP.

A test may bend one answer; everything else is as the specifications want it.
"""

import base64
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

CLIENT, SECRET = "hotfire", "s3cret-of-the-client"


def _public(key, kid, algorithm):
    encoder = jwt.algorithms.get_default_algorithms()[algorithm]
    entry = json.loads(encoder.to_jwk(key.public_key()))
    return {**entry, "kid": kid, "alg": algorithm, "use": "sig"}


class FakeProvider:
    """Use as a context manager; `claims` and `header` bend the next identity token."""

    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    other_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def __init__(self):
        self.claims = {}
        self.header = {}
        self.key = self.rsa_key
        self.algorithm = "RS256"
        self.groups = ["developers"]
        self.public_keys = [_public(self.rsa_key, "one", "RS256")]
        self.metadata = {}
        self.token_answer = None
        self.asked = []
        self.codes = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.issuer = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def add_elliptic_key(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.algorithm = "ES256"
        self.header = {"kid": "two"}
        self.public_keys.append(_public(self.key, "two", "ES256"))

    def authorize(self, url):
        """What the provider does when the reader has signed in there: return the way back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        answer = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        return f"{asked['redirect_uri']}?{answer}"

    def id_token(self, nonce):
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": "248289", "aud": CLIENT, "exp": now + 300, "iat": now,
            "nonce": nonce, "preferred_username": "ada", "groups": self.groups, **self.claims,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"kid": "one", **self.header}
        if self.algorithm == "none":
            return jwt.encode(claims, None, algorithm="none", headers=header)
        return jwt.encode(claims, self.key, algorithm=self.algorithm, headers=header)

    def exchange(self, form, authorization):
        """RFC 6749 4.1.3 with RFC 7636 4.6: once per code, by the client, with the verifier."""
        expected = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if authorization != expected:
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form.get("code"), None)
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if challenge != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        token = self.id_token(asked["nonce"])
        return 200, {"access_token": "a", "token_type": "Bearer", "id_token": token}

    def discovery(self):
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            **self.metadata,
        }

    def _handler(provider):  # noqa: N805 - the request's `self` is the handler
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.asked.append(self.path)
                if self.path == "/.well-known/openid-configuration":
                    self._say(200, provider.discovery())
                elif self.path == "/keys":
                    self._say(200, {"keys": provider.public_keys})
                else:
                    self._say(404, {})

            def do_POST(self):
                provider.asked.append(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body).items()}
                answer = provider.exchange(form, self.headers.get("Authorization"))
                self._say(*(provider.token_answer or answer))

            def _say(self, status, document):
                content = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                """Say nothing: the tests look at `asked`."""

        return Handler
