"""A track that is heard while it is made: the parts that the engine has stored so far, as one endless WAV file."""

import struct
import time
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from schemas.generation import SAMPLE_RATE
from services.errors import BackendAway
from services.gateway.parts import Parts
from services.gateway.store import TrackRow

# Long enough for a first window; a listener who waits longer asks again.
FIRST_S: Final = 30.0
_LOOK_S: Final = 0.5  # how often the blob store is asked for a part that another gateway's engine stores
_UNKNOWN_SIZE: Final = 0xFFFFFFFF


def wav_header() -> bytes:
    """Of 16-bit mono PCM whose length is not known yet: the sizes are the largest there are, as players expect."""
    width = 2
    layout = struct.pack("<HHIIHH", 1, 1, SAMPLE_RATE, width * SAMPLE_RATE, width, 8 * width)
    return b"RIFF" + struct.pack("<I", _UNKNOWN_SIZE) + b"WAVEfmt " + struct.pack("<I", len(layout)) + layout + (
        b"data" + struct.pack("<I", _UNKNOWN_SIZE)
    )  # fmt: skip


async def first_part(parts: Parts, row: TrackRow) -> tuple[bytes | None, TrackRow]:
    """Waits for the first part; None if the track ends without any or none comes in time, and the row as it is then.

    Raises:
        BackendAway: the blob store or Postgres does not answer.
    """
    give_up_at = time.monotonic() + FIRST_S
    with parts.board.following(row.track.track_id) as following:
        while True:
            part = await _read(parts, row.track.track_id, 0)
            if part is not None or _is_over(row) or time.monotonic() >= give_up_at:
                return part, row
            if await following.wait(_LOOK_S):
                row = await parts.store.track(row.track.track_id) or row


async def wav(parts: Parts, track_id: UUID, first: bytes) -> AsyncIterator[bytes]:
    """The header, the first part and those that follow, until the track is ready or failed and all is told."""
    yield wav_header()
    yield first
    with parts.board.following(track_id) as following:
        number, over = 1, await _is_over_now(parts, track_id)
        while True:
            part = await _read(parts, track_id, number)
            if part is not None:
                yield part
                number += 1
            elif over:
                return
            elif await following.wait(_LOOK_S):
                # The last part may have come since: look for it once more.
                over = await _is_over_now(parts, track_id)


async def _is_over_now(parts: Parts, track_id: UUID) -> bool:
    row = await parts.store.track(track_id)
    return row is None or _is_over(row)


def _is_over(row: TrackRow) -> bool:
    return row.track.status in ("ready", "failed")


async def _read(parts: Parts, track_id: UUID, number: int) -> bytes | None:
    try:
        return await parts.blobs.part(track_id, number)
    except OSError as error:
        raise BackendAway("store", "The audio cannot be read now.") from error
