"""The public keys of an identity provider: a JSON Web Key Set (RFC 7517) at an address, read again when a token names a
key that is not among them, and at least every hour."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import httpx
import jwt

from services.errors import BackendAway

ALGORITHMS: Final[Mapping[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Of each accepted algorithm the type and curve that its keys have. None is symmetric: no public key is a secret."""
FLOOR_S: Final = 30.0
"""Between two readings, whatever key ids strangers make up."""
FRESH_S: Final = 3600.0
KEPT_S: Final = 86_400.0
"""How long keys are believed while the provider is away."""
_PATIENCE_S: Final = 5.0
_MOST_BYTES: Final = 262_144


class IssuerKeys:
    """Keys by their id. One reading at a time, whoever waits for it; to be used within one event loop.

    Args:
        url: of the key set.
        now: seconds, of a clock that never goes back.
    """

    def __init__(self, url: str, now: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._now = now
        self._entries: Sequence[Mapping[str, Any]] = ()
        self._tried_at = self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def find(self, key_id: str, algorithm: str) -> jwt.PyJWK | None:
        """The key of this id if it is one for `algorithm`, one of `ALGORITHMS`.

        Raises:
            BackendAway: there are no keys that are believed still.
        """
        known = self._named(key_id) is not None
        # Whose key is known does not wait for a reading that somebody else has begun.
        if not known or (self._now() - self._read_at > FRESH_S and not self._reading.locked()):
            await self._refresh()
        if self._now() - self._read_at > KEPT_S:
            raise BackendAway("issuer", "The identity provider's keys cannot be had")
        entry = self._named(key_id)
        return None if entry is None else _key(entry, algorithm)

    def _named(self, key_id: str) -> Mapping[str, Any] | None:
        return next((entry for entry in self._entries if entry.get("kid") == key_id), None)

    async def _refresh(self) -> None:
        async with self._reading:
            if self._now() - self._tried_at < FLOOR_S:
                return
            self._tried_at = self._now()
            entries = await self._fetched()
            if entries is not None:
                self._entries, self._read_at = entries, self._tried_at

    async def _fetched(self) -> Sequence[Mapping[str, Any]] | None:
        """What is at the address; None where that is no key set."""
        try:
            async with (
                httpx.AsyncClient(timeout=_PATIENCE_S) as client,
                asyncio.timeout(2 * _PATIENCE_S),
                client.stream("GET", self._url) as answer,
            ):
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > _MOST_BYTES:
                        return None
            if answer.status_code != httpx.codes.OK:
                return None
            entries = json.loads(body)["keys"]
        except (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError):
            return None
        return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else None


def _key(entry: Mapping[str, Any], algorithm: str) -> jwt.PyJWK | None:
    kind, curve = ALGORITHMS[algorithm]
    fits = entry.get("kty") == kind and entry.get("crv") == curve
    if not fits or entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
        return None
    try:
        return jwt.PyJWK(dict(entry), algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
