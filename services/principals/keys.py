"""The keys that sign Encore's tokens: a JSON Web Key Set (RFC 7517) of one or two Ed25519 keys (RFC 8037) in a file.

A new key is known to everybody before it signs: a process that has not read the file again yet refuses nothing.
"""

import base64
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from services.private_files import write_private

MOST: Final = 2
SIGNS_AFTER_S: Final = 120.0
"""From a rotation to the first token of the new key: a mounted Secret reaches all pods within a minute."""
BETWEEN_S: Final = 3600.0 + SIGNS_AFTER_S
"""Between two rotations: the oldest key signs so long beside a new one, and a listener's token lives an hour."""
_LOOK_S: Final = 1.0


class KeysError(Exception):
    """The keys' file is not there, not readable, or not what it should be; or keys may not be rotated now."""


@dataclass(frozen=True, slots=True)
class Key:
    """`made_at` is in seconds since 1970."""

    key_id: str
    private: Ed25519PrivateKey
    made_at: float


@dataclass(frozen=True, slots=True)
class Keys:
    """One or two keys, the oldest first. Tokens of either are valid."""

    keys: tuple[Key, ...]

    def signing(self, now: float) -> Key:
        """The newest key that is known everywhere; the oldest where none is yet."""
        known = [key for key in self.keys if now - key.made_at >= SIGNS_AFTER_S]
        return known[-1] if known else self.keys[0]

    def find(self, key_id: str) -> Key | None:
        return next((key for key in self.keys if key.key_id == key_id), None)


def made(now: float) -> Key:
    """A new key; its id is drawn."""
    return Key(os.urandom(8).hex(), Ed25519PrivateKey.generate(), now)


def rotated(keys: Keys, now: float, *, at_once: bool = False) -> Keys:
    """With a new key, the newest of the old ones kept beside it; none kept `at_once`, for a key that has leaked.

    Raises:
        KeysError: the last rotation is so recent that listeners' tokens of the key that would go may still live.
    """
    if at_once:
        return Keys((made(now),))
    age = now - keys.keys[-1].made_at
    if len(keys.keys) == MOST and age < BETWEEN_S:
        raise KeysError(f"The last rotation was {age / 60:.0f} minutes ago; wait until it is {BETWEEN_S / 60:.0f}.")
    return Keys((keys.keys[-1], made(now)))


def written(keys: Keys) -> str:
    """The key set as JSON."""
    return json.dumps({"keys": [_jwk(key) for key in keys.keys]}, indent=1) + "\n"


def parsed(text: str) -> Keys:
    """The keys of a JSON Web Key Set.

    Raises:
        KeysError: it is none, or holds no key or too many.
    """
    try:
        keys = tuple(sorted((_key(entry) for entry in json.loads(text)["keys"]), key=lambda key: key.made_at))
    except (ValueError, KeyError, TypeError) as error:
        raise KeysError("The file of keys is no JSON Web Key Set with private Ed25519 keys.") from error
    if not 1 <= len(keys) <= MOST:
        raise KeysError(f"The file of keys holds {len(keys)} keys; it must be 1 or {MOST}.")
    return Keys(keys)


def load(path: Path) -> Keys:
    """Raises KeysError."""
    try:
        return parsed(path.read_text("utf-8"))
    except OSError as error:
        raise KeysError(f"The keys cannot be read: {error}.") from error


def save(path: Path, keys: Keys) -> None:
    """Writes the file whole, mode 0600: a reader sees the old keys or the new."""
    write_private(path, written(keys))


def first(path: Path) -> None:
    """Makes the file with a key that signs at once: nobody knows another."""
    save(path, Keys((made(time.time() - SIGNS_AFTER_S),)))


@dataclass
class KeyFile:
    """The keys of a file that may change while the process runs; read again within a second of a change. What cannot
    be read then leaves the keys as they were."""

    path: Path
    _keys: Keys = field(init=False)
    _seen: tuple[int, int] = field(init=False)
    _looked_at: float = field(init=False)

    def __post_init__(self) -> None:
        """Raises KeysError."""
        self._seen = self._stamp()
        self._keys = load(self.path)
        self._looked_at = time.monotonic()

    def current(self) -> Keys:
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_S:
            self._looked_at = now
            self._look()
        return self._keys

    def _look(self) -> None:
        stamp = self._stamp()
        if stamp == self._seen:
            return
        try:
            self._keys, self._seen = load(self.path), stamp
        except KeysError:
            return

    def _stamp(self) -> tuple[int, int]:
        try:
            found = self.path.stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_ino


def _jwk(key: Key) -> dict[str, Any]:
    private = key.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = key.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    names = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.key_id, "iat": key.made_at}
    return names | {"x": _base64(public), "d": _base64(private)}


def _key(entry: dict[str, Any]) -> Key:
    if (entry["kty"], entry["crv"]) != ("OKP", "Ed25519"):
        raise ValueError("not an Ed25519 key")
    private = base64.urlsafe_b64decode(entry["d"] + "=" * (-len(entry["d"]) % 4))
    return Key(str(entry["kid"]), Ed25519PrivateKey.from_private_bytes(private), float(entry["iat"]))


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
