"""Which listeners are held out: a fixed part of them learns nothing, so that what learning does to return, hours and
churn can be seen between listeners. `analytics.hold_out_place` computes the same in the database."""

import hashlib
from uuid import UUID


def is_held_out(listener_id: UUID, share: float) -> bool:
    """Whether the listener stands among the first `share` (in [0, 1]) of all, in an order drawn by a hash for ever: a
    larger share holds out the same ones and more."""
    digest = hashlib.sha256(f"encore hold-out|{listener_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < share
