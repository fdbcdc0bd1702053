"""Pure: codes of logins. Each bears a mark that only Encore's keys make, so that a code which nobody gave is told from
others without asking anybody."""

import base64
import hashlib
import hmac
import os
import re
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.principals.keys import Keys

_DRAWN_BYTES: Final = 16
_MARK_BYTES: Final = 8
_WRITTEN: Final = re.compile("[A-Za-z0-9_-]{32}")
_PURPOSE: Final = b"encore.login.code"


def drawn(keys: Keys, now: float) -> str:
    """A new code: 32 characters of base64url, of which 128 bits are drawn.

    Args:
        keys: that sign tokens.
        now: seconds since 1970.
    """
    random = os.urandom(_DRAWN_BYTES)
    return base64.urlsafe_b64encode(random + _mark(random, keys.signing(now).private)).decode()


def is_ours(code: str, keys: Keys) -> bool:
    """Whether the code was drawn under one of these keys; not whether it still counts."""
    if not _WRITTEN.fullmatch(code):
        return False
    said = base64.urlsafe_b64decode(code)
    random, mark = said[:_DRAWN_BYTES], said[_DRAWN_BYTES:]
    return any(hmac.compare_digest(mark, _mark(random, key.private)) for key in keys.keys)


def _mark(random: bytes, key: Ed25519PrivateKey) -> bytes:
    own = hmac.digest(key.private_bytes_raw(), _PURPOSE, hashlib.sha256)
    return hmac.digest(own, random, hashlib.sha256)[:_MARK_BYTES]
