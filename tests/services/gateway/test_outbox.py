"""The outbox on a real broker: what it sends is there, and looking at offsets joins no group."""

import asyncio
from datetime import UTC, datetime

from schemas.events import TrackFailed, TrackFailedEvent
from schemas.topics import FEEDBACK, TRACKS
from services.gateway.main import outbox_to
from services.gateway.outbox import Outbox, outgoing
from services.identifiers import uuid7


def failed() -> TrackFailedEvent:
    return TrackFailedEvent(
        id=uuid7(),
        source="test",
        subject=uuid7(),
        time=datetime.now(UTC),
        data=TrackFailed(track_id=uuid7(), arm="base", code="test"),
    )


async def total(outbox: Outbox) -> int:
    ends = await outbox.end_offsets(FEEDBACK)
    return sum(end for place, end in ends.items() if place.topic == TRACKS)


def test_what_is_sent_is_in_the_log(kafka_bootstrap: str) -> None:
    async def sent() -> int:
        outbox = outbox_to(kafka_bootstrap)
        while not await outbox.is_reachable():  # a starved broker may let a question time out
            continue
        before = await total(outbox)
        await asyncio.gather(*(outbox.send([outgoing(failed()), outgoing(failed())]) for _ in range(20)))
        after = await total(outbox)
        await outbox.aclose()
        return after - before

    assert asyncio.run(sent()) == 40


def test_a_broker_that_is_away_is_no_exception() -> None:
    async def asked() -> bool:
        outbox = outbox_to("127.0.0.1:1")
        reachable = await outbox.is_reachable()
        await outbox.aclose()
        return reachable

    assert asyncio.run(asked()) is False
