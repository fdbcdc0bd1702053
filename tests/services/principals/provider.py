"""An identity provider of the tests' own: keys at an address on loopback, and tokens by them."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.threads import ended

ISSUER = "https://login.example.org"
AUDIENCE = "encore"
GROUPS = "music-ops=operator;data-science=analyst"


@dataclass
class IdentityProvider:
    """`asked` counts readings of the keys; `body` is what is answered instead of them."""

    url: str = ""
    keys: dict[str, Any] = field(default_factory=dict)
    asked: int = 0
    body: bytes | None = None
    status: int = 200

    def add(self, key_id: str, private: Any = None) -> Any:
        self.keys[key_id] = private or rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self.keys[key_id]

    def key_set(self) -> bytes:
        return json.dumps({"keys": [_public(key_id, key) for key_id, key in self.keys.items()]}).encode()

    def token(
        self, key_id: str, *, key: Any = None, algorithm: str = "RS256", typ: str = "at+jwt", **claims: Any
    ) -> str:
        """A token of an operator named anna that is right but for these; a claim of None is left out, and a
        span of time is one from now."""
        now = datetime.now(UTC)
        right = {"iss": ISSUER, "aud": AUDIENCE, "sub": "anna", "groups": ["music-ops"], "iat": int(now.timestamp())}
        right |= {"exp": int((now + timedelta(hours=1)).timestamp())} | claims
        kept = {
            name: int((now + value).timestamp()) if isinstance(value, timedelta) else value
            for name, value in right.items()
            if value is not None
        }
        signed = self.keys[key_id] if key is None else key
        return jwt.encode(kept, signed, algorithm=algorithm, headers={"kid": key_id, "typ": typ})


def _public(key_id: str, key: Any) -> dict[str, Any]:
    of = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return of.to_jwk(key.public_key(), as_dict=True) | {"kid": key_id, "use": "sig"}


def elliptic() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


@contextmanager
def provider() -> Iterator[IdentityProvider]:
    """A provider with one key, named `first`."""
    made = IdentityProvider()
    made.add("first")

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked += 1
            body = made.key_set() if made.body is None else made.body
            self.send_response(made.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    # How often it asks itself whether it shall end; by itself twice a second.
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}/keys"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        ended(thread)
