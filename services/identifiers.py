"""UUIDs of version 7 (RFC 9562): fresh ones for rows, and derived ones for events that may be sent twice."""

import hashlib
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = ["derived_uuid7", "uuid7"]


def derived_uuid7(at: datetime, seed: str) -> UUID:
    """The same identifier for the same moment and seed, so that a repeated event is a duplicate of the first."""
    raw = bytearray(int(at.timestamp() * 1000).to_bytes(6, "big") + hashlib.sha256(seed.encode()).digest()[:10])
    raw[6] = (raw[6] & 0x0F) | 0x70
    raw[8] = (raw[8] & 0x3F) | 0x80
    return UUID(bytes=bytes(raw))
